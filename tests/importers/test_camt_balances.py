"""CAMT files: which balances prove something, and of which day they are."""

import datetime as dt
from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.importers import camt
from app.importers.base import BalanceAnchor
from tests.importers.camt_texts import balance, document, entry, one, rows_of, statement, written


def anchored(*inner: str, **how):
    read = one(*inner, **how)
    return tuple(
        anchor and (anchor.date.isoformat() if anchor.date else None, str(anchor.amount))
        for anchor in (read.opening, read.closing)
    )


@pytest.mark.parametrize(
    ("code", "stated", "day"),
    [
        ("OPBD", "2026-01-04", "2026-01-04"),  # the end of the day before
        ("OPBD", "2026-01-05", "2026-01-04"),  # the start of the day
        ("PRCD", "2026-01-05", "2026-01-04"),
        ("OPBD", "2026-01-01", "2026-01-01"),  # nothing was booked that day
        ("OPBD", "2026-01-05T00:00:00", "2026-01-04"),
    ],
)
def test_an_opening_balance_is_of_the_end_of_a_day_before_the_first_entry(code, stated, day):
    opening, _ = anchored(balance(code, "10", stated), entry())
    assert opening == (day, "10")


def test_an_opening_balance_of_a_later_day_than_an_entry_is_not_used():
    file = camt.parse(document(statement(balance("OPBD", "10", "2026-01-06") + entry())))
    assert file.statements[0].opening is None
    assert any("opening" in note for note in file.notes)


def test_pending_entries_do_not_move_the_day_of_the_opening_balance():
    early = entry(day="2026-01-02", status="PDNG")
    opening, _ = anchored(balance("OPBD", "10", "2026-01-03"), early, entry())
    assert opening == ("2026-01-03", "10")


def test_an_entry_that_cannot_be_read_still_has_its_day():
    opening, _ = anchored(balance("OPBD", "10", "2026-01-05"), entry("x"), entry(day="2026-01-07"))
    assert opening == ("2026-01-04", "10")


def test_a_day_without_entries_opens_and_closes_with_the_same_balance():
    day = "2026-01-05"
    assert anchored(balance("OPBD", "10", day), balance("CLBD", "10", day)) == (
        (day, "10"),
        (day, "10"),
    )
    assert anchored(balance("OPBD", "10", day), balance("CLBD", "9", day)) == (
        ("2026-01-04", "10"),
        (day, "9"),
    )


def test_opening_comes_before_the_previous_closing_and_debits_are_owed():
    inner = balance("PRCD", "7", "2026-01-04"), balance("OPBD", "8", "2026-01-04", side="DBIT")
    assert anchored(*inner, balance("CLBD", "9", "2026-01-05", side="DBIT"), entry()) == (
        ("2026-01-04", "-8"),
        ("2026-01-05", "-9"),
    )


def test_of_several_days_the_first_opening_and_the_last_closing_count():
    days = "".join(
        balance("OPBD", str(n), f"2026-01-0{n}") + balance("CLBD", str(n + 1), f"2026-01-0{n}")
        for n in (6, 5, 7)
    )
    assert anchored(days, entry()) == (("2026-01-04", "5"), ("2026-01-07", "8"))


@pytest.mark.parametrize("code", ["ITBD", "XPCD", "FWAV", "OPAV", "INFO", "ITAV", "CLAV"])
def test_other_balances_are_no_anchors(code):
    assert anchored(balance(code, "10", "2026-01-05"), entry()) == (None, None)


def test_balances_of_the_pages_of_a_statement_are_no_anchors():
    page = "<SubTp><Cd>INTM</Cd></SubTp>"
    inner = (balance(code, "10", "2026-01-04", more=page) for code in ("OPBD", "CLBD"))
    assert anchored(*inner) == (None, None)


def test_a_closing_balance_of_an_earlier_day_than_an_entry_is_not_used():
    assert anchored(balance("CLBD", "10", "2026-01-04"), entry()) == (None, None)


@pytest.mark.parametrize(
    ("stated", "day"),
    [
        ("2026-01-06T00:00:00+02:00", "2026-01-05"),
        ("2026-01-05T00:00:00", "2026-01-05"),
        ("2026-01-06T17:30:00", "2026-01-06"),
    ],
)
def test_midnight_after_the_last_entry_is_the_end_of_the_day_before(stated, day):
    assert anchored(balance("CLBD", "10", stated), entry())[1] == (day, "10")


def test_the_closing_balance_is_what_the_account_has():
    inner = balance("CLBD", "10", "2026-01-05"), balance("CLAV", "6", "2026-01-05")
    read = one(*inner, entry())
    stated = read.account.balance
    assert (str(stated.current), str(stated.available)) == ("10", "6")
    assert stated.as_of == dt.date(2026, 1, 5)
    assert read.available == BalanceAnchor(dt.date(2026, 1, 5), Decimal(6))


