"""A flood in one queue is no matter of the other: each has workers of its own."""

from collections.abc import Iterator

import pytest
import redis

from app.core.celery import DEFAULT_QUEUE, SYNC_QUEUE, celery
from app.features.connections.service import turns
from tests.factories import people
from tests.faults import token_bank
from tests.faults.installation import Installation, installed, until
from tests.features.connections.bank import query

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
FLOOD = 300


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Servers and no worker yet."""
    with installed(tmp_path_factory.mktemp("queues")) as found:
        yield found


def waiting(site: Installation, queue: str) -> int:
    """Count the messages that nobody took."""
    with redis.Redis.from_url(site.valkey.url) as client:
        return int(client.llen(queue))


def empty_queues(site: Installation) -> None:
    """Drop what another test left."""
    with redis.Redis.from_url(site.valkey.url) as client:
        client.delete(SYNC_QUEUE, DEFAULT_QUEUE)


def start_worker(site: Installation, queue: str) -> None:
    """Start a worker of one queue alone, as the deployment files do."""
    site.start(
        queue, "celery", "-A", "tests.faults.worker", "worker", "--pool=threads",
        "--concurrency=2", f"--queues={queue}", f"--hostname={queue}@test", "--without-gossip",
        "--without-mingle", "--without-heartbeat",
    )  # fmt: skip


def send(site: Installation, task: str, *arguments: str, count: int = 1) -> None:
    """Send messages by the routes of the program."""
    with celery.connection_for_write(site.valkey.url) as connection:
        for _ in range(count):
            celery.send_task(task, args=arguments, connection=connection)


def test_upkeep_goes_on_behind_a_flood_of_syncs(site: Installation) -> None:
    empty_queues(site)
    who = people.person("Flood")
    [item_id] = site.store_items(who.household_id, [token_bank.token("flooded")])
    query(who.household_id, "UPDATE items SET hinted_at = NULL")
    send(site, turns.SYNC_TASK, str(who.household_id), str(item_id), count=FLOOD)
    send(site, "connections.schedule_due_syncs")
    assert (waiting(site, SYNC_QUEUE), waiting(site, DEFAULT_QUEUE)) == (FLOOD, 1)

    start_worker(site, DEFAULT_QUEUE)

    # The schedule ran: it told of the Item that is due, behind all that waits there.
    until(lambda: waiting(site, SYNC_QUEUE) == FLOOD + 1, 60, "the schedule runs")
    assert waiting(site, DEFAULT_QUEUE) == 0
    site.stop(DEFAULT_QUEUE)


def test_syncs_go_on_behind_a_flood_of_upkeep(site: Installation) -> None:
    empty_queues(site)
    who = people.person("Flood")
    [item_id] = site.store_items(who.household_id, [token_bank.token("behind")])
    send(site, "connections.clean_up", count=FLOOD)
    send(site, turns.SYNC_TASK, str(who.household_id), str(item_id))

    start_worker(site, SYNC_QUEUE)

    done = "SELECT count(*) FROM sync_runs WHERE state = 'done'"
    until(lambda: query(who.household_id, done) == [(1,)], 60, "the Item is synced")
    assert waiting(site, DEFAULT_QUEUE) == FLOOD
    site.stop(SYNC_QUEUE)
