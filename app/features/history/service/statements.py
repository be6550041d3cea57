"""What a change set's pages say beside transactions: balances, and rows that cannot be booked."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.records import BalanceRecord, RejectedRecord
from app.features.connections.service import fetching, sync
from app.features.imports.service import book, look
from app.features.imports.service.decision import BookedAccount
from app.features.proof import words


@dataclass(frozen=True, slots=True)
class Stated:
    """A balance of a source account, and the page that states it."""

    source_account_id: UUID
    balance: BalanceRecord
    journal_page_id: UUID


@dataclass(slots=True)
class Statements:
    """All of a change set."""

    balances: list[Stated] = field(default_factory=list)
    rejected: list[tuple[UUID, RejectedRecord]] = field(default_factory=list)
    """With the page that has them."""


def read(session: Session, household_id: UUID, kind: str, sync_run_id: UUID | None) -> Statements:
    """Read them from the journal."""
    if sync_run_id is None:
        return Statements()
    if kind == "sync":
        return _of_sync(session, household_id, sync_run_id)
    return _of_import(session, household_id, sync_run_id) if kind == "import" else Statements()


def read_balances(
    session: Session, household_id: UUID, kind: str, sync_run_id: UUID
) -> list[Stated]:
    """Read the balances alone; of a file without reading it, if they were noted."""
    if kind == "import":
        row, booked = look.open_decision(session, household_id, sync_run_id)
        if all(place.stated is not None for place in booked.accounts):
            return [
                Stated(
                    place.source_account_id,
                    BalanceRecord(each.currency, each.current, as_of=each.day),
                    row.journal_page_id,
                )
                for place in booked.accounts
                for each in place.stated or ()
            ]
    return read(session, household_id, kind, sync_run_id).balances


def places(
    session: Session, household_id: UUID, kind: str, sync_run_id: UUID | None
) -> list[BookedAccount]:
    """Return where the accounts of a file went; of what is no file, nothing."""
    if kind != "import" or sync_run_id is None:
        return []
    _, booked = look.open_decision(session, household_id, sync_run_id)
    return booked.accounts


def _of_sync(session: Session, household_id: UUID, run_id: UUID) -> Statements:
    found = Statements()
    listings: dict[bool, fetching.JournaledPage] = {}
    for journaled in fetching.pages_of_run(session, household_id, run_id):
        records = journaled.page.changes
        found.rejected += [(journaled.id, each) for each in records.rejected]
        if records.accounts:
            listings[fetching.moves_cursor(journaled.page)] = journaled
    booked = sync.booked_account_pages(session, household_id, run_id, listings.values())
    for journaled in booked:
        found.balances += _of_listing(session, household_id, journaled)
    return found


def _of_listing(
    session: Session, household_id: UUID, journaled: fetching.JournaledPage
) -> Iterator[Stated]:
    keys = words.keys_of(session, household_id, journaled)
    for record in journaled.page.changes.accounts:
        if record.balance.current is not None:
            key = keys[record.source_id]
            yield Stated(key.source_account_id, record.balance, journaled.id)


def _of_import(session: Session, household_id: UUID, import_id: UUID) -> Statements:
    booked = look.open_booked(session, household_id, import_id)
    found = Statements()
    page_id = booked.journal_page_id
    found.rejected = [(page_id, each) for each in booked.file.rejected]
    for place in booked.decision.accounts:
        own = [each for each in booked.file.statements if each.account.source_id == place.key]
        found.balances += [
            Stated(place.source_account_id, balance, page_id)
            for balance in book.stated_balances(own, place.currency)
            if balance.current is not None
        ]
    return found
