"""Erasing a household: what it has at providers, its key, its rows, its people.

Asking closes the household at once; a worker does the rest, in steps that may each be repeated:

1. Wait for syncs and exchanges that are under way, then end every connection at its provider. One
   that does not answer is asked again, less and less often; after `PATIENCE` the rest goes on
   without, since people were promised a day.
2. Note the household outside the database, then destroy its key: what was sealed under it opens
   nowhere any more. A backup holds the key too, so a restore erases those that were noted again.
3. Delete its rows, some thousand at a time, so that nobody else waits.
4. Delete the household and the people of no other one. A tombstone without a name stays.
"""

import datetime as dt
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import Table

from app.core import clock, jobs
from app.core.config import settings
from app.core.database import household_transaction, system_transaction
from app.core.encryption import SealError
from app.core.errors import AppError, ForbiddenError, InvalidInputError, NotFoundError
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.connections.service import link, schedule
from app.features.privacy import repository, system
from app.features.users import sessions
from app.features.vault import service as vault
from app.models import Base, Erasure

log = structlog.get_logger(__name__)
TASK = "privacy.erase"
EVENT = "household_erased"
PATIENCE = dt.timedelta(hours=20)
"""How long providers are asked again."""
LEASE = dt.timedelta(minutes=10)
"""Longer than a task may run: one whose worker died is taken up by the next."""
RUN_SECONDS_MAX = 200
"""Of one task, which is stopped after 270; the next one goes on."""
BATCH_ROWS = 5_000
DUE_MAX = 10
_WORK_ENDS = dt.timedelta(minutes=1)
_AGAIN_MAX = dt.timedelta(hours=1)


def ask(household_id: UUID, typed_name: str, *, role: str, actor: Actor) -> None:
    """Close the household for good, and let a worker erase it within a day.

    Args:
        household_id: Whose end it is.
        typed_name: What the person typed to confirm: the household's name.
        role: Of the person who asks.
        actor: Who asks.

    Raises:
        ForbiddenError: Only an owner may.
        InvalidInputError: The name is another one.
    """
    if role != "owner":
        raise ForbiddenError("Only an owner of the household may delete it.", code="owners_only")
    with system_transaction() as session:
        name = system.find_name(session, household_id)
        if name is None or typed_name.strip() != name:
            raise InvalidInputError(
                "Type the household's name exactly as it is shown.",
                code="wrong_household_name",
                field="household_name",
            )
    begin(household_id, "owner", actor=actor)


def begin(household_id: UUID, asked_by: str, *, actor: Actor = audit.SYSTEM) -> None:
    """Close a household and note that it is to be erased; safe to repeat.

    Raises:
        NotFoundError: There is no such household.
    """
    with system_transaction() as session:
        if system.find_name(session, household_id) is None:
            raise NotFoundError("There is no such household.")
        system.insert_erasure(session, household_id, asked_by)
        system.close(session, household_id, clock.now())
        sessions.forget_household(session, household_id)
        audit.record(session, household_id, "household.erasure_asked", actor=actor)
        jobs.enqueue(session, TASK, str(household_id))


def run_due() -> int:
    """Tell workers of what is due, whose hint was lost or whose time has come."""
    with system_transaction() as session:
        due = system.list_due(session, limit=DUE_MAX)
        for household_id in due:
            jobs.enqueue(session, TASK, str(household_id))
    return len(due)


def run(household_id: UUID) -> str:
    """Go as far as one task may; return `erased`, `waits` or `busy`."""
    until = time.monotonic() + RUN_SECONDS_MAX
    with system_transaction() as session:
        erasure = system.take(session, household_id, LEASE)
    if erasure is None:
        return "busy"
    if erasure.asked_by == "restore":
        _destroy_key(household_id, None)
    elif erasure.key_destroyed_at is None:
        if _is_under_way(erasure):
            return _wait(household_id, _WORK_ENDS)
        left = _end_connections(household_id)
        if left and clock.now() < erasure.asked_at + PATIENCE:
            return _wait(household_id, _pause(erasure))
        if not _destroy_key(household_id, left):
            return _wait(household_id, dt.timedelta())
    if not _delete_rows(household_id, until):
        return _wait(household_id, dt.timedelta())
    _finish(household_id)
    return "erased"


def erase_again(erased: Mapping[UUID, dt.datetime]) -> list[UUID]:
    """Erase the households of a list that are there, as after a restore; return which were.

    Their providers ended the connections when they were erased first. One that was imported since
    has a newer key, and stays.
    """
    found = []
    for household_id, erased_at in erased.items():
        with system_transaction() as session:
            if system.find_name(session, household_id) is None:
                continue
            made_at = system.find_key_time(session, household_id)
        if made_at is not None and made_at > erased_at:
            continue
        begin(household_id, "restore")
        while run(household_id) == "waits":
            time.sleep(0.1)
        found.append(household_id)
    return found


