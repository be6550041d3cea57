"""What people decide of transactions, of one or of many at once, as one change set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, events, jobs
from app.core.errors import ConflictError, InvalidInputError, NotFoundError
from app.domain.filters import TransactionFilter
from app.domain.text import typed
from app.features.categories import service as categories
from app.features.changes import service as changes
from app.features.transactions import listing, repository
from app.models import Transaction

NOTE_CHARACTERS_MAX = 2_000
COUNTERPARTY_CHARACTERS_MAX = 200
ROWS_MAX = 50_000
"""In one edit; what a filter lets through may be more than anybody looked at."""
KIND = "edit"
_COLUMNS = {
    "category_id": "category_user",
    "counterparty": "counterparty_user",
    "note": "note",
    "reviewed": "reviewed_at",
}
_WORDS = {
    "category_id": "the category",
    "counterparty": "the name",
    "note": "the note",
    "reviewed": "whether it is reviewed",
}


@dataclass(frozen=True, slots=True)
class Edit:
    """What a user decides of a transaction; a name that is not in `given` stays as it is.

    None takes the user's decision back, so that the source's value shows again.
    """

    given: frozenset[str]
    category_id: UUID | None = None
    counterparty: str | None = None
    note: str | None = None
    reviewed: bool | None = None
    expected: Mapping[str, object] = field(default_factory=dict)
    """What the user saw, by the same names: where that has changed meanwhile, nothing is stored."""


class Edited(NamedTuple):
    """What an edit did."""

    change_set_id: UUID
    transactions: int


def edit_transaction(
    session: Session, household_id: UUID, actor_user_id: UUID, transaction_id: UUID, edit: Edit
) -> UUID | None:
    """Store what a user decides of a transaction, as a change set that can be undone.

    Returns:
        The change set; None if nothing was decided, or the same since the user looked: whoever
        clicks twice decides once.

    Raises:
        NotFoundError: The household has no such transaction.
        InvalidInputError: The category is none of the household's.
        ConflictError: Somebody decided otherwise since the user looked; `field` names what of.
    """
    if repository.find(session, household_id, transaction_id) is None:
        raise NotFoundError("There is no such transaction.")
    values = _user_columns(session, household_id, edit)
    if not values:
        return None
    changes.lock(session, household_id)
    row = repository.find(session, household_id, transaction_id)
    assert row is not None  # rows are never deleted
    values = _not_decided_yet(row, edit, values)
    if not values:
        return None
    return _write(session, household_id, actor_user_id, [transaction_id], values).change_set_id


def edit_transactions(
    session: Session,
    household_id: UUID,
    actor_user_id: UUID,
    chosen: Sequence[UUID] | TransactionFilter,
    edit: Edit,
) -> Edited | None:
    """Store one decision of many transactions, as one change set.

    It is remembered of each of them, also of those for which it was so already: undoing another
    decision leaves it standing.

    Args:
        session: An open transaction of the household.
        household_id: Whose.
        actor_user_id: Who decides.
        chosen: Transactions, or a filter: all that it lets through now.
        edit: The decision; `expected` is not looked at.

    Returns:
        What it did; None if nothing was decided, or of nothing.

    Raises:
        NotFoundError: The household does not have all of these transactions.
        InvalidInputError: The category is none of the household's, or there are too many.
    """
    values = _user_columns(session, household_id, edit)
    if not values:
        return None
    changes.lock(session, household_id)
    ids = _chosen(session, household_id, chosen)
    if len(ids) > ROWS_MAX:
        raise InvalidInputError(
            f"These are more than {ROWS_MAX:,} transactions. Narrow the filter first."
        )
    return _write(session, household_id, actor_user_id, ids, values) if ids else None


def _chosen(
    session: Session, household_id: UUID, chosen: Sequence[UUID] | TransactionFilter
) -> Sequence[UUID]:
    if isinstance(chosen, TransactionFilter):
        return listing.list_ids(session, household_id, chosen, limit=ROWS_MAX + 1)
    ids = list(dict.fromkeys(chosen))
    if repository.count(session, household_id, ids) != len(ids):
        raise NotFoundError("There is no such transaction.")
    return ids


def _write(
    session: Session,
    household_id: UUID,
    actor_user_id: UUID,
    ids: Sequence[UUID],
    values: Mapping[str, object],
) -> Edited:
    change_set_id = changes.open_change_set(
        session, household_id, kind=KIND, actor_user_id=actor_user_id
    )
    repository.decide(session, household_id, change_set_id, ids, values)
    counts = {"modified": len(ids), "fields": sorted(values)}
    changes.count(session, household_id, change_set_id, counts)
    session.expire_all()  # the effective values are computed by the database
    jobs.tell_after_commit(session, lambda: events.publish(household_id, "transactions_edited"))
    return Edited(change_set_id, len(ids))


def _not_decided_yet(
    row: Transaction, edit: Edit, values: Mapping[str, object]
) -> dict[str, object]:
    """Return the values that are left to store; refuse to overwrite what the user has not seen.

    Raises:
        ConflictError: See above.
    """
    left = dict(values)
    for name in edit.given & edit.expected.keys():
        column = _COLUMNS[name]
        now, wanted = getattr(row, column), values[column]
        if name == "reviewed":
            now, wanted = now is not None, bool(edit.reviewed)
        if now == edit.expected[name]:
            continue
        if now != wanted:
            raise ConflictError(
                f"Somebody changed {_WORDS[name]} of this transaction since you opened it. "
                "Look at it again, then decide.",
                code="changed_meanwhile",
                field=name,
            )
        del left[column]
    return left


def _user_columns(session: Session, household_id: UUID, edit: Edit) -> dict[str, object]:
    values: dict[str, object] = {}
    if "category_id" in edit.given:
        ours = {node.id for node in categories.list_categories(session, household_id)}
        if edit.category_id is not None and edit.category_id not in ours:
            raise InvalidInputError("There is no such category.", field="category_id")
        values["category_user"] = edit.category_id
    if "counterparty" in edit.given:
        name = typed(edit.counterparty or "").strip()[:COUNTERPARTY_CHARACTERS_MAX]
        values["counterparty_user"] = name or None
    if "note" in edit.given:
        values["note"] = typed(edit.note or "").strip()[:NOTE_CHARACTERS_MAX] or None
    if "reviewed" in edit.given:
        values["reviewed_at"] = clock.now() if edit.reviewed else None
    return values
