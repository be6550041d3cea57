"""The database: engine, and the transactions that carry whose data they may touch.

Whoever DATABASE_URL logs in as, each transaction runs as one of two roles that row-level
security binds: `fintech_tenant`, which sees one household, or `fintech_system`, which sees all
and is for the few named uses that cross households (signing in, webhooks, the schedule).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.orm import Session, SessionTransaction, sessionmaker

from app.core.config import settings

TENANT_ROLE = "fintech_tenant"
SYSTEM_ROLE = "fintech_system"

engine = create_engine(
    settings.sqlalchemy_url,
    pool_size=settings.DATABASE_POOL_SIZE,
    max_overflow=0,
    pool_timeout=10,
    pool_recycle=1800,
    connect_args={
        "connect_timeout": 5,
        "application_name": "fintech",
        "options": (
            f"-c statement_timeout={settings.DATABASE_STATEMENT_TIMEOUT_SECONDS}s"
            " -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s -c jit=off"
            # Plans depend on the values: on how common a category or an amount is.
            " -c plan_cache_mode=force_custom_plan"
        ),
    },
)
_sessions = sessionmaker(engine, expire_on_commit=False)

# One round trip: the role and the household last until the transaction ends, so that a pooled
# connection never carries them to its next borrower.
_AS_TENANT = (
    f"SELECT set_config('role', '{TENANT_ROLE}', true), set_config('app.household_id', %s, true)"
)
_AS_SYSTEM = f"SELECT set_config('role', '{SYSTEM_ROLE}', true)"


@event.listens_for(Session, "after_begin")
def _assume_role(session: Session, _: SessionTransaction, connection: Connection) -> None:
    household_id = session.info.get("household_id")
    if household_id is not None:
        connection.exec_driver_sql(_AS_TENANT, (str(household_id),))
    elif session.info.get("system"):
        connection.exec_driver_sql(_AS_SYSTEM)
    else:
        raise RuntimeError("a session needs a household: use household_transaction()")


@contextmanager
def household_transaction(household_id: UUID) -> Iterator[Session]:
    """Open a session that sees one household; commit at the end, roll back on an error."""
    with _sessions(info={"household_id": household_id}) as session, session.begin():
        yield session


@contextmanager
def system_transaction() -> Iterator[Session]:
    """Open a session that crosses households; commit at the end, roll back on an error.

    Only for signing in, webhooks and the schedule; own lint rules list the modules that may.
    """
    with _sessions(info={"system": True}) as session, session.begin():
        yield session
