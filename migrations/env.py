"""Runs migrations: one at a time, with bounded locks, against DATABASE_URL."""

import time

from alembic import context
from sqlalchemy import Connection, NullPool, create_engine, text

from app import models
from app.core.config import settings

_LOCK = 7_203_511_409_271  # any constant; two migrations never run at once
_ASK_SECONDS = 0.5
_WAIT_SECONDS_MAX = 3600


def include_object(  # Alembic calls it by position
    _thing: object,
    name: str | None,
    kind: str,
    reflected: bool,  # noqa: FBT001
    other: object,
) -> bool:
    """Leave partitions alone: they belong to their parent's definition."""
    is_partition = kind == "table" and reflected and other is None and "_part_" in (name or "")
    return not is_partition


def render_item(kind: str, thing: object, _context: object) -> str | bool:
    """Write our own types as what the database has: migrations do not import the application."""
    if kind == "type" and isinstance(thing, models.base.ExactAmount):
        return "sa.Numeric(precision=24, scale=8)"
    return False


def _wait_for_turn(connection: Connection) -> None:
    """Wait until no other program migrates; ask again and again instead of waiting inside.

    An index that is built beside others waits for every statement that runs already: whoever waited
    inside would wait for the builder, and the builder for them.

    Raises:
        RuntimeError: Another one has been at it for an hour.
    """
    until = time.monotonic() + _WAIT_SECONDS_MAX
    asked = text("SELECT pg_try_advisory_lock(:lock)")
    while not connection.scalar(asked, {"lock": _LOCK}):
        connection.rollback()
        if time.monotonic() > until:
            raise RuntimeError(
                "Another program has been migrating this database for an hour. Nothing was changed "
                "here: let it finish, or end it, then run this again."
            )
        time.sleep(_ASK_SECONDS)


def run() -> None:
    """Run the migrations that the command asked for."""
    # NullPool: a pooled connection would keep the advisory lock.
    engine = create_engine(settings.sqlalchemy_url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=models.Base.metadata,
            include_object=include_object,
            render_item=render_item,
            transaction_per_migration=True,
        )
        _wait_for_turn(connection)
        connection.execute(text("SET lock_timeout = '4s'"))
        connection.commit()
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    context.configure(
        url=settings.sqlalchemy_url, target_metadata=models.Base.metadata, literal_binds=True
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    run()
