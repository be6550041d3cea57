"""SQL of mending: what the shadow tells, written where the ledger says otherwise."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.ids import uuid7
from app.features.transactions.apply import driver

_TO_MEND = """
CREATE TEMPORARY TABLE shadow_to_mend ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY word.position) AS number, row.id, row.account_id,
       row.source_account_id, row.source_id, word.position
FROM shadow_different AS different
JOIN shadow_rows AS told ON told.id = different.id AND NOT told.removed
JOIN shadow_last AS last ON last.id = different.id
JOIN shadow_words AS word ON word.position = last.position
JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = different.id
UNION ALL
SELECT (SELECT count(*) FROM shadow_different) + row_number() OVER (ORDER BY word.position),
       NULL, account.account_id, word.source_account_id, word.source_id, word.position
FROM shadow_missing AS word
JOIN source_accounts AS account
  ON account.household_id = %(household_id)s AND account.id = word.source_account_id
"""

# In the order of `apply.COLUMNS`.
_ROWS_TO_MEND = """
SELECT mend.id, mend.account_id, mend.source_account_id, mend.source_id,
       word.date, word.authorized_date, word.amount, word.currency, word.pending,
       left(word.description, 2000), word.pending_source_id, word.category_code,
       word.counterparty_source, word.category_source, word.journal_page_id
FROM shadow_to_mend AS mend JOIN shadow_words AS word USING (position)
WHERE mend.number > %(after)s AND mend.number <= %(through)s
ORDER BY mend.number
"""

_TO_REMOVE = """
SELECT row.source_account_id, row.source_id, coalesce(told.journal_page_id, row.journal_page_id)
FROM shadow_different AS different
JOIN shadow_rows AS told ON told.id = different.id AND told.removed
JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = different.id
WHERE row.removed_at IS NULL
"""

# Where nothing but the page is another one, an upsert would find nothing to write.
_NAME_PAGES = """
UPDATE transactions AS row
SET journal_page_id = told.journal_page_id, updated_at = now()
FROM shadow_different AS different JOIN shadow_rows AS told USING (id)
WHERE row.household_id = %(household_id)s AND row.id = different.id AND NOT told.removed
  AND row.journal_page_id <> told.journal_page_id
"""

# Deleting and inserting days keeps the months; what was wrong in the months goes with them.
_REBUILD_TOTALS = (
    "DELETE FROM daily_totals WHERE household_id = %(household_id)s",
    "DELETE FROM monthly_totals WHERE household_id = %(household_id)s",
    """
    INSERT INTO daily_totals (household_id, date, account_id, category_id, currency, pending,
                              money_in, money_out, count)
    SELECT household_id, date, account_id,
           coalesce(category_id, '00000000-0000-0000-0000-000000000000'), currency, pending,
           sum(greatest(amount, 0)), sum(least(amount, 0)), count(*)
    FROM transactions WHERE household_id = %(household_id)s AND is_live
    GROUP BY 1, 2, 3, 4, 5, 6
    """,
)


def prepare(session: Session, household_id: UUID) -> int:
    """Number the rows to write; return the last number."""
    with driver(session).cursor() as cursor:
        cursor.execute(_TO_MEND.encode(), {"household_id": household_id})
        last = cursor.execute("SELECT coalesce(max(number), 0) FROM shadow_to_mend").fetchone()
    assert last is not None  # an aggregate always has a row
    return int(last[0])


def rows_to_mend(session: Session, after: int, through: int) -> Sequence[tuple[object, ...]]:
    """Return rows as `transactions.apply` stages them, those of these numbers; new ones get ids."""
    with driver(session).cursor() as cursor:
        parameters = {"after": after, "through": through}
        rows = cursor.execute(_ROWS_TO_MEND.encode(), parameters).fetchall()
    return [(row[0] or uuid7(), *row[1:]) for row in rows]


def keys_to_remove(session: Session, household_id: UUID) -> Sequence[tuple[UUID, str, UUID]]:
    """Return source account, source id and page of the rows that should not be shown."""
    with driver(session).cursor() as cursor:
        rows = cursor.execute(_TO_REMOVE.encode(), {"household_id": household_id})
        return [(row[0], row[1], row[2]) for row in rows]


def name_pages(session: Session, household_id: UUID) -> int:
    """Let rows name the pages that say what they say; return how many named another one."""
    with driver(session).cursor() as cursor:
        return cursor.execute(_NAME_PAGES.encode(), {"household_id": household_id}).rowcount


def rebuild_totals(session: Session, household_id: UUID) -> None:
    """Make the totals of days and months anew from the ledger's rows."""
    with driver(session).cursor() as cursor:
        for statement in _REBUILD_TOTALS:
            cursor.execute(statement.encode(), {"household_id": household_id})
