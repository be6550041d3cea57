"""The sync: exact, one at a time, honest about failures, and repaired from the journal."""

import datetime as dt
from decimal import Decimal

import pytest

from app.core import clock
from app.features.connections.service import fetching, link, overview, schedule, sync, turns
from app.features.journal import service as journal
from app.features.transactions import service as transactions
from app.features.transactions.service import Applied, Edit
from app.providers.base import (
    ItemGoneError,
    ProviderContractError,
    ProviderUnavailableError,
    ReauthRequiredError,
)
from app.simulator.stream import INITIAL, NOT_READY, Added, Modified, Posted, Removed
from tests.features.connections import bank as banks
from tests.features.connections.bank import item_of, linked, open_bank, query, row

LIVE = "SELECT source_id, amount, pending FROM transactions WHERE removed_at IS NULL ORDER BY 1"


@pytest.fixture
def household_id(ada):
    return ada.household_id


def test_a_first_sync_brings_every_row_and_the_balance(household_id):
    bank = open_bank(rows=3)
    with linked(household_id, bank) as item_id:
        outcome = sync.sync_item(household_id, item_id, "button")

    assert (outcome.state, outcome.applied) == ("done", Applied(3, 0, 0))
    assert query(household_id, LIVE) == [
        ("t0", Decimal("-1.00000000"), False),
        ("t1", Decimal("-2.00000000"), False),
        ("t2", Decimal("-3.00000000"), False),
    ]
    assert query(household_id, "SELECT current FROM balance_anchors") == [(Decimal("-6.0"),)]
    item = item_of(household_id, item_id)
    assert (item.state, item.history_complete, item.failures) == ("good", True, 0)
    assert item.cursor is not None
    assert item.lease_id is None


def test_every_row_is_explained_by_a_journal_page(household_id):
    bank = open_bank(rows=7)
    bank.page_rows = 2
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        for transaction_id, source_id in query(
            household_id, "SELECT id, source_id FROM transactions"
        ):
            with banks.household_transaction(household_id) as session:
                said = transactions.said_by_source(session, household_id, transaction_id)
            assert said["transaction_id"] == source_id


def test_a_replayed_sync_writes_nothing(household_id):
    bank = open_bank(rows=3)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        again = sync.sync_item(household_id, item_id, "button")

    assert again.applied == Applied(0, 0, 0)


def test_data_that_are_not_ready_leave_the_cursor_and_come_later(household_id):
    bank = open_bank(rows=2)
    bank.stream.status = NOT_READY
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "link")
        item = item_of(household_id, item_id)
        assert item.cursor is None
        assert item.next_sync_at < clock.now() + dt.timedelta(minutes=1)
        bank.stream.status = INITIAL
        assert sync.sync_item(household_id, item_id, "webhook").applied == Applied(2, 0, 0)
        assert item_of(household_id, item_id).history_complete is False


def test_a_mutation_between_pages_restarts_from_the_first_cursor(household_id):
    bank = open_bank(rows=6)
    bank.page_rows = 2
    bank.meanwhile = [Removed("t0"), Added(row(bank, "late", "9.00"))]
    with linked(household_id, bank) as item_id:
        assert sync.sync_item(household_id, item_id, "button").state == "done"

    shown = [source_id for source_id, *_ in query(household_id, LIVE)]
    assert shown == ["late", "t1", "t2", "t3", "t4", "t5"]


def test_data_that_never_settle_leave_the_cursor_and_are_tried_later(household_id):
    bank = open_bank(rows=6)
    bank.page_rows = 1
    bank.meanwhile = [Added(row(bank, f"more{n}", "1.00")) for n in range(50)]
    with linked(household_id, bank) as item_id:
        outcome = sync.sync_item(household_id, item_id, "button")
        item = item_of(household_id, item_id)

    assert (outcome.state, outcome.error.code) == ("failed", "PAGINATION_UNSTABLE")
    assert (item.cursor, item.failures) == (None, 1)
    assert query(household_id, LIVE) == []


def test_a_posted_transaction_stays_the_row_that_the_user_edited(household_id, ada):
    bank = open_bank()
    bank.stream.apply(Added(row(bank, "p1", "20.00", pending=True)))
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        [(transaction_id,)] = query(household_id, "SELECT id FROM transactions")
        with ada.session() as session:
            edit = Edit(frozenset({"note", "counterparty"}), counterparty="Nero", note="with Ben")
            transactions.edit_transaction(session, household_id, ada.user_id, transaction_id, edit)
        bank.stream.apply(Posted("p1", row(bank, "x1", "23.50")))
        assert sync.sync_item(household_id, item_id, "webhook").applied == Applied(0, 1, 0)

    assert query(
        household_id,
        "SELECT id, source_id, amount, pending, counterparty, note, removed_at FROM transactions",
    ) == [(transaction_id, "x1", Decimal("-23.5"), False, "Nero", "with Ben", None)]
    changed = query(household_id, "SELECT field, before, after FROM field_changes ORDER BY 1, 2")
    assert ("amount", "-20", "-23.5") in changed
    assert ("source_id", "p1", "x1") in changed


