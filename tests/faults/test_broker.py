"""XR4: a broker that is slow, and one that is full."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import redis

from app.core import embedded
from app.core.celery import celery
from app.core.config import settings
from app.features.connections.service import schedule
from tests.faults.installation import until
from tests.faults.proxy import proxy_to
from tests.features.connections.bank import linked, open_bank, query

pytestmark = pytest.mark.slow
WANTED = "SELECT sync_wanted_by, next_sync_at <= now() FROM items"


@contextmanager
def broker_at(url: str) -> Iterator[None]:
    """Let the jobs of this process go to another broker."""
    before = settings.REDIS_URL.get_secret_value()
    _use(url)
    try:
        yield
    finally:
        _use(before)


def _use(url: str) -> None:
    celery.conf.broker_url = celery.conf.broker_read_url = celery.conf.broker_write_url = url
    # It opens other connections; those it has may be stuck.
    celery._pool = celery.amqp._producer_pool = None


def press(ada, item_id) -> float:
    """Ask for a sync and return how long the answer took."""
    began = time.monotonic()
    answer = ada.post(f"/connections/{item_id}/sync", follow_redirects=False)
    assert answer.status_code in (200, 303)
    return time.monotonic() - began


def check_that_the_schedule_finds_it(household_id, item_id, url: str) -> None:
    """Let the hint count as lost: the work stands in PostgreSQL."""
    assert query(household_id, WANTED) == [("button", True)]
    before = hints_at(url, item_id)

    def is_told() -> bool:
        age = "UPDATE items SET hinted_at = now() - interval '2 minutes' RETURNING id"
        assert query(household_id, age)
        schedule.schedule_due_syncs()
        return hints_at(url, item_id) > before

    until(is_told, 60, "the schedule tells of it")


def hints_at(url: str, item_id: object) -> int:
    """Count the messages about an Item that wait at a broker."""
    with redis.Redis.from_url(url) as client:
        waiting = client.lrange("sync", 0, -1)
    return sum(str(item_id).encode() in message for message in waiting)


def test_XR4_a_slow_broker_holds_up_a_request_for_a_second_and_loses_nothing(ada):
    real = settings.REDIS_URL.get_secret_value()
    host, port = urlsplit(real).hostname, urlsplit(real).port
    with linked(ada.household_id, open_bank()) as item_id, proxy_to(host, port) as proxy:
        proxy.delay_seconds = 2.0
        with broker_at(real.replace(f":{port}", f":{proxy.port}")):
            seconds = [press(ada, item_id) for _ in range(12)]
            proxy.delay_seconds = 0.0

        assert max(seconds) < 4, seconds
        check_that_the_schedule_finds_it(ada.household_id, item_id, real)


def test_XR4_a_full_broker_fails_no_request_and_loses_nothing(ada):
    with (
        embedded.temporary_home() as home,
        embedded.valkey(home, durable=False) as server,
        redis.Redis.from_url(server.url) as client,
        linked(ada.household_id, open_bank()) as item_id,
        broker_at(server.url),
    ):
        client.config_set("maxmemory", "1")
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            client.set("anything", "at all")
        seconds = [press(ada, item_id) for _ in range(3)]
        assert hints_at(server.url, item_id) == 0
        client.config_set("maxmemory", "0")

        assert max(seconds) < 4, seconds
        check_that_the_schedule_finds_it(ada.household_id, item_id, server.url)
