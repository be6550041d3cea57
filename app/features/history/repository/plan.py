"""SQL of undoing: what the fold says of the rows of one change set, with and without it.

`before` of the first change after a moment is the value at that moment, so that a value at any
time is one look at `field_changes`, whatever was undone and redone since.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

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
OTHER_FIELDS = (
    "source_id", "duplicate_of_id", "counterparty_enriched", "counterparty_user",
    "category_enriched", "category_user", "note", "reviewed_at",
)  # fmt: skip
"""What is decided field by field."""
_FIELDS = WORD_FIELDS + OTHER_FIELDS
Row = TypeVar("Row")


class Touched(NamedTuple):
    """A transaction that a change set spoke of, and whose word it follows."""

    id: UUID
    source_account_id: UUID
    source_id: str
    holder: int | None
    """The last change set in force that wrote what its source says, by number."""
    since: int | None
    """The first other one that wrote so after it: out of force, or an undo. Whoever said what the
    ledger said then, since then, said something else than the holder."""


class Named(NamedTuple):
    """A transaction that got another source id."""

    id: UUID
    sequence: int
    before: str


class Speaker(NamedTuple):
    """A change set whose source may have spoken of some accounts."""

    id: UUID
    sequence: int
    kind: str
    sync_run_id: UUID


class Held(NamedTuple):
    """Which word a transaction follows."""

    id: UUID
    holder: int | None
    """The change set by number; None if no word in force is left."""
    journal_page_id: UUID | None = None
    """Where it says so, if it wrote nothing because the ledger said so already."""


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


_SETS = """
sets AS (
    SELECT id, sequence, kind,
           CASE WHEN id = %(target)s THEN %(in_force)s ELSE undone_by IS NULL END AS in_force
    FROM change_sets WHERE household_id = %(household_id)s
)
"""

# Tables whose statistics a large import has outrun are looked up row by row (OFFSET 0 keeps the
# planner from making a join of it): what is touched is few beside what is there.
_TOUCHED = f"""
WITH {_SETS}, touched AS MATERIALIZED (
    SELECT transaction_id AS id FROM field_changes
    WHERE household_id = %(household_id)s AND change_set_id = %(target)s
    UNION
    SELECT id FROM transactions
    WHERE household_id = %(household_id)s AND change_set_id = %(target)s
    UNION
    SELECT unnest(%(spoken)s::uuid[])
), rows AS MATERIALIZED (
    SELECT row.* FROM touched CROSS JOIN LATERAL (
        SELECT id, source_account_id, source_id, change_set_id FROM transactions
        WHERE household_id = %(household_id)s AND id = touched.id OFFSET 0
    ) AS row
), writers AS (
    SELECT rows.id, sets.sequence, sets.in_force
    FROM rows JOIN sets ON sets.id = rows.change_set_id
    UNION
    SELECT rows.id, sets.sequence, sets.in_force AND sets.kind = ANY(%(speaking)s)
    FROM rows CROSS JOIN LATERAL (
        SELECT change_set_id FROM field_changes
        WHERE household_id = %(household_id)s AND transaction_id = rows.id
          AND field = ANY(%(word_fields)s) OFFSET 0
    ) AS change
    JOIN sets ON sets.id = change.change_set_id
), held AS (
    SELECT id, holder,
           min(sequence) FILTER (WHERE NOT in_force AND sequence > coalesce(holder, 0)) AS since
    FROM (SELECT id, sequence, in_force,
                 max(sequence) FILTER (WHERE in_force) OVER (PARTITION BY id) AS holder
          FROM writers) AS each
    GROUP BY id, holder
)
SELECT rows.id, rows.source_account_id, rows.source_id, held.holder, held.since
FROM held JOIN rows USING (id)
"""

_NAMED = """
SELECT change.transaction_id AS id, set.sequence, change.before
FROM field_changes AS change
JOIN change_sets AS set ON set.household_id = change.household_id AND set.id = change.change_set_id
WHERE change.household_id = %(household_id)s AND change.field = 'source_id'
  AND change.transaction_id = ANY(%(ids)s)
ORDER BY set.sequence
"""

_SPEAKERS = f"""
WITH {_SETS}
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

