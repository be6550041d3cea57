"""What imports ask of the ledger: which rows it has of a source."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.core import database
from app.features.transactions.apply import driver


class LedgerRow(NamedTuple):
    """A transaction as its source last reported it."""

    source_id: str
    date: dt.date
    amount: Decimal
    currency: str
    description: str
    pending: bool
    is_removed: bool


_OF_SOURCE = """
SELECT source_id, date, amount, currency, description, pending,
       removed_at IS NOT NULL AS is_removed
FROM transactions
WHERE household_id = %(household_id)s AND source_account_id = %(source_account_id)s
  AND date BETWEEN %(first)s AND %(last)s
ORDER BY date, id
"""

_HAS_ROWS = """
SELECT EXISTS (
    SELECT FROM transactions
    WHERE household_id = %(household_id)s AND source_account_id = %(source_account_id)s
      AND removed_at IS NULL
)
"""

_HAS_ROWS_OF_ACCOUNT = """
SELECT EXISTS (
    SELECT FROM transactions
    WHERE household_id = %(household_id)s AND account_id = %(account_id)s
      AND removed_at IS NULL
)
"""


def lock(session: Session, household_id: UUID) -> None:
    """Be the only writer of the household's ledger until the transaction ends.

    Each statement that writes does the same; this is for those that read first and then write
    a whole file, whose statements may take longer than those of a page.
    """
    with driver(session).cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [str(household_id)])
    database.take_time(session)


def rows_of_source(
    session: Session, household_id: UUID, source_account_id: UUID, first: dt.date, last: dt.date
) -> list[LedgerRow]:
    """Return what a source account reported for these days, removed rows too."""
    parameters = {
        "household_id": household_id,
        "source_account_id": source_account_id,
        "first": first,
        "last": last,
    }
    with driver(session).cursor(row_factory=class_row(LedgerRow)) as cursor:
        return cursor.execute(_OF_SOURCE, parameters).fetchall()


def has_rows(session: Session, household_id: UUID, source_account_id: UUID) -> bool:
    """Tell whether a source account has transactions that are shown."""
    parameters = {"household_id": household_id, "source_account_id": source_account_id}
    return _tell(session, _HAS_ROWS, parameters)


def has_rows_of_account(session: Session, household_id: UUID, account_id: UUID) -> bool:
    """Tell whether a ledger account has transactions that are shown."""
    parameters = {"household_id": household_id, "account_id": account_id}
    return _tell(session, _HAS_ROWS_OF_ACCOUNT, parameters)


def _tell(session: Session, statement: str, parameters: Mapping[str, object]) -> bool:
    with driver(session).cursor() as cursor:
        row = cursor.execute(statement.encode(), parameters).fetchone()
    return bool(row and row[0])
