"""SQL of merged accounts: where their sources belong now, and what stands on the merge."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.types import Uuid

from app.models import SourceAccount

_IDS = bindparam("source_account_ids", type_=ARRAY(Uuid))

# A later merge took the account, or one of its sources, further.
_MERGED_ON = text("""
    SELECT id FROM change_sets
    WHERE household_id = :household_id AND kind = 'match' AND undone_by IS NULL AND id <> :target
      AND sequence > :sequence
      AND (counts->'moved'->>'from' = :account_id
        OR EXISTS (SELECT FROM unnest(:source_account_ids) AS mine (id)
                   WHERE counts->'moved'->'source_accounts' ? mine.id::text))
    ORDER BY sequence DESC LIMIT 1
""").bindparams(_IDS)

# A row of a source that moves away and a row of one that stays were found to be one since.
_CROSSED = text("""
    WITH settled AS (
        SELECT row.id, row.source_account_id,
               (planned.doc->>'duplicate_of_id')::uuid AS duplicate_of_id
        FROM planned_rows AS planned
        JOIN transactions AS row ON row.household_id = :household_id AND row.id = planned.id
        WHERE planned.doc->>'duplicate_of_id' IS NOT NULL
        UNION ALL
        SELECT row.id, row.source_account_id, row.duplicate_of_id
        FROM transactions AS row LEFT JOIN planned_rows AS planned USING (id)
        WHERE row.household_id = :household_id AND row.duplicate_of_id IS NOT NULL
          AND (planned.doc ? 'duplicate_of_id') IS NOT TRUE
    )
    SELECT made.id
    FROM settled AS one
    JOIN transactions AS other
      ON other.household_id = :household_id AND other.id = one.duplicate_of_id
    JOIN field_changes AS change ON change.household_id = :household_id
     AND change.transaction_id = one.id AND change.field = 'duplicate_of_id'
     AND change.after = one.duplicate_of_id::text
    JOIN change_sets AS made
      ON made.household_id = :household_id AND made.id = change.change_set_id
    WHERE (one.source_account_id = ANY(:source_account_ids))
       <> (other.source_account_id = ANY(:source_account_ids))
      AND made.undone_by IS NULL AND made.id <> :target AND made.kind NOT IN ('undo', 'redo')
    ORDER BY made.sequence DESC LIMIT 1
""").bindparams(_IDS)


def merged_on(
    session: Session,
    household_id: UUID,
    target: tuple[UUID, int],
    account_id: UUID,
    source_account_ids: Sequence[UUID],
) -> UUID | None:
    """Return the later merge in force of `account_id`, or of one of the sources, into another.

    Args:
        session: An open transaction of the household.
        household_id: Whose.
        target: The change set that is not meant, by id and number.
        account_id: An account of the ledger.
        source_account_ids: Source accounts.
    """
    found: UUID | None = session.scalar(
        _MERGED_ON,
        {
            "household_id": household_id,
            "target": target[0],
            "sequence": target[1],
            "account_id": str(account_id),
            "source_account_ids": list(source_account_ids),
        },
    )
    return found


def crossed(
    session: Session, household_id: UUID, target: UUID, source_account_ids: Sequence[UUID]
) -> UUID | None:
    """Return who else found rows of these source accounts and of others to be one.

    The plan of the undo stands in `planned_rows` already.
    """
    found: UUID | None = session.scalar(
        _CROSSED,
        {
            "household_id": household_id,
            "target": target,
            "source_account_ids": list(source_account_ids),
        },
    )
    return found


def all_feed(
    session: Session, household_id: UUID, source_account_ids: Sequence[UUID], account_id: UUID
) -> bool:
    """Tell whether all of these source accounts feed that account."""
    fed = session.scalars(
        select(SourceAccount.account_id).where(
            SourceAccount.household_id == household_id, SourceAccount.id.in_(source_account_ids)
        )
    )
    return set(fed) <= {account_id}
