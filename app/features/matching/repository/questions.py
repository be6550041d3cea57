"""SQL of what is asked, and what people answered."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app.core.ids import uuid7
from app.models import Account, MatchSuggestion, SourceAccount, Transaction

_CLOSE_MOOT = text("""
    UPDATE match_suggestions AS asked SET state = 'gone'
    WHERE asked.household_id = :household_id AND asked.state = 'open'
      AND asked.kind <> 'same_account'
      AND EXISTS (
          SELECT FROM transactions AS row
          WHERE row.household_id = :household_id AND row.id IN (asked.left_id, asked.right_id)
            AND (row.duplicate_of_id IS NOT NULL
                 OR (row.removed_at IS NOT NULL
                     AND (asked.kind <> 'pending_posted' OR row.id = asked.left_id)))
      )
""")
_PAIR = ["household_id", "kind", "left_id", "right_id"]


def insert_suggestions(
    session: Session, household_id: UUID, suggestions: Sequence[Mapping[str, Any]]
) -> None:
    """Store questions; what was answered stays answered, what was moot is open again.

    Of a pair that comes twice, as by two sources of one account, the surest question counts.
    """
    if suggestions:
        surest_last = sorted(suggestions, key=lambda each: each["confidence"])
        asked = {tuple(each[name] for name in _PAIR[1:]): each for each in surest_last}
        values = [{"household_id": household_id, "id": uuid7(), **each} for each in asked.values()]
        statement = insert(MatchSuggestion).values(values)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=_PAIR,
                set_={"state": statement.excluded.state},
                where=MatchSuggestion.state == "gone",
            )
        )


def close_moot(session: Session, household_id: UUID) -> None:
    """Close questions whose rows are gone, or duplicates by now."""
    session.execute(_CLOSE_MOOT, {"household_id": household_id})


def decided_pairs(session: Session, household_id: UUID) -> set[tuple[UUID, UUID]]:
    """Return the pairs of which a person has said what they are."""
    rows = session.execute(
        select(MatchSuggestion.left_id, MatchSuggestion.right_id).where(
            MatchSuggestion.household_id == household_id,
            MatchSuggestion.state.in_(("merged", "rejected")),
        )
    )
    return {(left, right) for left, right in rows}


def _of_rows(household_id: UUID) -> Select[MatchSuggestion, Transaction, str, Transaction, str]:
    """Select questions about rows that can still be answered."""
    left, right = aliased(Transaction), aliased(Transaction)
    left_source, right_source = aliased(SourceAccount), aliased(SourceAccount)
    return (
        select(MatchSuggestion, left, left_source.source, right, right_source.source)
        .join(left, (left.household_id == household_id) & (left.id == MatchSuggestion.left_id))
        .join(right, (right.household_id == household_id) & (right.id == MatchSuggestion.right_id))
        .join(
            left_source,
            (left_source.household_id == household_id) & (left_source.id == left.source_account_id),
        )
        .join(
            right_source,
            (right_source.household_id == household_id)
            & (right_source.id == right.source_account_id),
        )
        .where(
            MatchSuggestion.household_id == household_id,
            MatchSuggestion.state == "open",
            left.is_live,
            left.duplicate_of_id.is_(None),
            right.duplicate_of_id.is_(None),
            right.is_live | (MatchSuggestion.kind == "pending_posted"),
        )
    )


def _of_accounts(household_id: UUID) -> Select[MatchSuggestion, Account, Account]:
    """Select questions about accounts that can still be answered."""
    left, right = aliased(Account), aliased(Account)
    return (
        select(MatchSuggestion, left, right)
        .join(left, (left.household_id == household_id) & (left.id == MatchSuggestion.left_id))
        .join(right, (right.household_id == household_id) & (right.id == MatchSuggestion.right_id))
        .where(
            MatchSuggestion.household_id == household_id,
            MatchSuggestion.state == "open",
            MatchSuggestion.kind == "same_account",
            left.hidden_at.is_(None),
            right.hidden_at.is_(None),
        )
    )


def open_rows(
    session: Session, household_id: UUID, *, limit: int
) -> Sequence[Row[MatchSuggestion, Transaction, str, Transaction, str]]:
    """Return questions about rows: with each of the two rows its source; the surest first."""
    statement = _of_rows(household_id).order_by(
        MatchSuggestion.confidence.desc(), MatchSuggestion.id.desc()
    )
    return session.execute(statement.limit(limit)).all()


def open_accounts(
    session: Session, household_id: UUID, *, limit: int
) -> Sequence[Row[MatchSuggestion, Account, Account]]:
    """Return questions about accounts, the surest first."""
    statement = _of_accounts(household_id).order_by(
        MatchSuggestion.confidence.desc(), MatchSuggestion.id.desc()
    )
    return session.execute(statement.limit(limit)).all()


def count_open(session: Session, household_id: UUID) -> int:
    """Return how many questions wait for an answer."""
    statements = (_of_rows(household_id), _of_accounts(household_id))
    return sum(
        session.scalar(select(func.count()).select_from(each.subquery())) or 0
        for each in (s.with_only_columns(MatchSuggestion.id) for s in statements)
    )


def find_suggestion(
    session: Session, household_id: UUID, suggestion_id: UUID
) -> MatchSuggestion | None:
    """Return one question; nobody else answers it until the transaction ends."""
    return session.scalars(
        select(MatchSuggestion)
        .where(MatchSuggestion.household_id == household_id, MatchSuggestion.id == suggestion_id)
        .with_for_update()
    ).one_or_none()


def decide(
    session: Session, household_id: UUID, suggestion_id: UUID, values: Mapping[str, object]
) -> None:
    """Store the answer to a question."""
    session.execute(
        update(MatchSuggestion)
        .where(MatchSuggestion.household_id == household_id, MatchSuggestion.id == suggestion_id)
        .values(values)
    )


def upsert_decision(session: Session, household_id: UUID, values: Mapping[str, object]) -> None:
    """Store what a person said of two rows, asked or not."""
    statement = insert(MatchSuggestion).values(
        {"household_id": household_id, "id": uuid7(), **values}
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=_PAIR,
            set_={name: values[name] for name in ("state", "decided_at", "decided_by")},
        )
    )


def find_transaction(
    session: Session, household_id: UUID, transaction_id: UUID
) -> Transaction | None:
    """Return one transaction."""
    return session.scalars(
        select(Transaction).where(
            Transaction.household_id == household_id, Transaction.id == transaction_id
        )
    ).one_or_none()


def sources_of(session: Session, household_id: UUID, account_id: UUID) -> Sequence[UUID]:
    """Return the source accounts that feed an account."""
    return session.scalars(
        select(SourceAccount.id).where(
            SourceAccount.household_id == household_id, SourceAccount.account_id == account_id
        )
    ).all()


def days_of_account(
    session: Session, household_id: UUID, account_id: UUID
) -> tuple[dt.date, dt.date] | None:
    """Return the first and the last day of an account."""
    first, last = session.execute(
        select(func.min(Transaction.date), func.max(Transaction.date)).where(
            Transaction.household_id == household_id,
            Transaction.account_id == account_id,
            Transaction.is_live,
        )
    ).one()
    return (first, last) if first else None
