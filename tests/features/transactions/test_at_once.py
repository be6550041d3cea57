"""XU1: two tabs, a bulk edit beside a sync, a double click: nothing is lost and nothing doubled."""

import threading
from concurrent.futures import ThreadPoolExecutor

from app.core.database import household_transaction
from app.features.connections.service import sync
from app.features.transactions.edits import Edit, edit_transactions
from app.simulator.stream import Added, Modified
from tests.cast import SignedInBrowser
from tests.features.connections.bank import linked, open_bank, query, row

ROWS = "SELECT source_id, note, description FROM transactions ORDER BY source_id"
SETS = "SELECT count(*) FROM change_sets WHERE kind = 'edit'"


def bring(browser: SignedInBrowser, rows: int = 1) -> list[str]:
    """Give somebody transactions of a bank; return their ids."""
    bank = open_bank(rows=rows)
    with linked(browser.household_id, bank) as item_id:
        sync.sync_item(browser.household_id, item_id, "button")
    return [str(each[0]) for each in query(browser.household_id, "SELECT id FROM transactions")]


def test_XU1_a_bulk_edit_while_a_sync_reads_loses_neither(ada: SignedInBrowser) -> None:
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.stream.apply(Modified(row(bank, "t1", "2.00", name="RENAMED")))
        bank.stream.apply(Added(row(bank, "t9", "9.00")))
        read = bank.fetch_transactions

        def edit_meanwhile(token: str, cursor: str | None) -> object:
            page = read(token, cursor)
            answer = ada.patch("/api/v1/transactions/", json={"all": True, "note": "mine"})
            assert answer.json()["transactions"] == 3
            return page

        bank.fetch_transactions = edit_meanwhile  # type: ignore[method-assign]
        assert sync.sync_item(ada.household_id, item_id, "button").error is None

    rows = {each[0]: each[1:] for each in query(ada.household_id, ROWS)}
    assert rows["t1"] == ("mine", "RENAMED")
    assert rows["t0"][0] == rows["t2"][0] == "mine"
    assert rows["t9"][0] is None, "it was not there when they were chosen"


def test_XU1_a_sync_waits_for_an_edit_that_is_being_stored(ada: SignedInBrowser) -> None:
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id, ThreadPoolExecutor() as pool:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.stream.apply(Modified(row(bank, "t1", "2.00", name="RENAMED")))
        has_read = threading.Event()
        read = bank.fetch_accounts

        def tell(token: str) -> object:
            has_read.set()
            return read(token)

        bank.fetch_accounts = tell  # type: ignore[method-assign]
        with household_transaction(ada.household_id) as session:
            ids = [each[0] for each in query(ada.household_id, "SELECT id FROM transactions")]
            edit = Edit(frozenset({"note"}), note="mine")
            edit_transactions(session, ada.household_id, ada.user_id, ids, edit)
            syncing = pool.submit(sync.sync_item, ada.household_id, item_id, "button")
            assert has_read.wait(20)
        assert syncing.result(20).error is None

    assert [each[1] for each in query(ada.household_id, ROWS)] == ["mine"] * 3
    assert query(ada.household_id, ROWS)[1][2] == "RENAMED"


def test_XU1_a_double_click_saves_once(ada: SignedInBrowser) -> None:
    [transaction_id] = bring(ada)
    seen = {"has_seen": "true", "seen_note": "", "seen_counterparty": "", "seen_category": ""}

    def click(_: int) -> int:
        form = {**seen, "note": "with Ben "}
        return ada.post(f"/transactions/{transaction_id}", data=form).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(click, range(2))) == [303, 303]
    assert query(ada.household_id, SETS) == [(1,)], "so that one undo takes it back"
    assert query(ada.household_id, ROWS)[0][1] == "with Ben"


def test_XU1_two_decisions_at_once_are_one_and_a_refusal(ada: SignedInBrowser) -> None:
    [transaction_id] = bring(ada)
    url = f"/api/v1/transactions/{transaction_id}"

    def decide(note: str) -> int:
        return ada.put(url, json={"note": note, "expected": {"note": None}}).status_code

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(decide, ["one", "two", "three", "four"]))
    assert answers == [200, 409, 409, 409]
    assert query(ada.household_id, SETS) == [(1,)]
