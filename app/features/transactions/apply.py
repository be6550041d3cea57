"""SQL that brings many transactions in: staged once, then a few statements whatever their number.

The rows go by binary COPY into a temporary table, and from there by one upsert that leaves
alone what says the same already, so that a replay writes nothing.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import psycopg
from sqlalchemy.orm import Session

from app.core.ids import uuid7s
from app.domain.records import SourceKey, TransactionRecord
from app.features.accounts.service import SourceAccountKey

DESCRIPTION_CHARACTERS_MAX = 2_000


# Of the staging table, with their types for binary COPY, in the order of `rows_of`.
COLUMNS = {
    "id": "uuid",
    "account_id": "uuid",
    "source_account_id": "uuid",
    "source_id": "text",
    "date": "date",
    "authorized_date": "date",
    "amount": "numeric",
    "currency": "text",
    "pending": "bool",
    "description": "text",
    "pending_source_id": "text",
    "category_code": "text",
    "counterparty_source": "text",
    "category_source": "uuid",
    "journal_page_id": "uuid",
}
_NAMES = ", ".join(COLUMNS)

# The table is of the connection, not of the transaction: making one costs more than a small sync.
# The connection plans each statement anew, which suits lists; each row's foreign keys are
# statements too, and planning those took more than half of the upsert's processor time.
_PREPARE = f"""
SET LOCAL plan_cache_mode = auto;
CREATE TEMPORARY TABLE IF NOT EXISTS staged_transactions (
    {", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())}
) ON COMMIT DELETE ROWS;
TRUNCATE staged_transactions
"""
_COPY = f"COPY staged_transactions ({_NAMES}) FROM STDIN (FORMAT BINARY)"

# The limit keeps the planner from joining: of a household that is younger than the statistics it
# expects one row, and would read all there are.
_HAS_PENDING = """
SELECT EXISTS (
    SELECT FROM staged_transactions AS staged
    CROSS JOIN LATERAL (
        SELECT FROM transactions AS pending
        WHERE pending.household_id = %(household_id)s
          AND pending.source_account_id = staged.source_account_id
          AND pending.source_id = staged.pending_source_id
        LIMIT 1
    ) AS found
    WHERE staged.pending_source_id IS NOT NULL
)
"""

# A pending row that is posted under another id stays the same row, so that whatever people
# and links attached to it stays too. It may have been withdrawn in an earlier update.
_TAKE_OVER = """
UPDATE transactions AS pending
SET source_id = posted.source_id
FROM (
    SELECT DISTINCT ON (source_account_id, pending_source_id)
           source_account_id, pending_source_id, source_id
    FROM staged_transactions
    WHERE pending_source_id IS NOT NULL
    ORDER BY source_account_id, pending_source_id, source_id
) AS posted
WHERE pending.household_id = %(household_id)s
  AND pending.source_account_id = posted.source_account_id
  AND pending.source_id = posted.pending_source_id
  AND pending.pending
  AND NOT EXISTS (
      SELECT 1 FROM transactions AS known
      WHERE known.household_id = %(household_id)s
        AND known.source_account_id = posted.source_account_id
        AND known.source_id = posted.source_id
  )
"""

# The source told us of the link only after we had booked the posted row on its own.
_CARRY_OVER = """
UPDATE transactions AS posted
SET category_user = coalesce(posted.category_user, pending.category_user),
    counterparty_user = coalesce(posted.counterparty_user, pending.counterparty_user),
    note = coalesce(posted.note, pending.note),
    reviewed_at = coalesce(posted.reviewed_at, pending.reviewed_at)
FROM staged_transactions AS staged
JOIN transactions AS pending
  ON pending.household_id = %(household_id)s
 AND pending.source_account_id = staged.source_account_id
 AND pending.source_id = staged.pending_source_id
WHERE posted.household_id = %(household_id)s
  AND posted.source_account_id = staged.source_account_id
  AND posted.source_id = staged.source_id
  AND posted.id <> pending.id
  AND posted.pending_source_id IS DISTINCT FROM staged.pending_source_id
  AND num_nonnulls(pending.category_user, pending.counterparty_user, pending.note,
                   pending.reviewed_at) > 0
"""

# A source that tells everything anew may do so under new ids. What says the same stays the same
# row; of several that do, those of which a person said something come first. Rows that differ in
# their text alone are the same where there is only one on either side.
_KNOW_AGAIN = """
WITH fresh AS (
    SELECT source_account_id, source_id, date, amount, currency, pending, {text} AS text,
           row_number() OVER alike AS number, count(*) OVER all_alike AS count
    FROM staged_transactions AS staged
    WHERE source_account_id = ANY(%(told_ids)s) AND NOT EXISTS (
        SELECT FROM transactions AS known
        WHERE known.household_id = %(household_id)s
          AND known.source_account_id = staged.source_account_id
          AND known.source_id = staged.source_id)
    WINDOW all_alike AS (PARTITION BY source_account_id, date, amount, currency, pending, {text}),
           alike AS (all_alike ORDER BY id)
), untold AS (
    SELECT id, source_account_id, date, amount, currency, pending, {text} AS text,
           row_number() OVER alike AS number, count(*) OVER all_alike AS count
    FROM transactions AS row JOIN {told} USING (source_account_id)
    WHERE household_id = %(household_id)s AND (row.pending OR row.date >= told.first_day)
      AND removed_at IS NULL AND NOT EXISTS (
        SELECT FROM staged_transactions AS staged
        WHERE staged.source_account_id = row.source_account_id
          AND staged.source_id = row.source_id)
    WINDOW all_alike AS (PARTITION BY source_account_id, date, amount, currency, pending, {text}),
           alike AS (all_alike ORDER BY num_nonnulls(category_user, counterparty_user, note,
                                                     reviewed_at) = 0, id)
)
UPDATE transactions AS row
SET source_id = fresh.source_id
FROM untold JOIN fresh
     USING (source_account_id, date, amount, currency, pending, text, number)
WHERE row.household_id = %(household_id)s AND row.id = untold.id
  AND ({any_number} OR (fresh.count = 1 AND untold.count = 1))
"""
_TOLD = """
    unnest(%(told_ids)s::uuid[], %(first_days)s::date[]) AS told (source_account_id, first_day)
"""
_KNOW_BY_TEXT = _KNOW_AGAIN.format(told=_TOLD, text="description", any_number="true")
_KNOW_BY_AMOUNT = _KNOW_AGAIN.format(told=_TOLD, text="''::text", any_number="false")

_UNTOLD = f"""
SELECT source_account_id, source_id, removed_at IS NULL AS is_shown
FROM transactions AS row JOIN {_TOLD} USING (source_account_id)
WHERE household_id = %(household_id)s AND (row.pending OR row.date >= told.first_day)
  AND NOT EXISTS (
    SELECT FROM staged_transactions AS staged
    WHERE staged.source_account_id = row.source_account_id AND staged.source_id = row.source_id)
ORDER BY id
"""

_SOURCE_COLUMNS = (
    "date", "authorized_date", "amount", "currency", "pending", "description",
    "pending_source_id", "category_code", "counterparty_source", "category_source",
)  # fmt: skip
_UPSERT = f"""
WITH written AS (
    INSERT INTO transactions AS known (household_id, change_set_id, {_NAMES})
    SELECT %(household_id)s, %(change_set_id)s, {_NAMES} FROM staged_transactions
    ON CONFLICT (household_id, source_account_id, source_id) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in _SOURCE_COLUMNS)},
        journal_page_id = excluded.journal_page_id, removed_at = NULL, updated_at = now()
    WHERE ({", ".join(f"known.{name}" for name in _SOURCE_COLUMNS)})
          IS DISTINCT FROM ({", ".join(f"excluded.{name}" for name in _SOURCE_COLUMNS)})
       OR known.removed_at IS NOT NULL
    RETURNING known.change_set_id
)
SELECT count(*) FILTER (WHERE change_set_id = %(change_set_id)s),
       count(*) FILTER (WHERE change_set_id <> %(change_set_id)s)
