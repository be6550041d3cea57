"""Counts the SQL statements that a piece of code issues."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


@contextmanager
def counted_queries() -> Iterator[list[str]]:
    """Yield the statements issued inside the block, through SQLAlchemy or the driver itself."""
    statements: list[str] = []
    execute = psycopg.Cursor.execute

    def note(self, query, *arguments, **more):
        statements.append(query.decode() if isinstance(query, bytes) else str(query))
        return execute(self, query, *arguments, **more)

    psycopg.Cursor.execute = note
    try:
        yield statements
    finally:
        psycopg.Cursor.execute = execute
