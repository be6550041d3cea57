"""Tying out: which stated balances the rows explain, and which rows close a gap."""

import datetime as dt
from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.tieout import (
    END,
    GAP,
    PENDING,
    POSTED,
    START,
    TIED,
    UNPROVEN,
    Anchor,
    Change,
    Reading,
    Row,
    as_reported_then,
    reported,
    tie_out,
)
from app.domain.tieout_search import explain, suspects
from tests.effort import examples

FIRST = dt.date(2026, 3, 1)
BANK, FILE = UUID(int=1), UUID(int=2)
ZERO = Decimal(0)
moments = count(1000)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def moment(number: int) -> UUID:
    return UUID(int=number)


def row(number: int, amount: str, **more: object) -> Row:
    values = {"pending": False, "moment": moment(0), **more}
    return Row(UUID(int=next(moments)), day(number), Decimal(amount), **values)


def anchor(number: int, stated: object, rows, *, pending=ZERO, source=BANK, at=None) -> Anchor:
    """Return a balance with the readings that the ledger's totals give."""
    counted = [each for each in rows if each.counts and not each.pending]
    end = sum((each.amount for each in counted if each.day <= day(number)), ZERO)
    start = sum((each.amount for each in counted if each.day < day(number)), ZERO)
    return Anchor(
        moment(at if at is not None else number + 100),
        source,
        day(number),
        Decimal(str(stated)),
        (Reading(END, end, pending), Reading(START, start, pending)),
    )


amounts = st.integers(min_value=-500_000, max_value=500_000).filter(bool)


@st.composite
def ledgers(draw: st.DrawFn):
    """Return an opening balance, and rows of different amounts over some days."""
    cents = draw(st.lists(amounts, min_size=4, max_size=30, unique_by=abs))
    days = draw(st.lists(st.integers(1, 20), min_size=len(cents), max_size=len(cents)))
    rows = [row(n, str(Decimal(c).scaleb(-2))) for n, c in sorted(zip(days, cents, strict=True))]
    return Decimal(draw(amounts)).scaleb(-2), rows


def stated(opening: Decimal, rows, numbers) -> list[tuple[int, Decimal]]:
    return [
        (n, opening + sum((each.amount for each in rows if each.day <= day(n)), ZERO))
        for n in numbers
    ]


@given(ledgers(), st.sets(st.integers(0, 25), min_size=2, max_size=10))
def test_an_exact_ledger_ties_whatever_the_opening_balance(ledger, numbers):
    opening, rows = ledger
    anchors = [anchor(n, amount, rows) for n, amount in stated(opening, rows, sorted(numbers))]

    verdict = tie_out(anchors)

    assert verdict.state == TIED
    assert [each.gap for each in verdict.days] == [ZERO] * len(anchors)
    assert verdict.tied.anchor.day == day(max(numbers))


@given(ledgers(), st.data())
@settings(max_examples=examples(300))
def test_one_wrong_row_is_a_gap_of_its_effect_and_is_named(ledger, data):
    opening, right = ledger
    victim = data.draw(st.sampled_from(right))
    number = (victim.day - FIRST).days
    balances = stated(opening, right, [-2, -1, 0, number - 1, 24, 25])
    how = data.draw(st.sampled_from(["withdrawn", "twice", "turned"]))
    ours, effect = _broken(right, victim, how)

    verdict = tie_out([anchor(n, amount, ours) for n, amount in sorted(set(balances))])

    assert verdict.state == GAP
    assert verdict.gap == effect
    assert verdict.tied.anchor.day < victim.day <= verdict.broke_by.anchor.day
    window = (verdict.tied.anchor.day, verdict.broke_by.anchor.day)
    best = explain(verdict.gap, suspects(ours, *window, treatment=POSTED))
    named = {each.row_id for found in best for each in found.suspects}
    assert victim.id in named or any(victim.id == s.twin_id for f in best for s in f.suspects)
    assert all(sum(s.effect for s in found.suspects) == verdict.gap for found in best)


def _broken(right, victim, how):
    """Return the ledger with one row that is wrong, and the gap that opens."""
    others = [each for each in right if each is not victim]
    changed = {"day": victim.day, "amount": victim.amount, "pending": False, "moment": moment(0)}
    if how == "withdrawn":
        return [*others, Row(victim.id, **changed, removed=True)], victim.amount
    if how == "twice":
        copy = Row(UUID(int=next(moments)), **changed)
        return [*right, copy], -victim.amount
    changed["amount"] = -victim.amount
    return [*others, Row(victim.id, **changed)], 2 * victim.amount


def test_the_same_balance_of_the_same_day_is_no_second_witness():
    rows = [row(1, "5")]
    assert tie_out([anchor(3, 100, rows), anchor(3, 100, rows, at=200)]).state == UNPROVEN
    assert tie_out([anchor(3, 100, rows), anchor(3, 100, rows, source=FILE)]).state == TIED


