"""Token buckets in PostgreSQL: how often somebody may try something."""

import hashlib
import hmac
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from app.core import clock, encryption

KEPT_FOR = timedelta(days=1)
"""A bucket that nobody touched for so long is full again, whatever its limit."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` attempts at once, then one more for every `refill_seconds`."""

    name: str
    burst: int
    refill_seconds: float


# The bucket fills while nobody looks: its level is computed from the time of its last change.
# The row is locked by the conflict, so two attempts at once never take the same token.
_TAKE = text("""
    INSERT INTO attempt_buckets AS bucket (key_hash, tokens, updated_at)
    VALUES (:key_hash, :burst - 1, :now)
    ON CONFLICT (key_hash) DO UPDATE SET
        tokens = least(:burst, bucket.tokens + greatest(0, extract(epoch FROM
            :now - bucket.updated_at)) / :refill_seconds) - 1,
        updated_at = :now
    WHERE least(:burst, bucket.tokens + greatest(0, extract(epoch FROM
        :now - bucket.updated_at)) / :refill_seconds) >= 1
""")
_LEVEL = text("""
    SELECT least(:burst, tokens + greatest(0, extract(epoch FROM :now - updated_at))
        / :refill_seconds) FROM attempt_buckets WHERE key_hash = :key_hash
""")
_GIVE_BACK = text("""
    UPDATE attempt_buckets SET tokens = least(:burst, tokens + 1) WHERE key_hash = :key_hash
""")
_FORGET = text("DELETE FROM attempt_buckets WHERE updated_at < :before")


def take(session: Session, limit: Limit, key: str) -> int | None:
    """Take one attempt from the bucket of `key`, in one atomic statement.

    The caller commits at once, so that an attempt counts however it ends. Needs a session that
    crosses households.

    Returns:
        None if the attempt is allowed; else after how many whole seconds the next one is.
    """
    values = {
        "key_hash": hash_key(limit, key),
        "burst": limit.burst,
        "refill_seconds": limit.refill_seconds,
        "now": clock.now(),
    }
    result = cast("CursorResult[tuple[()]]", session.execute(_TAKE, values))
    if result.rowcount:
        return None
    level = session.execute(_LEVEL, values).scalar()
    missing = 1 - (level if level is not None else 0)
    return max(1, math.ceil(missing * limit.refill_seconds))


def give_back(session: Session, limit: Limit, key: str) -> None:
    """Return an attempt that turned out well, so that only failures use the bucket up."""
    session.execute(_GIVE_BACK, {"key_hash": hash_key(limit, key), "burst": limit.burst})


def forget_old(session: Session) -> int:
    """Delete buckets that are full again by now; return how many."""
    result = session.execute(_FORGET, {"before": clock.now() - KEPT_FOR})
    return cast("CursorResult[tuple[()]]", result).rowcount


def hash_key(limit: Limit, key: str) -> bytes:
    """Return the bucket's key: keyed, so that the table names no addresses of people."""
    secret = encryption.derive_key("attempt buckets")
    return hmac.new(secret, f"{limit.name}:{key}".encode(), hashlib.sha256).digest()
