"""Booking batches into the ledger, and booking them again."""

import time
from functools import cache, partial
from itertools import islice
from uuid import UUID

from app.core.ids import uuid7
from app.domain.records import SourceKey, TransactionRecord
from app.features.transactions import apply
from app.features.transactions.service import Applied
from benchmarks import extent, generated, households, measuring
from benchmarks.figures import Reading
from benchmarks.households import Household

PAGE_ROWS = 500
_COLUMNS = f"household_id, change_set_id, {', '.join(apply.COLUMNS)}"
Batch = list[TransactionRecord]


class Floor:
    """Bare COPY of tuples that were rendered before, into the same table, without triggers."""

    def __init__(self, household: Household) -> None:
        self._household = household
        self._connection = households.owner()
        # Leaves the table, its partitions, indexes and checks; switches triggers off.
        self._connection.execute("SET session_replication_role = replica")
        self._connection.execute(
            f"CREATE TEMPORARY TABLE rendered AS SELECT {_COLUMNS} FROM transactions WITH NO DATA"
        )

    def render(self, batch: Batch) -> bytes:
        """Return the batch as COPY reads it."""
        page_id, change_set_id = uuid7(), uuid7()
        rows = apply.rows_of(
            batch,
            self._household.accounts,
            self._household.categories,
            dict.fromkeys((record.key for record in batch), page_id),
        )
        cursor = self._connection.cursor()
        with cursor.copy(f"COPY rendered ({_COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["uuid", "uuid", *apply.COLUMNS.values()])
            for row in rows:
                copy.write_row((self._household.id, change_set_id, *row))
        with cursor.copy("COPY rendered TO STDOUT (FORMAT BINARY)") as copy:
            rendered = b"".join(bytes(part) for part in copy)
        self._connection.execute("TRUNCATE rendered")
        return rendered

    def write(self, rendered: bytes) -> None:
        """Copy a batch into the table and commit."""
        statement = f"COPY transactions ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
        with self._connection.cursor().copy(statement) as copy:
            copy.write(rendered)


@cache
def measure(batch_rows: int) -> tuple[list[float], list[float], list[float]]:
    """Return the seconds of each first apply, replay and floor of batches of that size."""
    turns = extent.rounds(60 if batch_rows <= PAGE_ROWS else 9)
    household, bare = households.new_household(), households.new_household()
    ours = generated.records(household.name, batch_rows * turns, seed=11)
    theirs = generated.records(bare.name, batch_rows * turns, seed=12)
    floor = Floor(bare)
    payload = generated.plaid_pages(household.name, PAGE_ROWS)[0]
    found: tuple[list[float], list[float], list[float]] = ([], [], [])
    for _ in range(turns):
        batch = list(islice(ours, batch_rows))
        rendered = floor.render(list(islice(theirs, batch_rows)))
        found[0].append(measuring.timed(partial(_book, household, batch, payload, batch_rows)))
        found[2].append(measuring.timed(partial(floor.write, rendered)))
        found[1].append(measuring.timed(partial(_book, household, batch, payload, 0)))
    return found


def apply_500() -> Reading:
    """Rows a second when each page is booked by itself."""
    return _rows_a_second(PAGE_ROWS)


def apply_10000() -> Reading:
    """Rows a second when a first sync is booked."""
    return _rows_a_second(10_000)


def replay_500() -> Reading:
    """Milliseconds to book a page that says nothing new."""
    return _replay(PAGE_ROWS)


def replay_10000() -> Reading:
    """Milliseconds to book twenty pages that say nothing new."""
    return _replay(10_000)


def _rows_a_second(batch_rows: int) -> Reading:
    ours, _, floor = measure(batch_rows)
    return Reading(batch_rows / measuring.median(ours), batch_rows / measuring.median(floor))


def _replay(batch_rows: int) -> Reading:
    first, replay, _ = measure(batch_rows)
    return Reading(
        measuring.median(replay) * 1000, measuring.median(first) * 1000, "0 rows were written."
    )


def _book(household: Household, batch: Batch, payload: bytes, added: int) -> None:
    """Do what a sync does with pages that it has read: journal each, then book all at once."""
    pages: dict[SourceKey, UUID] = {}
    for start in range(0, len(batch), PAGE_ROWS):
        page_id = households.write_journal(household, payload)
        pages |= dict.fromkeys((row.key for row in batch[start : start + PAGE_ROWS]), page_id)
    applied = households.book(household, batch, pages)
    assert applied == Applied(added, 0, 0), applied


def copy_cpu_seconds(rows: int) -> float:
    """Return what the floor costs us and the servers for so many rows."""
    bare = households.new_household()
    floor = Floor(bare)
    rendered = floor.render(list(generated.records(bare.name, rows, seed=int(time.time()))))
    return measuring.cpu_of(households.everything, partial(floor.write, rendered))
