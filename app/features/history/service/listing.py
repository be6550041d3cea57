"""Look at change sets: the list, and what each changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import NotFoundError
from app.features.history.repository import sets
from app.features.history.repository.sets import RowChange, SetRow
from app.features.transactions.detail import HIDDEN_FIELDS

KINDS = ("sync", "import", "edit", "match", "replay", "undo", "redo")
LIMIT_MAX = 200
ROWS_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which change sets."""

    kind: str | None = None
    account_id: UUID | None = None
    with_quiet: bool = False
    """Syncs that found nothing new, too."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of the list, newest first."""

    sets: Sequence[SetRow]
    others: Mapping[UUID, SetRow]
    """Those that they undid or redid, and those that undid them."""
    next_before: int | None
    """The number that the next page starts after; None at the end."""


@dataclass(frozen=True, slots=True)
class SetDetail:
    """One change set and what it changed."""

    change_set: SetRow
    others: Mapping[UUID, SetRow]
    brought: Sequence[RowChange]
    """The newest transactions that it brought, at most ROWS_SHOWN."""
    changed: Sequence[RowChange]
    """Fields of at most ROWS_SHOWN transactions."""


def list_sets(
    session: Session, household_id: UUID, wanted: Wanted, *, before: int | None, limit: int
) -> HistoryPage:
    """Return one page of change sets."""
    limit = min(limit, LIMIT_MAX)
    rows = sets.list_page(
        session,
        household_id,
        before=before,
        kind=wanted.kind,
        account_id=wanted.account_id,
        with_quiet=wanted.with_quiet,
        limit=limit + 1,
    )
    shown = rows[:limit]
    return HistoryPage(
        shown,
        _others(session, household_id, shown),
        shown[-1].sequence if len(rows) > limit else None,
    )


def get_set(session: Session, household_id: UUID, change_set_id: UUID) -> SetDetail:
    """Return one change set.

    Raises:
        NotFoundError: The household has no such change set.
    """
    found = sets.of_ids(session, household_id, [change_set_id]).get(change_set_id)
    if found is None:
        raise NotFoundError("There is no such change set.")
    return SetDetail(
        found,
        _others(session, household_id, [found]),
        sets.brought(session, household_id, change_set_id, limit=ROWS_SHOWN),
        sets.changed(session, household_id, change_set_id, hidden=HIDDEN_FIELDS, limit=ROWS_SHOWN),
    )


def describe(session: Session, household_id: UUID, ids: Sequence[UUID]) -> Mapping[UUID, SetRow]:
    """Return change sets by their ids, with what tells which ones they are."""
    return sets.of_ids(session, household_id, ids) if ids else {}


def _others(session: Session, household_id: UUID, rows: Sequence[SetRow]) -> Mapping[UUID, SetRow]:
    ids = [each for row in rows for each in (row.target_id, row.undone_by) if each is not None]
    return describe(session, household_id, ids)
