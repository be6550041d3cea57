"""SQL of what may be told twice: candidates by account and days, and duplicates."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from sqlalchemy.orm import Session


class Candidate(NamedTuple):
    """A transaction that may be told twice."""

    id: UUID
    account_id: UUID
    source_account_id: UUID
    date: dt.date
    made_on: dt.date | None
    amount: Decimal
    currency: str
    pending: bool
    text: str
    category_code: str | None
    duplicate_of_id: UUID | None
    is_explained: bool
    """The source names the pending transaction that it was, or one was found."""
    is_new: bool
    """The open change set brought it."""
    is_removed: bool
    vanished_now: bool
    """The open change set withdrew it."""
    is_decided: bool
    """A person has said something of it."""
    told_by: list[UUID]
    """The source accounts of its duplicates."""


class Trace(NamedTuple):
    """A source account, with what helps to know it again."""

    id: UUID
    account_id: UUID
    item_id: UUID | None
    source: str
    account_source_id: str
    kind: str
    subtype: str | None
    currency: str
    mask: str | None
    name: str
    persistent_id: str | None
    current: Decimal | None
    institution: str | None
    is_gone: bool
    has_rows: bool
    is_alone: bool
    """No other source feeds its ledger account."""


# The household by its value, also inside: only then is the plan one for a single partition.
_COLUMNS = """
    id, account_id, source_account_id, date, authorized_date AS made_on,
    trim_scale(amount) AS amount, currency, pending, category_code, duplicate_of_id,
    concat_ws(' ', description, counterparty_source) AS text,
    change_set_id = %(change_set_id)s AS is_new,
    removed_at IS NOT NULL AS is_removed, removed_at IS NOT DISTINCT FROM now() AS vanished_now,
    num_nonnulls(category_user, counterparty_user, note, reviewed_at) > 0 AS is_decided,
    pending_source_id IS NOT NULL OR EXISTS (
        SELECT FROM transactions AS was
        WHERE was.household_id = %(household_id)s AND was.duplicate_of_id = row.id AND was.pending
          AND was.source_account_id = row.source_account_id
    ) AS is_explained,
    ARRAY(SELECT DISTINCT told.source_account_id FROM transactions AS told
          WHERE told.household_id = %(household_id)s AND told.removed_at IS NULL
            AND told.id <> row.id
            AND told.duplicate_of_id = coalesce(row.duplicate_of_id, row.id)) AS told_by
"""

_AWAITED = f"""
SELECT {_COLUMNS} FROM transactions AS row
WHERE household_id = %(household_id)s AND source_account_id = ANY(%(source_account_ids)s)
  AND pending AND duplicate_of_id IS NULL AND date >= %(since)s
  AND (removed_at IS NOT NULL OR date <= %(overdue)s)
ORDER BY date, id
"""

_POSTED = f"""
SELECT {_COLUMNS} FROM transactions AS row
WHERE household_id = %(household_id)s AND account_id = ANY(%(account_ids)s)
  AND source_account_id = ANY(%(source_account_ids)s)
  AND is_live AND NOT pending AND date BETWEEN %(first)s AND %(last)s
ORDER BY date, id
"""

_COUNTED = f"""
SELECT {_COLUMNS} FROM transactions AS row
WHERE household_id = %(household_id)s AND account_id = ANY(%(account_ids)s) AND is_live
  AND date BETWEEN %(first)s AND %(last)s
ORDER BY date, id
"""

_SHARED = """
SELECT account_id, array_agg(id) AS source_account_ids
FROM source_accounts
WHERE household_id = %(household_id)s AND account_id = ANY(%(account_ids)s)
GROUP BY account_id HAVING count(*) > 1
"""

_TRACES = """
SELECT source.id, source.account_id, source.item_id, source.source, source.account_source_id,
       source.kind, source.subtype, source.currency, source.mask, source.name, source.persistent_id,
       trim_scale(source.current) AS current,
       coalesce(item.institution_name, account.institution_name) AS institution,
       source.missing_since IS NOT NULL OR item.unlinked_at IS NOT NULL
           OR coalesce(item.state = 'dead', false) AS is_gone,
       EXISTS (SELECT FROM transactions AS row
               WHERE row.household_id = %(household_id)s
                 AND row.source_account_id = source.id) AS has_rows,
       count(*) OVER (PARTITION BY source.account_id) = 1 AS is_alone
