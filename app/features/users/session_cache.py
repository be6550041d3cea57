"""Live sessions of this process, kept for at most a second.

A page asks for its parts within milliseconds of each other; the second saves them the look-up,
and bounds how long a session that ended on another server is still believed.
"""

import threading
import time
from collections.abc import Callable
from uuid import UUID

from app.features.users.repository import SessionRow

KEPT_SECONDS_MAX = 1.0
ENTRIES_MAX = 10_000


class SessionCache:
    """Sessions by the hash of their cookie or by their id; safe for threads."""

    def __init__(self) -> None:
        self._rows: dict[bytes | UUID, tuple[float, SessionRow]] = {}
        self._lock = threading.Lock()

    def find(self, key: bytes | UUID) -> SessionRow | None:
        """Return the session if it was read less than a second ago."""
        entry = self._rows.get(key)
        if entry is None or time.monotonic() - entry[0] > KEPT_SECONDS_MAX:
            return None
        return entry[1]

    def put(self, key: bytes | UUID, row: SessionRow) -> None:
        """Keep a session that was just read."""
        with self._lock:
            if len(self._rows) >= ENTRIES_MAX:
                self._rows.clear()
            self._rows[key] = (time.monotonic(), row)

    def forget_session(self, session_id: UUID) -> None:
        """Drop a session that ended."""
        self._drop(lambda row: row.session_id == session_id)

    def forget_person(self, user_id: UUID) -> None:
        """Drop all sessions of a person."""
        self._drop(lambda row: row.user_id == user_id)

    def forget_household(self, household_id: UUID) -> None:
        """Drop all sessions of a household in which something changed."""
        self._drop(lambda row: row.household_id == household_id)

    def clear(self) -> None:
        """Drop everything, as tests that set the clock do."""
        with self._lock:
            self._rows.clear()

    def _drop(self, fits: Callable[[SessionRow], bool]) -> None:
        with self._lock:
            for key in [key for key, (_, row) in self._rows.items() if fits(row)]:
                del self._rows[key]


cache = SessionCache()