def test_one_stated_balance_proves_nothing():
    assert tie_out([]).state == UNPROVEN
    assert tie_out([anchor(3, 100, [row(1, "5")])]).state == UNPROVEN


@pytest.mark.parametrize("treatment", [POSTED, PENDING])
def test_the_institutions_treatment_of_pending_rows_is_found(treatment):
    rows = [row(2, "-20.00"), row(4, "-7.50")]
    pending = {1: Decimal("-20.00"), 3: Decimal("-3.10"), 5: ZERO}
    balances = dict(stated(Decimal(100), rows, pending))
    anchors = [
        anchor(n, balances[n] + (held if treatment == PENDING else 0), rows, pending=held)
        for n, held in pending.items()
    ]

    verdict = tie_out(anchors)

    assert verdict.state == TIED
    assert verdict.treatment_of(BANK) == treatment


def test_two_sources_of_one_account_may_treat_pending_rows_differently():
    rows = [row(2, "-20.00"), row(4, "-7.50")]
    pending = {1: Decimal("-20.00"), 3: Decimal("-3.10"), 5: Decimal("-9.99")}
    balances = dict(stated(Decimal(100), rows, pending))
    of_card = [anchor(n, balances[n] + held, rows, pending=held) for n, held in pending.items()]
    of_file = [anchor(n, balances[n], rows, source=FILE) for n in (1, 5)]

    verdict = tie_out(sorted(of_card + of_file, key=lambda each: each.day))

    assert verdict.state == TIED
    assert verdict.opening == 100
    assert (verdict.treatment_of(BANK), verdict.treatment_of(FILE)) == (PENDING, POSTED)


def test_a_balance_of_the_morning_ties_before_the_days_rows():
    rows = [row(1, "10"), row(3, "5"), row(3, "6")]

    verdict = tie_out([anchor(1, 110, rows), anchor(3, 110, rows)])

    assert verdict.state == TIED
    assert verdict.days[-1].cut == START


def test_no_part_of_a_days_rows_may_be_chosen_freely():
    rows = [row(1, "10"), row(3, "5"), row(3, "6")]

    verdict = tie_out([anchor(1, 110, rows), anchor(3, 116, rows)])

    assert verdict.state == GAP


def test_a_break_stays_a_break_however_many_balances_follow_it():
    rows = [row(1, "10"), row(9, "4")]
    before = [anchor(n, 110, rows) for n in (1, 2)]
    after = [anchor(n, 99 if n < 9 else 103, rows) for n in range(5, 15)]

    verdict = tie_out(before + after)

    assert verdict.state == GAP
    assert verdict.gap == -11
    assert verdict.tied.anchor.day == day(2)
    assert verdict.broke_by.anchor.day == day(5)


def test_one_odd_balance_in_between_does_not_break_the_chain():
    rows = [row(1, "10")]

    verdict = tie_out([anchor(1, 110, rows), anchor(3, 77, rows), anchor(5, 110, rows)])

    assert verdict.state == TIED
    assert [each.gap for each in verdict.days] == [0, -33, 0]


def test_months_that_nobody_brought_are_a_hole_and_no_gap():
    rows = [row(1, "10"), row(200, "-5")]
    old = [anchor(n, 110, rows) for n in (1, 2)]
    new = [anchor(n, amount, rows) for n, amount in stated(Decimal(900), rows, [199, 201])]

    verdict = tie_out(old + new, quiet=[(day(31), day(180))])

    assert verdict.state == TIED
    assert verdict.hole == (day(2), day(199))
    assert len(verdict.days) == 4
    assert tie_out(old + new).state == GAP


def test_a_correction_of_the_bank_does_not_untie_what_was_stated_before_it():
    corrected = row(2, "-10.37", changes=(Change(moment(50), "amount", "-10"),))
    withdrawn = row(2, "-4", removed=True, changes=(Change(moment(51), "removed_at", None),))
    rows = [corrected, withdrawn]
    at_the_time = anchor(3, 86, rows, at=20)

    reading = reported(at_the_time, rows, by_day=False)

    assert reading.posted == -14
    assert 86 - reading.posted == 100


def test_a_row_that_was_pending_when_the_balance_was_stated_counts_as_pending():
    changes = (
        Change(moment(50), "pending", "true"),
        Change(moment(50), "date", day(3).isoformat()),
        Change(moment(50), "amount", "-10"),
    )
    rows = [row(5, "-12", changes=changes)]

    reading = reported(anchor(4, 0, rows, at=20), rows, by_day=False)

    assert (reading.posted, reading.pending) == (0, -10)


def test_history_that_arrives_later_was_in_the_balance_and_a_late_row_was_not():
    old, late = row(-300, "5", moment=moment(60)), row(2, "7", moment=moment(60))
    rows = [old, late]

    assert reported(anchor(3, 0, rows, at=20), rows, by_day=False).posted == 5


