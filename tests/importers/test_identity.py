"""The same row has the same id in every file, and different rows never share one."""

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import Money
from app.domain.records import TransactionRecord
from app.importers import csv, ofx
from app.importers.identity import IdentitySource, account_id, match_renumbered
from tests.importers.test_ofx import row, statement

START = dt.date(2026, 1, 1)
# Few different values, so that equal rows of one day are common.
entries = st.lists(
    st.tuples(
        st.integers(0, 20).map(lambda n: START + dt.timedelta(days=n)),
        st.sampled_from([Decimal("-3.50"), Decimal("-12.00"), Decimal("40.00")]),
        st.sampled_from(["COFFEE", "Coffee  shop", "Rent, flat 2"]),
    ),
    max_size=40,
)


def export(rows: list[tuple[dt.date, Decimal, str]]) -> bytes:
    lines = [f'{day},"{text}",{amount}' for day, amount, text in rows]
    return "\n".join(["Date,Description,Amount", *lines]).encode()


def layout() -> csv.CsvLayout:
    return csv.guess(b"Date,Description,Amount\n2026-01-31,Shop,-1.00\n2026-01-30,Pay,5.00")


def keys(data: bytes) -> list[tuple[str, str]]:
    return [transaction.key for transaction in csv.parse(data, layout()).transactions]


@given(entries)
def test_a_second_import_adds_nothing_and_equal_rows_stay_apart(rows):
    first = keys(export(rows))
    assert len(set(first)) == len(rows)
    assert keys(export(rows)) == first


@given(entries, st.integers(0, 20), st.integers(0, 20))
def test_exports_that_overlap_agree_on_the_rows_they_share(rows, cut, again):
    rows = sorted(rows, key=lambda entry: entry[0])
    end, start = START + dt.timedelta(days=cut), START + dt.timedelta(days=min(cut, again))
    earlier = [entry for entry in rows if entry[0] <= end]
    later = [entry for entry in rows if entry[0] >= start]
    together = set(keys(export(earlier))) | set(keys(export(later)))
    assert together == set(keys(export(rows)))


@given(entries)
def test_an_export_with_the_newest_row_first_has_the_same_ids(rows):
    assert set(keys(export(rows))) == set(keys(export(rows[::-1])))


@given(entries, st.data())
def test_a_day_that_was_cut_short_is_completed_without_doubles(rows, data):
    rows = sorted(rows, key=lambda entry: entry[0])
    cut = data.draw(st.integers(0, len(rows)))
    assert set(keys(export(rows[:cut]))) <= set(keys(export(rows)))


def test_turning_the_sign_round_corrects_the_rows_and_adds_none():
    data = export([(START, Decimal(5), "Shop"), (START, Decimal(-9), "Payment")])
    guessed = layout()
    turned = csv.CsvLayout.from_dict({**guessed.to_dict(), "sign": "inverted"})
    before, after = csv.parse(data, guessed).transactions, csv.parse(data, turned).transactions
    assert [t.key for t in before] == [t.key for t in after]
    assert [t.money.amount for t in before] == [-t.money.amount for t in after]


def test_case_width_and_spacing_do_not_make_another_row():
    one = IdentitySource().next_id(START, Decimal("1.5"), texts=("Café  Bern",))
    other = IdentitySource().next_id(START, Decimal("1.50"), texts=("CAFÉ BERN",))
    assert one == other


def test_text_cannot_move_from_one_field_into_the_next():
    one = IdentitySource().next_id(START, Decimal(1), texts=("ab", "c"))
    other = IdentitySource().next_id(START, Decimal(1), texts=("a", "bc"))
    assert one != other


def test_an_account_number_cannot_be_read_from_its_id():
    assert "4111" not in account_id("", "4111111111111111")
    assert account_id("de01", "1") == account_id("DE01 ", "1") != account_id("DE02", "1")


def record(day: int, fitid: str, amount: str = "-1", text: str = "Shop") -> TransactionRecord:
    money = Money(Decimal(amount), "EUR")
    return TransactionRecord("a", fitid, START + dt.timedelta(days=day), money, text)


def test_a_bank_that_numbers_anew_in_each_download_is_found_out():
    stored = [record(0, "a0"), record(1, "a1"), record(1, "a2"), record(2, "a3", "-7")]
    incoming = [record(0, "b0"), record(1, "b1"), record(1, "b2"), record(3, "b3")]
    assert match_renumbered(stored, incoming) == {"b1": "a1", "b2": "a2"}


def test_a_bank_that_keeps_its_numbers_has_no_rows_matched_away():
    stored = [record(0, "a0"), record(1, "a1"), record(2, "a2")]
    incoming = [record(0, "a0"), record(1, "a1"), record(1, "new"), record(4, "b")]
    assert match_renumbered(stored, incoming) == {}


def test_an_empty_file_matches_nothing():
    assert match_renumbered([record(0, "a")], []) == {}


@given(st.permutations(["1", "1", "1", "2"]))
def test_every_row_of_an_ofx_file_has_its_own_key_however_ids_repeat(numbers):
    from_bank = statement("".join(row(fitid=number, name=f"n{number}") for number in numbers))
    transactions = ofx.parse(from_bank).transactions
    assert len({t.key for t in transactions}) == 4
