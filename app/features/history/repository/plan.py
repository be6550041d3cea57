"""SQL of undoing: what the fold says of the rows of one change set, with and without it.

`before` of the first change after a moment is the value at that moment, so that a value at any
time is one look at `field_changes`, whatever was undone and redone since.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.features.history.repository.held import SETS, WORD_FIELDS
from app.features.transactions.apply import driver

OTHER_FIELDS = (
    "source_id", "duplicate_of_id", "counterparty_enriched", "counterparty_user",
    "category_enriched", "category_user", "note", "reviewed_at",
)  # fmt: skip
"""What is decided field by field."""
_FIELDS = WORD_FIELDS + OTHER_FIELDS
Row = TypeVar("Row")
PART_ROWS = 20_000


class Obstacle(NamedTuple):
    """A change set that stands in the way."""

    change_set_id: UUID
    transaction_id: UUID


class Effect(NamedTuple):
    """What a plan does to the sums of one currency."""

    currency: str
    amount: Decimal
    removed: int
    restored: int
    changed: int


_CREATE = """
CREATE TEMPORARY TABLE IF NOT EXISTS planned_rows (id uuid PRIMARY KEY, doc jsonb NOT NULL)
ON COMMIT DELETE ROWS
"""
_SAME = ", ".join(f"row.{name}" for name in _FIELDS), ", ".join(f"after.{name}" for name in _FIELDS)
_AFTER = """
planned_rows AS planned
JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = planned.id
CROSS JOIN LATERAL jsonb_populate_record(row, planned.doc) AS after
"""
_STAGE = f"""
WITH {SETS}, touched AS MATERIALIZED (
    SELECT id FROM held_rows
    UNION
    SELECT transaction_id FROM field_changes
    WHERE household_id = %(household_id)s AND change_set_id = %(target)s
), changes AS MATERIALIZED (
    SELECT touched.id, change.field, change.before, sets.sequence, sets.kind, sets.in_force,
           change.change_set_id
    FROM touched JOIN field_changes AS change ON change.household_id = %(household_id)s
         AND change.transaction_id = touched.id
    JOIN sets ON sets.id = change.change_set_id
), words AS (
    SELECT DISTINCT ON (id, field) id, field, to_jsonb(before) AS value
    FROM held_rows JOIN changes USING (id)
    WHERE first IS NOT NULL AND sequence > first AND field = ANY(%(word_fields)s)
      AND NOT (page_id IS NOT NULL AND field = 'journal_page_id')
    ORDER BY id, field, sequence
), pages AS (
    SELECT id, 'journal_page_id', to_jsonb(page_id) FROM held_rows WHERE page_id IS NOT NULL
), silence AS (
    SELECT row.id, 'removed_at', to_jsonb(now())
    FROM held_rows AS held
    JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = held.id
    WHERE held.holder IS NULL AND row.removed_at IS NULL
), decided AS (
    SELECT id, field,
           coalesce(max(sequence) FILTER (WHERE in_force AND kind NOT IN ('undo', 'redo')), 0)
               AS holder
    FROM changes
    WHERE field = ANY(%(other_fields)s)
    GROUP BY id, field HAVING bool_or(change_set_id = %(target)s)
), decisions AS (
    SELECT DISTINCT ON (id, field) id, field, to_jsonb(before)
    FROM decided JOIN changes USING (id, field)
    WHERE sequence > holder
    ORDER BY id, field, sequence
), planned AS (
    SELECT id, jsonb_object_agg(field, value) AS doc
    FROM (TABLE words UNION ALL TABLE pages UNION ALL TABLE silence UNION ALL TABLE decisions)
         AS said (id, field, value)
    GROUP BY id
)
INSERT INTO planned_rows
SELECT planned.id, planned.doc
FROM planned JOIN transactions AS row
    ON row.household_id = %(household_id)s AND row.id = planned.id