def test_a_pending_row_that_vanished_is_revived_by_its_posted_row(household_id, ada):
    bank = open_bank()
    bank.stream.apply(Added(row(bank, "p1", "20.00", pending=True)))
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        [(transaction_id,)] = query(household_id, "SELECT id FROM transactions")
        bank.stream.apply(Removed("p1"))
        sync.sync_item(household_id, item_id, "webhook")
        assert query(household_id, LIVE) == []
        bank.stream.apply(Posted("p1", row(bank, "x1", "20.00"), removal="none"))
        sync.sync_item(household_id, item_id, "webhook")

    assert query(household_id, "SELECT id, source_id, removed_at FROM transactions") == [
        (transaction_id, "x1", None)
    ]


def test_a_withdrawn_transaction_is_hidden_and_kept(household_id):
    bank = open_bank(rows=2)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        bank.stream.apply(Removed("t0"))
        assert sync.sync_item(household_id, item_id, "webhook").applied == Applied(0, 0, 1)

    assert [each[0] for each in query(household_id, LIVE)] == ["t1"]
    [(kept,)] = query(household_id, "SELECT count(*) FROM transactions")
    assert kept == 2


def test_a_modified_amount_keeps_the_users_note(household_id, ada):
    bank = open_bank(rows=1)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        [(transaction_id,)] = query(household_id, "SELECT id FROM transactions")
        with ada.session() as session:
            edit = Edit(frozenset({"note"}), note="mine")
            transactions.edit_transaction(session, household_id, ada.user_id, transaction_id, edit)
        bank.stream.apply(Modified(row(bank, "t0", "2.22")))
        sync.sync_item(household_id, item_id, "webhook")

    assert query(household_id, "SELECT amount, note FROM transactions") == [
        (Decimal("-2.22"), "mine")
    ]


def test_only_one_worker_has_an_items_turn(household_id):
    bank = open_bank(rows=1)
    with linked(household_id, bank) as item_id:
        turn = turns.begin(household_id, item_id, "button")
        assert turn is not None
        assert sync.sync_item(household_id, item_id, "webhook").state == "busy"
        banks.run_out_of_lease(household_id, item_id)
        assert sync.sync_item(household_id, item_id, "webhook").state == "done"


def test_a_worker_that_was_overtaken_writes_nothing(household_id):
    bank = open_bank(rows=2)
    with linked(household_id, bank) as item_id:
        slow = turns.begin(household_id, item_id, "button")
        pages = fetching.fetch(slow)
        banks.run_out_of_lease(household_id, item_id)
        bank.stream.apply(Removed("t0"))
        assert sync.sync_item(household_id, item_id, "webhook").state == "done"
        cursor = item_of(household_id, item_id).cursor

        assert sync._book(slow, pages) is None

        assert item_of(household_id, item_id).cursor == cursor
        assert [each[0] for each in query(household_id, LIVE)] == ["t1"]


def test_what_a_dead_worker_read_is_booked_without_asking_the_bank_again(household_id, monkeypatch):
    bank = open_bank(rows=5)
    bank.page_rows = 2
    with linked(household_id, bank) as item_id:
        with monkeypatch.context() as patch:
            patch.setattr(sync, "_book", _die)
            with pytest.raises(KeyboardInterrupt):
                sync.sync_item(household_id, item_id, "button")
        assert query(household_id, LIVE) == []
        banks.run_out_of_lease(household_id, item_id)
        bank.stream.apply(Added(row(bank, "new", "9.00")))

        sync.sync_item(household_id, item_id, "schedule")

        runs = query(
            household_id,
            "SELECT state, added, (SELECT count(*) FROM journal_pages WHERE sync_run_id = run.id)"
            " FROM sync_runs AS run ORDER BY id",
        )
        assert runs == [("lost", 0, 5), ("done", 5, 0), ("done", 1, 3)]


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_failure_in_booking_leaves_neither_rows_nor_cursor(household_id, monkeypatch):
    bank = open_bank(rows=2)
    with linked(household_id, bank) as item_id:
        with monkeypatch.context() as patch:
            patch.setattr(sync, "_record_success", _die)
            with pytest.raises(KeyboardInterrupt):
                sync.sync_item(household_id, item_id, "button")
        assert query(household_id, LIVE) == []
        assert item_of(household_id, item_id).cursor is None


def test_an_item_that_needs_its_user_says_so_and_is_not_tried_again(household_id, ada):
    bank = open_bank(rows=1)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        bank.errors["transactions"] = ReauthRequiredError("ITEM_LOGIN_REQUIRED", "Sign in again.")
        assert sync.sync_item(household_id, item_id, "webhook").state == "failed"
        item = item_of(household_id, item_id)
        assert (item.state, item.error_message) == ("needs_user", "Sign in again.")
        assert item.next_sync_at is None

        bank.errors.clear()
        with ada.session() as session:
            link.mark_repaired(session, household_id, item_id)
        assert sync.sync_item(household_id, item_id, "link").state == "done"
        item = item_of(household_id, item_id)
        assert (item.state, item.error_code) == ("good", None)


