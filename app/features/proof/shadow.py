"""SQL of the shadow: the ledger as the fold of its change sets, made by other code than books it.

Words go by COPY into a temporary table, numbered in their order; all else is a few statements
over sets. The tables live until the transaction ends.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.features.proof import words
from app.features.proof.words import Word
from app.features.transactions.apply import driver

WORK_MEMORY = "64MB"

# The types for binary COPY, in the order of `_row`.
_COLUMNS = {
    "position": "int8",
    "sequence": "int8",
    "source_account_id": "uuid",
    "source_id": "text",
    "withdrawn": "bool",
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
_CREATE_WORDS = (
    "CREATE TEMPORARY TABLE shadow_words ("
    + ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    + ") ON COMMIT DROP"
)
_COPY_WORDS = "COPY shadow_words FROM STDIN (FORMAT BINARY)"

# Which key named which row, from one sequence until before another. A name that a row has from
# its birth begins where the row that had it before lost it.
_NAMES = """
CREATE TEMPORARY TABLE shadow_names ON COMMIT DROP AS
WITH renamed AS (
    SELECT change.transaction_id AS id, made.sequence, change.before, change.after,
           lag(made.sequence) OVER chain IS NULL AS is_first,
           lead(made.sequence) OVER chain AS until
    FROM field_changes AS change
    JOIN change_sets AS made
      ON made.household_id = change.household_id AND made.id = change.change_set_id
    WHERE change.household_id = %(household_id)s AND change.field = 'source_id'
      AND made.undone_by IS NULL AND made.kind NOT IN ('undo', 'redo')
    WINDOW chain AS (PARTITION BY change.transaction_id ORDER BY made.sequence)
), held AS (
    SELECT row.id, row.source_account_id, renamed.after AS source_id,
           renamed.sequence AS first, renamed.until
    FROM renamed JOIN transactions AS row
      ON row.household_id = %(household_id)s AND row.id = renamed.id
    UNION ALL
    SELECT row.id, row.source_account_id, coalesce(renamed.before, row.source_id), NULL,
           renamed.sequence
    FROM transactions AS row
    LEFT JOIN renamed ON renamed.id = row.id AND renamed.is_first
    WHERE row.household_id = %(household_id)s
)
SELECT id, source_account_id, source_id,
       coalesce(first, max(until) OVER holders, 0) AS first,
       coalesce(until, 9223372036854775807) AS until
