"""Files that state balances tie out too: one proves nothing, the next one does."""

from decimal import Decimal

import pytest

from app.features.history.service.undo import undo_import
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from tests.factories.files import MARCH, camt, csv, mt940, ofx
from tests.features.connections.bank import query

APRIL = (("20260402", "-19.90", "a1", "PHONE"), ("20260411", "-820.00", "a2", "RENT"))


STATES_BOTH = pytest.mark.parametrize(
    ("statement", "name"), [(mt940, "april.sta"), (camt, "april.xml")]
)


def bring(ada, data, name="file.ofx"):
    import_id = preview(ada.household_id, ada.user_id, name, data)
    book(ada.household_id, ada.user_id, import_id)
    return import_id


def april(rows=APRIL, balance="831.10"):
    return ofx(rows, start="20260401", end="20260430", balance=balance)


def stored(ada):
    [found] = query(
        ada.household_id,
        "SELECT state, reason, tied_from::text, tied_through::text, stated - computed, explanation"
        " FROM tie_outs",
    )
    return found


def test_one_statement_proves_nothing(ada):
    bring(ada, ofx())

    assert stored(ada)[:2] == ("unproven", "one_balance")


def test_two_statements_that_follow_each_other_tie_out(ada):
    bring(ada, ofx(MARCH))
    bring(ada, april())

    assert stored(ada)[:5] == ("tied", None, "2026-03-31", "2026-04-30", 0)


def test_a_statement_without_one_of_its_rows_is_off_by_it(ada):
    bring(ada, ofx(MARCH))
    bring(ada, april(rows=APRIL[:1]))

    state, _, _, through, gap, explanation = stored(ada)
    assert (state, through, gap) == ("gap", "2026-03-31", Decimal("-820.00"))
    assert explanation == []


def test_a_row_that_the_bank_counts_once_is_named(ada):
    bring(ada, ofx(MARCH))
    bring(ada, april(rows=(*APRIL, ("20260411", "-820.00", "a3", "RENT"))))

    explanation = stored(ada)[5]
    assert explanation[0]["kind"] == "duplicate"
    named = explanation[0]["rows"][0]
    rents = query(ada.household_id, "SELECT id FROM transactions WHERE date = '2026-04-11'")
    assert {named["transaction_id"], named["twin_id"]} == {str(each) for [each] in rents}


def test_a_missing_month_shows_as_a_gap_and_closes_with_its_file(ada):
    may = ofx((("20260503", "-5.00", "y1", "COFFEE"),), start="20260501", end="20260531",
              balance="826.10")  # fmt: skip
    bring(ada, ofx(MARCH))
    bring(ada, may)
    # Nothing is known of April at all: history that is missing, and no alarm.
    assert stored(ada)[:2] == ("unproven", "one_balance")

    bring(ada, april())

    assert stored(ada)[:5] == ("tied", None, "2026-03-31", "2026-05-31", 0)


def test_undoing_an_import_takes_its_proof_along(ada):
    bring(ada, ofx(MARCH))
    import_id = bring(ada, april())

    undo_import(ada.household_id, ada.user_id, import_id)

    assert stored(ada)[:2] == ("unproven", "one_balance")


def test_a_csv_file_proves_itself_where_its_balances_follow_from_its_amounts(ada):
    data = csv(
        "2026-03-02,COFFEE BAR,-4.50,1995.50",
        "2026-03-10,RENT,-900.00,1095.50",
        "2026-03-12,BOOKS,-1000.00,95.50",
        header="Date,Description,Amount,Balance",
    )
    bring(ada, data, "file.csv")

    assert stored(ada)[:5] == ("tied", None, "2026-03-01", "2026-03-12", 0)


def test_a_csv_file_without_balances_proves_nothing(ada):
    bring(ada, csv("2026-03-02,COFFEE BAR,-4.50"), "file.csv")

    assert stored(ada)[:2] == ("unproven", "no_balance")


@STATES_BOTH
def test_a_statement_of_both_balances_proves_itself(ada, statement, name):
    data = statement(APRIL, opening=("20260331", "1671.00"), closing=("20260430", "831.10"))

    bring(ada, data, name)

    assert stored(ada)[:5] == ("tied", None, "2026-03-31", "2026-04-30", 0)


@STATES_BOTH
def test_a_statement_of_both_balances_is_off_by_the_row_it_lacks(ada, statement, name):
    data = statement(APRIL[:1], opening=("20260331", "1671.00"), closing=("20260430", "831.10"))

    bring(ada, data, name)

    assert stored(ada)[0] == "gap"
    assert stored(ada)[4] == Decimal("-820.00")


@STATES_BOTH
def test_a_statement_with_what_the_last_one_had_adds_nothing_and_still_ties_out(
    ada, statement, name
):
    march = statement(MARCH, opening=("20260228", "0.00"), closing=("20260331", "1671.00"))
    both = statement((*MARCH, *APRIL), opening=("20260228", "0.00"), closing=("20260430", "831.10"))

    for data in (march, both, both):
        bring(ada, data, name)

    assert stored(ada)[:5] == ("tied", None, "2026-02-28", "2026-04-30", 0)
    [(rows,)] = query(ada.household_id, "SELECT count(*) FROM transactions")
    assert rows == len(MARCH) + len(APRIL)


@STATES_BOTH
def test_a_month_that_lacks_between_two_statements_is_a_gap_until_its_file_comes(
    ada, statement, name
):
    ends = {"march": ("20260331", "1671.00"), "april": ("20260430", "831.10")}
    march = statement(MARCH, opening=("20260228", "0.00"), closing=ends["march"])
    april = statement(APRIL, opening=ends["march"], closing=ends["april"])
    may = statement(
        (("20260503", "-5.00", "y1", "COFFEE"),),
        opening=ends["april"],
        closing=("20260531", "826.10"),
    )
    for data in (march, may):
        bring(ada, data, name)
    before = stored(ada)[0]

    bring(ada, april, name)

    assert before != "tied"
    assert stored(ada)[:5] == ("tied", None, "2026-02-28", "2026-05-31", 0)
