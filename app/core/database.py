"""The database: engine, and the transactions that carry whose data they may touch.

Whoever DATABASE_URL logs in as, each transaction runs as one of three roles that row-level
security binds: `fintech_tenant`, which sees one household; `fintech_guest`, which sees of it what
is shared with one guest; or `fintech_system`, which sees all and is for the few named uses that
cross households (signing in, webhooks, the schedule).

Behind a pooler in transaction mode a server connection serves another process with each
transaction. All that a transaction needs is therefore set for it alone, and statements have no
names that a later one would look for.
"""

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast
from uuid import UUID

from psycopg import AsyncClientCursor, AsyncConnection
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from app.core import metrics
from app.core.config import settings

only_reads: ContextVar[bool] = ContextVar("only_reads", default=False)
"""Whether this request may read its household and nothing more; set when it is known who asks."""

guest: ContextVar[UUID | None] = ContextVar("guest", default=None)
"""The guest who asks, if it is one: they see the accounts shared with them, and only read."""

TENANT_ROLE = "fintech_tenant"
SYSTEM_ROLE = "fintech_system"
GUEST_ROLE = "fintech_guest"
LOCK_SECONDS_MAX = 5
"""How long a statement waits for what another transaction holds."""
IDLE_SECONDS_MAX = 15
"""How long a transaction may do nothing in the database before it is ended."""

CONNECTION_SECONDS_MAX = 600
"""How long a connection is used. What its server process remembers of tables and statements grows
with each that it sees, to several megabytes, and goes only when it ends; a new one costs little."""
IDLE_CONNECTION_SECONDS_MAX = 300
"""How long PostgreSQL keeps a connection of ours that does nothing. What a busy minute opened lies
at the bottom of the pool, where nobody comes by to end it, and would hold all that it remembers."""
_REUSED_WITHIN_SECONDS = IDLE_CONNECTION_SECONDS_MAX - 10
_RETURNED = "returned"