CROSS JOIN LATERAL jsonb_populate_record(row, planned.doc) AS after
WHERE ({_SAME[0]}) IS DISTINCT FROM ({_SAME[1]})
"""

# By themselves first: beside a function of each row, the row to write would be searched by a loop.
_WRITE = f"""
WITH after AS MATERIALIZED (
    SELECT after.* FROM {_AFTER} WHERE planned.id > %(after)s AND planned.id <= %(last)s
)
UPDATE transactions AS row
SET {", ".join(f"{name} = after.{name}" for name in _FIELDS)}, updated_at = now()
FROM after
WHERE row.household_id = %(household_id)s AND row.id = after.id
"""
_PART = """
SELECT id FROM (
    SELECT id FROM planned_rows WHERE id > %(after)s ORDER BY id LIMIT %(rows)s
) AS part ORDER BY id DESC LIMIT 1
"""

# A duplicate counts while it stands in for what is removed, so neither side of it is one here.
_EFFECTS = f"""
SELECT row.currency,
       coalesce(sum(CASE WHEN after.removed_at IS NULL AND after.duplicate_of_id IS NULL
                         THEN after.amount END), 0)
     - coalesce(sum(CASE WHEN row.is_live THEN row.amount END), 0) AS amount,
       count(*) FILTER (WHERE row.removed_at IS NULL AND after.removed_at IS NOT NULL) AS removed,
       count(*) FILTER (WHERE row.removed_at IS NOT NULL AND after.removed_at IS NULL) AS restored,
       count(*) FILTER (WHERE (row.removed_at IS NULL) = (after.removed_at IS NULL)) AS changed
FROM {_AFTER}
GROUP BY row.currency ORDER BY count(*) DESC, row.currency
"""

_SAMPLE = f"""
SELECT to_jsonb(row) AS before, to_jsonb(row) || newest.doc AS after
FROM (
    SELECT row.id, planned.doc FROM {_AFTER}
    ORDER BY row.date DESC, row.id DESC LIMIT %(limit)s
) AS newest
JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = newest.id
ORDER BY row.date DESC, row.id DESC
"""

# Rows that get another name are few, which the planner cannot know: they are looked at first.
_RENAMED = """
renamed AS MATERIALIZED (
    SELECT row.id, row.source_account_id, planned.doc->>'source_id' AS source_id
    FROM planned_rows AS planned
    JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = planned.id
    WHERE planned.doc->>'source_id' <> row.source_id
)
"""

# The name that a row would get is in use: a later change set brought it as a row of its own.
_TAKEN = f"""
WITH {_RENAMED}
SELECT other.change_set_id, other.id AS transaction_id
FROM renamed JOIN transactions AS other ON other.household_id = %(household_id)s
    AND other.source_account_id = renamed.source_account_id
    AND other.source_id = renamed.source_id AND other.id <> renamed.id
LIMIT 1
"""

# Later words were said under the name that a row would lose.
_NAMED_SINCE = f"""
WITH {_RENAMED}
SELECT set.id AS change_set_id, renamed.id AS transaction_id
FROM renamed
JOIN held_rows AS held ON held.id = renamed.id
JOIN change_sets AS set ON set.household_id = %(household_id)s AND set.sequence = held.holder
WHERE held.holder > %(sequence)s LIMIT 1
"""

# A duplicate names a row that is none itself.
_PAIRED = """
WITH settled AS (
    SELECT id, true AS is_planned, (doc->>'duplicate_of_id')::uuid AS duplicate_of_id
    FROM planned_rows WHERE doc ? 'duplicate_of_id'
    UNION ALL
    SELECT row.id, planned.id IS NOT NULL, row.duplicate_of_id
    FROM transactions AS row LEFT JOIN planned_rows AS planned USING (id)
    WHERE row.household_id = %(household_id)s AND row.duplicate_of_id IS NOT NULL
      AND (planned.doc ? 'duplicate_of_id') IS NOT TRUE
)
SELECT set.id AS change_set_id, one.id AS transaction_id
FROM settled AS one
JOIN settled AS other ON other.id = one.duplicate_of_id AND other.duplicate_of_id IS NOT NULL
JOIN field_changes AS change ON change.household_id = %(household_id)s
    AND change.transaction_id IN (one.id, other.id) AND change.field = 'duplicate_of_id'
