"""Undo a change set, or put it in force again: the fold without it, or with it, for its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import database, events, jobs
from app.core.database import household_transaction
from app.core.errors import ConflictError, NotFoundError
from app.features.changes import service as changes
from app.features.history.repository import plan, sets
from app.features.history.repository.plan import Effect
from app.features.history.service import around, fold, moves
from app.features.imports.service import book as booking
from app.features.tieout import service as tieout
from app.models import ChangeSet

log = structlog.get_logger(__name__)

SAMPLE_ROWS = 50
VERBS = {"undo": "undone", "redo": "redone"}
_OBSTACLES = {
    "reread": (
        "A later reading of the journal with a better program changed rows that this change set "
        "brought. Undo that one first."
    ),
    "named_since": (
        "This change set told us that a transaction goes by another id at the bank, and a later "
        "one speaks of it under that id. Undo the later one first."
    ),
    "taken": (
        "A later change set brought another transaction under the id that one of these would get "
        "back. An id stays with its transaction, so this change stays in force."
    ),
    "paired": (
        "A later change set marked one of these transactions as a duplicate. Undo that one first."
    ),
    "merged_on": (
        "One of the two accounts was merged with another one since. Undo that merge first."
    ),
    "crossed": (
        "A later change found that transactions of the two accounts are told twice, which they are "
        "in one account only. Undo that one first."
    ),
    "elsewhere": "What fed one of these accounts feeds another one meanwhile.",
    "moved": "The rows of this import's account go to another account since a later change set.",
}


class DependentError(ConflictError):
    """A later change set in force needs what would be taken away."""

    code = "needed_by_later_change"

    def __init__(self, how: str, change_set_id: UUID | None) -> None:
        super().__init__(_OBSTACLES[how])
        self.change_set_id = change_set_id
        """The later one."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What undoing or redoing a change set would do."""

    change_set: ChangeSet
    verb: str
    """`undo` or `redo`."""
    removed: int
    restored: int
    changed: int
    effects: Sequence[Effect]
    rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]
    """The newest ones, at most SAMPLE_ROWS: columns before and after."""
    balances: int
    """Stated balances that are taken back, or count again."""
    source_accounts: int = 0
    """Those that go back to an account that was merged, or leave it again."""
    refusal: DependentError | None = None

    @property
    def row_count(self) -> int:
        """How many rows become other ones."""
        return self.removed + self.restored + self.changed


def verb_of(change_set: ChangeSet) -> str | None:
    """Return what can be done with a change set: `undo`, `redo`, or None."""
    if change_set.kind in ("undo", "redo"):
        return None
    return "redo" if change_set.undone_by else "undo"


def preview(session: Session, household_id: UUID, change_set_id: UUID) -> Preview:
    """Return what undoing a change set would do; redoing, if it is undone.

    Raises:
        NotFoundError: The household has no such change set.
        ConflictError: It cannot be undone by its kind, or its journal cannot be read.
    """
    target = _find(session, household_id, change_set_id)
    verb = verb_of(target)
    if verb is None:
        raise ConflictError(f"What was {VERBS[target.kind]} has its own entry: use that one.")
    database.take_time(session)
    fold.stage(session, household_id, target, in_force=verb == "redo")
    effects = plan.effects(session, household_id)
    move = moves.move_of(target)
    return Preview(
        change_set=target,
        verb=verb,
        removed=sum(each.removed for each in effects),
        restored=sum(each.restored for each in effects),
        changed=sum(each.changed for each in effects),
        effects=[each for each in effects if each.amount],
        rows=plan.sample(session, household_id, limit=SAMPLE_ROWS),
        balances=around.count_balances(session, household_id, target),
        source_accounts=len(move.source_account_ids) if move else 0,
        refusal=_refusal(session, household_id, target),
    )


def undo(household_id: UUID, actor_user_id: UUID, change_set_id: UUID) -> UUID:
    """Take a change set back; return the id of the change set that does so.

    Raises:
        NotFoundError: The household has no such change set.
        DependentError: A later one in force needs it.
        ConflictError: It is undone, or cannot be by its kind.
    """
    return _turn(household_id, actor_user_id, change_set_id, "undo")


