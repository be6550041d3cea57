"""Taking back an import of 10,000 rows, beside booking it."""

import csv
import io
import time
from functools import partial
from itertools import islice
from uuid import UUID

from app.core.database import household_transaction
from app.features.changes import service as changes
from app.features.history.service import undo as undoing
from app.features.imports.service import book as booking
from app.features.imports.service.upload import preview
from benchmarks import extent, generated, households, measuring
from benchmarks.figures import Reading
from benchmarks.households import Household

ROWS = 10_000
LEDGER_ROWS = 100_000
REPEATED_ROWS = 100
"""Of which a later file says the same, so that they stay."""


def undo_10000() -> Reading:
    """Processor seconds of undoing such an import; the floor is those of booking it."""
    household = households.new_household()
    households.fill(household, LEDGER_ROWS)
    undone, booked, wall = [], [], []
    for seed in range(extent.rounds(9)):
        whole, part = (_bring(household, seed, count) for count in (ROWS, REPEATED_ROWS))
        booked.append(_cpu(partial(booking.book, household.id, household.user_id, whole)))
        booking.book(household.id, household.user_id, part)
        started = time.perf_counter()
        undone.append(_cpu(partial(_undo, household, whole)))
        wall.append(time.perf_counter() - started)
    notes = f"In a ledger of {LEDGER_ROWS:,} rows; {measuring.median(wall):.2f} s of wall."
    return Reading(measuring.median(undone), measuring.median(booked), notes)


_cpu = partial(measuring.cpu_of, households.everything)


def _bring(household: Household, seed: int, count: int) -> UUID:
    """Upload a file with the first rows of a seed, as yet not booked."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(("Date", "Description", "Amount"))
    rows = islice(generated.records(household.name, ROWS, seed=1_000 + seed), count)
    writer.writerows((row.date, row.description, row.money.amount) for row in rows)
    return preview(household.id, household.user_id, f"{count}.csv", file.getvalue().encode())


def _undo(household: Household, import_id: UUID) -> None:
    with household_transaction(household.id) as session:
        target = booking.change_set_of(session, household.id, import_id)
    undone_by = undoing.undo(household.id, household.user_id, target)
    with household_transaction(household.id) as session:
        removed = changes.counts_of(session, household.id, undone_by)["removed"]
    assert removed == ROWS - REPEATED_ROWS, removed