def read_list(path: Path) -> dict[UUID, dt.datetime]:
    """Return when each household was erased, as ERASED_HOUSEHOLDS_FILE or a log says.

    Raises:
        OSError: The file cannot be read.
    """
    found: dict[UUID, dt.datetime] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                said = json.loads(line)
                if said["event"] == EVENT:
                    at = dt.datetime.fromisoformat(said["timestamp"])
                    found[UUID(said["household_id"])] = at
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
    return found


def find(household_id: UUID) -> Erasure | None:
    """Return what is known of a household's erasure; for the operator."""
    with system_transaction() as session:
        return system.find_erasure(session, household_id)


def _pause(erasure: Erasure) -> dt.timedelta:
    return min(dt.timedelta(minutes=2 ** min(erasure.attempts - 1, 10)), _AGAIN_MAX)


def _wait(household_id: UUID, pause: dt.timedelta) -> str:
    with system_transaction() as session:
        system.put_off(session, household_id, pause)
    return "waits"


def _is_under_way(erasure: Erasure) -> bool:
    """Tell whether an Item is synced, or about to be made, by somebody who came before the end.

    What died in an exchange is waited for as long as one may take: none begins after the end.
    """
    with system_transaction() as session:
        # Once more: requests of before may have opened others, and failed exchanges open theirs.
        system.shut_doors(session, erasure.id, clock.now())
    with household_transaction(erasure.id) as session:
        if repository.is_syncing(session, erasure.id):
            return True
        return clock.now() < erasure.asked_at + schedule.EXCHANGE_TIMEOUT and (
            repository.is_exchanging(session, erasure.id)
        )


def _end_connections(household_id: UUID) -> list[str]:
    """Unlink every Item; return provider and id of those that are not ended there."""
    with household_transaction(household_id) as session:
        items = repository.list_linked(session, household_id)
    left, removed = [], 0
    for item_id, name in items:
        try:
            link.unlink(household_id, None, item_id)
            removed += 1
        except NotFoundError:
            continue  # somebody else unlinked it meanwhile
        except (AppError, SealError) as error:
            log.warning("erasure_waits_for_provider", error=type(error).__name__)
            left.append(name)
    with system_transaction() as session:
        system.update_erasure(
            session, household_id, {"items_removed": Erasure.items_removed + removed}
        )
    return left


def _destroy_key(household_id: UUID, left: list[str] | None) -> bool:
    """Destroy the key; False if an Item came meanwhile, whose secret is still needed.

    Args:
        household_id: Whose key.
        left: Items that are not ended at their providers; None: whatever there is, nobody asks.
    """
    with system_transaction() as session:
        vault.lock_key(session, household_id)
        linked = repository.list_linked(session, household_id)
        if left is not None and {name for _, name in linked} - set(left):
            return False
        _note_outside(household_id)
        vault.destroy_key(session, household_id)
        values = {"key_destroyed_at": clock.now(), "items_left": left or []}
        system.update_erasure(session, household_id, values)
    return True


def _note_outside(household_id: UUID) -> None:
    """Keep the erasure where no restore of the database can undo it, before it begins."""
    said = {"household_id": str(household_id)}
    if not settings.ERASED_HOUSEHOLDS_FILE:
        # Written whatever LOG_LEVEL says: nothing else outside of the database remembers it.
        log.critical(EVENT, **said)
        return
    log.info(EVENT, **said)
    line = json.dumps({"event": EVENT, "timestamp": clock.now().isoformat(), **said})
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with os.fdopen(os.open(settings.ERASED_HOUSEHOLDS_FILE, flags, 0o600), "a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


def _delete_rows(household_id: UUID, until: float) -> bool:
    """Delete rows in batches; False if there was no time for all."""
    steps: list[Callable[[], int]] = [partial(_delete_transactions, household_id)]
    with system_transaction() as session:
        tables = system.deletable_tables(session)
    for table in tables:
        steps.append(partial(_delete_some, table, household_id))
    for step in steps:
        while deleted := step():
            with system_transaction() as session:
                system.add_rows(session, household_id, deleted)
            if time.monotonic() > until:
                return False
    return True


def _delete_transactions(household_id: UUID) -> int:
    # As the household: the triggers that take rows out of the totals need its rights.
    with household_transaction(household_id) as session:
        ledger = Base.metadata.tables["transactions"]
        return system.delete_some(session, ledger, household_id, limit=BATCH_ROWS)


def _delete_some(table: Table, household_id: UUID) -> int:
    with system_transaction() as session:
        return system.delete_some(session, table, household_id, limit=BATCH_ROWS)


def _finish(household_id: UUID) -> None:
    with system_transaction() as session:
        last = system.last_link(session, household_id)
        system.delete_household(session, household_id)
        values: dict[str, object] = {"state": "erased", "erased_at": clock.now()}
        if last is not None:
            values |= {"audit_sequence": last[0], "audit_hash": last[1]}
        system.update_erasure(session, household_id, values)
