"""Reads of one household that take one message to the database, without a thread.

For the route that programs call most: a transaction of SQLAlchemy's takes four round trips, and a
thread that waits for each. Here the server gets two statements in one message, which it runs as
one transaction: the first says whose rows the second sees, which the connection has prepared. It
can only read, whoever asks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from psycopg import AsyncConnection

from app.core import database, metrics, tracing
from app.core.config import settings
from app.core.errors import UnavailableError

CONNECTIONS_MAX = max(1, settings.DATABASE_POOL_SIZE // 5)
"""Of those that a process may have; the rest is for threads."""
WAIT_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Statement:
    """A SELECT that has one good plan, whatever its values."""

    name: str
    """Under which connections know it; one statement each."""
    text: str
    """With a place `%(name)s` for each value."""
    types: Mapping[str, str]
    """PostgreSQL's type of each value, by name."""

    @property
    def preparation(self) -> str:
        """What makes a connection know it."""
        places = {name: f"${number}" for number, name in enumerate(self.types, 1)}
        # rule: texts of ours
        return f"PREPARE {self.name} ({', '.join(self.types.values())}) AS {self.text % places}"

    @property
    def execution(self) -> str:
        """What runs it on a connection that knows it."""
        return f"EXECUTE {self.name} ({', '.join(f'%({name})s' for name in self.types)})"


class _Connection:
    """A connection to the server, or by way of a pooler to one after the other."""

    def __init__(self, made: AsyncConnection[Any]) -> None:
        self._made = made
        self._known: set[str] = set()
        self._since = self._used = time.monotonic()

    @property
    def is_fit(self) -> bool:
        """Whether it is young, and the server has not hung up."""
        is_young = time.monotonic() - self._since < database.CONNECTION_SECONDS_MAX
        return is_young and not database.is_cut(self._made.fileno(), self._used)

    async def read(
        self, household_id: UUID, statement: Statement, values: Mapping[str, object]
    ) -> list[Any]:
        """Return the rows of a statement in one household."""
        known = await self._known_as(statement)
        whose, who = database.as_reader(household_id)
        cursor = self._made.cursor()
        with tracing.statement(statement.text), metrics.statement_seconds.labels("SELECT").time():
            # nosemgrep: text-in-sql - texts of ours; the values are quoted
            await cursor.execute(f"{whose}; {known}", {**values, **who})  # rule: texts of ours
        cursor.nextset()
        rows = await cursor.fetchall()
        self._used = time.monotonic()
        return rows

    async def close(self) -> None:
        """Hang up."""
        await self._made.close()

    async def _known_as(self, statement: Statement) -> str:
        """Return what runs a statement; a server behind a pooler is told all of it each time."""
        if database.shares_server_connections():
            return statement.text
        if statement.name not in self._known:
            await self._made.execute(statement.preparation)
            self._known.add(statement.name)
        return statement.execution


class _Connections:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)

    async def read(
        self, household_id: UUID, statement: Statement, values: Mapping[str, object]
    ) -> list[Any]:
        """Read on one of them; where anything fails, it is not used again."""
        await self._wait_for_place()
        try:
            connection = await self._take()
            try:
                rows = await connection.read(household_id, statement, values)
            except BaseException:
                await connection.close()
                raise
            self._idle.append(connection)
            return rows
        finally:
            self._places.release()

    async def close(self) -> None:
        """Hang up all that lie idle."""
        while self._idle:
            await self._idle.pop().close()

    async def _wait_for_place(self) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await self._places.acquire()
        except TimeoutError:
            raise UnavailableError("The server is busy. Try again shortly.") from None

    async def _take(self) -> _Connection:
        """Return the connection used last that is fit, or a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fit:
                return connection
            await connection.close()
        return _Connection(await database.connect_to_read())


_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = WeakKeyDictionary()


@asynccontextmanager
async def connections_kept() -> AsyncIterator[None]:
    """Keep connections from one read to the next until the block ends."""
    loop = asyncio.get_running_loop()
    connections = _kept[loop] = _Connections()
    try:
        yield
    finally:
        del _kept[loop]
        await connections.close()


async def read(household_id: UUID, statement: Statement, values: Mapping[str, object]) -> list[Any]:
    """Return the rows of a statement, as far as whoever asks may see them.

    Args:
        household_id: Whose rows; also the statement's own value of that name.
        statement: What to read.
        values: The statement's other values, by name.

    Raises:
        OperationalError: The database is away, or stopped what took too long.
        UnavailableError: All connections are taken.
    """
    kept = _kept.get(asyncio.get_running_loop())
    if kept is not None:
        return await kept.read(household_id, statement, values)
    for_once = _Connections()
    try:
        return await for_once.read(household_id, statement, values)
    finally:
        await for_once.close()
