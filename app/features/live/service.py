"""What an open page is told, and for how long."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass
from uuid import UUID

from starlette.concurrency import run_in_threadpool

from app.core import events
from app.core.errors import RateLimitedError
from app.core.events import Event
from app.features.users import sessions

STREAMS_MAX = 12
"""Open pages of one person at one process; a browser itself opens no more than six."""

Message = dict[str, str]
"""`name`, and `id` where it is about one thing: what static/js/live.js turns into an event."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a stream lasts, and how it keeps alive."""

    lifetime_seconds: float = 15 * 60
    """After which the browser connects again: to another process if there is a better one."""
    beat_seconds: float = 15
    """Proxies cut connections that are silent for a minute; a session that ended is seen here."""
    gather_seconds: float = 0.25
    """What arrives within this time is told at once, and the same thing only once."""
    retry_milliseconds: int = 3_000


_open: Counter[UUID] = Counter()


async def stream(
    user_id: UUID,
    household_id: UUID,
    session_id: UUID,
    *,
    is_again: bool,
    pace: Pace = Pace(),
) -> AsyncGenerator[str, None]:
    """Yield server-sent events until the pace, the session or the server ends them.

    Holds no database connection while it waits. With `is_again`, the page is told to look anew,
    since it was not listening for a while.

    Raises:
        RateLimitedError: The person has too many pages open.
    """
    if _open[user_id] >= STREAMS_MAX:
        raise RateLimitedError("Too many pages are open at once.", retry_after_seconds=60)
    _open[user_id] += 1
    try:
        async with events.hub().listening(household_id) as listener:
            yield f"retry: {pace.retry_milliseconds}\nid: 1\n\n"
            if is_again:
                yield _told([events.BACK])
            async for text in _told_in_turn(listener, household_id, session_id, pace):
                yield text
    finally:
        _open[user_id] -= 1
        if not _open[user_id]:
            del _open[user_id]


async def _told_in_turn(
    listener: events.Listener, household_id: UUID, session_id: UUID, pace: Pace
) -> AsyncIterator[str]:
    now = time.monotonic()
    ends_at, beats_at = now + pace.lifetime_seconds, now + pace.beat_seconds
    while now < ends_at:
        arrived = await listener.take(max(0.01, min(ends_at, beats_at) - now))
        if events.END in arrived:
            return
        if arrived:
            await asyncio.sleep(pace.gather_seconds)
            arrived += await listener.take(0)
            # The page asks again at once, and must not be told what was true a second ago.
            sessions.look_anew(session_id)
            yield _told(arrived)
        now = time.monotonic()
        if now >= beats_at:
            if not await run_in_threadpool(sessions.may_listen, session_id, household_id):
                return
            beats_at = now + pace.beat_seconds
            yield ": still here\n\n"


def _told(arrived: Iterable[Event]) -> str:
    """Return events as texts of the stream, each thing named once."""
    found: dict[tuple[str, str], Message] = {}
    lost = any(event["kind"] == events.LOST["kind"] for event in arrived)
    for event in arrived:
        for message in messages_of(event):
            found[message["name"], message.get("id", "")] = message
    texts = [f"data: {json.dumps(message)}\n\n" for message in found.values()]
    # The comment is for whoever reads the stream by hand.
    return (": live events are down\n\n" if lost else "") + "".join(texts)


def messages_of(event: Event) -> list[Message]:
    """Return what a page is told of an event; nothing for one that pages need not know."""
    sync: list[Message] = [{"name": "sync", "id": str(event.get("item_id", ""))}]
    accounts: list[Message] = [{"name": "accounts"}]
    rows: list[Message] = [{"name": "transactions"}]
    match event["kind"]:
        case "sync_started" | "page_read":
            return sync
        case "sync_failed" | "item_changed":
            return sync + accounts
        case "sync_finished":
            changed = any(event.get(each) for each in ("added", "modified", "removed"))
            return sync + accounts + (rows if changed else [])
        case "tie_out_changed":
            return accounts
        case "import_booked" | "change_set_undone" | "change_set_redone":
            return accounts + rows
        case "transactions_edited":
            return rows
        case "live_lost" | "live_back":
            return [{"name": str(event["kind"]).replace("_", "-")}]
        case _:
            return []
