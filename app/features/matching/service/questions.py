"""What is not certain is asked: the list of questions, and what a person answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import ConflictError, NotFoundError
from app.features.accounts import service as accounts
from app.features.changes import service as changes
from app.features.matching.repository import questions as asked_sql
from app.features.matching.repository import rows as rows_sql
from app.features.matching.repository.rows import Marked
from app.features.matching.service.rows import SAME_ACCOUNT, SAME_MOVEMENT, Work
from app.features.tieout import service as tieout
from app.models import Account, MatchSuggestion, Transaction

QUESTIONS_MAX = 100
_BY_HAND = "Merged by hand."
_ANSWERED = "This was decided already."


@dataclass(frozen=True, slots=True)
class Side:
    """One of two rows that may be one, and who tells it."""

    row: Transaction
    source: str
    """`plaid`, `simplefin`, or the format of a file: `ofx`, `camt`, `mt940`, `csv`."""


@dataclass(frozen=True, slots=True)
class RowQuestion:
    """Two transactions that may be one."""

    id: UUID
    kind: str
    confidence: Decimal
    reason: str
    left: Side
    """The one that would stay."""
    right: Side


@dataclass(frozen=True, slots=True)
class AccountQuestion:
    """Two accounts that may be one."""

    id: UUID
    confidence: Decimal
    reason: str
    left: Account
    """The one that would stay."""
    right: Account


def list_rows(session: Session, household_id: UUID) -> list[RowQuestion]:
    """Return pairs of transactions that wait for an answer, the surest first."""
    found = asked_sql.open_rows(session, household_id, limit=QUESTIONS_MAX)
    return [
        RowQuestion(
            asked.id,
            asked.kind,
            asked.confidence,
            asked.reason,
            Side(left, left_source),
            Side(right, right_source),
        )
        for asked, left, left_source, right, right_source in found
    ]


def list_accounts(session: Session, household_id: UUID) -> list[AccountQuestion]:
    """Return pairs of accounts that wait for an answer, the surest first."""
    found = asked_sql.open_accounts(session, household_id, limit=QUESTIONS_MAX)
    return [
        AccountQuestion(asked.id, asked.confidence, asked.reason, left, right)
        for asked, left, right in found
    ]


def merge(session: Session, household_id: UUID, user_id: UUID, suggestion_id: UUID) -> UUID:
    """Let the right one of a question be a duplicate of the left one.

    Returns:
        The change set; to undo it takes the merge back.

    Raises:
        NotFoundError: The household has no such question.
        ConflictError: It was answered already, or one of the two is gone.
    """
    asked = _open(session, household_id, suggestion_id)
    change_set_id = changes.open_change_set(
        session, household_id, kind="match", actor_user_id=user_id
    )
    if asked.kind == SAME_ACCOUNT:
        _merge_accounts(session, household_id, change_set_id, asked)
    else:
        _merge_rows(session, household_id, change_set_id, asked)
    _decide(session, household_id, user_id, asked, "merged", change_set_id)
    asked_sql.close_moot(session, household_id)
    tieout.refresh_all(session, household_id)
    return change_set_id


def reject(session: Session, household_id: UUID, user_id: UUID, suggestion_id: UUID) -> None:
    """Remember that the two of a question are two; they are not asked about again.

    Raises:
        NotFoundError: The household has no such question.
        ConflictError: It was answered already.
    """
    asked = _open(session, household_id, suggestion_id)
    _decide(session, household_id, user_id, asked, "rejected", None)


def take_apart(session: Session, household_id: UUID, user_id: UUID, transaction_id: UUID) -> None:
    """Say that a duplicate is a movement of its own; it is not merged again.

    Raises:
        NotFoundError: The household has no such transaction.
        ConflictError: It is no duplicate.
    """
    row = asked_sql.find_transaction(session, household_id, transaction_id)
    if row is None:
        raise NotFoundError("There is no such transaction.")
    if row.duplicate_of_id is None:
        raise ConflictError("This transaction is no duplicate.")
    original_id, kind = row.duplicate_of_id, "pending_posted" if row.pending else SAME_MOVEMENT
    changes.open_change_set(session, household_id, kind="match", actor_user_id=user_id)
    rows_sql.release(session, household_id, transaction_id)
    asked_sql.upsert_decision(
        session,
        household_id,
        {
            "kind": kind,
            "left_id": original_id,
            "right_id": transaction_id,
            "confidence": Decimal(0),
            "reason": "Taken apart by hand.",
            "state": "rejected",
            "decided_at": clock.now(),
            "decided_by": user_id,
        },
    )
    tieout.refresh(session, household_id, [row.account_id])


def _open(session: Session, household_id: UUID, suggestion_id: UUID) -> MatchSuggestion:
    asked = asked_sql.find_suggestion(session, household_id, suggestion_id)
    if asked is None:
        raise NotFoundError("There is no such question.")
    if asked.state != "open":
        raise ConflictError(_ANSWERED)
    return asked


def _decide(
    session: Session,
    household_id: UUID,
    user_id: UUID,
    asked: MatchSuggestion,
    state: str,
    change_set_id: UUID | None,
) -> None:
    asked_sql.decide(
        session,
        household_id,
        asked.id,
        {
            "state": state,
            "decided_at": clock.now(),
            "decided_by": user_id,
            "change_set_id": change_set_id,
        },
    )


def _merge_rows(
    session: Session, household_id: UUID, change_set_id: UUID, asked: MatchSuggestion
) -> None:
    left = asked_sql.find_transaction(session, household_id, asked.left_id)
    right = asked_sql.find_transaction(session, household_id, asked.right_id)
    if left is None or right is None or not left.is_live or left.duplicate_of_id is not None:
        raise ConflictError("One of the two is no longer in the ledger.")
    if right.duplicate_of_id is not None:
        raise ConflictError(_ANSWERED)
    pair = Marked(right.id, right.id, left.id, Decimal(1), f"{_BY_HAND} {asked.reason}")
    rows_sql.mark_duplicates(session, household_id, change_set_id, [pair])
    changes.count(session, household_id, change_set_id, {"merged": 1})


def _merge_accounts(
    session: Session, household_id: UUID, change_set_id: UUID, asked: MatchSuggestion
) -> None:
    """Let the sources of one account feed the other, and find what both tell."""
    ids: Sequence[UUID] = asked_sql.sources_of(session, household_id, asked.right_id)
    for source_account_id in ids:
        accounts.feed_other_account(session, household_id, source_account_id, asked.left_id)
    accounts.hide(session, household_id, [asked.right_id])
    days = asked_sql.days_of_account(session, household_id, asked.left_id)
    work = Work(session, household_id, change_set_id)
    merged = work.match_told({asked.left_id: days}) if days else 0
    moved = {
        "source_accounts": [str(each) for each in ids],
        "from": str(asked.right_id),
        "to": str(asked.left_id),
    }
    counts = {"merged": merged, changes.MOVED: moved}
    changes.count(session, household_id, change_set_id, counts)