FROM source_accounts AS source
JOIN accounts AS account
  ON account.household_id = source.household_id AND account.id = source.account_id
LEFT JOIN items AS item
  ON item.household_id = source.household_id AND item.id = source.item_id
WHERE source.household_id = %(household_id)s
ORDER BY source.id
"""

# Within the days that both tell of, less their edges, where one may not be complete.
_TOLD_BY_ONE = """
WITH told AS (
    SELECT id, coalesce(duplicate_of_id, id) AS root, source_account_id, date,
           trim_scale(amount) AS amount, currency,
           concat_ws(' ', counterparty_source, description) AS text
    FROM transactions
    WHERE household_id = %(household_id)s AND account_id = %(account_id)s
      AND source_account_id = ANY(%(source_account_ids)s)
      AND removed_at IS NULL AND NOT pending AND date >= %(since)s
), span AS (
    SELECT source_account_id, min(date) + 2 AS first, max(date) - 2 AS last
    FROM told GROUP BY source_account_id
)
SELECT told.id, told.root, told.source_account_id, other.source_account_id AS missing_in,
       told.date, told.amount, told.currency, told.text
FROM told JOIN span AS other
    ON other.source_account_id <> told.source_account_id
   AND told.date BETWEEN other.first AND other.last
WHERE NOT EXISTS (
    SELECT FROM told AS twin
    WHERE twin.root = told.root AND twin.source_account_id = other.source_account_id
      AND twin.amount = told.amount
)
ORDER BY told.date DESC, told.id
LIMIT %(limit)s
"""

# Its own duplicates, and those of the row that it stands in for, go along.
_MARK = """
UPDATE transactions AS row
SET duplicate_of_id = pair.original_id, updated_at = now()
FROM unnest(%(duplicate_ids)s::uuid[], %(group_ids)s::uuid[], %(original_ids)s::uuid[])
     AS pair (duplicate_id, group_id, original_id)
WHERE row.household_id = %(household_id)s
  AND (row.id = pair.duplicate_id OR row.duplicate_of_id = pair.group_id)
  AND row.id <> pair.original_id AND row.duplicate_of_id IS DISTINCT FROM pair.original_id
"""

_RELEASE = """
UPDATE transactions SET duplicate_of_id = NULL, updated_at = now()
WHERE household_id = %(household_id)s AND id = %(id)s AND duplicate_of_id IS NOT NULL
RETURNING id
"""

# What people decided of a movement, they decided of each of its rows: it must not be lost when
# another row of it is the one that counts.
_SHARE_DECISIONS = """
UPDATE transactions AS row
SET category_user = coalesce(row.category_user, other.category_user),
    counterparty_user = coalesce(row.counterparty_user, other.counterparty_user),
    note = coalesce(row.note, other.note),
    reviewed_at = coalesce(row.reviewed_at, other.reviewed_at)
FROM unnest(%(duplicate_ids)s::uuid[] || %(original_ids)s::uuid[],
            %(original_ids)s::uuid[] || %(duplicate_ids)s::uuid[]) AS pair (row_id, other_id)
JOIN transactions AS other
  ON other.household_id = %(household_id)s AND other.id = pair.other_id
WHERE row.household_id = %(household_id)s AND row.id = pair.row_id
  AND (row.category_user IS NULL AND other.category_user IS NOT NULL
    OR row.counterparty_user IS NULL AND other.counterparty_user IS NOT NULL
    OR row.note IS NULL AND other.note IS NOT NULL
    OR row.reviewed_at IS NULL AND other.reviewed_at IS NOT NULL)
"""

_EXPLAIN = """
UPDATE field_changes AS change
SET confidence = told.confidence, reason = told.reason
FROM unnest(%(duplicate_ids)s::uuid[], %(confidences)s::numeric[], %(reasons)s::text[])
     AS told (transaction_id, confidence, reason)
WHERE change.household_id = %(household_id)s AND change.change_set_id = %(change_set_id)s
  AND change.field = 'duplicate_of_id' AND change.transaction_id = told.transaction_id
