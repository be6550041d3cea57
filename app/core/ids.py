"""UUID version 7: random identifiers that sort by the time they were made (RFC 9562)."""

import os
import threading
import time
from uuid import UUID

_PLACES = 12
"""Bits that count within a millisecond."""
_BORROWED_MAX = 1_000 << _PLACES
"""How far ahead of the clock we go on counting; a clock set back further is believed."""
_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """Return a new UUIDv7."""
    return uuid7s(1)[0]


def uuid7s(count: int) -> list[UUID]:
    """Return `count` UUIDv7s in ascending order, above all that this process made before.

    The 12 bits after the version count up within a millisecond (RFC 9562, method 1): what was
    written earlier sorts earlier, however fast it went, and so do rows written together.
    """
    first = _take(count)
    randoms = os.urandom(8 * count)
    ids = []
    for number in range(count):
        # 4,096 ids fit into a millisecond; the next ones borrow from the future.
        stamp, sequence = divmod(first + number, 1 << _PLACES)
        random = int.from_bytes(randoms[8 * number : 8 * number + 8]) & 0x3FFF_FFFF_FFFF_FFFF
        ids.append(UUID(int=stamp << 80 | 0x7 << 76 | sequence << 64 | 0b10 << 62 | random))
    return ids


def _take(count: int) -> int:
    """Return the first of so many places in time that nobody else in this process gets."""
    global _last  # one row of places for the process
    with _lock:
        first = time.time_ns() // 1_000_000 << _PLACES
        if 0 <= _last - first < _BORROWED_MAX:
            first = _last + 1
        _last = first + count - 1
    return first