FROM held
WINDOW holders AS (PARTITION BY source_account_id, source_id ORDER BY until NULLS LAST
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
"""

# Which row a word is about, if any. Words of a key that names no row are about one that is missing.
_NAMED = """
shadow_words AS word LEFT JOIN shadow_names AS name
  ON name.source_account_id = word.source_account_id AND name.source_id = word.source_id
 AND word.sequence >= name.first AND word.sequence < name.until
"""
_ABOUT = "coalesce(name.id, md5(concat(word.source_account_id, word.source_id))::uuid)"
_LAST_WORDS = f"""
CREATE TEMPORARY TABLE shadow_last ON COMMIT DROP AS
SELECT {_ABOUT} AS id, name.id IS NOT NULL AS is_named, max(word.position) AS position,
       min(word.sequence) < max(word.sequence) AS is_repeated
FROM {_NAMED}
GROUP BY {_ABOUT}, name.id IS NOT NULL
"""

# Of change sets that say the same, one after another, the first one is where it is said.
_FIRST_TO_SAY_SO = f"""
UPDATE shadow_last AS last SET position = run.position
FROM (
    SELECT id, max(position) FILTER (WHERE begins) AS position
    FROM (
        SELECT id, position,
               lag(id) OVER story IS NULL OR said IS DISTINCT FROM lag(said) OVER story AS begins
        FROM (
            SELECT DISTINCT ON (repeated.id, word.sequence)
                   repeated.id, word.sequence, word.position,
                   CASE WHEN NOT word.withdrawn THEN jsonb_build_array(
                       word.date, word.authorized_date, word.amount, word.currency, word.pending,
                       left(word.description, 2000), word.pending_source_id, word.category_code,
                       word.counterparty_source, word.category_source) END AS said
            FROM {_NAMED}
            JOIN shadow_last AS repeated ON repeated.id = {_ABOUT} AND repeated.is_repeated
            ORDER BY repeated.id, word.sequence, word.position DESC
        ) AS words
        WINDOW story AS (PARTITION BY id ORDER BY sequence)
    ) AS runs
    GROUP BY id
) AS run
WHERE last.id = run.id AND last.position <> run.position
"""

# What people and programs decided: the last value that a change in force gave.
_DECIDED = """
CREATE TEMPORARY TABLE shadow_decided ON COMMIT DROP AS
SELECT id,
       max(after) FILTER (WHERE field = 'counterparty_enriched') AS counterparty_enriched,
       max(after) FILTER (WHERE field = 'counterparty_user') AS counterparty_user,
       max(after) FILTER (WHERE field = 'category_enriched')::uuid AS category_enriched,
       max(after) FILTER (WHERE field = 'category_user')::uuid AS category_user,
       max(after) FILTER (WHERE field = 'note') AS note,
       max(after) FILTER (WHERE field = 'reviewed_at')::timestamptz AS reviewed_at,
       max(after) FILTER (WHERE field = 'duplicate_of_id')::uuid AS duplicate_of_id
FROM (
    SELECT DISTINCT ON (change.transaction_id, change.field)
           change.transaction_id AS id, change.field, change.after
    FROM field_changes AS change
    JOIN change_sets AS made
      ON made.household_id = change.household_id AND made.id = change.change_set_id
    WHERE change.household_id = %(household_id)s
      AND made.undone_by IS NULL AND made.kind NOT IN ('undo', 'redo')
      AND change.field IN (
          'counterparty_enriched', 'counterparty_user', 'category_enriched', 'category_user',
          'note', 'reviewed_at', 'duplicate_of_id')
    ORDER BY change.transaction_id, change.field, made.sequence DESC
) AS decision
GROUP BY id
"""

_ROWS = """
CREATE TEMPORARY TABLE shadow_rows ON COMMIT DROP AS
SELECT row.id, row.account_id, coalesce(word.withdrawn, true) AS removed,
       word.journal_page_id IS NOT NULL AS is_told,
       word.date, word.authorized_date, word.amount, word.currency, word.pending,
       left(word.description, 2000) AS description, word.pending_source_id, word.category_code,
       word.counterparty_source, word.category_source, word.journal_page_id,
       decided.counterparty_enriched, decided.counterparty_user, decided.category_enriched,
       decided.category_user, decided.note, decided.reviewed_at, decided.duplicate_of_id,
       false AS stands_in
FROM transactions AS row
LEFT JOIN shadow_last AS last ON last.id = row.id
LEFT JOIN shadow_words AS word ON word.position = last.position
LEFT JOIN shadow_decided AS decided ON decided.id = row.id
WHERE row.household_id = %(household_id)s
"""

# While the original of some duplicates is removed, the first of them that is not counts for it.
_STAND_INS = """
UPDATE shadow_rows AS row SET stands_in = true
FROM (
    SELECT DISTINCT ON (twin.duplicate_of_id) twin.id
    FROM shadow_rows AS twin
    LEFT JOIN shadow_rows AS original ON original.id = twin.duplicate_of_id
    WHERE twin.duplicate_of_id IS NOT NULL AND NOT twin.removed
      AND coalesce(original.removed, true)
    ORDER BY twin.duplicate_of_id, twin.id
) AS wanted
WHERE row.id = wanted.id
"""

# Of a key, the last word, when it is a record that no row has.
_MISSING = """
CREATE TEMPORARY TABLE shadow_missing ON COMMIT DROP AS
SELECT word.*
FROM shadow_last AS last JOIN shadow_words AS word USING (position)
WHERE NOT last.is_named AND NOT word.withdrawn
"""

_DIFFERENT = """
CREATE TEMPORARY TABLE shadow_different ON COMMIT DROP AS
SELECT row.id,
       CASE WHEN row.removed_at IS NULL AND NOT told.is_told THEN 'invented'
            WHEN row.removed_at IS NULL AND told.removed THEN 'withdrawn'
            WHEN row.removed_at IS NOT NULL AND NOT told.removed THEN 'hidden'
            ELSE 'changed' END AS kind
FROM transactions AS row JOIN shadow_rows AS told ON told.id = row.id
WHERE row.household_id = %(household_id)s
  AND ((row.removed_at IS NOT NULL) <> told.removed
       OR (NOT told.removed AND (
               row.date, row.authorized_date, row.amount, row.currency, row.pending,
               row.description, row.pending_source_id, row.category_code,
               row.counterparty_source, row.category_source, row.journal_page_id)
           IS DISTINCT FROM (
               told.date, told.authorized_date, told.amount, told.currency, told.pending,
               told.description, told.pending_source_id, told.category_code,
               told.counterparty_source, told.category_source, told.journal_page_id))
       OR (row.counterparty_enriched, row.counterparty_user, row.category_enriched,
           row.category_user, row.note, row.reviewed_at, row.duplicate_of_id, row.stands_in)
          IS DISTINCT FROM (
           told.counterparty_enriched, told.counterparty_user, told.category_enriched,
           told.category_user, told.note, told.reviewed_at, told.duplicate_of_id,
           told.stands_in))
"""

_FOLD = (
    _NAMES, _LAST_WORDS, _FIRST_TO_SAY_SO, _DECIDED, _ROWS, _STAND_INS, _MISSING, _DIFFERENT,
)  # fmt: skip

_DIFFERENCES = """
SELECT different.kind, row.id, row.date, row.amount, row.currency, row.description,
       field.name AS field, field.ledger, field.told
FROM shadow_different AS different
JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = different.id
JOIN shadow_rows AS told ON told.id = row.id
LEFT JOIN LATERAL (
    SELECT * FROM (VALUES
        (true, 'date', row.date::text, told.date::text),
        (true, 'authorized_date', row.authorized_date::text, told.authorized_date::text),
        (true, 'amount', trim_scale(row.amount)::text, trim_scale(told.amount)::text),
        (true, 'currency', row.currency, told.currency),
        (true, 'pending', row.pending::text, told.pending::text),
        (true, 'description', row.description, told.description),
        (true, 'pending_source_id', row.pending_source_id, told.pending_source_id),
        (true, 'category_code', row.category_code, told.category_code),
        (true, 'counterparty_source', row.counterparty_source, told.counterparty_source),
        (true, 'category_source', row.category_source::text, told.category_source::text),
        (true, 'journal_page_id', row.journal_page_id::text, told.journal_page_id::text),
        (false, 'counterparty_enriched', row.counterparty_enriched, told.counterparty_enriched),
        (false, 'counterparty_user', row.counterparty_user, told.counterparty_user),
        (false, 'category_enriched', row.category_enriched::text, told.category_enriched::text),
        (false, 'category_user', row.category_user::text, told.category_user::text),
        (false, 'note', row.note, told.note),
        (false, 'reviewed_at', row.reviewed_at::text, told.reviewed_at::text),
        (false, 'duplicate_of_id', row.duplicate_of_id::text, told.duplicate_of_id::text),
        (false, 'stands_in', row.stands_in::text, told.stands_in::text)
    ) AS field (of_source, name, ledger, told)
    WHERE field.ledger IS DISTINCT FROM field.told AND NOT (field.of_source AND told.removed)
) AS field ON different.kind = 'changed'
UNION ALL
SELECT 'missing', NULL, date, amount, currency, description, NULL, NULL, source_id
FROM shadow_missing
LIMIT %(limit)s
"""

_COUNTS = """
SELECT kind, count(*) FROM shadow_different GROUP BY kind
UNION ALL
SELECT 'missing', count(*) FROM shadow_missing HAVING count(*) > 0
"""

_TOTALS_DIFFER = """
WITH shown AS (
    SELECT date, account_id, currency, pending, amount,
           coalesce(category_user, category_enriched, category_source,
                    '00000000-0000-0000-0000-000000000000') AS category_id
    FROM shadow_rows
    WHERE NOT removed AND (duplicate_of_id IS NULL OR stands_in)
), days AS (
    SELECT date, account_id, category_id, currency, pending,
           sum(greatest(amount, 0)) AS money_in, sum(least(amount, 0)) AS money_out,
           count(*) AS count
    FROM shown GROUP BY 1, 2, 3, 4, 5
), months AS (
    SELECT date_trunc('month', date)::date AS month, account_id, category_id, currency, pending,
           sum(money_in) AS money_in, sum(money_out) AS money_out, sum(count) AS count
    FROM days GROUP BY 1, 2, 3, 4, 5
)
SELECT 'daily_totals' AS table, date, account_id, category_id, currency, pending,
       ledger.money_in, ledger.money_out, ledger.count AS row_count,
       days.money_in AS told_in, days.money_out AS told_out, days.count AS told_count
FROM days
FULL JOIN (SELECT * FROM daily_totals WHERE household_id = %(household_id)s) AS ledger
    USING (date, account_id, category_id, currency, pending)
WHERE (ledger.money_in, ledger.money_out, ledger.count)
      IS DISTINCT FROM (days.money_in, days.money_out, days.count)
UNION ALL
SELECT 'monthly_totals', month, account_id, category_id, currency, pending,
       ledger.money_in, ledger.money_out, ledger.count AS row_count,
       months.money_in, months.money_out, months.count
FROM months
FULL JOIN (SELECT * FROM monthly_totals WHERE household_id = %(household_id)s) AS ledger
    USING (month, account_id, category_id, currency, pending)
WHERE (ledger.money_in, ledger.money_out, ledger.count)
      IS DISTINCT FROM (months.money_in, months.money_out, months.count)
"""


class Difference(NamedTuple):
    """One thing of which ledger and journal tell differently."""

    kind: str
    """`missing`: the journal has it, the ledger does not; `invented`: the other way round;
    `withdrawn`: the source took it back, the ledger shows it; `hidden`: the other way round;
    `changed`: a field has another value."""
    id: UUID | None
    date: dt.date | None
    amount: Decimal | None
    currency: str | None
    description: str | None
    field: str | None
    ledger: str | None
    told: str | None
    """What the journal and the decisions of people come to; of a missing row its source id."""


class TotalDifference(NamedTuple):
    """A total that is not the sum of its rows."""

    table: str
    date: dt.date
    account_id: UUID
    category_id: UUID
    currency: str
    pending: bool
    money_in: Decimal | None
    money_out: Decimal | None
    row_count: int | None
    told_in: Decimal | None
    told_out: Decimal | None
    told_count: int | None


def take_time(session: Session) -> None:
    """Prepare the transaction for long statements over many rows."""
    with driver(session).cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', '0', true),"
            " set_config('idle_in_transaction_session_timeout', '0', true),"
            " set_config('work_mem', %s, true)",
            [WORK_MEMORY],
        )


def begin(session: Session) -> None:
    """Make room for words."""
    with driver(session).cursor() as cursor:
        cursor.execute(_CREATE_WORDS.encode())


def add_words(session: Session, sequence: int, numbered: Iterable[tuple[int, Word]]) -> None:
    """Store numbered words of one change set."""
    with driver(session).cursor() as cursor, cursor.copy(_COPY_WORDS) as copy:
        copy.set_types(list(_COLUMNS.values()))
        for position, word in numbered:
            copy.write_row(_row(position, sequence, word))


def _row(position: int, sequence: int, word: Word) -> tuple[object, ...]:
    key = (position, sequence, word.source_account_id, word.source_id)
    said = word.record
    if said is None:
        return (*key, True, *(None,) * 10, word.journal_page_id)
    return (
        *key,
        False,
        said.date,
        said.authorized_date,
        said.money.amount,
        said.money.currency,
        said.pending,
        said.description,
        said.pending_source_id,
        said.category_code,
        said.counterparty,
        word.category_id,
        word.journal_page_id,
    )


def compare(session: Session, household_id: UUID) -> dict[str, int]:
    """Make the fold of all words that were added; return how many rows differ, by kind."""
    with driver(session).cursor() as cursor:
        cursor.execute("ANALYZE shadow_words")
        for statement in _FOLD:
            cursor.execute(statement.encode(), {"household_id": household_id})
        return dict(cursor.execute(_COUNTS.encode()).fetchall())


def differences(session: Session, household_id: UUID, *, limit: int) -> list[Difference]:
    """Return what differs, field by field; after `compare`."""
    parameters = {"household_id": household_id, "limit": limit}
    with driver(session).cursor(row_factory=class_row(Difference)) as cursor:
        return cursor.execute(_DIFFERENCES.encode(), parameters).fetchall()


def differing_totals(session: Session, household_id: UUID) -> list[TotalDifference]:
    """Return the totals that are not the sums of the shadow's rows; after `compare`."""
    with driver(session).cursor(row_factory=class_row(TotalDifference)) as cursor:
        return cursor.execute(_TOTALS_DIFFER.encode(), {"household_id": household_id}).fetchall()


class Speaking(NamedTuple):
    """A change set in which a source speaks."""

    sequence: int
    kind: str
    sync_run_id: UUID | None
    in_force: bool


_SPEAKING = """
SELECT sequence, kind, sync_run_id, undone_by IS NULL AS in_force
FROM change_sets
WHERE household_id = %(household_id)s AND kind = ANY(%(kinds)s)
ORDER BY sequence
"""


def speaking(session: Session, household_id: UUID) -> list[Speaking]:
    """Return the change sets in which a source speaks, in their order."""
    parameters = {"household_id": household_id, "kinds": list(words.KINDS)}
    with driver(session).cursor(row_factory=class_row(Speaking)) as cursor:
        return cursor.execute(_SPEAKING.encode(), parameters).fetchall()
