"""Live events to open pages, over Redis; a page that misses one still finds the truth on reload.

Workers publish to one channel per household. Each web process has one subscription to all of
them, however many pages are open, and hands each event to the pages of its household.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
import structlog
from redis.exceptions import RedisError

from app.core.config import settings

log = structlog.get_logger(__name__)

PENDING_MAX = 200
"""Events kept for a page that does not read; more than that, and it is told to look anew."""
RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 30.0
HEALTH_SECONDS = 15
_PREFIX, _SUFFIX = "household:", ":events"

Event = dict[str, Any]
"""`kind`, and ids and counts."""

LOST: Event = {"kind": "live_lost"}
"""Events do not arrive at present."""
BACK: Event = {"kind": "live_back"}
"""Events arrive again, and some may have been missed."""
END: Event = {"kind": "live_end"}
"""The server is about to stop."""


@cache
def _client() -> redis.Redis:
    url = settings.REDIS_URL.get_secret_value()
    return redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)


def channel_of(household_id: UUID) -> str:
    """Return the name of a household's channel."""
    return f"{_PREFIX}{household_id}{_SUFFIX}"


def publish(household_id: UUID, kind: str, **data: str | int | None) -> None:
    """Tell a household's open pages that something changed; ids and counts, no content."""
    try:
        _client().publish(channel_of(household_id), json.dumps({"kind": kind, **data}))
    except RedisError as error:
        log.warning("event_not_published", kind=kind, error=type(error).__name__)


class Listener:
    """What one open page has yet to be told."""

    def __init__(self) -> None:
        self._pending: deque[Event] = deque()
        self._arrived = asyncio.Event()

    def put(self, event: Event) -> None:
        """Add an event; a page that does not read gets one that stands for all it missed."""
        if len(self._pending) >= PENDING_MAX:
            self._pending.clear()
            self._pending.append(BACK)
        self._pending.append(event)
        self._arrived.set()

    async def take(self, timeout_seconds: float) -> list[Event]:
        """Return what has arrived, waiting for the first; nothing if nothing came in time."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._arrived.wait()
        except TimeoutError:
            return []
        events = list(self._pending)
        self._pending.clear()
        self._arrived.clear()
        return events


class Hub:
    """Hands the events of all households to the listeners of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._listeners: dict[str, set[Listener]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._is_lost = False

    @asynccontextmanager
    async def listening(self, household_id: UUID) -> AsyncIterator[Listener]:
        """Yield a listener to a household's events; the first one connects, the last one leaves."""
        listener, channel = Listener(), channel_of(household_id)
        self._listeners.setdefault(channel, set()).add(listener)
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        elif self._is_lost:
            listener.put(LOST)
        try:
            yield listener
        finally:
            self._listeners[channel].discard(listener)
            if not self._listeners[channel]:
                del self._listeners[channel]
            if not self._listeners and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    def close(self) -> None:
        """Let every listener know that the server stops."""
        self._tell(END)

    async def _read(self) -> None:
        wait_seconds = RETRY_SECONDS_MIN
        self._is_lost = False
        while True:
            try:
                await self._follow()
            except (RedisError, OSError) as error:
                log.warning("events_lost", error=type(error).__name__)
            if not self._is_lost:
                self._is_lost, wait_seconds = True, RETRY_SECONDS_MIN
                self._tell(LOST)
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_SECONDS_MAX)

    async def _follow(self) -> None:
        """Hand on what arrives, until the connection breaks."""
        client = redis.asyncio.Redis.from_url(
            self._url, socket_connect_timeout=2, socket_keepalive=True,
            health_check_interval=HEALTH_SECONDS, decode_responses=True,
        )  # fmt: skip
        async with client, client.pubsub() as subscription:
            await subscription.psubscribe(f"{_PREFIX}*{_SUFFIX}")
            if self._is_lost:
                self._is_lost = False
                self._tell(BACK)
            while True:
                message = await subscription.get_message(
                    ignore_subscribe_messages=True, timeout=HEALTH_SECONDS
                )
                if message is not None:
                    self._hand_on(message["channel"], message["data"])

    def _hand_on(self, channel: str, text: str) -> None:
        listeners = self._listeners.get(channel)
        if not listeners:
            return
        event = json.loads(text)
        for listener in listeners:
            listener.put(event)

    def _tell(self, event: Event) -> None:
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.put(event)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running event loop: one in each process that serves pages."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(settings.REDIS_URL.get_secret_value())
    return _hubs[loop]
