"""What pages and programs are shown of connections, in plain words."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.features.connections import repository
from app.features.connections.service import link, turns
from app.features.tieout import service as tieout
from app.models import Item, SourceAccount, SyncRun, TieOut

STALE = dt.timedelta(hours=36)
"""Without a look at the institution for this long, an Item is not called up to date."""
RUNS_SHOWN = 5
ACCOUNTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account behind a connection."""

    account_id: UUID
    name: str
    mask: str | None
    kind: str
    current: Decimal | None
    currency: str
    missing_since: dt.datetime | None
    tied_through: dt.date | None
    """The last day whose stated balance the transactions come to."""
    gap: Decimal | None
    """The balance stated last less what the transactions come to; None where it is not told."""
    is_accepted: bool
    """Whether a person accepted the gap."""


@dataclass(frozen=True, slots=True)
class Run:
    """One sync run as people read it."""

    id: UUID
    state: str
    trigger: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    pages: int
    rows_read: int
    """Transactions named by the pages read so far."""
    added: int
    modified: int
    removed: int
    rejected: int
    """Rows that could not be booked; they are set aside and shown."""
    error_code: str | None
    error_message: str | None
    reading_seconds: float | None
    """From its start until all pages were in the journal; None before that."""
    booking_seconds: float | None
    trace_id: str | None
    """Finds its lines in the logs."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection with all that a person asks of it."""

    id: UUID
    institution_name: str
    provider: str
    status: str
    """`good`, `syncing`, `waiting`, `stale`, `expiring`, `needs_user`, `held`, `parked` or
    `dead`."""
    headline: str
    """The status in a few words."""
    explanation: str
    """What it means, and what to do if anything."""
    error_code: str | None
    can_fix: bool
    wants_accounts: bool
    """The institution has accounts that were not shared yet."""
    is_syncing: bool
    institution_seen_at: dt.datetime | None
    synced_at: dt.datetime | None
    next_sync_at: dt.datetime | None
    consent_expires_at: dt.datetime | None
    linked_at: dt.datetime
    history_complete: bool
    """Whether the institution's older transactions have all arrived."""
    accounts: tuple[ConnectedAccount, ...]
    runs: tuple[Run, ...]


def list_connections(session: Session, household_id: UUID) -> list[Connection]:
    """Return all connections, oldest first."""
    items = repository.list_items(session, household_id, limit=link.ITEMS_MAX)
    accounts: dict[UUID, list[SourceAccount]] = defaultdict(list)
    for account in repository.accounts_of_items(session, household_id, limit=ACCOUNTS_MAX):
        assert account.item_id is not None  # asked for in the query
        accounts[account.item_id].append(account)
    runs: dict[UUID, list[SyncRun]] = defaultdict(list)
    for run in repository.latest_runs(session, household_id, per_item=RUNS_SHOWN):
        runs[run.item_id].append(run)
    fed = {row.account_id for rows in accounts.values() for row in rows}
    tied = tieout.list_stored(session, household_id, sorted(fed))
    return [_connection(item, accounts[item.id], runs[item.id], tied) for item in items]


def get_connection(session: Session, household_id: UUID, item_id: UUID) -> Connection:
    """Return one connection.

    Raises:
        NotFoundError: The household has no such connection.
    """
    item = link.get_item(session, household_id, item_id)
    accounts = [
        row
        for row in repository.accounts_of_items(session, household_id, limit=ACCOUNTS_MAX)
        if row.item_id == item_id
    ]
    runs = repository.list_runs(session, household_id, item_id, limit=RUNS_SHOWN)
    tied = tieout.list_stored(session, household_id, [row.account_id for row in accounts])
    return _connection(item, accounts, runs, tied)


def list_runs(
    session: Session, household_id: UUID, item_id: UUID, *, before: UUID | None = None, limit: int
) -> list[Run]:
    """Return sync runs of a connection, newest first; those older than `before`, if given."""
    rows = repository.list_runs(session, household_id, item_id, before=before, limit=limit)
    return [_run(row) for row in rows]


