"""What is remembered of backups."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import BackupRecord


def replace_record(session: Session, kind: str, values: Mapping[str, object]) -> None:
    """Keep the last of a kind."""
    statement = insert(BackupRecord).values(kind=kind, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["kind"], set_=dict(values)))


def list_records(session: Session) -> Sequence[Row[BackupRecord, float]]:
    """Return the last of each kind, with its age in seconds."""
    age = func.extract("epoch", func.now() - BackupRecord.at)
    return session.execute(select(BackupRecord, age)).all()
