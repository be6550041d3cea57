"""UUID version 7: random identifiers that sort by the time they were made (RFC 9562)."""

import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """Return a new UUIDv7."""
    return uuid7s(1)[0]


def uuid7s(count: int) -> list[UUID]:
    """Return `count` UUIDv7s in ascending order.

    The 12 bits after the version count up inside one call (RFC 9562, method 1), so rows that
    are written together also sort in the order they were given.
    """
    milliseconds = time.time_ns() // 1_000_000
    randoms = os.urandom(8 * count)
    ids = []
    for number in range(count):
        # 4,096 ids fit into a millisecond; the next ones borrow from the future.
        stamp, sequence = milliseconds + (number >> 12), number & 0xFFF
        random = int.from_bytes(randoms[8 * number : 8 * number + 8]) & 0x3FFF_FFFF_FFFF_FFFF
        ids.append(UUID(int=stamp << 80 | 0x7 << 76 | sequence << 64 | 0b10 << 62 | random))
    return ids