def withdrawn(number: int, amount: str, at: int, **more: object) -> Row:
    changes = (Change(moment(at), "removed_at", None),)
    return row(number, amount, removed=True, changes=changes, **more)


def then(number: int, stated: object, rows) -> Anchor:
    """Return a balance as rows are read where there is a gap."""
    now = anchor(number, stated, rows)
    return as_reported_then(now, rows, opening=day(1), by_day=False)


def test_history_that_arrived_later_was_in_the_balance_as_it_was_first_told():
    gone = withdrawn(-300, "5", at=70, moment=moment(60))
    corrected = row(-300, "8", moment=moment(60), changes=(Change(moment(71), "amount", "7"),))
    rows = [gone, corrected]

    assert reported(anchor(3, 0, rows, at=20), rows, by_day=False).posted == 5 + 7


@pytest.mark.parametrize("had_it", [True, False])
@pytest.mark.parametrize("had_other", [True, False])
def test_a_row_older_than_all_balances_that_is_withdrawn_opens_no_gap(had_it, had_other):
    """Of each of two rows, whether the balances before had it, the ones after it say."""
    rows = [
        row(1, "10"), row(6, "-3"), withdrawn(-5, "-7", at=104), withdrawn(1, "90", at=107),
        row(0, "4000", moment=moment(107)),
    ]  # fmt: skip
    balances = [
        (n, 100 + 10 - 7 * (had_it and n < 5) + 90 * (had_other and n < 7)
         + 4000 * (n >= 7 or not had_other) - 3 * (n >= 6))
        for n in (1, 2, 3, 5, 6, 7, 8)
    ]  # fmt: skip

    for count_ in range(2, len(balances) + 1):
        verdict = tie_out([then(n, amount, rows) for n, amount in balances[:count_]])
        assert verdict.state == TIED
        assert [each.gap for each in verdict.days] == [ZERO] * count_
    assert verdict.opening == 100


def test_what_a_source_withdrew_hides_no_other_difference():
    rows = [row(1, "10"), withdrawn(-5, "-7", at=104)]
    balances = [(1, 103), (2, 103), (5, 110), (6, 110), *((n, 99) for n in range(7, 20))]

    verdict = tie_out([then(n, amount, rows) for n, amount in balances])

    assert (verdict.state, verdict.gap) == (GAP, -11)
    assert verdict.broke_by.anchor.day == day(7)


def test_rows_of_later_days_are_in_a_live_balance_but_not_in_a_files():
    rows = [row(4, "7")]

    assert reported(anchor(3, 0, rows, at=20), rows, by_day=False).posted == 7
    assert reported(anchor(3, 0, rows, at=20), rows, by_day=True).posted == 0


def test_four_stale_pending_rows_are_found_together():
    stale = [
        row(n, amount, pending=True)
        for n, amount in enumerate(("-13.11", "-200.05", "-41.90", "-8.36"), 2)
    ]
    noise = [row(n, f"-{n}.{n:02}") for n in range(2, 40)]

    [best, *_] = explain(
        Decimal("-263.42"), suspects([*stale, *noise], day(1), day(40), treatment=POSTED)
    )

    assert best.kind == "booked"
    assert {each.row_id for each in best.suspects} == {each.id for each in stale}


def test_the_smallest_set_wins_and_rivals_share_the_confidence():
    once = row(3, "-30", pending=True)
    again = row(4, "-30", removed=True)
    parts = [row(5, "-10", pending=True), row(6, "-20", pending=True)]

    found = explain(Decimal(-30), suspects([once, again, *parts], day(1), day(9), treatment=POSTED))

    assert [len(each.suspects) for each in found] == [1, 1]
    assert {each.suspects[0].row_id for each in found} == {once.id, again.id}
    assert all(each.confidence < Decimal("0.6") for each in found)


def test_an_earlier_amount_that_the_balance_still_has_is_named():
    changed = row(3, "-10.37", changes=(Change(moment(5), "amount", "-10"),))

    [best, *_] = explain(
        Decimal("0.37"), suspects([changed, row(4, "-55")], day(1), day(9), treatment=POSTED)
    )

    assert (best.kind, best.suspects[0].row_id) == ("changed", changed.id)


def test_a_row_just_after_the_balance_may_have_been_booked_before_it():
    early = row(11, "-18.40")

    [best, *_] = explain(
        Decimal("-18.40"), suspects([early, row(5, "3")], day(1), day(9), treatment=POSTED)
    )

    assert (best.kind, best.suspects[0].row_id) == ("early", early.id)


def test_what_nothing_closes_is_not_explained():
    assert (
        explain(Decimal("1.23"), suspects([row(3, "-50")], day(1), day(9), treatment=POSTED)) == []
    )
