"""Turns at what few may do at a time, for which a few more wait and the rest does not."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore


class NoTurnError(Exception):
    """There are too many already, or they took too long."""


class Turns:
    """Turns for threads: each one that waits is one less of the server's."""

    def __init__(self, at_once: int, *, waiting: int, seconds: float) -> None:
        """Make them.

        Args:
            at_once: How many there are.
            waiting: How many may wait for one; more are sent away at once.
            seconds: How long they wait at most.
        """
        self._turns = BoundedSemaphore(at_once)
        self._places = BoundedSemaphore(at_once + waiting)
        self._seconds = seconds

    @contextmanager
    def taken(self, *, waits: bool = True) -> Iterator[None]:
        """Hold a turn until the block ends.

        Raises:
            NoTurnError: There was none, for who does not wait at once.
        """
        if not self._places.acquire(blocking=False):
            raise NoTurnError
        try:
            if not self._turns.acquire(timeout=self._seconds if waits else 0):
                raise NoTurnError
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()
