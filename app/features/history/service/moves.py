"""Accounts that were merged by hand come apart with their change set, and together again."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.features.accounts import service as accounts
from app.features.changes.service import MOVED
from app.features.history.repository import moves
from app.models import ChangeSet


@dataclass(frozen=True, slots=True)
class Move:
    """Source accounts, which account they leave, and which they come to."""

    source_account_ids: tuple[UUID, ...]
    leaves: UUID
    comes_to: UUID


def move_of(target: ChangeSet) -> Move | None:
    """Return what undoing a change set moves, or redoing it if it is undone; None if nothing."""
    noted: Any = target.counts.get(MOVED)
    if noted is None:
        return None
    ids = tuple(UUID(each) for each in noted["source_accounts"])
    merged, kept = UUID(noted["from"]), UUID(noted["to"])
    return Move(ids, kept, merged) if target.undone_by is None else Move(ids, merged, kept)


def obstacle(session: Session, household_id: UUID, target: ChangeSet) -> tuple[str, UUID] | None:
    """Return how a later change set stands on where the sources are, and which one."""
    move = move_of(target)
    if move is None:
        return None
    kept = move.leaves if target.undone_by is None else move.comes_to
    sources = move.source_account_ids
    later = moves.merged_on(session, household_id, (target.id, target.sequence), kept, sources)
    if later is not None:
        return "merged_on", later
    if target.undone_by is None:
        crossed = moves.crossed(session, household_id, target.id, sources)
        return ("crossed", crossed) if crossed else None
    return None


def is_elsewhere(session: Session, household_id: UUID, target: ChangeSet) -> bool:
    """Tell whether the sources have gone from where they would leave, by no merge in force."""
    move = move_of(target)
    return move is not None and not moves.all_feed(
        session, household_id, move.source_account_ids, move.leaves
    )


def follow(session: Session, household_id: UUID, move: Move, *, undo: bool) -> None:
    """Move the sources; the account that was merged away is shown with them, or hidden."""
    for source_account_id in move.source_account_ids:
        accounts.feed_other_account(session, household_id, source_account_id, move.comes_to)
    if undo:
        accounts.show(session, household_id, [move.comes_to])
    else:
        accounts.hide(session, household_id, [move.leaves])