def redo(household_id: UUID, actor_user_id: UUID, change_set_id: UUID) -> UUID:
    """Put a change set in force again; return the id of the change set that does so.

    Raises:
        NotFoundError: The household has no such change set.
        DependentError: A later one in force stands in its way.
        ConflictError: It is in force.
    """
    return _turn(household_id, actor_user_id, change_set_id, "redo")


def undo_import(household_id: UUID, actor_user_id: UUID, import_id: UUID) -> UUID:
    """Take an import back; the file stays in the journal, and can be imported again.

    Raises:
        NotFoundError: The household has no such import.
        DependentError: See `undo`.
        ConflictError: It is not booked.
    """
    with household_transaction(household_id) as session:
        change_set_id = booking.change_set_of(session, household_id, import_id)
    return undo(household_id, actor_user_id, change_set_id)


def _turn(household_id: UUID, actor_user_id: UUID, change_set_id: UUID, verb: str) -> UUID:
    with household_transaction(household_id) as session:
        target = _find(session, household_id, change_set_id)
        _check(target, verb)
        if verb == "redo":
            around.read_ahead(session, household_id, target)
    with household_transaction(household_id) as session:
        turned_by = changes.open_change_set(
            session, household_id, kind=verb, actor_user_id=actor_user_id, target_id=change_set_id
        )
        database.take_time(session)
        target = _find(session, household_id, change_set_id)
        _check(target, verb)
        _write(session, household_id, target, turned_by, verb)
    return turned_by


def _write(
    session: Session, household_id: UUID, target: ChangeSet, turned_by: UUID, verb: str
) -> None:
    fold.stage(session, household_id, target, in_force=verb == "redo")
    refusal = _refusal(session, household_id, target)
    if refusal is not None:
        raise refusal
    effects = plan.effects(session, household_id)
    counts: dict[str, object] = {
        name: sum(getattr(each, name) for each in effects)
        for name in ("removed", "restored", "changed")
    }
    plan.write(session, household_id)
    undo_id, move = target.undone_by, moves.move_of(target)
    target.undone_by = turned_by if verb == "undo" else None
    session.flush()
    remembered = around.follow(session, household_id, target, undo_id)
    if move is not None:
        moves.follow(session, household_id, move, undo=verb == "undo")
    if target.kind not in fold.DECIDING or changes.ACCEPTED in target.counts:
        tieout.refresh_all(session, household_id)
    changes.count(session, household_id, turned_by, counts | remembered)
    jobs.tell_after_commit(session, lambda: _announce(household_id, target.id, verb, counts))


def _find(session: Session, household_id: UUID, change_set_id: UUID) -> ChangeSet:
    found = sets.find(session, household_id, change_set_id)
    if found is None:
        raise NotFoundError("There is no such change set.")
    return found


def _check(target: ChangeSet, verb: str) -> None:
    """Refuse what is done already, and what cannot be.

    Raises:
        ConflictError: See above.
    """
    possible = verb_of(target)
    if possible is None:
        raise ConflictError(f"What was {VERBS[target.kind]} has its own entry: use that one.")
    if possible != verb:
        done = "undone already" if verb == "undo" else "in force"
        raise ConflictError(f"This change set is {done}.")


def _refusal(session: Session, household_id: UUID, target: ChangeSet) -> DependentError | None:
    found = plan.obstacle(session, household_id, target.sequence)
    if found is not None:
        how, obstacle = found
        return DependentError(how, obstacle.change_set_id)
    if around.is_moved(session, household_id, target):
        return DependentError("moved", None)
    stands = moves.obstacle(session, household_id, target)
    if stands is not None:
        return DependentError(*stands)
    if moves.is_elsewhere(session, household_id, target):
        return DependentError("elsewhere", None)
    return None


def _announce(
    household_id: UUID, change_set_id: UUID, verb: str, counts: dict[str, object]
) -> None:
    event = f"change_set_{VERBS[verb]}"
    log.info(event, change_set_id=str(change_set_id), **counts)
    events.publish(household_id, event, change_set_id=str(change_set_id))
