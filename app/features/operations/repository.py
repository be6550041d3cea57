"""What is remembered of backups, what waits for a hand, and what the database takes long for."""

import datetime as dt
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import BackupRecord, Erasure, LinkSession, NoticeMail

_HAS_STATEMENTS = text("SELECT to_regclass('pg_stat_statements') IS NOT NULL")
# Values are parameters of ours or `$1` of the extension's: no text here holds anybody's data.
_STATEMENTS = text(r"""
    SELECT left(regexp_replace(query, '\s+', ' ', 'g'), 160), calls,
        mean_exec_time / 1000, total_exec_time / 1000
    FROM pg_stat_statements WHERE dbid =
        (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY total_exec_time DESC LIMIT :limit
""")


def replace_record(session: Session, kind: str, values: Mapping[str, object]) -> None:
    """Keep the last of a kind."""
    statement = insert(BackupRecord).values(kind=kind, **values)
    session.execute(statement.on_conflict_do_update(index_elements=["kind"], set_=dict(values)))


def list_records(session: Session) -> Sequence[Row[BackupRecord, float]]:
    """Return the last of each kind, with its age in seconds."""
    age = func.extract("epoch", func.now() - BackupRecord.at)
    return session.execute(select(BackupRecord, age)).all()


def count_left_waiting(session: Session, since: dt.timedelta) -> Row[int, int, int]:
    """Return what has waited for too long.

    Deletions of households, link flows that nobody knows the end of, and mail.
    """
    before = func.now() - since
    erasures = select(func.count()).where(Erasure.state == "asked", Erasure.asked_at < before)
    links = select(func.count()).where(LinkSession.state == "unknown")
    mails = select(func.count()).where(NoticeMail.due_at < before)
    return session.execute(
        select(erasures.scalar_subquery(), links.scalar_subquery(), mails.scalar_subquery())
    ).one()


def list_slowest(
    connection: Connection, *, limit: int
) -> Sequence[Row[str, int, float, float]] | None:
    """Return what took most time since the counting began: text, calls, seconds each, and in all.

    None where the server does not count.

    Raises:
        SQLAlchemyError: Its extension is there, but the server does not load it.
    """
    if not connection.scalar(_HAS_STATEMENTS):
        return None
    return connection.execute(_STATEMENTS, {"limit": limit}).all()