_SPOKEN = """
WITH spoken AS MATERIALIZED (
    SELECT * FROM unnest(%(source_account_ids)s::uuid[], %(source_ids)s::text[])
        AS spoken (source_account_id, source_id)
)
SELECT row.id FROM spoken CROSS JOIN LATERAL (
    SELECT id FROM transactions
    WHERE household_id = %(household_id)s AND source_account_id = spoken.source_account_id
      AND source_id = spoken.source_id OFFSET 0
) AS row
UNION
SELECT change.id FROM (
    SELECT transaction_id AS id, before AS source_id FROM field_changes
    WHERE household_id = %(household_id)s AND field = 'source_id'
    UNION ALL
    SELECT transaction_id, after FROM field_changes
    WHERE household_id = %(household_id)s AND field = 'source_id'
) AS change JOIN spoken USING (source_id)
"""

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
WITH {_SETS}, touched AS MATERIALIZED (
    SELECT unnest(%(ids)s::uuid[]) AS id
    UNION
    SELECT transaction_id FROM field_changes
    WHERE household_id = %(household_id)s AND change_set_id = %(target)s
), changes AS MATERIALIZED (
    SELECT touched.id, change.field, change.before, sets.sequence, sets.kind, sets.in_force,
           change.change_set_id
    FROM touched CROSS JOIN LATERAL (
        SELECT field, before, change_set_id FROM field_changes
        WHERE household_id = %(household_id)s AND transaction_id = touched.id OFFSET 0
    ) AS change
    JOIN sets ON sets.id = change.change_set_id
), held AS (
    SELECT * FROM unnest(%(ids)s::uuid[], %(holders)s::bigint[], %(page_ids)s::uuid[])
        AS held (id, holder, page_id)
), words AS (
    SELECT DISTINCT ON (id, field) id, field, to_jsonb(before) AS value
    FROM held JOIN changes USING (id)
    WHERE holder IS NOT NULL AND sequence > holder AND field = ANY(%(word_fields)s)
      AND NOT (page_id IS NOT NULL AND field = 'journal_page_id')
    ORDER BY id, field, sequence
), pages AS (
    SELECT id, 'journal_page_id', to_jsonb(page_id) FROM held WHERE page_id IS NOT NULL
), silence AS (
    SELECT row.id, 'removed_at', to_jsonb(now())
    FROM held JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = held.id
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

_WRITE = f"""
UPDATE transactions AS row
SET {", ".join(f"{name} = after.{name}" for name in _FIELDS)}, updated_at = now()
FROM (SELECT after.* FROM {_AFTER}) AS after
WHERE row.household_id = %(household_id)s AND row.id = after.id
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
JOIN unnest(%(ids)s::uuid[], %(holders)s::bigint[]) AS held (id, holder) ON held.id = renamed.id
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
JOIN unnest(%(ids)s::uuid[]) AS touched (id) ON EXISTS (
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


def touched(
    session: Session, household_id: UUID, target: UUID, spoken: Sequence[UUID], *, in_force: bool
) -> list[Touched]:
    """Return the rows of a change set, were it in force or not, and of those it repeated."""
    parameters = {"spoken": list(spoken), "speaking": list(SPEAKING)}
    return _fetch(session, Touched, _TOUCHED, _of(household_id, target, in_force) | parameters)


def named(session: Session, household_id: UUID, ids: Sequence[UUID]) -> list[Named]:
    """Return which of these rows had other source ids, and until when; the earliest first."""
    return _fetch(session, Named, _NAMED, {"household_id": household_id, "ids": list(ids)})


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
        "source_account_ids": list(source_account_ids),
        "ever_undone": ever_undone,
        "after": after,
        "but": but,
    }
    return _fetch(session, Speaker, _SPEAKERS, _of(household_id, target, in_force) | parameters)


def rows_of_keys(
    session: Session, household_id: UUID, keys: Sequence[tuple[UUID, str]]
) -> list[UUID]:
    """Return the rows that have, or had, one of these names."""
    parameters = {
        "household_id": household_id,
        "source_account_ids": [key[0] for key in keys],
        "source_ids": [key[1] for key in keys],
    }
    with driver(session).cursor() as cursor:
        return [row[0] for row in cursor.execute(_SPOKEN.encode(), parameters)]


def stage(
    session: Session, household_id: UUID, target: UUID, held: Sequence[Held], *, in_force: bool
) -> None:
    """Put what the fold says of the rows into the table `planned_rows`, if it is news."""
    parameters = {"page_ids": [row.journal_page_id for row in held]} | _held(held)
    with driver(session).cursor() as cursor:
        cursor.execute(_CREATE.encode())
        cursor.execute("TRUNCATE planned_rows")
        cursor.execute(_STAGE.encode(), _of(household_id, target, in_force) | parameters)
        cursor.execute("ANALYZE planned_rows")


def write(session: Session, household_id: UUID) -> int:
    """Write what is planned; return how many rows that were."""
    with driver(session).cursor() as cursor:
        # As when booking: each change's foreign keys are statements too.
        cursor.execute("SET LOCAL plan_cache_mode = auto")
        cursor.execute(_WRITE.encode(), {"household_id": household_id})
        return cursor.rowcount


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


def obstacle(
    session: Session, household_id: UUID, sequence: int, held: Sequence[Held]
) -> tuple[str, Obstacle] | None:
    """Return what stands in the way of the plan for change set `sequence`, and how."""
    parameters = {"household_id": household_id, "sequence": sequence} | _held(held)
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


def _of(household_id: UUID, target: UUID, in_force: bool) -> dict[str, object]:  # noqa: FBT001
    return {
        "household_id": household_id,
        "target": target,
        "in_force": in_force,
        "word_fields": list(WORD_FIELDS),
        "other_fields": list(OTHER_FIELDS),
    }


def _held(held: Sequence[Held]) -> dict[str, object]:
    return {"ids": [row.id for row in held], "holders": [row.holder for row in held]}


def _fetch(
    session: Session, kind: type[Row], statement: str, parameters: Mapping[str, object]
) -> list[Row]:
    with driver(session).cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(statement.encode(), parameters).fetchall()
