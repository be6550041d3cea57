"""XB2, XB3, XC1: connections that are cut, also at the commit, and clocks that jump."""

import datetime as dt
import itertools
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from app.core import clock, database
from app.core.config import settings
from app.features.connections.service import sync, turns
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from app.features.users.session_cache import cache
from app.simulator.stream import Added
from tests.factories.files import MARCH, ofx
from tests.faults.proxy import Proxy, proxy_to
from tests.features.connections.bank import linked, open_bank, query, row, run_out_of_lease

LIVE = "SELECT source_id, amount FROM transactions WHERE is_live ORDER BY 1"
HELD = "SELECT count(*) FROM items WHERE lease_until > now()"


@contextmanager
def through_a_proxy() -> Iterator[Proxy]:
    """Let the application reach its database through a proxy of ours."""
    url = make_url(settings.sqlalchemy_url)
    with proxy_to(url.host or "127.0.0.1", url.port or 5432) as proxy:
        other = create_engine(
            url.set(host="127.0.0.1", port=proxy.port),
            pool_size=2,
            max_overflow=0,
            connect_args={"gssencmode": "disable", "sslmode": "disable"},
        )
        database._sessions.configure(bind=other)
        try:
            yield proxy
        finally:
            database._sessions.configure(bind=database.engine)
            other.dispose()


def test_XB3_a_sync_that_is_cut_at_any_commit_ends_exact(ada):
    bank = open_bank(rows=3)
    bank.page_rows = 2
    with linked(ada.household_id, bank) as item_id, through_a_proxy() as proxy:
        for nth in itertools.count(1):
            bank.stream.apply(Added(row(bank, f"n{nth}", "1.00")))
            before = proxy.cuts
            proxy.cut_commit(nth)
            try:
                sync.sync_item(ada.household_id, item_id, "button")
            except sync.LOST_DATABASE:
                assert proxy.cuts == before + 1
            proxy.cut_commit(0)
            _check_against(bank, ada, item_id)
            if proxy.cuts == before:
                break  # a sync has fewer commits than that: each was cut once
            run_out_of_lease(ada.household_id, item_id)
            query(ada.household_id, "UPDATE items SET parked_at = NULL, lost_runs = 0")
            assert sync.sync_item(ada.household_id, item_id, "button").state == "done"
            assert _ids(ada) == sorted(bank.stream.truth())

    assert proxy.cuts >= 6


def _check_against(bank, ada, item_id):
    """What is in the ledger is all that the bank said up to the cursor, and nothing twice."""
    ids = _ids(ada)
    assert len(ids) == len(set(ids))
    [(cursor,)] = query(ada.household_id, "SELECT cursor FROM items WHERE id = :id", id=item_id)
    assert (ids == sorted(bank.stream.truth())) == (cursor == bank.stream.head())


def _ids(ada):
    return [source_id for source_id, _ in query(ada.household_id, LIVE)]


def test_XB3_an_import_that_is_cut_at_any_commit_is_booked_once(ada):
    with through_a_proxy() as proxy:
        import_id = preview(ada.household_id, ada.user_id, "march.ofx", ofx())
        for nth in itertools.count(1):
            before = proxy.cuts
            proxy.cut_commit(nth)
            try:
                book(ada.household_id, ada.user_id, import_id)
            except sync.LOST_DATABASE:
                assert len(query(ada.household_id, LIVE)) in (0, len(MARCH))
            if proxy.cuts == before:
                break
        proxy.cut_commit(0)

    assert proxy.cuts >= 2
    assert len(query(ada.household_id, LIVE)) == len(MARCH)
    assert query(ada.household_id, "SELECT count(*) FROM change_sets WHERE kind = 'import'") == [
        (1,)
    ]


def test_XB2_sessions_that_are_ended_at_random_cost_retries_and_nothing_else(ada, cleo):
    dice = random.Random(20261123)
    banks = {person: open_bank(rows=2) for person in (ada, cleo)}
    statuses, seen = [], []
    with linked(ada.household_id, banks[ada]) as first, linked(cleo.household_id, banks[cleo]) as second:  # fmt: skip # noqa: E501
        items = {ada: first, cleo: second}
        for number in range(30):
            person = dice.choice((ada, cleo))
            bank = banks[person]
            bank.stream.apply(Added(row(bank, f"x{number}", "2.00")))
            worker = threading.Thread(
                target=_sync_and_forgive, args=(person.household_id, items[person], bank)
            )
            worker.start()
            _end_some_sessions(dice)
            cache.clear()
            answer = person.get("/api/v1/transactions/", headers=person.bearer_headers)
            statuses.append(answer.status_code)
            if answer.status_code == 200:
                seen.append((person, {each["account_id"] for each in answer.json()["data"]}))
            worker.join(60)
        for person, item_id in items.items():
            _finish(person, item_id, banks[person])

    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    for person in (ada, cleo):
        ours = {str(i) for (i,) in query(person.household_id, "SELECT id FROM accounts")}
        assert all(accounts <= ours for who, accounts in seen if who is person)
        assert _ids(person) == sorted(banks[person].stream.truth())


@pytest.fixture(autouse=True)
def _bearers(ada, cleo):
    ada.bearer_headers, cleo.bearer_headers = ada.bearer(), cleo.bearer()


def _sync_and_forgive(household_id, item_id, bank):
    from app.providers import registry

    registry._providers["plaid"] = bank
    try:
        sync.sync_item(household_id, item_id, "button")
    except sync.LOST_DATABASE:
        return


def _finish(person, item_id, bank):
    query(person.household_id, "UPDATE items SET parked_at = NULL, lost_runs = 0")
    run_out_of_lease(person.household_id, item_id)
    _sync_and_forgive(person.household_id, item_id, bank)


def _end_some_sessions(dice):
    with psycopg.connect(settings.DATABASE_URL.get_secret_value(), autocommit=True) as connection:
        pids = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() ORDER BY pid"
        ).fetchall()
        for (pid,) in pids:
            if dice.random() < 0.5:
                connection.execute("SELECT pg_terminate_backend(%s)", [pid])


@pytest.mark.parametrize("jump", [dt.timedelta(hours=1), -dt.timedelta(hours=1), dt.timedelta(3)])
def test_XC1_a_clock_that_jumps_neither_ends_a_turn_nor_doubles_a_sync(ada, clock_of_worker, jump):
    bank = open_bank(rows=2)
    with linked(ada.household_id, bank) as item_id:
        turn = turns.begin(ada.household_id, item_id, "button")
        clock_of_worker.shift(jump)
        assert sync.sync_item(ada.household_id, item_id, "webhook").state == "busy"
        turns.give_back(turn)
        assert sync.sync_item(ada.household_id, item_id, "webhook").state == "done"

        # It is not due again before its time, by either clock.
        assert sync.sync_item(ada.household_id, item_id, if_due=True).state == "busy"

    spans = query(
        ada.household_id,
        "SELECT read_at - started_at, finished_at - read_at FROM sync_runs WHERE state = 'done'",
    )
    assert all(part >= dt.timedelta(0) for span in spans for part in span)


@pytest.fixture
def clock_of_worker(clock):
    """The clock of this process; PostgreSQL's stays."""
    return clock


def test_XC1_a_worker_whose_clock_is_days_behind_still_gets_the_turn(ada, clock_of_worker):
    bank = open_bank(rows=1)
    with linked(ada.household_id, bank) as item_id:
        clock_of_worker.shift(-dt.timedelta(days=3))
        assert sync.sync_item(ada.household_id, item_id, "button").state == "done"
        assert query(ada.household_id, HELD) == [(0,)]
        assert clock.now() < dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
