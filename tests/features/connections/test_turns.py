"""Turns: deaths are counted, poison is set aside, and a worker that stops gives its turn back."""

import threading

import pytest
import structlog
from sqlalchemy.exc import OperationalError

from app.core import jobs
from app.features.connections.service import alone, fetching, link, schedule, sync, turns
from app.features.transactions import service as transactions
from app.features.transactions.service import Edit
from tests.features.connections.bank import (
    item_of,
    linked,
    open_bank,
    query,
    run_out_of_lease,
)

STATES = "SELECT state FROM sync_runs ORDER BY id"


@pytest.fixture
def household_id(ada):
    return ada.household_id


def die(household_id, item_id):
    """Take the turn and be gone, as a worker that is killed."""
    turn = turns.begin(household_id, item_id)
    if turn is not None:
        turns.end(turn)
        run_out_of_lease(household_id, item_id)
    return turn


def test_three_deaths_in_a_row_set_an_item_aside(household_id):
    with linked(household_id, open_bank(rows=1)) as item_id:
        for _ in range(3):
            assert die(household_id, item_id) is not None
        assert die(household_id, item_id) is None
        item = item_of(household_id, item_id)
        assert item.parked_at is not None
        assert (item.lost_runs, item.next_sync_at, item.lease_id) == (3, None, None)
        assert sync.sync_item(household_id, item_id, "webhook").state == "busy"
        assert query(household_id, STATES) == [("lost",)] * 3


def test_a_success_between_deaths_begins_the_count_anew(household_id):
    with linked(household_id, open_bank(rows=1)) as item_id:
        for _ in range(3):
            die(household_id, item_id)
            die(household_id, item_id)
            assert sync.sync_item(household_id, item_id).state == "done"
        assert item_of(household_id, item_id).parked_at is None


def test_a_death_is_due_at_once_whoever_asked_for_it(household_id):
    with linked(household_id, open_bank(rows=1)) as item_id:
        sync.sync_item(household_id, item_id, "button")
        turns.end(turns.begin(household_id, item_id, "api"))
        query(household_id, "UPDATE items SET hinted_at = NULL")
        schedule.schedule_due_syncs()
        assert item_of(household_id, item_id).hinted_at is None, "somebody may still have it"
        run_out_of_lease(household_id, item_id)
        schedule.schedule_due_syncs()
        assert item_of(household_id, item_id).hinted_at is not None


def test_a_webhook_does_not_bring_back_what_was_set_aside_but_a_person_does(household_id, ada):
    with linked(household_id, open_bank(rows=1)) as item_id:
        query(household_id, "UPDATE items SET parked_at = now(), lost_runs = 3")
        with ada.session() as session:
            link.want_sync(session, household_id, item_id, "webhook")
        assert sync.sync_item(household_id, item_id).state == "busy"
        with ada.session() as session:
            link.want_sync(session, household_id, item_id, "button")
        assert sync.sync_item(household_id, item_id).state == "done"


def test_an_error_of_ours_is_told_and_the_third_sets_the_item_aside(household_id):
    bank = open_bank(rows=1)

    def break_down(*_):
        raise ValueError("nobody expected this")

    bank.fetch_transactions = break_down
    with linked(household_id, bank) as item_id:
        for number in (1, 2, 3):
            with pytest.raises(ValueError, match="nobody expected"):
                sync.sync_item(household_id, item_id, "schedule")
            item = item_of(household_id, item_id)
            assert (item.lost_runs, item.parked_at is not None) == (number, number == 3)
            assert item.lease_id is None
        runs = query(household_id, "SELECT state, error_code FROM sync_runs")
        assert runs == [("failed", "INTERNAL_ERROR")] * 3
        assert "not at your bank" in item.error_message


def test_a_lost_database_is_no_fault_of_the_item(household_id, monkeypatch):
    def lose_it(*_):
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    with linked(household_id, open_bank(rows=1)) as item_id:
        with monkeypatch.context() as patch:
            patch.setattr(fetching, "fetch", lose_it)
            with pytest.raises(OperationalError):
                sync.sync_item(household_id, item_id, "button")
        item = item_of(household_id, item_id)
        assert (item.lost_runs, item.lease_id, item.sync_wanted_by) == (0, None, "button")
        assert sync.sync_item(household_id, item_id).state == "done"


