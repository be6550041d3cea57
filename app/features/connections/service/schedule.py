"""The schedule: finds in PostgreSQL what is due and tells the workers, hint by hint."""

import datetime as dt
import random

from app.core import clock, jobs
from app.core.config import settings
from app.core.database import system_transaction
from app.features.connections import system
from app.features.connections.service import turns

TICK_ITEMS_MAX = 500
"""Items told of in one tick: below Plaid's 2,500 calls a minute even if each takes two pages."""
HINT_TIMEOUT = dt.timedelta(seconds=60)
"""After which a hint counts as lost: a flushed broker delays work by no more than this."""
SPREAD = 0.1
"""By what share of the interval Items are early or late, so that they do not bunch."""
EXCHANGE_TIMEOUT = dt.timedelta(minutes=10)


def next_regular(now: dt.datetime) -> dt.datetime:
    """Return when to look again without being asked, spread so that Items do not bunch."""
    spread = random.uniform(1 - SPREAD, 1 + SPREAD)  # noqa: S311  # spreads load, hides nothing
    return now + _interval() * spread


def due_after() -> dt.timedelta:
    """Return how long after a success an Item is synced again at the latest, if all is well."""
    return _interval() * (1 + SPREAD)


def _interval() -> dt.timedelta:
    return dt.timedelta(minutes=settings.SYNC_INTERVAL_MINUTES)


def schedule_due_syncs() -> int:
    """Tell the workers of the Items that are due; return how many."""
    with system_transaction() as session:
        due = system.take_due(session, hint_timeout=HINT_TIMEOUT, limit=TICK_ITEMS_MAX)
        for household_id, item_id in due:
            jobs.enqueue(session, turns.SYNC_TASK, str(household_id), str(item_id))
    return len(due)


def clean_up() -> None:
    """Settle what was left half-done."""
    now = clock.now()
    with system_transaction() as session:
        system.settle_lost_exchanges(session, now - EXCHANGE_TIMEOUT)
