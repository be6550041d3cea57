"""XB1, XR1 to XR5, XP7 to XP9 with real servers and real workers, which are killed."""

import signal

import kombu
import pytest
import redis

from app.core.celery import celery
from app.features.connections.service import turns
from tests.factories import people
from tests.faults import token_bank
from tests.faults.installation import Installation, free_port, installed, status_of, until
from tests.features.connections.bank import query

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
STATES = "SELECT state, count(*) FROM sync_runs GROUP BY 1"
UNFINISHED = "SELECT count(*) FROM items WHERE synced_at IS NULL AND parked_at IS NULL"
RUNNING = "SELECT count(*) FROM items WHERE lease_until > now()"
PARKED = "SELECT item_source_id FROM items WHERE parked_at IS NOT NULL ORDER BY 1"


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    with installed(tmp_path_factory.mktemp("faults")) as found:
        yield found


@pytest.fixture
def household_id(installation: Installation):
    yield people.person(f"Faults-{free_port()}").household_id
    installation.stop_all()


def link(installation, household_id, count, prefix="good", **how):
    tokens = [token_bank.token(f"{prefix}-{household_id}-{n}", **how) for n in range(count)]
    ids = installation.store_items(household_id, tokens)
    installation.hint(household_id, *ids)
    return tokens, ids


def count(household_id, statement):
    [(found,)] = query(household_id, statement)
    return found


def check_exact(household_id, tokens):
    """Every row of every bank is there, once."""
    rows = query(household_id, "SELECT source_id FROM transactions WHERE is_live ORDER BY 1")
    truth = [source_id for each in tokens for source_id in token_bank.stream_of(each).truth()]
    assert [source_id for (source_id,) in rows] == sorted(truth)
    totals = query(household_id, "SELECT coalesce(sum(count), 0) FROM daily_totals")
    assert totals == [(len(truth),)]


def test_XB1_a_database_that_stops_at_once_costs_nothing_but_time(installation, household_id):
    port = free_port()
    url = f"http://127.0.0.1:{port}/health"
    installation.start("web", "uvicorn", "app.main:app", f"--port={port}", "--host=127.0.0.1")
    installation.worker()
    installation.beat(tick_seconds=2)
    until(lambda: status_of(url)[0] == 200, 150, "the web starts")
    tokens, _ = link(installation, household_id, 8, rows=3, seconds=0.4)
    until(lambda: count(household_id, RUNNING) >= 2, 120, "syncs run")

    installation.postgres.child.process.send_signal(signal.SIGQUIT)
    installation.postgres.child.process.wait(20)
    until(lambda: status_of(url) == (503, "5"), 20, "the web says 503")
    installation.postgres.start()

    until(lambda: status_of(url)[0] == 200, 30, "the web recovers without a restart")
    until(lambda: count(household_id, UNFINISHED) == 0, 150, "all syncs are done")
    check_exact(household_id, tokens)


def test_XR2_XR3_a_broker_that_is_flushed_and_killed_loses_nothing(installation, household_id):
    installation.worker()
    installation.beat()
    tokens, _ = link(installation, household_id, 55, seconds=0.3)
    until(lambda: count(household_id, RUNNING) >= 4, 120, "syncs run")

    with redis.Redis.from_url(installation.valkey.url) as client:
        client.flushall()
    installation.valkey.child.process.send_signal(signal.SIGKILL)
    installation.valkey.child.process.wait(20)
    left = count(household_id, UNFINISHED)
    installation.valkey.start()

    assert left > 10
    until(
        lambda: count(household_id, UNFINISHED) < left - 10, 90, "the schedule finds the lost work"
    )
    until(lambda: count(household_id, UNFINISHED) == 0, 60, "all of it is done")
    check_exact(household_id, tokens)


