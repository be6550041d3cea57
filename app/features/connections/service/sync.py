"""The sync: read what changed at the institution into the journal, then book it at once.

Two rules make it exact. No transaction is open while the network is used; and rows and cursor
move in one transaction that first compares the cursor, so that whoever was overtaken writes
nothing. A worker that dies in between leaves its pages in the journal, and the next one books
them without asking the provider again.
"""

import datetime as dt
import random
from dataclasses import dataclass, field, replace
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import clock, events, jobs
from app.core.config import settings
from app.core.database import household_transaction
from app.core.ids import uuid7
from app.domain import taxonomy
from app.domain.records import ChangeSet, SourceKey, join_pages
from app.features.accounts import service as accounts
from app.features.categories import service as categories
from app.features.changes import service as changes
from app.features.connections import repository
from app.features.connections.service import fetching, health
from app.features.connections.service.fetching import LEASE, JournaledPage, Turn, moves_cursor
from app.features.journal import service as journal
from app.features.transactions import service as transactions
from app.features.transactions.service import Applied
from app.features.vault import service as vault
from app.models import Item
from app.providers import registry
from app.providers.base import (
    Page,
    ProviderError,
)

log = structlog.get_logger(__name__)

NOT_READY_WAIT = dt.timedelta(seconds=20)
HISTORY_WAIT = dt.timedelta(minutes=2)
HISTORY_HURRY = dt.timedelta(hours=1)
INVESTMENTS, HOLDINGS = ".investment_transactions", ".holdings"
TOKEN_PLACE = "items.access_token"  # noqa: S105  # the name of a column
SYNC_TASK = "connections.sync_item"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sync ended: `done`, `busy` (somebody else's turn), `gone`, or `failed`."""

    state: str
    run_id: UUID | None = None
    applied: Applied = field(default_factory=lambda: Applied(0, 0, 0))
    error: ProviderError | None = None


def sync_item(household_id: UUID, item_id: UUID, trigger: str | None = None) -> Outcome:
    """Bring one Item up to date; for tasks and commands, since it waits for the network.

    The run notes who wanted it: `trigger`, else who is noted on the Item, else the schedule.

    Errors of the provider are recorded on the run and on the Item, not raised. Whatever is
    raised leaves the Item due, and its turn free once the lease has run out.
    """
    turn = _begin(household_id, item_id, trigger)
    if turn is None:
        return Outcome("busy")
    try:
        left = fetching.read_by_a_dead_worker(turn)
        applied = _book(turn, left or fetching.fetch(turn))
    except ProviderError as error:
        _fail(turn, error)
        return Outcome("failed", turn.run_id, error=error)
    if applied is None:
        return Outcome("busy", turn.run_id)
    if left:
        return sync_item(household_id, item_id, trigger)  # and now what is new since then
    _follow_up(turn)
    return Outcome("done", turn.run_id, applied)


def _begin(household_id: UUID, item_id: UUID, trigger: str | None = None) -> Turn | None:
    """Take the Item's turn and open a sync run; None if somebody else has it."""
    lease_id, run_id = uuid7(), uuid7()
    with household_transaction(household_id) as session:
        wanted_by = repository.who_wants_sync(session, household_id, item_id)
        item = repository.take_lease(session, household_id, item_id, lease_id, LEASE)
        if item is None:
            return None
        assert item.access_token is not None  # only an unlinked Item has none
        key = vault.get_key(session, household_id)
        token = key.open(item.access_token, place=TOKEN_PLACE, row_id=item.id).decode()
        repository.lose_running(session, household_id, item_id)
        repository.insert_sync_run(
            session,
            {
                "household_id": household_id,
                "id": run_id,
                "item_id": item_id,
                "trigger": trigger or wanted_by or "schedule",
                "state": "running",
                "started_at": clock.now(),
                "cursor_before": item.cursor,
            },
        )
    events.publish(household_id, "sync_started", item_id=str(item_id))
    return Turn(
        household_id=household_id,
        item_id=item_id,
        run_id=run_id,
        lease_id=lease_id,
        provider=registry.get(item.provider),
        access_token=token,
        cursor=item.cursor,
        institution_name=item.institution_name,
        key=key,
    )


def _book(turn: Turn, pages: list[JournaledPage]) -> Applied | None:
    """Apply the pages and move the cursor, or do nothing if somebody else has moved it."""
    with household_transaction(turn.household_id) as session:
        item = repository.find_item(session, turn.household_id, turn.item_id, lock=True)
        if item is None or item.cursor != turn.cursor:
            values = {"state": "lost", "finished_at": clock.now()}
            repository.update_sync_run(session, turn.household_id, turn.run_id, values)
            return None
        applied = _apply(session, turn, pages)
        _record_success(session, turn, item, pages, applied)
        jobs.after_commit(session, lambda: _announce(turn, applied))
    return applied


def _apply(session: Session, turn: Turn, pages: list[JournaledPage]) -> Applied:
    change_set_id = changes.open_change_set(
        session, turn.household_id, kind="sync", sync_run_id=turn.run_id
    )
    keys: dict[str, accounts.SourceAccountKey] = {}
    page_of: dict[SourceKey, UUID] = {}
    for journaled in pages:
        records = journaled.page.changes
        page_of |= dict.fromkeys((row.key for row in records.upserts), journaled.id)
        page_of |= dict.fromkeys(records.removed, journaled.id)
        journal.reject(session, turn.household_id, journaled.id, records.rejected)
    for journaled in _account_pages(pages):
        keys |= accounts.store_accounts(
            session,
            turn.household_id,
            journaled.page.changes.accounts,
            source=turn.provider.name,
            item_id=turn.item_id,
            institution_name=turn.institution_name,
            journal_page_id=journaled.id,
        )
    joined = _joined(pages)
    applied = transactions.apply_changes(
        session,
        turn.household_id,
        change_set_id,
        joined,
        accounts=keys,
        categories=_categories(session, turn.household_id, joined),
        pages=page_of,
    )
    for journaled in pages:
        if journaled.page.kind.endswith(HOLDINGS):
            accounts.store_holdings(
                session,
                turn.household_id,
                keys,
                journaled.page.holdings,
                journal_page_id=journaled.id,
            )
    counts = {"added": applied.added, "modified": applied.modified, "removed": applied.removed}
    changes.count(session, turn.household_id, change_set_id, counts)
    return applied


def _joined(pages: list[JournaledPage]) -> ChangeSet:
    """Return all that changed: what the cursor loop says, and what moved on investments."""
    joined = join_pages(p.page.changes for p in pages if moves_cursor(p.page))
    investments = [p.page.changes for p in pages if p.page.kind.endswith(INVESTMENTS)]
    if not investments:
        return joined
    more = join_pages(investments)
    return replace(joined, upserts=joined.upserts + more.upserts)


def _categories(session: Session, household_id: UUID, joined: ChangeSet) -> dict[str, UUID]:
    """Return the household's category for each of the source's codes."""
    ours = categories.ids_by_code(session, household_id)
    codes = {record.category_code for record in joined.upserts if record.category_code}
    return {code: ours[name] for code in codes if (name := taxonomy.find(code)) in ours}


def _account_pages(pages: list[JournaledPage]) -> list[JournaledPage]:
    """Return the pages to read accounts from, the complete listing last.

    Pages of transactions list accounts too, among them ones that were closed meanwhile.
    """
    partial = [p for p in pages if moves_cursor(p.page) and p.page.changes.accounts]
    complete = [p for p in pages if not moves_cursor(p.page) and p.page.changes.accounts]
    return partial[-1:] + complete[-1:]


def _record_success(
    session: Session, turn: Turn, item: Item, pages: list[JournaledPage], applied: Applied
) -> None:
    last = next(p.page for p in reversed(pages) if moves_cursor(p.page))
    reported = next((p.page.item for p in pages if p.page.item is not None), None)
    now = clock.now()
    values: dict[str, object] = {
        "cursor": last.changes.to_cursor,
        "history_complete": item.history_complete or last.history_complete,
        "synced_at": now,
        "failures": 0,
        "lease_id": None,
        "lease_until": None,
        "next_sync_at": _next_sync(item, last, now),
    }
    values |= health.of_item_record(turn.provider, reported)
    repository.update_item(session, turn.household_id, turn.item_id, values)
    repository.update_sync_run(
        session,
        turn.household_id,
        turn.run_id,
        {
            "state": "done",
            "finished_at": now,
            "cursor_after": last.changes.to_cursor,
            "pages": len(pages),
            "added": applied.added,
            "modified": applied.modified,
            "removed": applied.removed,
            "rejected": sum(len(p.page.changes.rejected) for p in pages),
        },
    )


def _next_sync(item: Item, last: Page, now: dt.datetime) -> dt.datetime:
    """Return when to look again: soon while a new Item's history is still being collected.

    Webhooks say when it is there; this is for those that get lost. Some Items never report a
    complete history, so the hurry ends.
    """
    if not last.ready:
        return now + NOT_READY_WAIT
    is_young = now - item.created_at < HISTORY_HURRY
    if is_young and not (item.history_complete or last.history_complete):
        return now + HISTORY_WAIT
    return _next_regular(now)


def _next_regular(now: dt.datetime) -> dt.datetime:
    """Return when to look again without being asked, spread so that Items do not bunch."""
    interval = dt.timedelta(minutes=settings.SYNC_INTERVAL_MINUTES)
    return now + interval * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load, hides nothing


def _fail(turn: Turn, error: ProviderError) -> None:
    """Record what went wrong, and when to try again."""
    now = clock.now()
    with household_transaction(turn.household_id) as session:
        item = repository.find_item(session, turn.household_id, turn.item_id, lock=True)
        if item is not None and item.lease_id == turn.lease_id:
            values = health.of_error(error, failures=item.failures, now=now)
            values |= {"lease_id": None, "lease_until": None}
            values.setdefault("next_sync_at", _next_regular(now))
            repository.update_item(session, turn.household_id, turn.item_id, values)
        repository.update_sync_run(
            session,
            turn.household_id,
            turn.run_id,
            {
                "state": "failed",
                "finished_at": now,
                "error_code": error.code,
                "error_message": error.message,
            },
        )
    log.warning("sync_run_failed", item_id=str(turn.item_id), error_code=error.code)
    events.publish(turn.household_id, "sync_failed", item_id=str(turn.item_id))


def _announce(turn: Turn, applied: Applied) -> None:
    log.info(
        "sync_run_finished",
        item_id=str(turn.item_id),
        added=applied.added,
        modified=applied.modified,
        removed=applied.removed,
    )
    events.publish(
        turn.household_id,
        "sync_finished",
        item_id=str(turn.item_id),
        added=applied.added,
        modified=applied.modified,
        removed=applied.removed,
    )


def _follow_up(turn: Turn) -> None:
    """Go again if somebody asked for a sync while this one ran."""
    with household_transaction(turn.household_id) as session:
        item = repository.find_item(session, turn.household_id, turn.item_id)
        if item is not None and item.sync_wanted_by is not None:
            jobs.enqueue(session, SYNC_TASK, str(turn.household_id), str(turn.item_id))
