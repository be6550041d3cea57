"""The words of the sources, decoded from the journal: what each change set said of which row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain import taxonomy
from app.domain.records import TransactionRecord
from app.features.accounts import service as accounts
from app.features.accounts.service import SourceAccountKey
from app.features.categories import service as categories
from app.features.connections.service import fetching
from app.features.connections.service.fetching import JournaledPage
from app.features.imports.service import decision, look

KINDS = ("sync", "import")
"""Change sets in which a source speaks."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a source said of one of its transactions."""

    source_account_id: UUID
    source_id: str
    record: TransactionRecord | None
    """None: withdrawn."""
    category_id: UUID | None
    """The household's category for the source's own."""
    journal_page_id: UUID


def words_of(
    session: Session, household_id: UUID, kind: str, sync_run_id: UUID | None
) -> Iterator[Word]:
    """Yield what a change set's journal pages say, in their order: of a key, the last word stands.

    One page is in memory at a time, or one file. A file is read in a process of its own, which
    takes its time; it is kept for a while, so that reading it before a transaction makes it fast
    within.

    Args:
        session: An open transaction of the household.
        household_id: Whose.
        kind: Of the change set; those that are not in KINDS say nothing.
        sync_run_id: Of the change set.

    Raises:
        AppError: A file cannot be read any more.
        LookupError: A page is of no provider of ours.
        ProviderError: A page is not what it should be.
        SealError: A page does not open.
    """
    if sync_run_id is None:
        return
    if kind == "sync":
        yield from _words_of_sync(session, household_id, sync_run_id)
    elif kind == "import":
        yield from _words_of_import(session, household_id, sync_run_id)


def repeats_of(
    session: Session, household_id: UUID, kind: str, sync_run_id: UUID | None
) -> Iterator[tuple[UUID, str, UUID]]:
    """Yield the keys of which a change set said what the ledger said already, and maybe others.

    Source account, source id and page, in their order: of a key, the last page stands. A file is
    not read, if what it repeated was noted.

    Raises:
        AppError, LookupError, ProviderError, SealError: See `words_of`.
    """
    if kind == "import" and sync_run_id is not None:
        row, booked = look.open_decision(session, household_id, sync_run_id)
        noted = [(place.source_account_id, place.repeated) for place in booked.accounts]
        if all(repeated is not None for _, repeated in noted):
            for source_account_id, repeated in noted:
                for source_id in repeated or ():
                    yield source_account_id, source_id, row.journal_page_id
            return
    for word in words_of(session, household_id, kind, sync_run_id):
        yield word.source_account_id, word.source_id, word.journal_page_id


def _words_of_sync(session: Session, household_id: UUID, run_id: UUID) -> Iterator[Word]:
    ours = categories.ids_by_code(session, household_id)
    keys: dict[str, SourceAccountKey] = {}
    for number, journaled in enumerate(fetching.pages_of_run(session, household_id, run_id)):
        if number == 0:
            keys = keys_of(session, household_id, journaled)
        yield from _words_of_page(journaled, keys, ours)


def keys_of(
    session: Session, household_id: UUID, journaled: JournaledPage
) -> dict[str, SourceAccountKey]:
    """Return the accounts of the Item that a page is of, by the source's id."""
    provider = journaled.page.kind.partition(".")[0]
    return accounts.keys_of_item(session, household_id, provider, journaled.item_id)


def _words_of_page(
    journaled: JournaledPage, keys: Mapping[str, SourceAccountKey], ours: Mapping[str, UUID]
) -> Iterator[Word]:
    changes = journaled.page.changes
    for record in changes.upserts:
        if record.account_source_id not in keys:
            # Withdrawn again before it was booked, with its account: nobody ever saw it.
            continue
        code = taxonomy.find(record.category_code) if record.category_code else None
        yield Word(
            keys[record.account_source_id].source_account_id,
            record.source_id,
            record,
            ours.get(code or ""),
            journaled.id,
        )
    for account_source_id, source_id in changes.removed:
        # Of an account that never had a row, there is nothing to withdraw.
        if account_source_id in keys:
            key = keys[account_source_id]
            yield Word(key.source_account_id, source_id, None, None, journaled.id)


def _words_of_import(session: Session, household_id: UUID, import_id: UUID) -> Iterator[Word]:
    booked = look.open_booked(session, household_id, import_id)
    page_id = booked.journal_page_id
    for place in booked.decision.accounts:
        for record in decision.booked_rows(booked.file, place):
            yield Word(place.source_account_id, record.source_id, record, None, page_id)
        for source_id in place.withdrawn:
            yield Word(place.source_account_id, source_id, None, None, page_id)
