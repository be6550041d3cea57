"""A booking reads the rows that it names, whatever the statistics say."""

import datetime as dt
from dataclasses import replace

from sqlalchemy import text

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.features.changes import service as changes
from app.features.transactions import apply
from tests.cast import SignedInBrowser
from tests.features.transactions import ledgers

ROWS = 3_000
_READ = text(
    "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))"
    " FROM pg_stat_xact_user_tables WHERE relname LIKE 'transactions%'"
)


def test_a_booking_reads_no_other_rows_of_a_household_younger_than_the_statistics(
    ada: SignedInBrowser,
) -> None:
    ledger = ledgers.open_ledger(ada.household_id)
    days = [dt.date(2026, 1, 1) + dt.timedelta(number % 300) for number in range(ROWS)]
    known = [ledgers.record(f"row {number}", date=day) for number, day in enumerate(days)]
    ledgers.bring(ledger, *known)
    posted = [
        replace(ledgers.record(f"posted {number}"), pending_source_id=f"pending {number}")
        for number in range(20)
    ]

    with household_transaction(ledger.household_id) as session:
        before = session.scalar(_READ)  # what of this connection was not reported yet
        change_set_id = changes.open_change_set(session, ledger.household_id, kind="sync")
        pages = dict.fromkeys((each.key for each in posted), uuid7())
        rows = apply.rows_of(posted, ledger.accounts, ledger.categories, pages)
        counts = apply.upsert(session, ledger.household_id, change_set_id, rows, link_pending=True)
        read = session.scalar(_READ) - before

    assert counts == (20, 0)
    assert read < ROWS / 10
