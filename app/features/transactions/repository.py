"""SQL that reads and edits single transactions."""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import ChangeSet, FieldChange, Transaction


def find(session: Session, household_id: UUID, transaction_id: UUID) -> Transaction | None:
    """Return one transaction with all its columns."""
    return session.scalars(
        select(Transaction).where(
            Transaction.household_id == household_id, Transaction.id == transaction_id
        )
    ).one_or_none()


def update_user_columns(
    session: Session, household_id: UUID, transaction_id: UUID, values: Mapping[str, object]
) -> bool:
    """Overwrite columns that are the user's; False if there is no such transaction."""
    updated = session.execute(
        update(Transaction)
        .where(Transaction.household_id == household_id, Transaction.id == transaction_id)
        .values({**values, "updated_at": func.now()})
        .returning(Transaction.id)
    )
    return updated.one_or_none() is not None


class ChangeRow(NamedTuple):
    """One field that got another value, and the change set it belongs to."""

    change_set_id: UUID
    field: str
    before: str | None
    after: str | None
    kind: str
    actor_user_id: UUID | None
    created_at: dt.datetime


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
        .order_by(FieldChange.change_set_id.desc(), FieldChange.field)
        .limit(limit)
    )
    return [ChangeRow(*row) for row in rows]
