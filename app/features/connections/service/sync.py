"""The sync: read what changed at the institution into the journal, then book it at once.

Two rules make it exact. No transaction is open while the network is used; and rows and cursor
move in one transaction that first compares the cursor, so that whoever was overtaken writes
nothing. A worker that dies in between leaves its pages in the journal, and the next one books
them without asking the provider again.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from uuid import UUID

import psycopg
import sqlalchemy.exc
import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app.core import clock, events, jobs, tracing
from app.core.database import household_transaction
from app.core.faults import fault
from app.domain import taxonomy
from app.domain.records import ChangeSet, SourceKey, join_pages
from app.features.accounts import service as accounts
from app.features.categories import service as categories
from app.features.changes import service as changes
from app.features.connections import repository
from app.features.connections.service import fetching, health, rereading, schedule, turns
from app.features.connections.service.fetching import JournaledPage, ReadPages, moves_cursor
from app.features.connections.service.turns import Turn
from app.features.journal import service as journal
from app.features.matching.service.homes import ask as ask_about_homes
from app.features.matching.service.homes import find_homes
from app.features.matching.service.rows import match_changes
from app.features.tieout import service as tieout
from app.features.transactions import service as transactions
from app.features.transactions.service import Applied
from app.models import Item
from app.providers.base import Page, ProviderError, ProviderUnavailableError

log = structlog.get_logger(__name__)

NOT_READY_WAIT = dt.timedelta(seconds=20)
HISTORY_WAIT = dt.timedelta(minutes=2)
HISTORY_HURRY = dt.timedelta(hours=1)
INVESTMENTS, HOLDINGS = ".investment_transactions", ".holdings"
OUR_ERROR = "INTERNAL_ERROR"
_OUR_ERROR_WORDS = "Something went wrong in this program, not at your bank. We try again."
LOST_DATABASE = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""The database is gone, full, or makes us wait too long: no fault of the Item's."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a sync ended: `done`, `busy` (somebody else's turn), `gone`, or `failed`."""

    state: str
    run_id: UUID | None = None
    applied: Applied = field(default_factory=lambda: Applied(0, 0, 0))
    error: ProviderError | None = None


def sync_item(
    household_id: UUID, item_id: UUID, trigger: str | None = None, *, if_due: bool = False
) -> Outcome:
    """Bring one Item up to date; for tasks and commands, since it waits for the network.

    The run notes who wanted it: `trigger`, else who is noted on the Item, else the schedule.
    With `if_due`, an Item that nobody wants and whose time has not come is left alone.

    Errors of the provider are recorded on the run and on the Item, not raised. What is raised is
    an error of ours, recorded as such, or a lost database: then the turn is given back, or ends
    with its lease, and the Item stays due.
    """
    turn = turns.begin(household_id, item_id, trigger, if_due=if_due)
    if turn is None:
        return Outcome("busy")
    with structlog.contextvars.bound_contextvars(
        trace_id=tracing.trace_id() or turn.run_id.hex, item_id=str(turn.item_id)
    ):
        log.info("sync_run_started", trigger=turn.trigger)
        try:
            outcome, is_behind = _run(turn)
        finally:
            turns.end(turn)
    if is_behind:
        return sync_item(household_id, item_id, trigger)
    return outcome


def _run(turn: Turn) -> tuple[Outcome, bool]:
    """Read and book; tell also whether there is more to read at once."""
    try:
        left = None if turn.reads_all else fetching.read_by_a_dead_worker(turn)
        read = left or _fetch(turn)
        with tracing.span("book pages", pages=len(read.pages)):
            applied = _book(turn, read)
    except ProviderError as error:
        _fail(turn, error)
        return Outcome("failed", turn.run_id, error=error), False
    except turns.TurnLostError:
        # Whoever took it, or gave it back for us, has marked the run.
        return Outcome("busy", turn.run_id), False
    except LOST_DATABASE:
        _give_back_if_possible(turn)
        raise
    except Exception:
        _fail(turn, ProviderUnavailableError(OUR_ERROR, _OUR_ERROR_WORDS), is_ours=True)
        raise
    except BaseException:  # a command that was interrupted
        _give_back_if_possible(turn)
        raise
    if applied is None:
        return Outcome("busy", turn.run_id), False
    if not left:
        _follow_up(turn)
    return Outcome("done", turn.run_id, applied), bool(left)


