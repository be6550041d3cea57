"""SQL of whose word each row of a change set follows: `held_rows`, a table of the transaction.

A change set may have a million rows. They stay in the database: what is read from the journal
comes to them in parts, and what is asked of them is asked there.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.features.transactions.apply import driver

SPEAKING = ("sync", "import", "replay")
"""Kinds of change sets that say what a source says."""
WORD_FIELDS = (
    "date", "authorized_date", "amount", "currency", "pending", "description",
    "pending_source_id", "category_code", "counterparty_source", "category_source",
    "removed_at", "journal_page_id",
)  # fmt: skip
"""What one word of a source decides, all at once."""
SAID = WORD_FIELDS[:-2]
"""What it says of a row that it does not withdraw."""
Spoken = tuple[UUID, str, UUID]
"""Source account and source id, and the journal page that speaks of it."""
PART_KEYS = 10_000


class Loose(NamedTuple):
    """Rows of which a change set that left no trace may have the last word."""

    source_account_ids: list[UUID]
    since: int
    """It came after this number."""


class Speaker(NamedTuple):
    """A change set whose source may have spoken of some accounts."""

    id: UUID
    sequence: int
    kind: str
    sync_run_id: UUID


SETS = """
sets AS (
    SELECT id, sequence, kind,
           CASE WHEN id = %(target)s THEN %(in_force)s ELSE undone_by IS NULL END AS in_force
    FROM change_sets WHERE household_id = %(household_id)s
)
"""

# `holder`: the last change set in force that said what the row's source says, by number; none if no
# word in force is left. `first`: the first of the words in force before it, without another one in
# between, that said the same: its page is the row's, as booking leaves alone what says the same.
# `page_id`: that page, if `first` wrote nothing because the ledger said so already. `since`: the
# first one that wrote what the source says, and is out of force or an undo; of those after it some
# may have said so without a trace. `held_words`: of such rows, each word in force.
_CREATE = """
CREATE TEMPORARY TABLE IF NOT EXISTS held_rows (
    id uuid PRIMARY KEY, source_account_id uuid, source_id text, holder bigint, first bigint,
    since bigint, page_id uuid
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS held_words (
    id uuid, sequence bigint, page_id uuid, PRIMARY KEY (id, sequence)
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS held_names (
    id uuid, source_account_id uuid, source_id text, first bigint, until bigint
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS spoken_keys (
    source_account_id uuid, source_id text, page_id uuid, position bigserial
) ON COMMIT DELETE ROWS;
TRUNCATE held_rows, held_words, held_names, spoken_keys
"""

# Of a household that came since the statistics were made the planner expects one row, and compares
# all with all; without nested loops it reads each table once.
_EXPECTED = "EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE household_id = %(household_id)s"
_FOUND = """
SELECT count(*) FROM (
    SELECT FROM {table} WHERE household_id = %(household_id)s LIMIT %(limit)s
) AS found
"""
_STALE_TIMES = 10
_STALE_ROWS = 10_000

_TOUCH = f"""
WITH {SETS}, spoken AS MATERIALIZED (
    SELECT DISTINCT source_account_id, source_id FROM spoken_keys
), touched AS MATERIALIZED (
    SELECT transaction_id AS id FROM field_changes
    WHERE household_id = %(household_id)s AND change_set_id = %(target)s
    UNION
    SELECT id FROM transactions
    WHERE household_id = %(household_id)s AND change_set_id = %(target)s
    UNION
    SELECT row.id FROM spoken JOIN transactions AS row USING (source_account_id, source_id)
    WHERE row.household_id = %(household_id)s
    UNION
    SELECT change.id FROM (
        SELECT transaction_id AS id, before AS source_id FROM field_changes
        WHERE household_id = %(household_id)s AND field = 'source_id'
        UNION ALL
        SELECT transaction_id, after FROM field_changes
        WHERE household_id = %(household_id)s AND field = 'source_id'
    ) AS change JOIN spoken USING (source_id)
), rows AS MATERIALIZED (
    SELECT row.id, row.source_account_id, row.source_id, row.change_set_id
    FROM touched JOIN transactions AS row USING (id)
    WHERE row.household_id = %(household_id)s
), writers AS (
    SELECT rows.id, sets.sequence, sets.in_force
    FROM rows JOIN sets ON sets.id = rows.change_set_id
    UNION
    SELECT rows.id, sets.sequence, sets.in_force AND sets.kind = ANY(%(speaking)s)
    FROM rows JOIN field_changes AS change ON change.household_id = %(household_id)s
         AND change.transaction_id = rows.id
    JOIN sets ON sets.id = change.change_set_id
    WHERE change.field = ANY(%(word_fields)s)
), held AS (
    SELECT id, max(sequence) FILTER (WHERE in_force) AS holder,
           min(sequence) FILTER (WHERE NOT in_force) AS since
    FROM writers GROUP BY id
), words AS (
    INSERT INTO held_words
    SELECT id, sequence FROM writers JOIN held USING (id) WHERE in_force AND since IS NOT NULL
)
INSERT INTO held_rows
SELECT rows.id, rows.source_account_id, rows.source_id, held.holder, held.holder, held.since
FROM held JOIN rows USING (id)
"""

_LOOSE = """
SELECT array_agg(DISTINCT source_account_id) AS source_account_ids, min(since) AS since
FROM held_rows WHERE since IS NOT NULL HAVING count(*) > 0
"""

# Under which name a source spoke of a row, and when.
_NAME = """
WITH former AS (
    SELECT row.id, row.source_account_id, change.before AS source_id,
           coalesce(lag(set.sequence) OVER each, 0) AS first, set.sequence AS until
    FROM held_rows AS row
    JOIN field_changes AS change
      ON change.household_id = %(household_id)s AND change.transaction_id = row.id
    JOIN change_sets AS set
      ON set.household_id = %(household_id)s AND set.id = change.change_set_id
    WHERE row.since IS NOT NULL AND change.field = 'source_id'
    WINDOW each AS (PARTITION BY row.id ORDER BY set.sequence)
)
INSERT INTO held_names
TABLE former
UNION ALL
SELECT row.id, row.source_account_id, row.source_id, coalesce(last.until, 0), NULL
FROM held_rows AS row
LEFT JOIN (SELECT id, max(until) AS until FROM former GROUP BY id) AS last USING (id)
WHERE row.since IS NOT NULL
"""

_HEAR = """
WITH said AS (
    SELECT DISTINCT ON (source_account_id, source_id) source_account_id, source_id, page_id
    FROM spoken_keys ORDER BY source_account_id, source_id, position DESC
)
INSERT INTO held_words
SELECT row.id, %(sequence)s, said.page_id
FROM held_rows AS row JOIN held_names AS name USING (id)
JOIN said ON said.source_account_id = name.source_account_id AND said.source_id = name.source_id
WHERE row.since < %(sequence)s
  AND name.first <= %(sequence)s AND (name.until IS NULL OR name.until > %(sequence)s)
ON CONFLICT DO NOTHING
"""

# What a word said is what the ledger said right after it. Of a removed row the rest is the same.
_SETTLE = f"""
WITH {SETS}, told AS MATERIALIZED (
    SELECT * FROM held_words JOIN (
        SELECT id FROM held_words GROUP BY id HAVING count(*) > 1 OR count(page_id) > 0
    ) AS several USING (id)
), before AS (
    SELECT DISTINCT ON (told.id, told.sequence, change.field)
           told.id, told.sequence, change.field, change.before
    FROM told JOIN field_changes AS change ON change.household_id = %(household_id)s
         AND change.transaction_id = told.id
    JOIN sets ON sets.id = change.change_set_id AND sets.sequence > told.sequence
    WHERE change.field = ANY(%(word_fields)s)
    ORDER BY told.id, told.sequence, change.field, sets.sequence
), later AS (
    SELECT id, sequence, jsonb_object_agg(field, before) AS doc FROM before GROUP BY id, sequence
), words AS (
    SELECT told.*, CASE WHEN was.removed_at IS NULL
                        THEN jsonb_build_array({", ".join(f"was.{name}" for name in SAID)}) END
                   AS said
    FROM told JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = told.id
    LEFT JOIN later ON later.id = told.id AND later.sequence = told.sequence
    CROSS JOIN LATERAL jsonb_populate_record(row, coalesce(later.doc, '{{}}')) AS was
), runs AS (
    SELECT id, sequence, page_id,
           lag(id) OVER story IS NULL OR said IS DISTINCT FROM lag(said) OVER story AS begins
    FROM words WINDOW story AS (PARTITION BY id ORDER BY sequence)
), settled AS (
    SELECT id, max(sequence) AS holder, max(sequence) FILTER (WHERE begins) AS first
    FROM runs GROUP BY id
)
UPDATE held_rows AS row
SET holder = settled.holder, first = settled.first, page_id = word.page_id
FROM settled JOIN held_words AS word ON word.id = settled.id AND word.sequence = settled.first
WHERE row.id = settled.id
"""

_SPEAKERS = f"""
WITH {SETS}
SELECT set.id, set.sequence, set.kind, set.sync_run_id
FROM change_sets AS set JOIN sets USING (id)
WHERE set.household_id = %(household_id)s
  AND (%(ever_undone)s AND EXISTS (
          SELECT FROM change_sets AS undo
          WHERE undo.household_id = %(household_id)s AND undo.kind = 'undo'
            AND undo.target_id = set.id)
    OR NOT %(ever_undone)s AND sets.in_force)
  AND set.kind IN ('sync', 'import') AND set.sync_run_id IS NOT NULL
  AND (%(ever_undone)s OR coalesce((set.counts->>'repeated')::bigint, 1) > 0)
  AND set.sequence > %(after)s AND set.id IS DISTINCT FROM %(but)s
  AND (EXISTS (SELECT FROM sync_runs AS run JOIN source_accounts AS account
               ON account.household_id = run.household_id AND account.item_id = run.item_id
               WHERE run.household_id = %(household_id)s AND run.id = set.sync_run_id
                 AND account.id = ANY(%(source_account_ids)s))
    OR EXISTS (SELECT FROM imports AS file JOIN source_accounts AS account
               ON account.household_id = file.household_id AND account.source = file.format
                  AND account.item_id IS NULL
               WHERE file.household_id = %(household_id)s AND file.id = set.sync_run_id
                 AND account.id = ANY(%(source_account_ids)s)))
ORDER BY set.sequence DESC
"""


def begin(session: Session, household_id: UUID) -> None:
    """Make the tables, or empty them; see to it that the transaction's joins end in time."""
    with driver(session).cursor() as cursor:
        cursor.execute(_CREATE.encode())
        if any(_is_stale(cursor, household_id, each) for each in ("transactions", "field_changes")):
            cursor.execute("SET LOCAL enable_nestloop = off")


def _is_stale(cursor: psycopg.Cursor, household_id: UUID, table: str) -> bool:
    """Tell whether a household has far more rows of a table than the planner expects."""
    parameters = {"household_id": household_id, "limit": _STALE_ROWS}
    # nosemgrep: text-in-sql - a table that begin() names
    [[plan]] = cursor.execute(_EXPECTED.format(table=table).encode(), parameters).fetchall()
    # nosemgrep: text-in-sql - a table that begin() names
    [[found]] = cursor.execute(_FOUND.format(table=table).encode(), parameters).fetchall()
    expected = int(plan[0]["Plan"]["Plan Rows"])
    return int(found) >= _STALE_ROWS // _STALE_TIMES and expected * _STALE_TIMES < int(found)


def speak(session: Session, said: Iterable[Spoken]) -> None:
    """Take down of which keys a change set speaks, instead of those of another one."""
    with driver(session).cursor() as cursor:
        cursor.execute("TRUNCATE spoken_keys")
    keys = iter(said)
    # In parts, for reading them asks the database too, which a COPY has to itself.
    while part := list(islice(keys, PART_KEYS)):
        with (
            driver(session).cursor() as cursor,
            cursor.copy("COPY spoken_keys (source_account_id, source_id, page_id) FROM STDIN") as c,
        ):
            for key in part:
                c.write_row(key)


def spoken_accounts(session: Session) -> list[UUID]:
    """Return the source accounts of the keys that were taken down."""
    with driver(session).cursor() as cursor:
        rows = cursor.execute("SELECT DISTINCT source_account_id FROM spoken_keys")
        return [row[0] for row in rows]


def touch(session: Session, household_id: UUID, target: UUID, *, in_force: bool) -> None:
    """Hold the rows of a change set, were it in force or not, and of the keys taken down."""
    parameters = {
        "household_id": household_id,
        "target": target,
        "in_force": in_force,
        "speaking": list(SPEAKING),
        "word_fields": list(WORD_FIELDS),
    }
    with driver(session).cursor() as cursor:
        cursor.execute(_TOUCH.encode(), parameters)
        cursor.execute("ANALYZE held_rows")


def loose(session: Session) -> Loose | None:
    """Return what is known of the rows whose last word may have left no trace."""
    with driver(session).cursor(row_factory=class_row(Loose)) as cursor:
        return cursor.execute(_LOOSE).fetchone()


def name(session: Session, household_id: UUID) -> None:
    """Find out which loose row had which name at its source, and when."""
    with driver(session).cursor() as cursor:
        cursor.execute(_NAME.encode(), {"household_id": household_id})
        cursor.execute("ANALYZE held_names")


def hear(session: Session, sequence: int) -> None:
    """Take down that change set `sequence` spoke of loose rows, whose names are known."""
    with driver(session).cursor() as cursor:
        cursor.execute(_HEAR.encode(), {"sequence": sequence})


def settle(session: Session, household_id: UUID, target: UUID, *, in_force: bool) -> None:
    """Let loose rows follow the words that were taken down."""
    parameters = {
        "household_id": household_id,
        "target": target,
        "in_force": in_force,
        "word_fields": [*SAID, "removed_at"],
    }
    with driver(session).cursor() as cursor:
        cursor.execute("ANALYZE held_words")
        cursor.execute(_SETTLE.encode(), parameters)


def speakers(
    session: Session,
    household_id: UUID,
    target: UUID,
    source_account_ids: Iterable[UUID],
    *,
    in_force: bool,
    ever_undone: bool = False,
    after: int = 0,
    but: UUID | None = None,
) -> list[Speaker]:
    """Return who may have spoken of some accounts, the latest first.

    Of those in force, were `target` in force or not, that repeated anything; with `ever_undone` of
    those that were undone at some time, in force again or not.
    """
    parameters = {
        "household_id": household_id,
        "target": target,
        "in_force": in_force,
        "source_account_ids": list(source_account_ids),
        "ever_undone": ever_undone,
        "after": after,
        "but": but,
    }
    with driver(session).cursor(row_factory=class_row(Speaker)) as cursor:
        return cursor.execute(_SPEAKERS.encode(), parameters).fetchall()
