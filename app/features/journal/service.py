"""Use cases of the journal."""

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.encryption import HouseholdKey
from app.core.errors import NotFoundError
from app.core.ids import uuid7, uuid7s
from app.domain.records import RejectedRecord
from app.features.journal import repository
from app.features.vault import service as vault
from app.models import JournalPage

_PLACE = "journal_pages.payload"
_NO_PAGE = "There is no such journal page."
PAYLOAD_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as it came."""

    id: UUID
    kind: str
    payload: bytes
    received_at: datetime
    sha256: bytes
    """Of the payload."""
    sequence: int
    cursor_before: str | None
    cursor_after: str | None
    item_id: UUID | None
    sync_run_id: UUID | None


@dataclass(frozen=True, slots=True)
class Heading:
    """What a page is, without what it says."""

    id: UUID
    kind: str
    sequence: int
    cursor_before: str | None
    sha256: bytes
    """Of the payload as it came."""
    received_at: datetime


def write(
    session: Session,
    household_id: UUID,
    *,
    kind: str,
    payload: bytes,
    item_id: UUID | None = None,
    sync_run_id: UUID | None = None,
    sequence: int = 0,
    cursors: tuple[str | None, str | None] = (None, None),
    key: HouseholdKey | None = None,
) -> UUID:
    """Append a page, compressed and sealed; return its id.

    `cursors` are the source's positions before and after the page.
    """
    page_id = uuid7()
    key = key or vault.get_key(session, household_id)
    sealed = seal_payload(key, page_id, payload)
    repository.insert_page(
        session,
        household_id,
        {
            "id": page_id,
            "item_id": item_id,
            "sync_run_id": sync_run_id,
            "sequence": sequence,
            "kind": kind,
            "cursor_before": cursors[0],
            "cursor_after": cursors[1],
            "sha256": hashlib.sha256(payload).digest(),
            "payload": sealed,
            "payload_bytes": len(payload),
        },
    )
    return page_id


def read(session: Session, household_id: UUID, page_id: UUID) -> Entry:
    """Return a page as it came.

    Raises:
        NotFoundError: The household has no such page.
        SealError: It does not open, or is not what was written.
    """
    return next(read_each(session, household_id, [page_id]))


def read_heading(session: Session, household_id: UUID, page_id: UUID) -> Heading:
    """Return what a page is, without opening it.

    Raises:
        NotFoundError: The household has no such page.
    """
    row = repository.find_heading(session, household_id, page_id)
    if row is None:
        raise NotFoundError(_NO_PAGE)
    return Heading(*row)


def seal_payload(key: HouseholdKey, page_id: UUID, payload: bytes) -> bytes:
    """Return what a page's column has of a payload."""
    return key.seal(zlib.compress(payload, 1), place=_PLACE, row_id=page_id)


def open_payload(key: HouseholdKey, page_id: UUID, sealed: bytes) -> bytes:
    """Return a page's payload as it came.

    Raises:
        SealError: It does not open, or is not what was written.
    """
    compressed = key.open(sealed, place=_PLACE, row_id=page_id)
    return zlib.decompressobj().decompress(compressed, PAYLOAD_BYTES_MAX)


def list_run(
    session: Session, household_id: UUID, sync_run_id: UUID, *, limit: int
) -> list[Heading]:
    """Return the headings of the pages of a sync run in the order in which they came."""
    rows = repository.headings_of_run(session, household_id, sync_run_id, limit=limit)
    return [Heading(*row) for row in rows]


def read_each(session: Session, household_id: UUID, page_ids: Iterable[UUID]) -> Iterator[Entry]:
    """Yield pages one after the other, so that only one is in memory.

    Raises:
        NotFoundError: The household has no such page.
        SealError: One does not open, or is not what was written.
    """
    key = vault.get_key(session, household_id)
    for page_id in page_ids:
        page = repository.find_page(session, household_id, page_id)
        if page is None:
            raise NotFoundError(_NO_PAGE)
        yield _open(page, key)


def read_last(session: Session, household_id: UUID, sync_run_id: UUID, kind: str) -> Entry | None:
    """Return the last page of a kind that a sync run or an import wrote."""
    page = repository.last_page_of_run(session, household_id, sync_run_id, kind)
    return None if page is None else _open(page, vault.get_key(session, household_id))


def list_rejected(
    session: Session, household_id: UUID, page_id: UUID, *, limit: int
) -> list[RejectedRecord]:
    """Return the rows of a page that could not be booked, in the page's order."""
    rows = repository.list_rejected(session, household_id, page_id, limit=limit)
    return [RejectedRecord(row.reason, row.place, row.source_id) for row in rows]


def forget_rejected(session: Session, household_id: UUID, sync_run_id: UUID) -> None:
    """Empty the quarantine of a run or an import that is no longer part of the ledger."""
    repository.delete_rejected(session, household_id, sync_run_id)


def reject(
    session: Session, household_id: UUID, page_id: UUID, rejected: Sequence[RejectedRecord]
) -> None:
    """Put rows of a page that could not be booked into quarantine."""
    if not rejected:
        return
    repository.insert_rejected(
        session,
        [
            {
                "household_id": household_id,
                "id": row_id,
                "journal_page_id": page_id,
                "reason": record.reason,
                "place": record.where,
                "source_id": record.source_id,
            }
            for row_id, record in zip(uuid7s(len(rejected)), rejected, strict=True)
        ],
    )


def _open(page: JournalPage, key: HouseholdKey) -> Entry:
    return Entry(
        id=page.id,
        kind=page.kind,
        payload=open_payload(key, page.id, page.payload),
        received_at=page.received_at,
        sha256=page.sha256,
        sequence=page.sequence,
        cursor_before=page.cursor_before,
        cursor_after=page.cursor_after,
        item_id=page.item_id,
        sync_run_id=page.sync_run_id,
    )