def _fetch(turn: Turn) -> ReadPages:
    with tracing.span("fetch pages", provider=turn.provider.name):
        return fetching.fetch(turn)


def _give_back_if_possible(turn: Turn) -> None:
    try:
        turns.give_back(turn)
    except LOST_DATABASE:
        turns.give_back_later(turn)


def _book(turn: Turn, read: ReadPages) -> Applied | None:
    """Apply the pages and move the cursor, or do nothing if somebody else has moved it."""
    fault("sync.before_transaction")
    with household_transaction(turn.household_id) as session:
        item = repository.find_item(session, turn.household_id, turn.item_id, lock=True)
        if item is None or item.cursor != turn.cursor:
            turns.lose(session, turn)
            return None
        if rereading.is_full(turn, read.pages):
            rereading.check_complete(item, read.pages)
        has_unread = rereading.lists_unread_accounts(session, turn, read.pages)
        applied = _apply(session, turn, read)
        fault("sync.before_cursor")
        _record_success(session, turn, item, read.pages, applied)
        if has_unread:
            values = {"sync_wanted_by": turns.REREAD, "next_sync_at": clock.now()}
            repository.update_item(session, turn.household_id, turn.item_id, values)
        jobs.tell_after_commit(session, lambda: _announce(turn, applied))
        fault("sync.before_commit")
    fault("sync.committed")
    return applied


def _apply(session: Session, turn: Turn, read: ReadPages) -> Applied:
    change_set_id = changes.open_change_set(
        session, turn.household_id, kind="sync", sync_run_id=read.run_id
    )
    pages = read.pages
    keys: dict[str, accounts.SourceAccountKey] = {}
    for journaled in pages:
        rejected = journaled.page.changes.rejected
        journal.reject(session, turn.household_id, journaled.id, rejected)
    joined = _joined(pages)
    listings = account_pages(pages, as_of_rows=True)
    homes = find_homes(
        session,
        turn.household_id,
        (record for each in listings for record in each.page.changes.accounts),
        joined,
        item_id=turn.item_id,
        institution_name=turn.institution_name,
    )
    for journaled in listings:
        keys |= accounts.store_accounts(
            session,
            turn.household_id,
            journaled.page.changes.accounts,
            source=turn.provider.name,
            item_id=turn.item_id,
            institution_name=turn.institution_name,
            journal_page_id=journaled.id,
            feeds=homes.feeds,
        )
    ask_about_homes(session, turn.household_id, change_set_id, homes, keys)
    sweep = rereading.begin(session, turn, pages, listings, keys)
    applied = transactions.apply_changes(
        session,
        turn.household_id,
        change_set_id,
        joined,
        accounts=keys,
        categories=categories_of(session, turn.household_id, joined),
        pages=_pages_by_key(pages),
        told_from=sweep.told_from if sweep else None,
    )
    if sweep:
        gone = rereading.withdraw_untold(session, turn, read.run_id, pages, sweep)
        joined = replace(joined, removed=joined.removed + gone)
        applied = replace(applied, removed=applied.removed + len(gone))
    if any((applied.added, applied.modified, applied.removed)):
        match_changes(session, turn.household_id, change_set_id, joined, keys)
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
    touched = {key.account_id for key in keys.values()}.union(homes.left)
    is_news, is_early = any(counts.values()) or bool(homes.left), _awaits_rows(pages)
    tieout.after_booking(
        session, turn.household_id, touched, has_changes=is_news, awaits_rows=is_early
    )
    if sweep is None:  # which withdraws hidden rows too, and knows rows again
        words = len(joined.upserts) + len(joined.removed)
        counts[changes.REPEATED] = words - sum(counts.values())
    noted = counts | {changes.AS_OF_ROWS: True}
    changes.count(session, turn.household_id, change_set_id, noted)
    return applied


def _pages_by_key(pages: Iterable[JournaledPage]) -> dict[SourceKey, UUID]:
    """Return the page that last spoke of each transaction."""
    found: dict[SourceKey, UUID] = {}
    for journaled in pages:
        records = journaled.page.changes
        found |= dict.fromkeys((row.key for row in records.upserts), journaled.id)
        found |= dict.fromkeys(records.removed, journaled.id)
    return found


def _awaits_rows(pages: Iterable[JournaledPage]) -> bool:
    """Tell whether the provider is still collecting the first rows."""
    return not any(p.page.ready for p in pages if moves_cursor(p.page))