# Whoever vanishes without a word, as a machine that loses power, is given up within half a minute:
# left to itself the kernel waits for two hours where we wait for an answer, a quarter of one else.
_CONNECTION = {
    "connect_timeout": 5,
    "application_name": "fintech",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
# For the temporary tables of a connection. PostgreSQL goes around all of it, one booking after the
# other, and gives none back before the connection ends: of its own 8 MB each came to hold all.
_TEMPORARY = "1MB"
_SHARED = "shares_server_connections"
_statement_seconds = settings.DATABASE_WORKER_STATEMENT_TIMEOUT_SECONDS

# One round trip: the role and the household last until the transaction ends, so that a pooled
# connection never carries them to its next borrower.
_AS_TENANT = (
    f"SELECT set_config('role', '{TENANT_ROLE}', true),"
    " set_config('app.household_id', %(household_id)s::text, true)"
)
# Once it has read, PostgreSQL lets no transaction take this back.
_AS_VIEWER = f"{_AS_TENANT}, set_config('transaction_read_only', 'on', true)"
_KEEPING_PLANS = ", set_config('plan_cache_mode', 'force_generic_plan', true)"
_AS_GUEST = (
    f"SELECT set_config('role', '{GUEST_ROLE}', true),"
    " set_config('app.household_id', %(household_id)s::text, true),"
    " set_config('app.guest_id', %(guest_id)s::text, true),"
    " set_config('transaction_read_only', 'on', true)"
)
_AS_SYSTEM = f"SELECT set_config('role', '{SYSTEM_ROLE}', true)"


def _limits() -> dict[str, str]:
    """Return the server's parameters that bound and shape the statements of this process."""
    return {
        "statement_timeout": f"{_statement_seconds}s",
        "lock_timeout": f"{LOCK_SECONDS_MAX}s",
        "idle_in_transaction_session_timeout": f"{IDLE_SECONDS_MAX}s",
        "jit": "off",
        # Plans depend on the values: on how common a category or an amount is.
        "plan_cache_mode": "force_custom_plan",
    }


def limit_to_requests() -> None:
    """Bound the statements of this process as those that people wait for; the web calls it."""
    global _statement_seconds  # what kind of process this is, said once
    _statement_seconds = settings.DATABASE_STATEMENT_TIMEOUT_SECONDS


def make_engine(url: str, *, through_pooler: bool) -> Engine:
    """Return an engine with the bounds of this process; nothing is connected yet.

    Args:
        url: Of the server or of the pooler, with the driver.
        through_pooler: Whether server connections change hands after each transaction. Such a
            pooler takes no parameters at the start of a connection, so that transactions set
            them, and may not know statements by the names that psycopg gives them.
    """
    arguments: dict[str, Any] = dict(_CONNECTION)
    if through_pooler:
        arguments["prepare_threshold"] = None
    made = create_engine(
        url,
        pool_size=settings.DATABASE_POOL_SIZE,
        max_overflow=0,
        # Few people keep few connections busy, whose server processes remember their statements.
        pool_use_lifo=True,
        pool_timeout=10,
        pool_recycle=CONNECTION_SECONDS_MAX,
        # What a statement was about must not be told by its error, which goes to the logs.
        hide_parameters=True,
        connect_args=arguments,
        execution_options={_SHARED: through_pooler},
    )
    if not through_pooler:
        event.listen(made, "do_connect", _send_limits)
    event.listen(made, "checkin", _note_when)
    event.listen(made, "checkout", _refuse_what_is_cut)
    return made


def _note_when(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_RETURNED] = time.monotonic()


def _refuse_what_is_cut(connection: Any, record: ConnectionPoolEntry, _: object) -> None:  # noqa: ANN401  # the driver's
    """Let the pool connect anew where the server hung up while a connection lay idle.

    A server has nothing to say to an idle connection but farewell: one look at the socket, no
    round trip. The ones at the bottom of the pool may lie for long, and be cut by a restart, an
    administrator or a firewall without anybody noticing.
    """
    if is_cut(connection.fileno(), record.info.get(_RETURNED)):
        raise DisconnectionError("the server hung up")


def is_cut(file_number: int, idle_since: float | None) -> bool:
    """Tell whether a connection that lies idle is no more, or may end while it is used.

    Args:
        file_number: Of its socket.
        idle_since: By the monotonic clock; None: it is new.
    """
    if idle_since is not None and time.monotonic() - idle_since > _REUSED_WITHIN_SECONDS:
        return True
    look = select.poll()
    look.register(file_number, select.POLLIN)
    return bool(look.poll(0))


def _send_limits(*arguments: Any) -> None:  # noqa: ANN401  # SQLAlchemy's own
    [*_, parameters] = arguments
    parameters["options"] = _options()


def _options() -> str:
    limits = _limits() | {
        "temp_buffers": _TEMPORARY,
        "idle_session_timeout": f"{IDLE_CONNECTION_SECONDS_MAX}s",
    }
    return " ".join(f"-c {name}={value}" for name, value in limits.items())


def shares_server_connections() -> bool:
    """Tell whether a pooler gives each transaction another connection to the server."""
    return bool(engine.get_execution_options().get(_SHARED))


async def connect_to_read() -> AsyncConnection[Any]:
    """Return a connection with the bounds of this process for what waits without a thread.

    Values are put into its statements before they are sent, quoted: only so one message holds two.

    Raises:
        OperationalError: The server cannot be reached.
    """
    _, where = engine.dialect.create_connect_args(engine.url)
    arguments: dict[str, Any] = {**where, **_CONNECTION}
    if not shares_server_connections():
        arguments["options"] = _options()
    return await AsyncConnection.connect(
        autocommit=True, cursor_factory=AsyncClientCursor, **arguments
    )


engine = make_engine(
    settings.pooler_url or settings.sqlalchemy_url, through_pooler=bool(settings.pooler_url)
)
_sessions = sessionmaker(engine, expire_on_commit=False)
_VERBS = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"))
metrics.database_connections.labels("in_use").set_function(lambda: _pool().checkedout())
metrics.database_connections.labels("idle").set_function(lambda: _pool().checkedin())
metrics.database_connections.labels("max").set(settings.DATABASE_POOL_SIZE)


def _pool() -> QueuePool:
    # A new one after each `dispose`.
    return cast(QueuePool, engine.pool)


@event.listens_for(Engine, "before_cursor_execute")
def _start_clock(connection: Connection, *_: object) -> None:
    connection.info["asked_at"] = time.perf_counter()


@event.listens_for(Engine, "after_cursor_execute")
def _stop_clock(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    verb = statement.lstrip()[:6].rstrip().upper()
    seconds = time.perf_counter() - connection.info["asked_at"]
    metrics.statement_seconds.labels(verb if verb in _VERBS else "other").observe(seconds)


@event.listens_for(Session, "after_begin")
def _assume_role(session: Session, _: SessionTransaction, connection: Connection) -> None:
    values = {name: session.info.get(name) for name in ("household_id", "guest_id")}
    if values["guest_id"] is not None:
        statement = _AS_GUEST
    elif values["household_id"] is not None:
        statement = _AS_VIEWER if session.info["only_reads"] else _AS_TENANT
    elif session.info.get("system"):
        statement = _AS_SYSTEM
    else:
        raise RuntimeError("a session needs a household: use household_transaction()")
    if connection.get_execution_options().get(_SHARED):
        statement += _set_for_transaction()
    connection.exec_driver_sql(statement, values)


def as_reader(household_id: UUID) -> tuple[str, dict[str, UUID | None]]:
    """Return the first statement of a transaction that only reads one household, and its values.

    It shows what the request may see, and keeps the plans of what follows: to plan anew a statement
    that has one good plan, whatever its values, would cost as much as to run it.
    """
    guest_id = guest.get()
    statement = _AS_VIEWER if guest_id is None else _AS_GUEST
    statement += _set_for_transaction() if shares_server_connections() else _KEEPING_PLANS
    return statement, {"household_id": household_id, "guest_id": guest_id}


def _set_for_transaction() -> str:
    """Return the rest of a SELECT that bounds the statements of one transaction."""
    limits = _limits().items()
    return "".join(f", set_config('{name}', '{value}', true)" for name, value in limits)


def take_time(session: Session) -> None:
    """Let the statements of this transaction take as long as a worker's: they hold a whole file."""
    seconds = settings.DATABASE_WORKER_STATEMENT_TIMEOUT_SECONDS
    session.connection().exec_driver_sql(
        f"SET LOCAL statement_timeout = '{seconds}s'"  # rule: a number of the settings
    )


def open_reading(household_id: UUID, on: Engine | None) -> Session:
    """Return a session of one household whose transactions the server lets only read.

    Args:
        household_id: Whose rows it sees.
        on: Another server that has them; None: the database itself.
    """
    info = {"household_id": household_id, "only_reads": True, "guest_id": guest.get()}
    session = _sessions(info=info)
    if on is not None:
        session.bind = on
    return session


@contextmanager
def household_transaction(household_id: UUID, *, for_trail: bool = False) -> Iterator[Session]:
    """Open a session that sees one household; commit at the end, roll back on an error.

    For a viewer's request it can only read, whatever the code in between does, and for a guest's
    it sees only what is shared with them; except
    `for_trail`, for writing down what they took away or were answered.

    Args:
        household_id: Whose rows it sees.
        for_trail: It writes down what they took away or were answered.
    """
    info = {
        "household_id": household_id,
        "only_reads": only_reads.get() and not for_trail,
        "guest_id": None if for_trail else guest.get(),
    }
    with _sessions(info=info) as session, session.begin():
        yield session


@contextmanager
def system_transaction() -> Iterator[Session]:
    """Open a session that crosses households; commit at the end, roll back on an error.

    Only for signing in, webhooks and the schedule; own lint rules list the modules that may.
    """
    with _sessions(info={"system": True}) as session, session.begin():
        yield session


@contextmanager
def nobodys_transaction() -> Iterator[Connection]:
    """Open a transaction as whoever DATABASE_URL names, to see whether the server answers."""
    with engine.begin() as connection:
        if connection.get_execution_options().get(_SHARED):
            connection.exec_driver_sql(
                f"SELECT 1{_set_for_transaction()}"  # rule: names and numbers of the settings
            )
        yield connection
