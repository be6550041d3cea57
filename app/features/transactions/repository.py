"""SQL that reads and edits single transactions."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, cast, func, or_, select, text, update
from sqlalchemy.orm import Session

from app.models import ChangeSet, FieldChange, Item, SourceAccount, Transaction

TELLINGS_MAX = 20


def find(session: Session, household_id: UUID, transaction_id: UUID) -> Transaction | None:
    """Return one transaction with all its columns, as it is now."""
    return session.scalars(
        select(Transaction)
        .where(Transaction.household_id == household_id, Transaction.id == transaction_id)
        .execution_options(populate_existing=True)
    ).one_or_none()


def count(session: Session, household_id: UUID, ids: Sequence[UUID]) -> int:
    """Return how many of these transactions the household has."""
    return session.scalars(
        select(func.count())
        .select_from(Transaction)
        .where(Transaction.household_id == household_id, Transaction.id.in_(ids))
    ).one()


# A decision that changes nothing is one too: it stands when the one before it is undone.
_DECIDED = text("""
    INSERT INTO field_changes (household_id, change_set_id, transaction_id, field, before, after)
    SELECT household_id, :change_set_id, id, decided.field, decided.value, decided.value
    FROM transactions CROSS JOIN LATERAL (VALUES
        ('category_user', category_user::text), ('counterparty_user', counterparty_user),
        ('note', note), ('reviewed_at', reviewed_at::text)
    ) AS decided (field, value)
    WHERE household_id = :household_id AND id = ANY(:ids) AND decided.field = ANY(:fields)
    ON CONFLICT DO NOTHING
""")


def decide(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    ids: Sequence[UUID],
    values: Mapping[str, object],
) -> None:
    """Overwrite columns that are the user's, and note of each row that it was decided.

    What is decided of a movement is decided of each of its rows, since another one may come to
    stand in for the one that counts, or be back after that.
    """
    ids = _of_the_same_movements(session, household_id, ids)
    columns = dict(values)
    if columns.get("reviewed_at") is not None:
        # Who has reviewed it already, has.
        columns["reviewed_at"] = func.coalesce(Transaction.reviewed_at, columns["reviewed_at"])
    session.execute(
        update(Transaction)
        .where(
            Transaction.household_id == household_id,
            Transaction.id == func.any(cast(list(ids), ARRAY(Uuid))),
        )
        .where(
            or_(*(getattr(Transaction, name).is_distinct_from(columns[name]) for name in columns))
        )
        .values({**columns, "updated_at": func.now()})
        .execution_options(synchronize_session=False)
    )
    session.execute(
        _DECIDED,
        {
            "household_id": household_id,
            "change_set_id": change_set_id,
            "ids": list(ids),
            "fields": list(values),
        },
    )


def _of_the_same_movements(session: Session, household_id: UUID, ids: Sequence[UUID]) -> list[UUID]:
    originals = session.scalars(
        select(func.coalesce(Transaction.duplicate_of_id, Transaction.id)).where(
            Transaction.household_id == household_id,
            Transaction.id == func.any(cast(list(ids), ARRAY(Uuid))),
        )
    ).all()
    duplicates = session.scalars(
        select(Transaction.id).where(
            Transaction.household_id == household_id,
            Transaction.duplicate_of_id == func.any(cast(list(originals), ARRAY(Uuid))),
        )
    )
    return list({*originals, *duplicates})


class Telling(NamedTuple):
    """Another row that is the same movement, and the source that tells it."""

    id: UUID
    source: str
    institution: str | None
    date: dt.date
    amount: Decimal
    currency: str
    is_duplicate: bool
    is_removed: bool
    is_live: bool


def tellings(session: Session, household_id: UUID, row: Transaction) -> list[Telling]:
    """Return the other rows that are the same movement as `row`, the original first."""
    original_id = row.duplicate_of_id or row.id
    rows = session.execute(
        select(
            Transaction.id,
            SourceAccount.source,
            Item.institution_name,
            Transaction.date,
            Transaction.amount,
            Transaction.currency,
            Transaction.duplicate_of_id.is_not(None),
            Transaction.removed_at.is_not(None),
            Transaction.is_live,
        )
        .join(
            SourceAccount,
            (SourceAccount.household_id == household_id)
            & (SourceAccount.id == Transaction.source_account_id),
        )
        .outerjoin(Item, (Item.household_id == household_id) & (Item.id == SourceAccount.item_id))
        .where(
            Transaction.household_id == household_id,
            or_(Transaction.id == original_id, Transaction.duplicate_of_id == original_id),
            Transaction.id != row.id,
        )
        .order_by(Transaction.duplicate_of_id.is_not(None), Transaction.id)
        .limit(TELLINGS_MAX)
    )
    return [Telling._make(each) for each in rows]


class ChangeRow(NamedTuple):
    """One field that got another value, and the change set it belongs to."""

    change_set_id: UUID
    field: str
    before: str | None
    after: str | None
    kind: str
    actor_user_id: UUID | None
    created_at: dt.datetime
    undone_by: UUID | None
    reason: str | None
    confidence: Decimal | None


def history(
    session: Session, household_id: UUID, transaction_id: UUID, *, limit: int
) -> list[ChangeRow]:
    """Return the fields that changed, newest first."""
    rows = session.execute(
        select(
            FieldChange.change_set_id,
            FieldChange.field,
            FieldChange.before,
            FieldChange.after,
            ChangeSet.kind,
            ChangeSet.actor_user_id,
            ChangeSet.created_at,
            ChangeSet.undone_by,
            FieldChange.reason,
            FieldChange.confidence,
        )
        .join(
            ChangeSet,
            (ChangeSet.household_id == FieldChange.household_id)
            & (ChangeSet.id == FieldChange.change_set_id),
        )
        .where(
            FieldChange.household_id == household_id,
            FieldChange.transaction_id == transaction_id,
        )
        .order_by(ChangeSet.sequence.desc(), FieldChange.field)
        .limit(limit)
    )
    return [ChangeRow._make(row) for row in rows]
