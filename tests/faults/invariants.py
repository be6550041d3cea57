"""What must be true of a household's ledger whatever happened to the workers (I1 to I8)."""

from collections.abc import Mapping
from uuid import UUID

import psycopg

from app.core.config import settings
from tests.features.connections.streams import Live

_LIVE = """
SELECT t.source_id, s.account_source_id, t.date, t.amount, t.pending
FROM transactions AS t
JOIN source_accounts AS s ON s.household_id = t.household_id AND s.id = t.source_account_id
WHERE t.household_id = %(household_id)s AND t.removed_at IS NULL
"""
_CURSOR = "SELECT cursor FROM items WHERE household_id = %(household_id)s AND id = %(item_id)s"

# Each finds rows that must not be there.
_WRONG = {
    "I4 a day's total is not the sum of its rows": """
        SELECT account_id, date, currency, category_id, pending, sum(amount), sum(count) FROM (
            SELECT account_id, date, currency, category_id, pending,
                   money_in + money_out AS amount, count
            FROM daily_totals WHERE household_id = %(household_id)s
            UNION ALL
            SELECT account_id, date, currency,
                   coalesce(category_id, '00000000-0000-0000-0000-000000000000'), pending,
                   -amount, -1
            FROM transactions WHERE household_id = %(household_id)s AND is_live
        ) AS both_sides
        GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0 OR sum(count) <> 0
    """,
    "I6 change sets have a gap": """
        SELECT count(*), max(sequence) FROM change_sets WHERE household_id = %(household_id)s
        HAVING count(*) <> coalesce(max(sequence), 0)
    """,
    "I6 a booking does not begin where the one before it ended": """
        SELECT id FROM (
            SELECT read.id, read.cursor_before,
                   lag(read.cursor_after) OVER (PARTITION BY item_id ORDER BY sequence) AS ended_at
            FROM sync_runs AS read
            JOIN change_sets AS made
              ON made.household_id = read.household_id AND made.sync_run_id = read.id
             AND made.kind = 'sync'
            WHERE read.household_id = %(household_id)s
        ) AS bookings WHERE cursor_before IS DISTINCT FROM ended_at
    """,
    "I6 a transaction names a change set or a page that is not there": """
        SELECT t.id FROM transactions AS t WHERE t.household_id = %(household_id)s AND (
            NOT EXISTS (SELECT 1 FROM change_sets AS c WHERE c.household_id = t.household_id
                        AND c.id = t.change_set_id)
            OR NOT EXISTS (SELECT 1 FROM journal_pages AS p WHERE p.household_id = t.household_id
                           AND p.id = t.journal_page_id))
    """,
    "I7 a row of another household hangs on this one": """
        SELECT t.id FROM transactions AS t JOIN source_accounts AS s
            ON s.id = t.source_account_id AND s.household_id <> t.household_id
        WHERE t.household_id = %(household_id)s
    """,
}
_AFTER_QUIET = {
    "I8 a run is called running and nobody runs it": """
        SELECT id FROM sync_runs WHERE household_id = %(household_id)s AND state = 'running'
    """,
    "I8 an Item is neither due, nor well, nor set aside": """
        SELECT id FROM items WHERE household_id = %(household_id)s AND unlinked_at IS NULL
        AND next_sync_at IS NULL AND state IN ('good', 'expiring') AND parked_at IS NULL
    """,
}
_NOTES = """
SELECT id, note FROM transactions WHERE household_id = %(household_id)s AND id = ANY(%(ids)s)
"""


class Checker:
    """Looks past the application, as the owner of the database."""

    def __init__(self) -> None:
        url = settings.DATABASE_URL.get_secret_value()
        self._connection = psycopg.connect(url, autocommit=True)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def query(self, statement: str, **parameters: object) -> list[tuple]:
        """Return rows."""
        return self._connection.execute(statement, parameters).fetchall()

    def cursor_of(self, household_id: UUID, item_id: UUID) -> str | None:
        """Return where the ledger says that it stands."""
        [(cursor,)] = self.query(_CURSOR, household_id=household_id, item_id=item_id)
        return cursor

    def ledger_of(self, household_id: UUID) -> Live:
        """Return what the ledger shows."""
        rows = self.query(_LIVE, household_id=household_id)
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}

    def violations(
        self, household_id: UUID, notes: Mapping[UUID, str], *, quiet: bool
    ) -> list[str]:
        """Return what is wrong, in words; `quiet` when nothing is under way."""
        checks = _WRONG | (_AFTER_QUIET if quiet else {})
        found = [
            f"{name}: {rows[:3]}"
            for name, statement in checks.items()
            if (rows := self.query(statement, household_id=household_id))
        ]
        kept = dict(self.query(_NOTES, household_id=household_id, ids=list(notes)))
        lost = {row_id for row_id, note in notes.items() if kept.get(row_id) != note}
        return found + ([f"I5 edits were lost: {sorted(map(str, lost))[:3]}"] if lost else [])