def _joined(pages: list[JournaledPage]) -> ChangeSet:
    """Return all that changed: what the cursor loop says, and what moved on investments."""
    joined = join_pages(p.page.changes for p in pages if moves_cursor(p.page))
    investments = [p.page.changes for p in pages if p.page.kind.endswith(INVESTMENTS)]
    if not investments:
        return joined
    more = join_pages(investments)
    return replace(joined, upserts=joined.upserts + more.upserts)


def categories_of(session: Session, household_id: UUID, joined: ChangeSet) -> dict[str, UUID]:
    """Return the household's category for each of the source's codes."""
    ours = categories.ids_by_code(session, household_id)
    codes = {record.category_code for record in joined.upserts if record.category_code}
    return {code: ours[name] for code in codes if (name := taxonomy.find(code)) in ours}


def account_pages(pages: Iterable[JournaledPage], *, as_of_rows: bool) -> list[JournaledPage]:
    """Return the pages to read accounts from, the complete listing last.

    Pages of transactions list accounts too, among them ones that were closed meanwhile. With
    `as_of_rows` a balance that the last of them states takes the place of the listing's, for it is
    of the same moment as the rows: the listing was asked for later, and what happened in between
    would look like missing rows.
    """
    last = {moves_cursor(p.page): p for p in pages if p.page.changes.accounts}
    rows, listing = last.get(True), last.get(False)
    if as_of_rows and rows and listing:
        listing = _with_balances_of(rows, listing)
    return [page for page in (rows, listing) if page]


def booked_account_pages(
    session: Session, household_id: UUID, run_id: UUID, pages: Iterable[JournaledPage]
) -> list[JournaledPage]:
    """Return the pages that a run's accounts were read from, with the balances that it booked."""
    as_of_rows = changes.is_as_of_rows(session, household_id, run_id)
    return account_pages(pages, as_of_rows=as_of_rows)


def _with_balances_of(rows: JournaledPage, listing: JournaledPage) -> JournaledPage:
    stated = {
        account.source_id: account.balance
        for account in rows.page.changes.accounts
        if account.balance.current is not None
    }
    listed = listing.page.changes
    accounts_ = tuple(
        replace(each, balance=stated.get(each.source_id, each.balance)) for each in listed.accounts
    )
    return replace(listing, page=replace(listing.page, changes=replace(listed, accounts=accounts_)))


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
        "lost_runs": 0,
        "parked_at": None,
        "next_sync_at": _next_sync(item, last, now),
    }
    if item.lease_id == turn.lease_id:
        values |= {"lease_id": None, "lease_until": None}
    values |= health.of_item_record(turn.provider, reported)
    repository.update_item(session, turn.household_id, turn.item_id, values)
    repository.update_sync_run(
        session,
        turn.household_id,
        turn.run_id,
        {
            "state": "done",
            "finished_at": func.clock_timestamp(),
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
    return schedule.next_regular(now)


def _fail(turn: Turn, error: ProviderError, *, is_ours: bool = False) -> None:
    """Record what went wrong, and when to try again; an error of ours counts as a death."""
    now = clock.now()
    with household_transaction(turn.household_id) as session:
        item = repository.find_item(session, turn.household_id, turn.item_id, lock=True)
        if item is not None and item.lease_id == turn.lease_id:
            values = health.of_error(error, failures=item.failures, now=now)
            values |= {"lease_id": None, "lease_until": None}
            values.setdefault("next_sync_at", schedule.next_regular(now))
            values["lost_runs"] = item.lost_runs + 1 if is_ours else 0
            if values["lost_runs"] == turns.LOST_RUNS_MAX:
                values |= turns.set_aside()
            repository.update_item(session, turn.household_id, turn.item_id, values)
        repository.update_sync_run(
            session,
            turn.household_id,
            turn.run_id,
            {
                "state": "failed",
                "finished_at": func.clock_timestamp(),
                "error_code": error.code,
                "error_message": error.message,
            },
        )
    log.warning("sync_run_failed", error_code=error.code)
    events.publish(turn.household_id, "sync_failed", item_id=str(turn.item_id))


def _announce(turn: Turn, applied: Applied) -> None:
    log.info(
        "sync_run_finished",
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
            jobs.enqueue(session, turns.SYNC_TASK, str(turn.household_id), str(turn.item_id))