FROM written
"""

_REMOVE = """
UPDATE transactions AS gone
SET removed_at = now(), updated_at = now(), journal_page_id = withdrawn.journal_page_id
FROM unnest(%(source_account_ids)s::uuid[], %(source_ids)s::text[], %(page_ids)s::uuid[])
     AS withdrawn (source_account_id, source_id, journal_page_id)
WHERE gone.household_id = %(household_id)s
  AND gone.source_account_id = withdrawn.source_account_id
  AND gone.source_id = withdrawn.source_id
  AND gone.removed_at IS NULL
"""


def driver(session: Session) -> psycopg.Connection:
    """Return the session's psycopg connection: the same transaction, without the ORM."""
    connection = session.connection().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection


def upsert(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    rows: Iterable[tuple[object, ...]],
    *,
    link_pending: bool,
    told_from: Mapping[UUID, dt.date] | None = None,
) -> tuple[int, int]:
    """Write rows as made by `rows_of`; return how many were inserted and how many changed.

    The caller guarantees that no two rows have the same source key. Of the source accounts in
    `told_from` these are all rows that there are from a day on, and all that are pending: those
    that are told under new ids are known again, and `untold` names the others.
    """
    parameters: dict[str, object] = {"household_id": household_id, "change_set_id": change_set_id}
    with driver(session).cursor() as cursor:
        cursor.execute(_PREPARE.encode())
        with cursor.copy(_COPY) as copy:
            copy.set_types(list(COLUMNS.values()))
            for row in rows:
                copy.write_row(row)
        if link_pending and _tells(cursor, _HAS_PENDING, parameters):
            cursor.execute(_TAKE_OVER, parameters)
            cursor.execute(_CARRY_OVER, parameters)
        if told_from:
            parameters |= _told(told_from)
            cursor.execute(_KNOW_BY_TEXT.encode(), parameters)
            cursor.execute(_KNOW_BY_AMOUNT.encode(), parameters)
        counts = cursor.execute(_UPSERT, parameters).fetchone()
    assert counts is not None  # an aggregate always has a row
    return counts[0], counts[1]


