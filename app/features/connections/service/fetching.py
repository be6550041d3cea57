"""Reading at the provider: every page goes to the journal as it comes, before it is understood.

No transaction is open while the network is used.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import structlog

from app.core import clock, events
from app.core.database import household_transaction
from app.core.encryption import HouseholdKey
from app.features.connections import repository
from app.features.journal import service as journal
from app.providers.base import (
    ConsentRequiredError,
    Page,
    PaginationChangedError,
    ProductUnavailableError,
    Provider,
    ProviderContractError,
    ProviderUnavailableError,
)

log = structlog.get_logger(__name__)

PAGES_MAX = 2_000
"""A million transactions; a provider that sends more in one go is broken."""
RESTARTS_MAX = 5
LEASE = dt.timedelta(minutes=6)
INVESTMENT_HISTORY = dt.timedelta(days=730)
INVESTMENT_PAGES_MAX = 200


@dataclass(frozen=True, slots=True)
class Turn:
    """One worker's turn to sync one Item."""

    household_id: UUID
    item_id: UUID
    run_id: UUID
    lease_id: UUID
    provider: Provider
    access_token: str
    cursor: str | None
    institution_name: str
    key: HouseholdKey


@dataclass(frozen=True, slots=True)
class JournaledPage:
    """A page, and where the journal keeps it."""

    id: UUID
    page: Page
    sequence: int


def read_by_a_dead_worker(turn: Turn) -> list[JournaledPage]:
    """Return the pages that a worker read to the end and did not live to book."""
    with household_transaction(turn.household_id) as session:
        run = repository.find_unbooked_run(session, turn.household_id, turn.item_id, turn.cursor)
        if run is None:
            return []
        entries = journal.read_run(session, turn.household_id, run.id, limit=PAGES_MAX + 10)
    log.info("sync_resumed_from_journal", item_id=str(turn.item_id), pages=len(entries))
    decode = turn.provider.decode_page
    pages = [
        JournaledPage(
            entry.id,
            decode(entry.kind, entry.payload, entry.cursor_before),
            entry.sequence,
        )
        for entry in entries
    ]
    return _last_loop(pages, turn.cursor)


def _last_loop(pages: list[JournaledPage], cursor: str | None) -> list[JournaledPage]:
    """Drop the pages of loops that were begun again, which the journal keeps as well."""
    starts = [
        number
        for number, journaled in enumerate(pages)
        if moves_cursor(journaled.page) and journaled.page.changes.from_cursor == cursor
    ]
    first = starts[-1] if starts else 0
    return [
        journaled
        for number, journaled in enumerate(pages)
        if number >= first or not moves_cursor(journaled.page)
    ]


def moves_cursor(page: Page) -> bool:
    """Tell whether a page belongs to the cursor loop."""
    return page.kind.endswith("transactions_sync")


def fetch(turn: Turn) -> list[JournaledPage]:
    """Read the Item, all pages that follow its cursor, and its accounts, into the journal."""
    provider, token = turn.provider, turn.access_token
    pages = [_journal(turn, provider.fetch_item(token), 0)]
    pages += _fetch_transactions(turn, 1)
    pages.append(_journal(turn, provider.fetch_accounts(token), pages[-1].sequence + 1))
    if any(account.kind == "investment" for account in pages[-1].page.changes.accounts):
        pages += _fetch_investments(turn, pages[-1].sequence + 1)
    end = next(p.page.changes.to_cursor for p in reversed(pages) if moves_cursor(p.page))
    with household_transaction(turn.household_id) as session:
        values = {"cursor_after": end, "pages": len(pages)}
        repository.update_sync_run(session, turn.household_id, turn.run_id, values)
    return pages


def _fetch_transactions(turn: Turn, sequence: int) -> list[JournaledPage]:
    """Read to the end of the cursor loop; begin again when the data change under it.

    Raises:
        ProviderUnavailableError: They changed each time.
        ProviderContractError: The loop does not end.
    """
    for _ in range(RESTARTS_MAX):
        try:
            return _fetch_loop(turn, sequence)
        except PaginationChangedError:
            log.info("sync_pagination_restarted", item_id=str(turn.item_id))
            sequence += PAGES_MAX
    raise ProviderUnavailableError(
        "PAGINATION_UNSTABLE", "The bank's data kept changing while we read them."
    )


def _fetch_loop(turn: Turn, sequence: int) -> list[JournaledPage]:
    pages: list[JournaledPage] = []
    cursor, seen = turn.cursor, {turn.cursor}
    while len(pages) < PAGES_MAX:
        page = turn.provider.fetch_transactions(turn.access_token, cursor)
        pages.append(_journal(turn, page, sequence + len(pages)))
        if not page.has_more:
            return pages
        cursor = page.changes.to_cursor
        if cursor in seen:
            raise ProviderContractError("CURSOR_LOOP", "The bank data service repeats itself.")
        seen.add(cursor)
    raise ProviderContractError("TOO_MANY_PAGES", "The bank data service sends no end of data.")


def _fetch_investments(turn: Turn, sequence: int) -> list[JournaledPage]:
    """Read what investment accounts hold, and what moved on them in the last two years.

    The provider has no cursor here, so all of it is read again; what says the same is left
    alone when it is booked. An Item without this product, whose owner did not consent to it, or
    whose investments are not to be had at the moment, is read without them.
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
        return []
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
        repository.extend_lease(session, turn.household_id, turn.item_id, turn.lease_id, LEASE)
        rows = len(page.changes.upserts)
        if rows:
            repository.count_rows_read(session, turn.household_id, turn.run_id, rows)
    if rows:
        events.publish(
            turn.household_id, "page_read", item_id=str(turn.item_id), rows=rows, page=sequence
        )
    return JournaledPage(page_id, page, sequence)