def _connection(
    item: Item,
    accounts: Sequence[SourceAccount],
    runs: Sequence[SyncRun],
    tied: Mapping[UUID, TieOut],
) -> Connection:
    now = clock.now()
    # What was asked for begins within moments: to people it has begun.
    is_syncing = item.sync_wanted_by is not None or (
        item.lease_until is not None and item.lease_until > now
    )
    status = _status(item, now, is_syncing=is_syncing)
    headline, explanation = _WORDS[status]
    return Connection(
        id=item.id,
        institution_name=item.institution_name,
        provider=item.provider,
        status=status,
        headline=headline,
        explanation=explanation if status == "parked" else item.error_message or explanation,
        error_code=item.error_code,
        can_fix=status in ("needs_user", "expiring") or item.error_code == _NEW_ACCOUNTS,
        wants_accounts=item.error_code == _NEW_ACCOUNTS,
        is_syncing=is_syncing,
        institution_seen_at=item.institution_seen_at,
        synced_at=item.synced_at,
        next_sync_at=item.next_sync_at,
        consent_expires_at=item.consent_expires_at,
        linked_at=item.created_at,
        history_complete=item.history_complete,
        accounts=tuple(_account(row, tied.get(row.account_id)) for row in accounts),
        runs=tuple(_run(row) for row in runs),
    )


_NEW_ACCOUNTS = "NEW_ACCOUNTS_AVAILABLE"
_WORDS = {
    "good": ("Up to date", "Your bank's data are current."),
    "syncing": ("Syncing", "We are reading what is new at your bank."),
    "waiting": ("Getting ready", "Your bank's data are being collected for the first time."),
    "stale": (
        "Bank not reached", "Your bank has not been reached for more than a day. We keep trying.",
    ),
    "expiring": ("Expires soon", "Your bank's permission ends soon. Renew it to stay up to date."),
    "needs_user": ("Needs you", "Please sign in to your bank again to repair this connection."),
    "parked": (
        "Set aside",
        "Reading this bank made our program fail three times in a row, so we stopped trying. "
        "Nothing that was read before is lost. Try again, and if that does not help, tell whoever "
        "runs this server.",
    ),
    "held": ("Asks you", "Your bank tells much less than before. Say whether that is right."),
    "dead": ("Disconnected", "This connection has ended at the bank. Please link the bank again."),
}  # fmt: skip
"""The one vocabulary of pages and programs: what it is called, and what it means."""


def _status(item: Item, now: dt.datetime, *, is_syncing: bool) -> str:
    """Return the one word for how it is; what needs the user comes first.

    Freshness is when the institution was reached, not when we last asked the provider.
    """
    if item.parked_at is not None and item.state != "dead":
        return "parked"
    if item.state != "good":
        return item.state
    if is_syncing:
        return "syncing"
    if item.error_code == turns.HELD:
        return "held"
    if item.cursor is None:
        return "waiting"
    seen = item.institution_seen_at
    is_stale = item.failures > 0 or (seen is not None and now - seen > STALE)
    return "stale" if is_stale else "good"


def _account(row: SourceAccount, tied: TieOut | None) -> ConnectedAccount:
    return ConnectedAccount(
        account_id=row.account_id,
        name=row.name,
        mask=row.mask,
        kind=row.kind,
        current=row.current,
        currency=row.currency,
        missing_since=row.missing_since,
        tied_through=tied.tied_through if tied else None,
        gap=tied.gap if tied else None,
        is_accepted=tied is not None and tied.accepted_by is not None,
    )


def _run(row: SyncRun) -> Run:
    return Run(
        id=row.id,
        state=row.state,
        trigger=row.trigger,
        started_at=row.started_at,
        finished_at=row.finished_at,
        pages=row.pages,
        rows_read=row.rows_read,
        added=row.added,
        modified=row.modified,
        removed=row.removed,
        rejected=row.rejected,
        error_code=row.error_code,
        error_message=row.error_message,
        reading_seconds=_seconds(row.started_at, row.read_at),
        booking_seconds=_seconds(row.read_at, row.finished_at),
        trace_id=row.trace_id,
    )


def _seconds(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return (end - start).total_seconds() if start is not None and end is not None else None
