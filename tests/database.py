"""What tests ask the database itself, as its owner."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import create_engine, text

from app.core import database
from app.features.users.session_cache import cache
from app.models import Base

TRAIL = ("audit_events", "audit_links", "memberships", "notices")
"""What says who was there, what they took and who was told; it grows when somebody reads."""
OF_PEOPLE = ("api_tokens", "user_sessions")
"""Tables that name a household and belong to people."""


@contextmanager
def one_connection() -> Iterator[None]:
    """Let this process have one connection: who takes a second one while they hold it fails."""
    alone = create_engine(database.engine.url, pool_size=1, max_overflow=0, pool_timeout=0.5)
    database._sessions.configure(bind=alone)
    try:
        cache.clear()
        yield
    finally:
        database._sessions.configure(bind=database.engine)
        alone.dispose()


def digest() -> dict[str, str]:
    """Return a fingerprint of the content of each table."""
    with database.engine.connect() as connection:
        return {
            table.name: str(
                connection.scalar(
                    text(
                        f"SELECT count(*) || md5(coalesce(string_agg(row::text, ',' "
                        f"ORDER BY row::text), '')) FROM {table.name} AS row"
                    )
                )
            )
            for table in Base.metadata.sorted_tables
        }


def household_digest(household_id: UUID) -> dict[str, str]:
    """Return a fingerprint of all that a household owns, table by table, in one statement."""
    owners = {"households": "id"} | {
        table.name: "household_id"
        for table in Base.metadata.sorted_tables
        if "household_id" in table.columns and table.name not in OF_PEOPLE
    }
    assert len(owners) > 20
    parts = [
        f"SELECT '{name}', count(*) || md5(coalesce(string_agg(row::text, ',' "
        f"ORDER BY row::text), '')) FROM {name} AS row WHERE row.{owner} = :household_id"
        for name, owner in owners.items()
    ]
    statement = text(" UNION ALL ".join(parts))
    with database.engine.connect() as connection:
        rows = connection.execute(statement, {"household_id": household_id})
        return {row[0]: row[1] for row in rows}


def without_trail(found: Mapping[str, str]) -> dict[str, str]:
    """Return a household's fingerprint less what reading and leaving write down."""
    return {name: value for name, value in found.items() if name not in TRAIL}
