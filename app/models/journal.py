"""The journal: every page, file and webhook a source sent, as it came, never changed."""

from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.models.base import (
    Base,
    CreatedAt,
    HouseholdId,
    Id,
    belongs_to,
    owned_by_household,
)


class JournalPage(Base):
    """One page, file or webhook body; append-only."""

    __tablename__ = "journal_pages"
    __table_args__ = (
        owned_by_household(),
        Index(None, "household_id", "item_id", "id"),
        Index(None, "household_id", "sync_run_id"),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    """UUIDv7: the order in which pages came."""
    item_id: Mapped[UUID | None]
    """None for files. No foreign key: the journal outlives the Item."""
    sync_run_id: Mapped[UUID | None]
    """The sync run, or the import, that it belongs to."""
    sequence: Mapped[int]
    """Position in its sync run or import, from 0."""
    kind: Mapped[str]
    """Names the decoder: `plaid.transactions_sync`, `file.ofx`, …"""
    cursor_before: Mapped[str | None]
    cursor_after: Mapped[str | None]
    received_at: Mapped[CreatedAt]
    sha256: Mapped[bytes]
    """Of the payload as it came."""
    payload: Mapped[bytes]
    """Compressed (zlib), then sealed."""
    payload_bytes: Mapped[int]
    """Length of the payload as it came."""


class RejectedRow(Base):
    """A row of a page that we could not book: quarantined and visible, never dropped."""

    __tablename__ = "rejected_rows"
    __table_args__ = (owned_by_household(), belongs_to("journal_pages", "journal_page_id"))

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    journal_page_id: Mapped[UUID]
    reason: Mapped[str]
    place: Mapped[str]
    """The field, line or id it is about."""
    source_id: Mapped[str | None]
    created_at: Mapped[CreatedAt]