def test_a_dead_item_says_that_it_must_be_linked_again(household_id):
    bank = open_bank()
    bank.errors["item"] = ItemGoneError("ITEM_NOT_FOUND", "Link again.")
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        assert item_of(household_id, item_id).state == "dead"


def test_an_item_whose_bank_wants_its_user_is_not_called_well_after_a_sync(household_id, ada):
    bank = open_bank(rows=1)
    bank.item_error = "ITEM_LOGIN_REQUIRED"
    with linked(household_id, bank) as item_id:
        assert sync.sync_item(household_id, item_id, "button").applied == Applied(1, 0, 0)
        with ada.session() as session:
            shown = overview.get_connection(session, household_id, item_id)

    assert (shown.status, shown.can_fix) == ("needs_user", True)


def test_an_outage_is_tried_again_ever_later_and_shown(household_id, ada):
    bank = open_bank(rows=1)
    waits = []
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        bank.errors["transactions"] = ProviderUnavailableError(
            "INSTITUTION_DOWN", "Your bank is not answering.", retry_after_seconds=100
        )
        for failures in (1, 2, 3):
            sync.sync_item(household_id, item_id, "schedule")
            item = item_of(household_id, item_id)
            assert (item.state, item.failures) == ("good", failures)
            waits.append((item.next_sync_at - clock.now()).total_seconds())
        with ada.session() as session:
            shown = overview.get_connection(session, household_id, item_id)

    assert all(99 <= wait <= 100 + 30 * 2**n for n, wait in enumerate(waits))
    assert (shown.status, shown.explanation) == ("stale", "Your bank is not answering.")


def test_a_cursor_that_repeats_itself_ends_the_sync_and_moves_nothing(household_id):
    bank = open_bank(rows=4)
    bank.page_rows = 2
    real = bank.fetch_transactions

    def same_page_for_ever(token, cursor):
        return real(token, None)

    bank.fetch_transactions = same_page_for_ever
    with linked(household_id, bank) as item_id:
        outcome = sync.sync_item(household_id, item_id, "button")
        assert isinstance(outcome.error, ProviderContractError)
        assert item_of(household_id, item_id).cursor is None
    assert query(household_id, LIVE) == []


def test_a_row_that_cannot_be_booked_is_set_aside_and_the_rest_is_booked(household_id):
    bank = open_bank(rows=2)
    bank.stream.apply(Added(row(bank, "bad", "1.00", extra={"amount": None})))
    with linked(household_id, bank) as item_id:
        outcome = sync.sync_item(household_id, item_id, "button")

    assert outcome.applied == Applied(2, 0, 0)
    [(source_id, reason)] = query(household_id, "SELECT source_id, reason FROM rejected_rows")
    assert source_id == "bad"
    assert reason


def test_unlinking_ends_access_and_keeps_the_history(household_id, ada):
    bank = open_bank(rows=2)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        link.unlink(household_id, ada.user_id, item_id)

    assert bank.calls[-1] == "remove"
    assert len(query(household_id, LIVE)) == 2
    assert query(household_id, "SELECT access_token, unlinked_at IS NULL FROM items") == [
        (None, False)
    ]
    assert sync.sync_item(household_id, item_id, "button").state == "busy"


def test_the_schedule_finds_what_is_due_once(household_id):
    bank = open_bank(rows=1)
    with linked(household_id, bank) as item_id:
        query(household_id, "UPDATE items SET next_sync_at = now() WHERE id = :id", id=item_id)
        assert schedule.schedule_due_syncs() >= 1
        told = item_of(household_id, item_id).hinted_at
        assert told is not None
        schedule.schedule_due_syncs()
        assert item_of(household_id, item_id).hinted_at == told

        # A broker that was flushed: a minute later the worker is told again.
        query(
            household_id,
            "UPDATE items SET hinted_at = now() - interval '61 seconds' WHERE id = :id",
            id=item_id,
        )
        schedule.schedule_due_syncs()
        assert item_of(household_id, item_id).hinted_at > told


def test_a_run_says_who_wanted_it(household_id, ada):
    bank = open_bank(rows=1)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id)
        with ada.session() as session:
            link.want_sync(session, household_id, item_id, "webhook")
        sync.sync_item(household_id, item_id)
        sync.sync_item(household_id, item_id)

    assert query(household_id, "SELECT trigger FROM sync_runs ORDER BY id") == [
        ("schedule",),
        ("webhook",),
        ("schedule",),
    ]


def test_the_journal_keeps_the_bytes_and_cannot_be_rewritten(household_id):
    bank = open_bank(rows=1)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        pages = query(household_id, "SELECT id, kind FROM journal_pages ORDER BY sequence")

    assert [kind for _, kind in pages] == [
        "plaid.item",
        "plaid.transactions_sync",
        "plaid.accounts",
    ]
    with banks.household_transaction(household_id) as session:
        entry = journal.read(session, household_id, pages[1][0])
    assert b'"transaction_id":"t0"' in entry.payload.replace(b" ", b"")
    with pytest.raises(Exception, match="permission denied"):
        query(household_id, "UPDATE journal_pages SET kind = 'forged'")
