"""Turns: who may sync an Item now, by PostgreSQL's clock, and what becomes of a turn that died.

A turn is a lease in the Item's row. Its worker keeps it while pages come and gives it back at the
end, also when it is asked to stop; one that dies loses it when the lease runs out. Each run is
written before its work begins, so that deaths are counted: after three in a row the Item is set
aside, since its syncs would go on killing workers for ever.
"""

import threading
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app.core import events, jobs, tracing
from app.core.database import household_transaction
from app.core.encryption import HouseholdKey
from app.core.faults import fault
from app.core.ids import uuid7
from app.features.connections import repository
from app.features.vault import service as vault
from app.models import Item
from app.providers import registry
from app.providers.base import Provider

log = structlog.get_logger(__name__)

LEASE_SECONDS = 300
"""Longer than a call to a provider and its retries take; booking holds the Item's row besides."""
LOST_RUNS_MAX = 3
TOKEN_PLACE = "items.access_token"  # noqa: S105  # the name of a column
SYNC_TASK = "connections.sync_item"
REREAD, ACCEPT = "reread", "accept"
READING_ALL = (REREAD, ACCEPT)
"""Who wants everything read from the beginning; after `accept` whatever it withdraws is booked."""
HELD = "FULL_READING_HELD"
"""The Item's error code while a person is asked whether to believe a full reading."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's turn to sync one Item."""

    household_id: UUID
    item_id: UUID
    run_id: UUID
    lease_id: UUID
    trigger: str
    provider: Provider
    access_token: str
    cursor: str | None
    reads_all: bool
    """Everything is read from the beginning, not what follows the cursor."""
    institution_name: str
    key: HouseholdKey


class TurnLostError(Exception):
    """The lease ran out and somebody else has the turn, or it was given back."""


_held: dict[UUID, Turn] = {}
"""The turns of this process, by lease."""
_lock = threading.Lock()
_is_stopping = threading.Event()
_unreturned: list[Turn] = []
"""Turns that could not be given back, because the database was gone."""


def begin(
    household_id: UUID, item_id: UUID, trigger: str | None = None, *, if_due: bool = False
) -> Turn | None:
    """Take the Item's turn and open a sync run; None if it is not to be had.

    With `if_due`, None also if the Item is not due: of a thousand hints, one or two are right.
    """
    if _is_stopping.is_set():
        return None  # the hint was for nothing, and the schedule gives another
    while _unreturned:
        give_back(_unreturned[-1])
        _unreturned.pop()
    lease_id, run_id = uuid7(), uuid7()
    with household_transaction(household_id) as session:
        wanted_by, is_due = repository.who_wants_sync(session, household_id, item_id)
        if if_due and not is_due:
            return None
        item = repository.take_lease(session, household_id, item_id, lease_id, LEASE_SECONDS)
        if item is None or not _counts_deaths(session, item):
            return None
        if wanted_by not in READING_ALL:
            wanted_by = trigger or wanted_by
        trigger = wanted_by or "schedule"
        repository.insert_sync_run(
            session,
            {
                "household_id": household_id,
                "id": run_id,
                "item_id": item_id,
                "trigger": trigger,
                "state": "running",
                "started_at": func.now(),
                "cursor_before": item.cursor,
                "trace_id": tracing.trace_id() or run_id.hex,
            },
        )
        turn = _open(session, item, run_id, lease_id, trigger)
    with _lock:
        _held[lease_id] = turn
    fault("sync.leased")
    events.publish(household_id, "sync_started", item_id=str(item_id))
    return turn


def _counts_deaths(session: Session, item: Item) -> bool:
    """Note the runs whose worker died; False if they are too many and the Item is set aside."""
    deaths = repository.lose_running(session, item.household_id, item.id)
    lost_runs = item.lost_runs + deaths
    if deaths:
        values: dict[str, object] = {"lost_runs": lost_runs}
        if lost_runs >= LOST_RUNS_MAX:
            values |= set_aside()
        repository.update_item(session, item.household_id, item.id, values)
        log.warning("sync_worker_lost", item_id=str(item.id), lost_runs=lost_runs)
    return lost_runs < LOST_RUNS_MAX


def set_aside() -> dict[str, object]:
    """Return the columns of an Item that is not tried again before a person asks for it."""
    return {
        "parked_at": func.now(),
        "lease_id": None,
        "lease_until": None,
        "next_sync_at": None,
        "sync_wanted_by": None,
    }


def _open(session: Session, item: Item, run_id: UUID, lease_id: UUID, trigger: str) -> Turn:
    assert item.access_token is not None  # only an unlinked Item has none
    key = vault.get_key(session, item.household_id)
    return Turn(
        household_id=item.household_id,
        item_id=item.id,
        run_id=run_id,
        lease_id=lease_id,
        trigger=trigger,
        provider=registry.get(item.provider),
        access_token=key.open(item.access_token, place=TOKEN_PLACE, row_id=item.id).decode(),
        cursor=item.cursor,
        reads_all=trigger in READING_ALL or item.error_code == HELD,
        institution_name=item.institution_name,
        key=key,
    )


def keep(session: Session, turn: Turn) -> None:
    """Keep the turn for another while.

    Raises:
        TurnLostError: It is no longer ours.
    """
    if not repository.extend_lease(
        session, turn.household_id, turn.item_id, turn.lease_id, LEASE_SECONDS
    ):
        raise TurnLostError


def end(turn: Turn) -> None:
    """Forget a turn that is over in the database."""
    with _lock:
        _held.pop(turn.lease_id, None)


def give_back(turn: Turn) -> None:
    """Let somebody else take the turn at once; what was read stays in the journal."""
    with household_transaction(turn.household_id) as session:
        if repository.release_lease(
            session, turn.household_id, turn.item_id, turn.lease_id, turn.trigger
        ):
            lose(session, turn)
            jobs.enqueue(session, SYNC_TASK, str(turn.household_id), str(turn.item_id))
            log.info("sync_turn_given_back", item_id=str(turn.item_id))


def give_back_later(turn: Turn) -> None:
    """Give the turn back before the next one begins: its worker lives, so it was no death."""
    _unreturned.append(turn)


def lose(session: Session, turn: Turn) -> None:
    """Mark the turn's run as one that others will repeat."""
    values = {"state": "lost", "finished_at": func.clock_timestamp()}
    repository.update_sync_run(session, turn.household_id, turn.run_id, values)


def give_back_all() -> None:
    """Give back every turn of this process and take no other, because it is asked to stop.

    A booking that is under way goes on to its commit: it holds the Item's row, so this waits for
    it and finds nothing to give back. A reading ends at its next page.
    """
    _is_stopping.set()
    with _lock:
        turns = list(_held.values())
    for turn in turns:
        give_back(turn)
