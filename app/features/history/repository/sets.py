"""SQL that lists change sets and what they changed."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from app.models import ChangeSet


class SetRow(NamedTuple):
    """A change set, and what tells people which one it is."""

    id: UUID
    sequence: int
    kind: str
    actor_user_id: UUID | None
    target_id: UUID | None
    undone_by: UUID | None
    reason: str | None
    created_at: dt.datetime
    counts: dict[str, Any]
    institution_name: str | None
    file_name: str | None
    import_id: UUID | None
    item_id: UUID | None


class RowChange(NamedTuple):
    """One field of one transaction that a change set changed, or all of one that it brought."""

    transaction_id: UUID
    date: dt.date
    name: str
    amount: Decimal
    currency: str
    is_live: bool
    field: str | None
    before: str | None
    after: str | None
    reason: str | None
    confidence: Decimal | None


_SETS = """
    SELECT set.id, set.sequence, set.kind, set.actor_user_id, set.target_id, set.undone_by,
           set.reason, set.created_at, set.counts, item.institution_name, file.file_name,
           file.id AS import_id, item.id AS item_id
    FROM change_sets AS set
    LEFT JOIN sync_runs AS run ON run.household_id = set.household_id AND run.id = set.sync_run_id
    LEFT JOIN items AS item ON item.household_id = run.household_id AND item.id = run.item_id
    LEFT JOIN imports AS file ON file.household_id = set.household_id AND file.id = set.sync_run_id
    WHERE set.household_id = :household_id
"""
_QUIET = """
    AND (set.kind <> 'sync' OR coalesce((set.counts->>'added')::int, 1)
         + coalesce((set.counts->>'modified')::int, 0)
         + coalesce((set.counts->>'removed')::int, 0) > 0)
"""
# The account is asked of each change set in turn: a page needs few, and each answers by an index.
_OF_ACCOUNT = """
    AND (EXISTS (SELECT FROM transactions AS row
                 WHERE row.household_id = set.household_id AND row.change_set_id = set.id
                   AND row.account_id = :account_id)
      OR EXISTS (SELECT FROM field_changes AS change JOIN transactions AS row
                     ON row.household_id = change.household_id AND row.id = change.transaction_id
                 WHERE change.household_id = set.household_id AND change.change_set_id = set.id
                   AND row.account_id = :account_id)
      OR set.counts->'accepted_difference'->>'account_id' = CAST(:account_id AS text))
"""
_CHANGED = text("""
    SELECT row.id, row.date, coalesce(row.counterparty, row.description), row.amount, row.currency,
           row.is_live, change.field, change.before, change.after, change.reason, change.confidence
    FROM (
        SELECT DISTINCT transaction_id FROM field_changes
        WHERE household_id = :household_id AND change_set_id = :id
          AND before IS DISTINCT FROM after AND field <> ALL(:hidden)
        ORDER BY transaction_id DESC LIMIT :limit
    ) AS touched
    JOIN transactions AS row ON row.household_id = :household_id AND row.id = touched.transaction_id
    JOIN field_changes AS change ON change.household_id = :household_id
        AND change.change_set_id = :id AND change.transaction_id = row.id
        AND change.before IS DISTINCT FROM change.after AND change.field <> ALL(:hidden)
    ORDER BY row.date DESC, row.id DESC, change.field
""")
_BROUGHT = text("""
    SELECT row.id, row.date, coalesce(row.counterparty, row.description), row.amount, row.currency,
           row.is_live, NULL, NULL, NULL, NULL, NULL
    FROM transactions AS row
    WHERE row.household_id = :household_id AND row.change_set_id = :id
    ORDER BY row.date DESC, row.id DESC LIMIT :limit
""")


def find(session: Session, household_id: UUID, change_set_id: UUID) -> ChangeSet | None:
    """Return one change set, as it is now."""
    return session.scalars(
        select(ChangeSet)
        .where(ChangeSet.household_id == household_id, ChangeSet.id == change_set_id)
        .execution_options(populate_existing=True)
    ).one_or_none()


def list_page(  # the filter of a page
    session: Session,
    household_id: UUID,
    *,
    before: int | None,
    kind: str | None,
    account_id: UUID | None,
    with_quiet: bool,
    limit: int,
) -> list[SetRow]:
    """Return change sets, the newest first, that came before number `before`.

    Without `with_quiet`, syncs that found nothing new are left out.
    """
    conditions = [] if with_quiet else [_QUIET]
    conditions += ["AND set.sequence < :before"] if before is not None else []
    conditions += ["AND set.kind = :kind"] if kind else []
    conditions += [_OF_ACCOUNT] if account_id else []
    chosen = " ".join(conditions)
    statement = f"{_SETS} {chosen} ORDER BY set.sequence DESC LIMIT :limit"  # rule: fixed texts
    parameters: dict[str, object] = {
        "household_id": household_id,
        "before": before,
        "kind": kind,
        "account_id": account_id,
        "limit": limit,
    }
    used = {name: value for name, value in parameters.items() if f":{name}" in statement}
    return [SetRow._make(row) for row in session.execute(text(statement), used)]


def of_ids(session: Session, household_id: UUID, ids: Sequence[UUID]) -> dict[UUID, SetRow]:
    """Return change sets by their ids."""
    statement = text(f"{_SETS} AND set.id IN :ids").bindparams(bindparam("ids", expanding=True))
    rows = session.execute(statement, {"household_id": household_id, "ids": list(ids)})
    return {row.id: row for row in map(SetRow._make, rows)}


def changed(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    *,
    hidden: Sequence[str],
    limit: int,
) -> list[RowChange]:
    """Return the fields that a change set changed, of at most `limit` transactions."""
    parameters = {
        "household_id": household_id,
        "id": change_set_id,
        "hidden": list(hidden),
        "limit": limit,
    }
    return [RowChange._make(row) for row in session.execute(_CHANGED, parameters)]


def brought(
    session: Session, household_id: UUID, change_set_id: UUID, *, limit: int
) -> list[RowChange]:
    """Return the newest transactions that a change set brought."""
    parameters = {"household_id": household_id, "id": change_set_id, "limit": limit}
    return [RowChange._make(row) for row in session.execute(_BROUGHT, parameters)]
