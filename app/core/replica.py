"""Reports and exports: transactions that only read, on a streaming replica where there is one.

What decides about a write never reads here: a replica may not have yet what the database has, and
two readers of two replicas may see changes in different orders. So these transactions cannot write,
wherever they run.

A report sees all that was committed before it was asked for, its reader's own edits among it: the
database says how far its log is, and the replica is asked only once it has replayed as much. One
that does not get there in DATABASE_REPLICA_LAG_SECONDS_MAX, or is away, is left out for a while:
reports read from the database itself then.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import database
from app.core.config import settings

LEFT_OUT_SECONDS = 5.0
_POLL_SECONDS = 0.01
# Not what is flushed: with synchronous_commit off a commit may stand before that.
_WRITTEN = text("SELECT pg_current_wal_insert_lsn()")
# One that was promoted replays nothing more: it is another database by now.
_HAS_REPLAYED = text("SELECT pg_is_in_recovery() AND pg_last_wal_replay_lsn() >= :written")
log = structlog.get_logger(__name__)


class Replica:
    """A streaming replica of the database."""

    def __init__(self, url: str) -> None:
        self.engine = database.make_engine(url, through_pooler=False)
        self._lock = threading.Lock()
        self._left_out_until = float("-inf")

    def has_caught_up(self) -> bool:
        """Tell whether it has all that is committed by now, waiting a little for it."""
        if time.monotonic() < self._left_out_until:
            return False
        with database.nobodys_transaction() as connection:
            written = connection.scalar(_WRITTEN)
        try:
            if self._replays(str(written)):
                return True
            self._leave_out("lag")
        except SQLAlchemyError as error:
            self._leave_out(type(error).__name__)
        return False

    def _replays(self, written: str) -> bool:
        deadline = time.monotonic() + settings.DATABASE_REPLICA_LAG_SECONDS_MAX
        with self.engine.connect() as connection:
            while not connection.scalar(_HAS_REPLAYED, {"written": written}):
                if time.monotonic() > deadline:
                    return False
                time.sleep(_POLL_SECONDS)
        return True

    def _leave_out(self, reason: str) -> None:
        with self._lock:
            self._left_out_until = time.monotonic() + LEFT_OUT_SECONDS
        log.warning("replica_left_out", reason=reason, seconds=LEFT_OUT_SECONDS)


_replica = Replica(settings.replica_url) if settings.replica_url else None


@contextmanager
def reading_transaction(household_id: UUID) -> Iterator[Session]:
    """Open a session that sees one household and cannot write, on the replica if it is up to date.

    For reports and exports; own lint rules list the modules that may, and what they do not do.
    """
    found = _replica
    on = found.engine if found and found.has_caught_up() else None
    with database.open_reading(household_id, on) as session, session.begin():
        yield session


def dispose() -> None:
    """Close the connections to the replica."""
    if _replica:
        _replica.engine.dispose()
