"""What the broker and the workers say: for the operator's page and for Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis
import structlog
from kombu.exceptions import OperationalError
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.core import metrics
from app.core.celery import celery
from app.core.config import settings

BROKER_SECONDS_MAX = 1.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of the broker: how many messages wait in it; None if it does not say."""

    name: str
    messages: int | None


def list_queues() -> tuple[Queue, ...]:
    """Return each queue with what waits in it; takes two seconds at most."""
    names = sorted(queue.name for queue in celery.conf.task_queues)
    try:
        client: Any = redis.Redis.from_url(
            settings.REDIS_URL.get_secret_value(),
            socket_connect_timeout=BROKER_SECONDS_MAX,
            socket_timeout=BROKER_SECONDS_MAX,
        )
        with client:
            return tuple(Queue(name, int(client.llen(name))) for name in names)
    except (redis.RedisError, OSError) as error:
        log.warning("queues_not_measured", error=type(error).__name__)
        return tuple(Queue(name, None) for name in names)


def list_workers() -> tuple[str, ...]:
    """Return the names of those that answer within a second."""
    try:
        answers = celery.control.ping(timeout=BROKER_SECONDS_MAX)
    except (OperationalError, redis.RedisError, OSError) as error:
        log.warning("workers_not_asked", error=type(error).__name__)
        return ()
    return tuple(sorted(name for answer in answers for name in answer))


class QueueCollector(Collector):
    """Tells Prometheus how many messages wait in each queue; nothing while the broker is away."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering asks no broker."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the messages by queue."""
        found = list_queues()
        yield metrics.gauge(
            "fta_queue_messages",
            "Messages that no worker has taken, by queue of the broker.",
            ["queue"],
            {(each.name,): each.messages for each in found if each.messages is not None},
        )