@pytest.mark.parametrize(
    ("created", "closing"),
    [("2026-01-05T12:00:00", None), ("", None), ("2026-01-06T01:00:00", ("2026-01-05", "9"))],
)
def test_a_report_within_a_day_closes_no_day(created, closing):
    inner = balance("OPBD", "10", "2026-01-04"), balance("CLBD", "9", "2026-01-05"), entry()
    found = anchored(*inner, kind="Rpt", created=created)
    assert found == (("2026-01-04", "10"), closing)


def test_a_later_report_of_a_day_opens_no_day():
    assert anchored(balance("PRCD", "10", "2026-01-05"), entry(), kind="Rpt")[0] is None


def test_a_notification_proves_no_balance():
    inner = balance("OPBD", "10", "2026-01-04"), balance("CLBD", "9", "2026-01-05"), entry()
    assert anchored(*inner, kind="Ntfctn") == (None, None)


def test_balances_without_direction_count_only_where_the_entries_prove_them():
    opening = balance("OPBD", "10", "2026-01-05", side="")
    closing = balance("CLBD", "9", "2026-01-05", side="")
    assert anchored(opening, closing, entry("1")) == (("2026-01-04", "10"), ("2026-01-05", "9"))
    assert anchored(opening, closing, entry("2")) == (None, None)
    assert anchored(closing, entry("1")) == (None, None)


def test_a_balance_in_another_currency_is_not_used():
    assert anchored(balance("CLBD", "10", "2026-01-05", currency="USD"), entry()) == (None, None)


def test_a_balance_that_cannot_be_read_is_reported():
    file = camt.parse(document(statement(balance("CLBD", "ten", "2026-01-05") + entry())))
    assert file.statements[0].closing is None
    assert [row.where for row in file.rejected] == ["line 2, Amt"]


def test_two_statements_that_meet_within_one_day_have_no_balance_there():
    first = balance("OPBD", "10", "2026-01-04") + balance("CLBD", "9", "2026-01-05") + entry("1")
    second = balance("OPBD", "9", "2026-01-05") + balance("CLBD", "7", "2026-01-05") + entry("2")
    file = camt.parse(document(statement(first), statement(second, number="2")))
    early, late = file.statements
    assert (early.opening, early.closing) == (BalanceAnchor(dt.date(2026, 1, 4), Decimal(10)), None)
    assert (late.opening, late.closing) == (None, BalanceAnchor(dt.date(2026, 1, 5), Decimal(7)))
    assert early.account.balance.current is None
    assert early.account.source_id == late.account.source_id


def test_statements_of_one_day_each_keep_their_balances():
    parts = [
        balance("OPBD", "10", f"2026-01-0{day}")
        + balance("CLBD", "10", f"2026-01-0{day}")
        + entry("1", day=f"2026-01-0{day}")
        + entry("1", day=f"2026-01-0{day}", side="CRDT")
        for day in (5, 6)
    ]
    file = camt.parse(document(*(statement(p, number=str(n)) for n, p in enumerate(parts))))
    assert [each.opening.date.day for each in file.statements] == [4, 5]
    assert [each.closing.date.day for each in file.statements] == [5, 6]


@given(rows_of, st.lists(st.integers(0, 12), max_size=3), st.decimals(0, 1000, places=2))
@example([(dt.date(2026, 1, 5), Decimal(1), "CRDT", "")] * 3, [1, 2], Decimal(5))
def test_the_balances_of_consecutive_statements_tie_out_by_the_end_of_their_days(rows, cuts, start):
    rows = sorted(rows, key=lambda row: row[0])
    edges = sorted({0, *(min(cut, len(rows)) for cut in cuts), len(rows)})
    parts, total = [], start
    for first, last in pairwise(edges):
        part = rows[first:last]
        opening = total
        total += sum(amount if side == "CRDT" else -amount for _, amount, side, _ in part)
        bounds = (("OPBD", opening, part[0][0]), ("CLBD", total, part[-1][0]))
        stated = "".join(
            balance(c, f"{abs(a):f}", d.isoformat(), side="CRDT" if a >= 0 else "DBIT")
            for c, a, d in bounds
        )
        parts.append(statement(stated + written(part), number=str(first)))
    if not parts:
        return
    file = camt.parse(document(*parts))
    booked: Counter[dt.date] = Counter()
    for row in file.transactions:
        booked[row.date] += row.money.amount
    anchors = [a for s in file.statements for a in (s.opening, s.closing) if a]
    # Whatever meets within a day, the first opening and the last closing always hold.
    assert len(anchors) >= 2
    for anchor in anchors:
        assert anchor.amount == start + sum(v for day, v in booked.items() if day <= anchor.date)
