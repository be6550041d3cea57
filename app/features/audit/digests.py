"""Where each household's chain of audit events ended, kept outside the database.

Rows alone cannot show that the last ones were taken away. So the last link of each chain that grew
goes to AUDIT_DIGEST_FILE, or without one to the log; `fintech verify` holds the database against
what was kept. A line is JSON and names a household, a number and a hash, nothing of people.
"""

import datetime as dt
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from uuid import UUID

import structlog

from app.core import clock
from app.core.config import settings
from app.core.database import system_transaction
from app.features.audit import system
from app.features.audit.system import Head

log = structlog.get_logger(__name__)
EVENT = "audit_head"
HEADS_MAX = 100_000
"""Chains told of at a time; what is left over comes with their next event."""
WITHOUT_FILE = dt.timedelta(hours=2)
"""How far the log's lines look back: twice as far as they are apart."""
_OVERLAP = dt.timedelta(minutes=10)
"""A transaction links when it commits, and is seen a little later."""
_TAIL_BYTES = 4_096
_BATCH = 1_000


def write() -> int:
    """Keep the last link of each chain that grew since the last time; return how many."""
    path = Path(settings.AUDIT_DIGEST_FILE) if settings.AUDIT_DIGEST_FILE else None
    now = clock.now()
    since = _last_time(path) - _OVERLAP if path else now - WITHOUT_FILE
    with system_transaction() as session:
        heads = system.list_heads(session, since, limit=HEADS_MAX)
    if path is None:
        for head in heads:
            # Written whatever LOG_LEVEL says: no file keeps it.
            log.critical(EVENT, **_said(head))
    elif heads:
        _append(path, now, heads)
    return len(heads)


def find_differences(path: Path) -> Iterator[str]:
    """Say of each kept link that the database does not have as it was.

    Args:
        path: The file of AUDIT_DIGEST_FILE, or a log with such lines; others are skipped.

    Raises:
        OSError: The file is there and cannot be read.
    """
    if not path.exists():
        with system_transaction() as session:
            if system.has_link_before(session, clock.now() - WITHOUT_FILE):
                yield f"{path} is not there, and should have been written hours ago"
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        kept = filter(None, map(_read, lines))
        while batch := list(islice(kept, _BATCH)):
            yield from _differing(batch)


def _differing(batch: Sequence[tuple[Head, str]]) -> Iterator[str]:
    with system_transaction() as session:
        found = system.find_hashes(session, {(head[0], head[1]) for head, _ in batch})
        missing = {head.household_id for head, _ in batch if head[:2] not in found}
        erased = system.list_erased(session, missing)
    for head, at in batch:
        if head.household_id in erased:
            continue
        there = found.get((head.household_id, head.sequence))
        if there != head.hash:
            how = "is not there" if there is None else "is another one"
            yield f"household {head.household_id}: number {head.sequence}, kept {at}, {how}"


def _said(head: Head) -> dict[str, str | int]:
    return {
        "household_id": str(head.household_id),
        "sequence": head.sequence,
        "hash": head.hash.hex(),
    }


def _append(path: Path, at: dt.datetime, heads: Sequence[Head]) -> None:
    lines = [
        json.dumps({"event": EVENT, "timestamp": at.isoformat(), **_said(head)}) for head in heads
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # two workers may be at it
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _last_time(path: Path) -> dt.datetime:
    """Return when the file was last added to; the beginning of time if there is nothing in it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    times = [found[1] for line in lines if (found := _read(line))]
    return dt.datetime.fromisoformat(times[-1]) if times else dt.datetime(1970, 1, 2, tzinfo=dt.UTC)


def _read(line: str) -> tuple[Head, str] | None:
    """Return what a line keeps, and when; None if it is another line, or half of one."""
    try:
        said = json.loads(line)
        if said["event"] != EVENT:
            return None
        head = Head(UUID(said["household_id"]), int(said["sequence"]), bytes.fromhex(said["hash"]))
        return head, dt.datetime.fromisoformat(said["timestamp"]).isoformat()
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
