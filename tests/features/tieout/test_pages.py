"""The page and the API of one account: the seal, the gap with what explains it, every balance."""

from app.features.live.service import messages_of
from app.simulator.stream import Added
from tests.features.connections.bank import query, row
from tests.features.tieout.days import lose, on, sync_on
from tests.queries import counted_queries


def account_id(household_id):
    [[found]] = query(household_id, "SELECT id FROM accounts")
    return found


def with_a_gap(household_id, bank):
    bank, item_id = bank
    sync_on(bank, item_id, household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))
    lost = row(bank, "lost", "12.34", date=on(2), name="THE LOST ONE")
    sync_on(bank, item_id, household_id, 2, Added(lost))
    lose(household_id, "lost")
    sync_on(bank, item_id, household_id, 3, Added(row(bank, "b", "1.00", date=on(3))))


def test_an_account_with_one_balance_says_what_is_missing(ada, bank):
    page = ada.get(f"/accounts/{account_id(ada.household_id)}").text

    assert "Not proven" in page
    assert "One balance was stated so far" in page


def test_a_tied_account_says_to_which_day_and_balance(ada, bank):
    bank, item_id = bank
    sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))

    page = ada.get(f"/accounts/{account_id(ada.household_id)}").text

    assert "Tied out to Nov 3, 2026 at" in page
    assert "−$22.10" in page
    assert "<svg viewBox" in page
    assert f"/transactions?account={account_id(ada.household_id)}" in page
    listed = ada.get("/accounts").text
    assert "Tied out to Nov 3, 2026" in listed
    assert f'href="/accounts/{account_id(ada.household_id)}"' in listed


def test_a_gap_is_shown_with_the_transaction_that_closes_it(ada, bank):
    with_a_gap(ada.household_id, bank)
    [[lost_id]] = query(ada.household_id, "SELECT id FROM transactions WHERE source_id = 'lost'")

    page = ada.get(f"/accounts/{account_id(ada.household_id)}").text

    assert "since Nov 4, 2026" in page
    assert "−$12.34" in page
    assert "The bank withdrew it from its list, and its balance still has it." in page
    assert f'href="/transactions/{lost_id}"' in page
    assert "does not tie out" in ada.get("/accounts").text


def test_the_api_tells_the_same(ada, bank):
    with_a_gap(ada.household_id, bank)

    found = ada.get(f"/api/v1/accounts/{account_id(ada.household_id)}/tie-out").json()

    assert (found["state"], found["gap"], found["opening"]) == ("gap", "-12.34", "0")
    assert (found["tied_through"], found["broke_by"]) == (str(on(1)), str(on(2)))
    assert [each["gap"] for each in found["days"]] == ["-12.34", "-12.34", "0", "0"]
    [best, *_] = found["explanations"]
    assert (best["kind"], [each["effect"] for each in best["rows"]]) == ("removed", ["-12.34"])
    [listed] = ada.get("/api/v1/accounts/").json()["data"]
    assert listed["tie_out"]["state"] == "gap"
    assert listed["tie_out"]["gap"] == "-12.34"


def test_the_page_takes_few_statements(ada, bank):
    with_a_gap(ada.household_id, bank)

    with counted_queries() as queries:
        ada.get(f"/accounts/{account_id(ada.household_id)}")

    assert len(queries) <= 17


def test_an_open_page_of_accounts_is_told(ada):
    assert messages_of({"kind": "tie_out_changed"}) == [{"name": "accounts"}]
