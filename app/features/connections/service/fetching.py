"""Reading at the provider: every page goes to the journal as it comes, before it is understood.

No transaction is open while the network is used. Each page keeps the turn for a while longer, and
a turn that is lost ends the reading.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app.core import clock, events
from app.core.database import household_transaction
from app.core.faults import fault
from app.domain.records import ChangeSet
from app.features.connections import repository
from app.features.connections.service import turns
from app.features.connections.service.turns import Turn
from app.features.journal import service as journal
from app.providers import registry
from app.providers.base import (
    ConsentRequiredError,
    CursorRefusedError,
    Page,
    PaginationChangedError,
    ProductUnavailableError,
    ProviderContractError,
    ProviderUnavailableError,
)

log = structlog.get_logger(__name__)

PAGES_MAX = 2_000
"""A million transactions; a provider that sends more in one go is broken."""
RESTARTS_MAX = 5
RUN_PAGES_MAX = 20_000
"""Of one run, loops that were begun again included."""
INVESTMENT_HISTORY = dt.timedelta(days=730)
INVESTMENT_PAGES_MAX = 200
BUDGET_TIME = dt.timedelta(hours=24)
BUDGET_WAIT_SECONDS = 3600.0
BUDGET_SPENT = "DAILY_LIMIT"
UNTOLD = ".untold"
"""Kind of the pages that we write: what a full answer did not tell (`service/rereading.py`)."""


@dataclass(frozen=True, slots=True)
class JournaledPage:
    """A page, and where the journal keeps it."""

    id: UUID
    item_id: UUID
    page: Page
    sequence: int


@dataclass(frozen=True, slots=True)
class ReadPages:
    """All pages of an Item that are to be booked together."""

    run_id: UUID
    """The run that read them: an earlier one, if its worker died."""
    pages: list[JournaledPage]


def read_by_a_dead_worker(turn: Turn) -> ReadPages | None:
    """Return the pages that a worker read to the end and did not live to book."""
    with household_transaction(turn.household_id) as session:
        run = repository.find_unbooked_run(session, turn.household_id, turn.item_id, turn.cursor)
        if run is None:
            return None
        pages = list(pages_of_run(session, turn.household_id, run.id))
        repository.update_sync_run(
            session, turn.household_id, turn.run_id, {"read_at": func.clock_timestamp()}
        )
    log.info("sync_resumed_from_journal", item_id=str(turn.item_id), pages=len(pages))
    return ReadPages(run.id, pages)


def pages_of_run(
    session: Session, household_id: UUID, run_id: UUID, *, newest_first: bool = False
) -> Iterator[JournaledPage]:
    """Yield from the journal what a finished reading booked, or would book, page by page.

    Raises:
        LookupError: A page is of no provider of ours.
        ProviderError: A page is not what it should be.
        SealError: A page does not open.
    """
    headings = journal.list_run(session, household_id, run_id, limit=RUN_PAGES_MAX)
    page_ids = [heading.id for heading in _last_loop(headings)]
    if newest_first:
        page_ids.reverse()
    for entry in journal.read_each(session, household_id, page_ids):
        decode = _untold if entry.kind.endswith(UNTOLD) else registry.decode_page
        page = decode(entry.kind, entry.payload, entry.cursor_before)
        assert entry.item_id is not None  # None is for files
        yield JournaledPage(entry.id, entry.item_id, page, entry.sequence)


class _Untold(msgspec.Struct):
    untold: list[tuple[str, str]]


def _untold(kind: str, payload: bytes, from_cursor: str | None) -> Page:
    keys = tuple(msgspec.json.decode(payload, type=_Untold).untold)
    return Page(kind, payload, ChangeSet(from_cursor, from_cursor, (), keys))


def _last_loop(pages: list[journal.Heading]) -> list[journal.Heading]:
    """Drop the pages of loops that were begun again, which the journal keeps as well."""
    loops = [page for page in pages if moves_cursor(page)]
    # The last one begins where the first did, or with nothing when that cursor was refused.
    starts = [page for page in loops if page.cursor_before in (None, loops[0].cursor_before)]
    return [p for p in pages if not moves_cursor(p) or p.sequence >= starts[-1].sequence]


def moves_cursor(page: Page | journal.Heading) -> bool:
    """Tell whether a page belongs to the cursor loop."""
    return page.kind.endswith("transactions_sync")


def fetch(turn: Turn) -> ReadPages:
    """Read the Item, all pages that follow its cursor, and its accounts, into the journal."""
    provider, token = turn.provider, turn.access_token
    item = provider.fetch_item(token)
    pages = [_journal(turn, item, 0)] if item is not None else []
    pages += _fetch_transactions(turn, 1)
    listing = provider.fetch_accounts(token)
    if listing is not None:
        pages.append(_journal(turn, listing, pages[-1].sequence + 1))
    if any(account.kind == "investment" for account in pages[-1].page.changes.accounts):
        pages += _fetch_investments(turn, pages[-1].sequence + 1)
    end = next(p.page.changes.to_cursor for p in reversed(pages) if moves_cursor(p.page))
    with household_transaction(turn.household_id) as session:
        values = {"cursor_after": end, "pages": len(pages), "read_at": func.now()}
        repository.update_sync_run(session, turn.household_id, turn.run_id, values)
    return ReadPages(turn.run_id, pages)


def _fetch_transactions(turn: Turn, sequence: int) -> list[JournaledPage]:
    """Read to the end of the cursor loop; begin again when the data change under it.

    When the provider refuses the cursor, or everything is wanted, the loop begins with nothing.

    Raises:
        ProviderUnavailableError: They changed each time.
        ProviderContractError: The loop does not end.
    """
    start = None if turn.reads_all else turn.cursor
    for _ in range(RESTARTS_MAX):
        try:
            return _fetch_loop(turn, start, sequence)
        except PaginationChangedError:
            log.info("sync_pagination_restarted", item_id=str(turn.item_id))
        except CursorRefusedError as error:
            log.warning("sync_cursor_refused", item_id=str(turn.item_id), error_code=error.code)
            start = None
        sequence += PAGES_MAX
    raise ProviderUnavailableError(
        "PAGINATION_UNSTABLE", "The bank's data kept changing while we read them."
    )


def _fetch_loop(turn: Turn, start: str | None, sequence: int) -> list[JournaledPage]:
    pages: list[JournaledPage] = []
    cursor, seen = start, {start}
    while len(pages) < PAGES_MAX:
        _keep_to_the_budget(turn)
        page = turn.provider.fetch_transactions(turn.access_token, cursor)
        pages.append(_journal(turn, page, sequence + len(pages)))
        if not page.has_more:
            return pages
        cursor = page.changes.to_cursor
        if cursor in seen:
            raise ProviderContractError("CURSOR_LOOP", "The bank data service repeats itself.")
        seen.add(cursor)
    raise ProviderContractError("TOO_MANY_PAGES", "The bank data service sends no end of data.")


def _keep_to_the_budget(turn: Turn) -> None:
    """Ask no Item more often than its provider allows in a day, whoever wants it.

    Raises:
        ProviderUnavailableError: It was asked so often in the last 24 hours.
    """
    most = turn.provider.requests_per_day
    if most is None:
        return
    with household_transaction(turn.household_id) as session:
        asked = repository.count_requests(
            session,
            turn.household_id,
            turn.item_id,
            clock.now() - BUDGET_TIME,
            not_asked=BUDGET_SPENT,
        )
    if asked >= most:
        raise ProviderUnavailableError(
            BUDGET_SPENT,
            f"This connection may be asked about {most} times a day, and was. We go on by "
            "ourselves when it may be asked again.",
            retry_after_seconds=BUDGET_WAIT_SECONDS,
        )


def _fetch_investments(turn: Turn, sequence: int) -> list[JournaledPage]:
    """Read what investment accounts hold, and what moved on them in the last two years.

    The provider has no cursor here, so all of it is read again; what says the same is left
    alone when it is booked. An Item without this product, whose owner did not consent to it, or
    whose investments are not to be had at the moment, is read without them; pages that came
    before it failed are in the journal, and so they are booked.
    """
    provider, token = turn.provider, turn.access_token
    pages: list[JournaledPage] = []
    last = clock.today()
    try:
        pages.append(_journal(turn, provider.fetch_holdings(token), sequence))
        offset: str | None = "0"
        while offset is not None and len(pages) < INVESTMENT_PAGES_MAX:
            page = provider.fetch_investment_transactions(
                token, last - INVESTMENT_HISTORY, last, int(offset)
            )
            pages.append(_journal(turn, page, sequence + len(pages)))
            offset = page.changes.to_cursor if page.has_more else None
    except (ConsentRequiredError, ProductUnavailableError, ProviderUnavailableError) as error:
        log.info("investments_not_read", item_id=str(turn.item_id), code=error.code)
    return pages


def _journal(turn: Turn, page: Page, sequence: int) -> JournaledPage:
    """Append a page as it came, and keep the turn while pages come."""
    with household_transaction(turn.household_id) as session:
        page_id = journal.write(
            session,
            turn.household_id,
            kind=page.kind,
            payload=page.payload,
            item_id=turn.item_id,
            sync_run_id=turn.run_id,
            sequence=sequence,
            cursors=(page.changes.from_cursor, page.changes.to_cursor),
            key=turn.key,
        )
        turns.keep(session, turn)
        rows = len(page.changes.upserts)
        if rows:
            repository.count_rows_read(session, turn.household_id, turn.run_id, rows)
    if rows:
        events.publish(
            turn.household_id, "page_read", item_id=str(turn.item_id), rows=rows, page=sequence
        )
    fault("sync.page")
    return JournaledPage(page_id, turn.item_id, page, sequence)