def test_a_process_that_stops_gives_all_its_turns_back(household_id, monkeypatch):
    sent = []
    monkeypatch.setattr(jobs, "send", lambda *args: sent.append(args))
    monkeypatch.setattr(turns, "_is_stopping", threading.Event())
    with linked(household_id, open_bank(rows=1)) as item_id:
        turn = turns.begin(household_id, item_id, "webhook")
        turns.give_back_all()
        assert turns.begin(household_id, item_id) is None, "it takes no other"
        turns._is_stopping.clear()

        with pytest.raises(turns.TurnLostError), banks_session(household_id) as session:
            turns.keep(session, turn)
        item = item_of(household_id, item_id)
        assert (item.lease_id, item.sync_wanted_by, item.lost_runs) == (None, "webhook", 0)
        assert sent == [(turns.SYNC_TASK, str(household_id), str(item_id))]
        assert sync.sync_item(household_id, item_id).state == "done"
    assert query(household_id, STATES) == [("lost",), ("done",)]


def banks_session(household_id):
    from app.core.database import household_transaction

    return household_transaction(household_id)


def test_a_turn_that_was_lost_ends_the_reading(household_id):
    bank = open_bank(rows=6)
    bank.page_rows = 1
    real = bank.fetch_transactions

    def while_others_overtake(token, cursor):
        if len(bank.calls) == 4:
            query(household_id, "UPDATE items SET lease_id = :id", id=household_id)
        return real(token, cursor)

    bank.fetch_transactions = while_others_overtake
    with linked(household_id, bank) as item_id:
        assert sync.sync_item(household_id, item_id, "button").state == "busy"
    assert bank.calls.count("transactions") < 6


def test_a_suspect_is_synced_in_a_process_of_its_own(household_id, monkeypatch):
    commands = []
    monkeypatch.setattr(alone.subprocess, "run", lambda command, **_: commands.append(command))
    with linked(household_id, open_bank(rows=1)) as item_id:
        query(household_id, "UPDATE items SET next_sync_at = now()")
        alone.sync_item(household_id, item_id)
        assert commands == []
        die(household_id, item_id)
        alone.sync_item(household_id, item_id)
    assert commands == [[*alone.COMMAND, str(household_id), str(item_id)]]


def test_a_lone_sync_that_never_ends_is_killed_and_counted(household_id, monkeypatch):
    monkeypatch.setattr(alone, "SECONDS_MAX", 0.2)
    real = alone.subprocess.run
    monkeypatch.setattr(
        alone.subprocess, "run", lambda command, **how: real(["sleep", "600"], **how)
    )
    with linked(household_id, open_bank(rows=1)) as item_id:
        die(household_id, item_id)
        alone.sync_item(household_id, item_id)
        assert query(household_id, STATES) == [("running",)]
        assert sync.sync_item(household_id, item_id).state == "done"
    assert query(household_id, STATES) == [("lost",), ("done",)]


def test_a_turn_that_could_not_be_given_back_is_given_back_before_the_next(household_id, cleo):
    with linked(household_id, open_bank(rows=1)) as item_id:
        turns.give_back_later(turns.begin(household_id, item_id, "webhook"))
        with linked(cleo.household_id, open_bank(rows=1)) as other:
            assert sync.sync_item(cleo.household_id, other, "button").state == "done"
        item = item_of(household_id, item_id)
        assert (item.lease_id, item.lost_runs, item.sync_wanted_by) == (None, 0, "webhook")


def test_every_line_of_a_run_carries_its_trace(household_id, monkeypatch):
    told = []

    def tell(event, **values):
        told.append((event, structlog.contextvars.get_contextvars()))

    monkeypatch.setattr(sync.log, "info", tell)
    with linked(household_id, open_bank(rows=1)) as item_id:
        sync.sync_item(household_id, item_id, "button")

    [(trace_id,)] = query(household_id, "SELECT trace_id FROM sync_runs")
    assert [event for event, _ in told] == ["sync_run_started", "sync_run_finished"]
    assert all(bound["trace_id"] == trace_id for _, bound in told)


def test_XB4_many_writers_at_once_never_share_a_number_and_lose_nothing(ada):
    """Two syncs and a person at the same rows, in threads."""
    bank = open_bank(rows=5)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        ids = [i for (i,) in query(ada.household_id, "SELECT id FROM transactions ORDER BY id")]
        failures = []

        def write(number):
            try:
                for turn in range(6):
                    with ada.session() as session:
                        edit = Edit(frozenset({"note"}), note=f"{number}.{turn}")
                        transactions.edit_transaction(
                            session, ada.household_id, ada.user_id, ids[turn % 5], edit
                        )
            except Exception as error:  # noqa: BLE001  # told below
                failures.append(error)

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            sync.sync_item(ada.household_id, item_id, "button")
        for thread in threads:
            thread.join(60)

    assert failures == []
    numbers = query(ada.household_id, "SELECT sequence FROM change_sets ORDER BY 1")
    assert numbers == [(n,) for n in range(1, 1 + 1 + 24 + 3)]
    assert query(
        ada.household_id,
        "SELECT sum(count) = (SELECT count(*) FROM transactions WHERE is_live) FROM daily_totals",
    ) == [(True,)]
