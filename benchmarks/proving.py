"""A large household whose journal has every page: the ledger made again from it, and checked."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.domain.records import join_pages
from app.features.accounts import service as accounts
from app.features.changes import service as changes
from app.features.connections import repository
from app.features.connections.service import sync
from app.features.journal import service as journal
from app.features.matching.service.rows import match_changes
from app.features.tieout import service as tieout
from app.features.transactions import service as transactions
from app.providers import registry
from app.providers.plaid.pages import TRANSACTIONS
from benchmarks import extent, generated, households, measuring
from benchmarks.figures import Reading
from benchmarks.households import Household

ROOT = Path(__file__).parent.parent
BATCH_ROWS = 10_000
EDITED_ROWS = 10_000
_COST = re.compile(r"in ([\d.]+) s.*at most (\d+) MB")


def replay_ledger() -> Reading:
    """Rows a second, from the journal to the last comparison, in a process of its own."""
    world = _journaled()
    cost = _run("replay", world.household.id)
    rate = world.rows / cost.seconds
    return Reading(rate, world.rows_a_second, f"{world.rows:,} rows in {cost.text}")


def verify_ledger() -> Reading:
    """Seconds to check all invariants, in a process of its own."""
    world = _journaled()
    cost = _run("verify", world.household.id)
    return Reading(cost.seconds, _read_once(world.household), f"{world.rows:,} rows in {cost.text}")


@dataclass(frozen=True, slots=True)
class World:
    """A household, and how fast its rows were booked."""

    household: Household
    rows: int
    rows_a_second: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command needed."""

    seconds: float
    megabytes: int

    @property
    def text(self) -> str:
        """Return it for the table."""
        return f"{self.seconds:.1f} s, at most {self.megabytes} MB."


@cache
def _journaled() -> World:
    household, rows = households.new_household(), extent.large_rows()
    cursor: str | None = None
    seconds = []
    for number in range(rows // BATCH_ROWS):
        bodies = generated.plaid_pages(household.name, BATCH_ROWS, seed=number)
        started = time.perf_counter()
        cursor = _book(household, bodies, cursor)
        seconds.append(time.perf_counter() - started)
    _edit(household)
    with households.owner() as connection:
        connection.execute("VACUUM (ANALYZE)")  # what autovacuum does within a minute
    return World(household, rows, BATCH_ROWS / measuring.median(seconds))


def _book(household: Household, bodies: Sequence[bytes], cursor: str | None) -> str | None:
    """Journal and book pages as a sync does, and move the Item's cursor; return it."""
    run_id, start, item_id = uuid7(), cursor, household.item_id
    pages = []
    for sequence, body in enumerate(bodies):
        page = registry.decode_page(TRANSACTIONS, body, cursor)
        with household_transaction(household.id) as session:
            page_id = journal.write(
                session,
                household.id,
                kind=page.kind,
                payload=body,
                item_id=item_id,
                sync_run_id=run_id,
                sequence=sequence,
                cursors=(cursor, page.changes.to_cursor),
            )
        pages.append((page_id, page.changes))
        cursor = page.changes.to_cursor
    joined = join_pages(told for _, told in pages)
    with household_transaction(household.id) as session:
        change_set_id = changes.open_change_set(
            session, household.id, kind="sync", sync_run_id=run_id
        )
        keys = accounts.store_accounts(
            session,
            household.id,
            joined.accounts,
            source="plaid",
            item_id=item_id,
            institution_name=None,
            journal_page_id=pages[-1][0],
        )
        applied = transactions.apply_changes(
            session,
            household.id,
            change_set_id,
            joined,
            accounts=keys,
            categories=sync.categories_of(session, household.id, joined),
            pages={row.key: page_id for page_id, told in pages for row in told.upserts},
        )
        assert applied.added == BATCH_ROWS, applied
        match_changes(session, household.id, change_set_id, joined, keys)
        touched = {key.account_id for key in keys.values()}
        tieout.after_booking(session, household.id, touched, has_changes=True)
        run = {"household_id": household.id, "id": run_id, "item_id": item_id, "trigger": "link",
               "state": "done", "started_at": text("now()"), "cursor_before": start,
               "cursor_after": cursor}  # fmt: skip
        repository.insert_sync_run(session, run)
        repository.update_item(session, household.id, item_id, {"cursor": cursor})
    return cursor


def _edit(household: Household) -> None:
    """Let the household say something of many rows."""
    with household_transaction(household.id) as session:
        changes.open_change_set(session, household.id, kind="edit")
        session.execute(
            text(
                "UPDATE transactions SET note = 'seen' WHERE household_id = :household_id AND id IN"
                " (SELECT id FROM transactions WHERE household_id = :household_id LIMIT :rows)"
            ),
            {"household_id": household.id, "rows": EDITED_ROWS},
        )


def _run(command: str, household_id: UUID) -> Cost:
    """Run an operator's command; it must find nothing."""
    program = [sys.executable, "-c", "from app.cli import main; main()"]
    done = subprocess.run(
        [*program, command, "--household", str(household_id)],
        cwd=ROOT, env=os.environ, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found = _COST.search(done.stdout)
    assert found is not None, done.stdout
    return Cost(float(found[1]), int(found[2]))


def _read_once(household: Household) -> float:
    """Return the seconds to read all rows of the household once."""
    with households.owner() as connection:
        statement = "SELECT count(*), sum(amount) FROM transactions WHERE household_id = %s"
        return measuring.timed(lambda: connection.execute(statement, [household.id]).fetchall())
