"""What the pages of connections show, made of what the services know."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit
from uuid import UUID

from app.core import clock
from app.domain.money import Money
from app.features.connections.service.evidence import Notice, SetAside
from app.features.connections.service.overview import Connection, Run
from app.features.transactions.service import Span
from app.ui.views.connections import (
    ConnectionCard,
    ConnectionsView,
    ConnectionView,
    GoOnView,
    LinkedAccount,
    NoticeRow,
    ProgressView,
    SetAsideRow,
    SetupTokenView,
    SyncRunRow,
)

HISTORY_PATIENCE = dt.timedelta(hours=1)
"""Some banks never say that their history is complete: after this a first sync counts as done."""
_PROVIDERS = {"plaid": "Plaid", "simplefin": "SimpleFIN"}
_SIMPLEFIN_BRIDGE = "https://bridge.simplefin.org/simplefin/create"
_PRACTICE = "practice banks"
_TRIGGERS = {
    "webhook": "Notice from the bank",
    "schedule": "Schedule",
    "button": "You",
    "api": "API",
    "link": "Connecting",
    "reread": "You, everything again",
    "accept": "You, accepting less",
}


_NOTICES = {
    "SYNC_UPDATES_AVAILABLE": "There is something new",
    "INITIAL_UPDATE": "The last month is ready",
    "HISTORICAL_UPDATE": "The whole history is ready",
    "DEFAULT_UPDATE": "There is something new",
    "TRANSACTIONS_REMOVED": "The bank withdrew transactions",
    "ERROR": "The bank cannot be read",
    "LOGIN_REPAIRED": "The sign-in works again",
    "PENDING_DISCONNECT": "The permission ends soon",
    "PENDING_EXPIRATION": "The permission ends soon",
    "USER_PERMISSION_REVOKED": "The permission was withdrawn",
    "NEW_ACCOUNTS_AVAILABLE": "There are accounts that are not shared",
}


def connections_view(
    connections: Sequence[Connection],
    spans: Mapping[UUID, Span],
    *,
    practice_banks: bool,
    has_flow: bool,
) -> ConnectionsView:
    """Return the page of all connections."""
    return ConnectionsView(
        connections=tuple(card(each, spans, practice_banks=practice_banks) for each in connections),
        practice_banks=practice_banks,
        has_flow=has_flow,
    )


def card(
    connection: Connection, spans: Mapping[UUID, Span], *, practice_banks: bool
) -> ConnectionCard:
    """Return one connection's card."""
    state = "syncing" if connection.status == "waiting" else connection.status
    provider = _PROVIDERS.get(connection.provider, connection.provider)
    running = connection.runs[0] if connection.runs else None
    return ConnectionCard(
        connection_id=str(connection.id),
        institution_name=connection.institution_name,
        provider_name=_PRACTICE if practice_banks and provider == "Plaid" else provider,
        state=state,
        headline=connection.headline,
        state_words=connection.explanation,
        institution_seen_at=connection.institution_seen_at,
        synced_at=connection.synced_at,
        next_sync_at=connection.next_sync_at,
        accounts=tuple(
            LinkedAccount(
                name=account.name,
                mask=account.mask or "",
                url=f"/accounts/{account.account_id}",
                tied_through=account.tied_through,
                gap=Money(account.gap, account.currency) if account.gap is not None else None,
                is_accepted=account.is_accepted,
            )
            for account in connection.accounts
        ),
        rows_so_far=running.rows_read if running and running.state == "running" else 0,
        transactions=sum(span.transactions for span in _spans(connection, spans)),
        can_share_accounts=connection.wants_accounts,
    )


def page(
    card_: ConnectionCard,
    runs: Sequence[Run],
    *,
    before: UUID | None,
    size: int,
    set_aside: Sequence[SetAside] = (),
    notices: Sequence[Notice] = (),
) -> ConnectionView:
    """Return one connection's page; `runs` has one more than `size` if older ones follow."""
    has_older = len(runs) > size
    return ConnectionView(
        connection=card_,
        runs=tuple(_run(run) for run in runs[:size]),
        older_url=f"{card_.url}?before={runs[size - 1].id}#syncs" if has_older else "",
        is_first_page=before is None,
        set_aside=tuple(
            SetAsideRow(row.source_id or row.place, row.reason, row.page, row.received_at)
            for row in set_aside
        ),
        notices=tuple(
            NoticeRow(_NOTICES.get(each.code, "Something changed"), each.code, each.received_at)
            for each in notices
        ),
    )


def progress(connection: Connection, spans: Mapping[UUID, Span]) -> ProgressView:
    """Return how far a new connection's first sync is."""
    mine = list(_spans(connection, spans))
    state, words = _stage(connection)
    last = connection.runs[0] if connection.runs else None
    return ProgressView(
        connection_id=str(connection.id),
        institution_name=connection.institution_name,
        state=state,
        stage_words=words,
        accounts=len(connection.accounts),
        transactions=max(
            sum(span.transactions for span in mine),
            last.rows_read if last and last.state == "running" else 0,
        ),
        error_message=connection.explanation if state == "failed" else "",
        oldest=min((span.oldest for span in mine), default=None),
    )


def go_on(url: str) -> GoOnView:
    """Return the page that leads to the provider's."""
    return GoOnView(url=url, host=urlsplit(url).hostname or "your bank")


def setup_token(
    connection: Connection | None, *, practice_url: str, error: str = ""
) -> SetupTokenView:
    """Return the form for a SimpleFIN setup token; `error` says what was wrong with one."""
    return SetupTokenView(
        server_url=practice_url or _SIMPLEFIN_BRIDGE,
        is_practice=bool(practice_url),
        connection_id=str(connection.id) if connection else "",
        institution_name=connection.institution_name if connection else "",
        state_words=connection.explanation if connection else "",
        error=error,
    )


def _stage(connection: Connection) -> tuple[str, str]:
    """Return the state of a first sync, and in words what is being done."""
    last = connection.runs[0] if connection.runs else None
    if connection.status in ("needs_user", "dead"):
        return "failed", connection.headline
    if last is None:
        return "waiting", "Waiting for its turn"
    if last.state == "failed" and not connection.is_syncing:
        return "failed", connection.headline
    if connection.synced_at is None or last.state == "running":
        return "running", "Reading transactions"
    is_young = clock.now() - connection.linked_at < HISTORY_PATIENCE
    if not connection.history_complete and is_young:
        return "running", "Waiting for the bank to hand over older transactions"
    return "done", "Up to date"


def _spans(connection: Connection, spans: Mapping[UUID, Span]) -> Iterable[Span]:
    # Two source accounts may feed one account.
    ids = {account.account_id for account in connection.accounts}
    return (spans[account_id] for account_id in ids if account_id in spans)


def _run(run: Run) -> SyncRunRow:
    return SyncRunRow(
        started_at=run.started_at,
        finished_at=run.finished_at,
        trigger=_TRIGGERS.get(run.trigger, run.trigger),
        state=run.state,
        added=run.added,
        modified=run.modified,
        removed=run.removed,
        rejected=run.rejected,
        error_message=run.error_message or "",
        pages=run.pages,
        reading=_duration(run.reading_seconds),
        booking=_duration(run.booking_seconds),
        trace_id=run.trace_id or "",
    )


def _duration(seconds: float | None) -> str:
    """Return a span of time as people say it."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