JOIN change_sets AS set ON set.household_id = %(household_id)s AND set.id = change.change_set_id
WHERE (one.is_planned OR other.is_planned) AND set.undone_by IS NULL
  AND set.sequence <> %(sequence)s AND set.kind NOT IN ('undo', 'redo')
ORDER BY set.sequence DESC LIMIT 1
"""

_REREAD = """
SELECT set.id AS change_set_id, touched.id AS transaction_id
FROM change_sets AS set
JOIN held_rows AS touched ON EXISTS (
        SELECT FROM field_changes AS change
        WHERE change.household_id = %(household_id)s AND change.change_set_id = set.id
          AND change.transaction_id = touched.id)
    OR EXISTS (
        SELECT FROM transactions AS row
        WHERE row.household_id = %(household_id)s AND row.id = touched.id
          AND row.change_set_id = set.id)
WHERE set.household_id = %(household_id)s AND set.kind = 'replay' AND set.undone_by IS NULL
  AND set.sequence > %(sequence)s
ORDER BY set.sequence DESC LIMIT 1
"""


def stage(session: Session, household_id: UUID, target: UUID, *, in_force: bool) -> None:
    """Put what the fold says of the rows that are held into `planned_rows`, if it is news."""
    parameters = {
        "household_id": household_id,
        "target": target,
        "in_force": in_force,
        "word_fields": list(WORD_FIELDS),
        "other_fields": list(OTHER_FIELDS),
    }
    with driver(session).cursor() as cursor:
        cursor.execute(_CREATE.encode())
        cursor.execute("TRUNCATE planned_rows")
        cursor.execute(_STAGE.encode(), parameters)
        cursor.execute("ANALYZE planned_rows")


def write(session: Session, household_id: UUID) -> None:
    """Write what is planned, as many rows at once as one statement writes in a few seconds."""
    after = UUID(int=0)
    with driver(session).cursor() as cursor:
        # As when booking: each change's foreign keys are statements too.
        cursor.execute("SET LOCAL plan_cache_mode = auto")
        while last := cursor.execute(_PART, {"after": after, "rows": PART_ROWS}).fetchone():
            part = {"household_id": household_id, "after": after, "last": last[0]}
            cursor.execute(_WRITE.encode(), part)
            after = last[0]


def effects(session: Session, household_id: UUID) -> list[Effect]:
    """Return what the plan does to the sums, by currency."""
    return _fetch(session, Effect, _EFFECTS, {"household_id": household_id})


def sample(
    session: Session, household_id: UUID, *, limit: int
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the newest planned rows, before and after, as mappings of columns."""
    with driver(session).cursor() as cursor:
        parameters = {"household_id": household_id, "limit": limit}
        return list(cursor.execute(_SAMPLE.encode(), parameters))


def obstacle(session: Session, household_id: UUID, sequence: int) -> tuple[str, Obstacle] | None:
    """Return what stands in the way of the plan for change set `sequence`, and how."""
    parameters = {"household_id": household_id, "sequence": sequence}
    for how, statement in _OBSTACLES.items():
        found = _fetch(session, Obstacle, statement, parameters)
        if found:
            return how, found[0]
    return None


_OBSTACLES = {
    "reread": _REREAD,
    "named_since": _NAMED_SINCE,
    "taken": _TAKEN,
    "paired": _PAIRED,
}


def _fetch(
    session: Session, kind: type[Row], statement: str, parameters: Mapping[str, object]
) -> list[Row]:
    with driver(session).cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()
