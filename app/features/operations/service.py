"""Checks of the parts that the application stands on."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import redis
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core import database
from app.core.config import settings

OK, DOWN, DEGRADED = "ok", "down", "degraded"
BROKER_SECONDS_MAX = 1.0
KEPT_SECONDS = 1.0
"""Probes of many balancers share one look."""
_VERSIONS = Path(__file__).parents[3] / "migrations" / "versions"
_REVISION_LINE = re.compile(r"^(revision|down_revision) = ['\"](\w+)['\"]", re.MULTILINE)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """How the parts are: each `ok` or `down`."""

    database: str
    migrations: str
    broker: str

    @property
    def is_ready(self) -> bool:
        """Whether requests can be served: the truth is in PostgreSQL, the broker only hints."""
        return self.database == OK and self.migrations == OK

    @property
    def status(self) -> str:
        """`ok` if every part is, else `degraded`."""
        parts = (self.database, self.migrations, self.broker)
        return OK if all(part == OK for part in parts) else DEGRADED


class _Kept:
    """The last look at the parts, for a second, so that probes cost next to nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = float("-inf")
        self._health: Health | None = None

    def get(self, look: Callable[[], Health]) -> Health:
        with self._lock:
            if self._health is None or time.monotonic() - self._at > KEPT_SECONDS:
                self._health = look()
                self._at = time.monotonic()
            return self._health

    def forget(self) -> None:
        self._at = float("-inf")


_kept = _Kept()


def check_health() -> Health:
    """Return how the parts are, at most a second old."""
    return _kept.get(_look)


def forget_health() -> None:
    """Look anew next time."""
    _kept.forget()


def _look() -> Health:
    database_state, migrations_state = _check_database()
    return Health(database_state, migrations_state, _check_broker())


def _check_database() -> tuple[str, str]:
    try:
        with database.nobodys_transaction() as connection:
            versions = set(connection.scalars(text("SELECT version_num FROM alembic_version")))
    except SQLAlchemyError as error:
        is_there = _answers()
        log.warning("health_check_failed", part="database", error=type(error).__name__)
        return (OK if is_there else DOWN), DOWN
    # A newer schema is fine: during a deployment the old code runs on it for a while.
    wanted = _head()
    known = wanted is None or wanted in versions or not versions <= _revisions().keys()
    return OK, OK if versions and known else DOWN


def _answers() -> bool:
    """Tell a database without our tables from one that does not answer."""
    try:
        with database.nobodys_transaction() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return False
    return True


@cache
def _revisions() -> dict[str, str]:
    """Return each migration of this version and the one before it, "" for the first.

    Read from the files' own lines: loading Alembic would be a tenth of the web's start.
    An installed wheel carries none.
    """
    found = {}
    for path in _VERSIONS.glob("*.py"):
        lines = dict(_REVISION_LINE.findall(path.read_text(encoding="utf-8")))
        found[lines["revision"]] = lines.get("down_revision", "")
    return found


def _head() -> str | None:
    """Return the newest migration, which is the one that none comes after."""
    revisions = _revisions()
    return next(iter(revisions.keys() - set(revisions.values())), None)


def _check_broker() -> str:
    try:
        client = redis.Redis.from_url(
            settings.REDIS_URL.get_secret_value(),
            socket_connect_timeout=BROKER_SECONDS_MAX,
            socket_timeout=BROKER_SECONDS_MAX,
        )
        with client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        log.warning("health_check_failed", part="broker", error=type(error).__name__)
        return DOWN
    return OK
