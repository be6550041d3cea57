"""An account with a gap is examined without reading its whole past."""

import datetime as dt

from sqlalchemy import text

from app.core import database
from app.core.database import household_transaction
from app.core.ids import uuid7
from app.features.tieout import repository
from app.features.tieout.repository import Window
from tests.cast import SignedInBrowser
from tests.features.transactions import ledgers

PAST = 3_000
FIRST_DAY = dt.date(2016, 1, 1)
OPENED = dt.date(2026, 11, 2)
_READ = text(
    "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))"
    " FROM pg_stat_xact_user_tables WHERE relname LIKE 'transactions%'"
)


def test_of_a_long_past_only_what_changed_is_read(ada: SignedInBrowser) -> None:
    ledger = ledgers.open_ledger(ada.household_id)
    days = [FIRST_DAY + dt.timedelta(number) for number in range(PAST)]
    ledgers.bring(ledger, *(ledgers.record(f"past {day}", date=day) for day in days))
    ledgers.bring(ledger, ledgers.record("set aside before", date=OPENED))
    ledgers.bring(ledger, removed=["set aside before"])
    since = uuid7()
    ledgers.bring(ledger, ledgers.record("now", date=OPENED))
    ledgers.bring(ledger, ledgers.record(f"past {days[7]}", "-2.00", date=days[7]))
    ledgers.bring(ledger, removed=[f"past {days[9]}"])
    near = dt.timedelta(days=10)
    window = Window(
        ledger.accounts["checking"].account_id, "USD", first=OPENED + near, last=OPENED + 2 * near,
        near_since=uuid7(), opening_first=OPENED - near, opening_last=OPENED + near, since=since,
        limit=100,
    )  # fmt: skip

    with database.engine.connect() as connection:
        # As of any household with a long past; of one that they do not know yet they expect a row.
        connection.exec_driver_sql("ANALYZE transactions, field_changes")
        connection.commit()

    with household_transaction(ledger.household_id) as session:
        before = session.scalar(_READ)  # what of this connection was not reported yet
        rows, changes = repository.rows(session, ledger.household_id, window)
        read = session.scalar(_READ) - before

    assert read < PAST / 10
    assert [row.date for row in rows] == [OPENED, days[9], days[7]]
    assert {change.field for change in changes} == {"amount", "removed_at"}