def _tells(cursor: psycopg.Cursor, question: str, parameters: Mapping[str, object]) -> bool:
    answer = cursor.execute(question.encode(), parameters).fetchone()
    return answer is not None and bool(answer[0])


def untold(
    session: Session, household_id: UUID, told_from: Mapping[UUID, dt.date]
) -> Sequence[tuple[UUID, str, bool]]:
    """Return the rows that the last `upsert` did not name, as source account, id, whether shown.

    Those that are hidden already belong to it: undoing what hid them must not show them again.
    """
    parameters = {"household_id": household_id, **_told(told_from)}
    with driver(session).cursor() as cursor:
        rows = cursor.execute(_UNTOLD.encode(), parameters).fetchall()
    return [(row[0], row[1], row[2]) for row in rows]


def _told(told_from: Mapping[UUID, dt.date]) -> dict[str, object]:
    return {"told_ids": list(told_from), "first_days": list(told_from.values())}


def rows_of(
    records: Sequence[TransactionRecord],
    accounts: Mapping[str, SourceAccountKey],
    categories: Mapping[str, UUID],
    pages: Mapping[SourceKey, UUID],
) -> Iterable[tuple[object, ...]]:
    """Yield the values of each record in the order of the staging table's columns."""
    for new_id, record in zip(uuid7s(len(records)), records, strict=True):
        account = accounts[record.account_source_id]
        yield (
            new_id,
            account.account_id,
            account.source_account_id,
            record.source_id,
            record.date,
            record.authorized_date,
            record.money.amount,
            record.money.currency,
            record.pending,
            record.description[:DESCRIPTION_CHARACTERS_MAX],
            record.pending_source_id,
            record.category_code,
            record.counterparty,
            categories.get(record.category_code or ""),
            pages[record.key],
        )


def remove(
    session: Session,
    household_id: UUID,
    keys: Sequence[tuple[UUID, str, UUID]],
) -> int:
    """Hide transactions that the source withdrew; return how many were still shown.

    Args:
        session: An open transaction.
        household_id: Whose.
        keys: Source account, the source's id and the journal page that withdrew it.
    """
    if not keys:
        return 0
    source_account_ids, source_ids, page_ids = (list(column) for column in zip(*keys, strict=True))
    with driver(session).cursor() as cursor:
        cursor.execute(
            _REMOVE,
            {
                "household_id": household_id,
                "source_account_ids": source_account_ids,
                "source_ids": source_ids,
                "page_ids": page_ids,
            },
        )
        return cursor.rowcount
