"""What the program owes to the people whose data it keeps."""

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, CreatedAt, Id, Instant


class Erasure(Base):
    """A household that is to be erased, and the tombstone of one that was; names nobody."""

    __tablename__ = "erasures"
    __table_args__ = (
        CheckConstraint("state IN ('asked', 'erased')", name="state"),
        CheckConstraint("asked_by IN ('owner', 'operator', 'restore')", name="asked_by"),
    )

    id: Mapped[Id]
    """The household's."""
    state: Mapped[str] = mapped_column(server_default="asked")
    asked_at: Mapped[CreatedAt]
    asked_by: Mapped[str]
    """`restore`: it was erased before, and came back with a backup."""
    due_at: Mapped[CreatedAt]
    """When a worker is to take it up, or again."""
    attempts: Mapped[int] = mapped_column(BigInteger, server_default="0")
    key_destroyed_at: Mapped[Instant | None]
    """From then on nothing opens what was sealed, not in a backup either."""
    items_removed: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """Connections that were ended at their provider."""
    items_left: Mapped[list[str]] = mapped_column(JSONB, server_default="[]")
    """Provider and its id of those that the provider did not end within a day."""
    rows: Mapped[int] = mapped_column(BigInteger, server_default="0")
    """How many rows were deleted one by one, without those that went with the household's."""
    audit_sequence: Mapped[int | None] = mapped_column(BigInteger)
    audit_hash: Mapped[bytes | None]
    """The last link of its audit trail."""
    erased_at: Mapped[Instant | None]
