"""Items at providers, how they were linked, and each attempt to sync them."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import (
    Base,
    CreatedAt,
    HouseholdId,
    Id,
    Instant,
    belongs_to,
    owned_by_household,
)


class Item(Base):
    """One login at one institution through one provider; pages call it a connection."""

    __tablename__ = "items"
    __table_args__ = (
        owned_by_household(),
        CheckConstraint("state IN ('good', 'expiring', 'needs_user', 'dead')", name="state"),
        Index("uq_items_household_id_provider_item_source_id", "household_id", "provider",
              "item_source_id", unique=True),
        Index(None, "provider", "item_source_id"),
        Index("ix_items_due", "next_sync_at", postgresql_where="unlinked_at IS NULL"),
    )  # fmt: skip

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    provider: Mapped[str]
    item_source_id: Mapped[str]
    institution_source_id: Mapped[str | None]
    institution_name: Mapped[str]
    access_token: Mapped[bytes | None]
    """Sealed; None once unlinked."""
    linked_by: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]
    unlinked_at: Mapped[Instant | None]

    cursor: Mapped[str | None]
    """Where the ledger stands in the provider's change stream; moves with the rows."""
    history_complete: Mapped[bool] = mapped_column(server_default="false")

    state: Mapped[str] = mapped_column(server_default="good")
    """`needs_user`: repair by update mode; `dead`: a new link is needed."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    """Plain words for the user; None when all is well."""
    consent_expires_at: Mapped[Instant | None]
    institution_seen_at: Mapped[Instant | None]
    """When the provider last reached the institution: how fresh the data are."""
    synced_at: Mapped[Instant | None]
    """When we last finished a sync of it, whatever it brought."""

    next_sync_at: Mapped[Instant | None]
    """When it is due; None while only the user can help."""
    sync_wanted_by: Mapped[str | None]
    """Who asked for a sync that has not started: `webhook`, `button`, `api`, `schedule`, `link`,
    `reread`, `accept`."""
    hinted_at: Mapped[Instant | None]
    """When a worker was last told of it; the schedule tells again if nobody came."""
    failures: Mapped[int] = mapped_column(server_default="0")
    """Temporary failures in a row; spaces the next attempts."""
    lost_runs: Mapped[int] = mapped_column(server_default="0")
    """Runs in a row whose worker died; the third parks the Item."""
    parked_at: Mapped[Instant | None]
    """Set aside, because its syncs kill the workers; a person has to try again."""
    lease_id: Mapped[UUID | None]
    lease_until: Mapped[Instant | None]
    """One sync at a time: whose turn it is, and until when if its worker dies."""


class LinkSession(Base):
    """A link flow that a user opened; the only proof of whose the new Item is."""

    __tablename__ = "link_sessions"
    __table_args__ = (
        owned_by_household(),
        CheckConstraint(
            "state IN ('open', 'exchanging', 'linked', 'repaired', 'abandoned', 'unknown')",
            name="state",
        ),
        Index(None, "link_token"),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    user_id: Mapped[UUID]
    provider: Mapped[str]
    link_token: Mapped[str]
    url: Mapped[str | None]
    """Where the user goes through it; None for a flow that the user's own program opened."""
    item_id: Mapped[UUID | None]
    """The Item it repairs, or the one it made."""
    state: Mapped[str] = mapped_column(server_default="open")
    """`exchanging` is written before the one-time exchange; it stays when we died in it."""
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Instant]


class SyncRun(Base):
    """One attempt to bring an Item up to date, with its outcome."""

    __tablename__ = "sync_runs"
    __table_args__ = (
        owned_by_household(),
        belongs_to("items", "item_id"),
        CheckConstraint("state IN ('running', 'done', 'failed', 'lost')", name="state"),
        Index(None, "household_id", "item_id", "id"),
        Index(None, "started_at"),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    item_id: Mapped[UUID]
    trigger: Mapped[str]
    state: Mapped[str]
    """`lost`: its worker died; the next run repeated the work."""
    started_at: Mapped[Instant]
    read_at: Mapped[Instant | None]
    """When all its pages were in the journal; what follows is booking."""
    finished_at: Mapped[Instant | None]
    trace_id: Mapped[str | None]
    """Finds its lines in the logs."""
    cursor_before: Mapped[str | None]
    cursor_after: Mapped[str | None]
    pages: Mapped[int] = mapped_column(server_default="0")
    rows_read: Mapped[int] = mapped_column(server_default="0")
    """Transactions named by the pages read so far, in a run that may still be under way."""
    added: Mapped[int] = mapped_column(server_default="0")
    modified: Mapped[int] = mapped_column(server_default="0")
    removed: Mapped[int] = mapped_column(server_default="0")
    rejected: Mapped[int] = mapped_column(server_default="0")
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]


class Webhook(Base):
    """A verified webhook: a hint, kept to count, deduplicate and explain."""

    __tablename__ = "webhooks"
    __table_args__ = (Index(None, "received_at"), Index(None, "item_source_id"))

    id: Mapped[Id]
    provider: Mapped[str]
    signature_hash: Mapped[bytes] = mapped_column(unique=True)
    """SHA-256 of the signature header: a repeated delivery carries a new one or none."""
    webhook_type: Mapped[str]
    webhook_code: Mapped[str]
    item_source_id: Mapped[str | None]
    household_id: Mapped[UUID | None]
    """None: no Item of ours; perhaps one that is billed and forgotten."""
    received_at: Mapped[CreatedAt]


class Import(Base):
    """A bank file that a user gave us: looked at first, then booked."""

    __tablename__ = "imports"
    __table_args__ = (
        owned_by_household(),
        belongs_to("journal_pages", "journal_page_id"),
        CheckConstraint(
            "state IN ('previewed', 'failed', 'booked', 'undone', 'discarded')", name="state"
        ),
    )

    household_id: Mapped[HouseholdId]
    id: Mapped[Id]
    """Also the `sync_run_id` of its pages in the journal: the file, then each decision."""
    user_id: Mapped[UUID]
    created_at: Mapped[CreatedAt]
    booked_at: Mapped[Instant | None]
    file_name: Mapped[str]
    format: Mapped[str]
    """`ofx`, `camt`, `mt940`, `csv`, or the name of a kind of file that cannot be read."""
    layout: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    """How a CSV file is read, as guessed or corrected."""
    targets: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    """The ledger account, or `new`, that the user chose for an account of the file."""
    currency: Mapped[str | None]
    """What the user chose for rows of which the file does not say it."""
    add_matches: Mapped[bool] = mapped_column(server_default="false")
    """Rows that another source of the account seems to tell count all the same."""
    journal_page_id: Mapped[UUID]
    """The file itself."""
    change_set_id: Mapped[UUID | None]
    state: Mapped[str]
    """`failed`: it cannot be read, `error` says why."""
    error: Mapped[str | None]
    added: Mapped[int] = mapped_column(server_default="0")
    modified: Mapped[int] = mapped_column(server_default="0")
    known: Mapped[int] = mapped_column(server_default="0")
    """Rows that the ledger had already."""
    matched: Mapped[int] = mapped_column(server_default="0")
    """Rows that another source of the account tells: kept, and not counted twice."""
    rejected: Mapped[int] = mapped_column(server_default="0")