"""


def driver(session: Session) -> psycopg.Connection:
    """Return the session's psycopg connection: the same transaction, without the ORM."""
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def _candidates(
    session: Session, statement: str, parameters: Mapping[str, object]
) -> list[Candidate]:
    with driver(session).cursor(row_factory=class_row(Candidate)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()


def awaited(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    source_account_ids: Sequence[UUID],
    *,
    since: dt.date,
    overdue: dt.date,
) -> list[Candidate]:
    """Return pending transactions that vanished, or that are older than `overdue`."""
    parameters = {
        "household_id": household_id,
        "change_set_id": change_set_id,
        "source_account_ids": list(source_account_ids),
        "since": since,
        "overdue": overdue,
    }
    return _candidates(session, _AWAITED, parameters)


def posted(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    waiting: Sequence[Candidate],
    *,
    days: tuple[dt.date, dt.date],
) -> list[Candidate]:
    """Return what was posted in these days on the source accounts of `waiting`."""
    parameters = {
        "household_id": household_id,
        "change_set_id": change_set_id,
        "account_ids": list({row.account_id for row in waiting}),
        "source_account_ids": list({row.source_account_id for row in waiting}),
        "first": days[0],
        "last": days[1],
    }
    return _candidates(session, _POSTED, parameters)


def shared_accounts(
    session: Session, household_id: UUID, account_ids: Sequence[UUID]
) -> dict[UUID, list[UUID]]:
    """Return those of the accounts that several sources feed, with their source accounts."""
    parameters = {"household_id": household_id, "account_ids": list(account_ids)}
    with driver(session).cursor() as cursor:
        return dict(cursor.execute(_SHARED, parameters).fetchall())


def counted(
    session: Session,
    household_id: UUID,
    change_set_id: UUID | None,
    account_ids: Sequence[UUID],
    *,
    days: tuple[dt.date, dt.date],
) -> list[Candidate]:
    """Return what counts on some accounts in these days."""
    parameters = {
        "household_id": household_id,
        "change_set_id": change_set_id,
        "account_ids": list(account_ids),
        "first": days[0],
        "last": days[1],
    }
    return _candidates(session, _COUNTED, parameters)


def traces(session: Session, household_id: UUID) -> list[Trace]:
    """Return all source accounts of a household."""
    with driver(session).cursor(row_factory=class_row(Trace)) as cursor:
        return cursor.execute(_TRACES, {"household_id": household_id}).fetchall()


class ToldByOne(NamedTuple):
    """A row that one source tells and another one does not tell so."""

    id: UUID
    root: UUID
    source_account_id: UUID
    missing_in: UUID
    date: dt.date
    amount: Decimal
    currency: str
    text: str


def told_by_one(
    session: Session,
    household_id: UUID,
    account_id: UUID,
    source_account_ids: Sequence[UUID],
    *,
    since: dt.date,
    limit: int,
) -> list[ToldByOne]:
    """Return what not all sources of an account tell, or not with the same amount."""
    parameters = {
        "household_id": household_id,
        "account_id": account_id,
        "source_account_ids": list(source_account_ids),
        "since": since,
        "limit": limit,
    }
    with driver(session).cursor(row_factory=class_row(ToldByOne)) as cursor:
        return cursor.execute(_TOLD_BY_ONE.encode(), parameters).fetchall()


class Marked(NamedTuple):
    """A row that is a duplicate of another one, and why."""

    duplicate_id: UUID
    group_id: UUID
    """Itself, or the removed row that it stands in for."""
    original_id: UUID
    confidence: Decimal
    reason: str


def mark_duplicates(
    session: Session, household_id: UUID, change_set_id: UUID, pairs: Sequence[Marked]
) -> None:
    """Let rows be duplicates of others, under the open change set, with the reasons."""
    duplicate_ids, group_ids, original_ids, confidences, reasons = map(
        list, zip(*pairs, strict=True)
    )
    parameters = {
        "household_id": household_id,
        "change_set_id": change_set_id,
        "duplicate_ids": duplicate_ids,
        "group_ids": group_ids,
        "original_ids": original_ids,
        "confidences": confidences,
        "reasons": reasons,
    }
    with driver(session).cursor() as cursor:
        for statement in (_SHARE_DECISIONS, _MARK, _EXPLAIN):
            cursor.execute(statement, parameters)


def release(session: Session, household_id: UUID, transaction_id: UUID) -> bool:
    """Let a duplicate be a movement of its own again; False if it is none."""
    with driver(session).cursor() as cursor:
        cursor.execute(_RELEASE, {"household_id": household_id, "id": transaction_id})
        return cursor.rowcount > 0
