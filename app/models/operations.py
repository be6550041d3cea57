"""What the operator of the server is told."""

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Instant


class BackupRecord(Base):
    """The last backup, and the last that was restored to see; who runs the server reads them."""

    __tablename__ = "backup_records"
    __table_args__ = (CheckConstraint("kind IN ('backup', 'check')", name="kind"),)

    kind: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[Instant]
    """Of a backup, the moment that its data is of."""
    file: Mapped[str]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    """Of a backup, sealed."""
    is_ok: Mapped[bool]
    """Of a check, whether everything came back as it was kept."""