def test_XR5_the_same_hint_thirty_times_over_is_one_sync(installation, household_id):
    tokens, ids = link(installation, household_id, 3, rows=3, seconds=0.1)
    installation.hint(household_id, *(ids * 30))
    installation.worker()
    installation.worker("other")

    until(lambda: count(household_id, UNFINISHED) == 0, 60, "they are done")
    with redis.Redis.from_url(installation.valkey.url) as client:
        until(lambda: client.llen("celery") == 0, 60, "all hints are taken")

    check_exact(household_id, tokens)
    assert query(household_id, STATES) == [("done", 3)]


def test_XP8_XP9_poison_is_set_aside_after_three_deaths_and_a_hundred_others_finish(
    installation, household_id
):
    good, _ = link(installation, household_id, 100, rows=1)
    poisons = ("kill", "memory", "raise")
    for poison in poisons:
        link(installation, household_id, 1, prefix=poison, poison=poison)
    installation.worker()
    installation.beat(tick_seconds=2)

    def is_over():
        if installation.processes["worker"].poll() is not None:
            installation.worker()  # as an orchestrator does
        return count(household_id, UNFINISHED) == 0

    until(is_over, 300, "the others are done and poison is set aside")

    parked = [name for (name,) in query(household_id, PARKED)]
    assert [name.partition("-")[0] for name in parked] == list(poisons)
    check_exact(household_id, good)
    runs = query(
        household_id,
        "SELECT item_source_id, count(*) FROM sync_runs AS r JOIN items AS i ON i.id = r.item_id"
        " WHERE i.parked_at IS NOT NULL GROUP BY 1",
    )
    assert {tries for _, tries in runs} == {3}
    assert count(household_id, "SELECT count(*) FROM sync_runs WHERE state = 'running'") == 0


def test_XP7_a_worker_that_is_asked_to_stop_gives_its_turn_back_at_once(installation, household_id):
    lease = 600.0  # so that nobody waits for its end
    names = ("one", "other")
    for name in names:
        installation.worker(name, lease_seconds=lease)
    installation.beat(tick_seconds=2)
    for name in names:
        until(lambda name=name: " ready" in installation.log_of(name), 150, f"{name} is there")
    tokens, _ = link(installation, household_id, 1, rows=20, seconds=0.3)
    pages = "SELECT count(*) FROM journal_pages"
    until(lambda: count(household_id, pages) >= 3, 120, "it reads")

    [busy] = [name for name in names if "sync_run_started" in installation.log_of(name)]
    installation.processes[busy].send_signal(signal.SIGTERM)

    taken = "SELECT count(*) FROM sync_runs"
    assert until(lambda: count(household_id, taken) == 2, 30, "the other one takes over") < 30
    until(lambda: count(household_id, UNFINISHED) == 0, 60, "it is done")
    check_exact(household_id, tokens)
    assert query(household_id, STATES + " ORDER BY 1") == [("done", 1), ("lost", 1)]
    assert count(household_id, "SELECT max(lost_runs) FROM items") == 0
    assert installation.processes.pop(busy).wait(30) == 0


def test_XM1_messages_of_another_version_are_refused_and_harm_no_worker(installation, household_id):
    worker = installation.worker()
    with kombu.Connection(installation.valkey.url) as connection:
        for name, arguments in (
            ("connections.of_tomorrow", (str(household_id),)),
            (turns.SYNC_TASK, (str(household_id), str(household_id), "and", "more")),
            (turns.SYNC_TASK, ()),
            (turns.SYNC_TASK, ("not an id", "neither")),
        ):
            celery.send_task(name, args=arguments, kwargs={}, connection=connection)
        connection.SimpleQueue("sync").put({"no": "task"})
        connection.SimpleQueue("sync").put(b"pickled", serializer="pickle")
    tokens, _ = link(installation, household_id, 3)

    until(lambda: count(household_id, UNFINISHED) == 0, 120, "what it understands is done")

    check_exact(household_id, tokens)
    assert worker.poll() is None
    assert query(household_id, STATES) == [("done", 3)]
