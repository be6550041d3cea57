"""What imports ask of the ledger: which rows it has of a source, and taking rows back."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.features.transactions.apply import driver

FILE_STATEMENT_TIMEOUT = "120s"


class LedgerRow(NamedTuple):
    """A transaction as its source last reported it."""

    source_id: str
    date: dt.date
    amount: Decimal
    currency: str
    description: str
    pending: bool
    is_removed: bool


class OtherRow(NamedTuple):
    """A transaction that another source of the same account reported."""

    id: UUID
    date: dt.date
    amount: Decimal
    currency: str


_OF_SOURCE = """
SELECT source_id, date, amount, currency, description, pending,
       removed_at IS NOT NULL AS is_removed
FROM transactions
WHERE household_id = %(household_id)s AND source_account_id = %(source_account_id)s
  AND date BETWEEN %(first)s AND %(last)s
ORDER BY date, id
"""

_OF_OTHERS = """
SELECT id, date, amount, currency
FROM transactions
WHERE household_id = %(household_id)s AND account_id = %(account_id)s AND is_live
  AND source_account_id IS DISTINCT FROM %(source_account_id)s
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

# Rows that come back belong to the change set that brings them back, whose undo removes them.
_ADOPT = """
UPDATE transactions SET change_set_id = %(change_set_id)s
WHERE household_id = %(household_id)s AND source_account_id = %(source_account_id)s
  AND removed_at IS NOT NULL AND source_id = ANY(%(source_ids)s)
"""

_HAND_OVER = """
UPDATE transactions
SET change_set_id = %(change_set_id)s, journal_page_id = %(journal_page_id)s
WHERE household_id = %(household_id)s AND source_account_id = %(source_account_id)s
  AND change_set_id = %(former)s AND removed_at IS NULL AND source_id = ANY(%(source_ids)s)
"""

_TAKE_BACK = """
UPDATE transactions SET removed_at = now(), updated_at = now()
WHERE household_id = %(household_id)s AND source_account_id = ANY(%(source_account_ids)s)
  AND change_set_id = %(change_set_id)s AND removed_at IS NULL
"""

# Names and types of our own columns alone are put into the text.
_RESTORE = """
UPDATE transactions AS row
SET {column} = change.before::{type}, updated_at = now()
FROM field_changes AS change
WHERE change.household_id = %(household_id)s AND change.change_set_id = %(change_set_id)s
  AND change.field = '{column}' AND row.household_id = %(household_id)s
  AND row.id = change.transaction_id AND row.change_set_id <> %(change_set_id)s
  AND {as_text} IS NOT DISTINCT FROM change.after
"""
# As the guard of the table writes them into `field_changes`.
_AS_TEXT = {"amount": "trim_scale(row.amount)::text"}
_RESTORED = {
    "date": "date",
    "authorized_date": "date",
    "amount": "numeric",
    "currency": "text",
    "pending": "boolean",
    "description": "text",
    "counterparty_source": "text",
    "removed_at": "timestamptz",
}


def lock(session: Session, household_id: UUID) -> None:
    """Be the only writer of the household's ledger until the transaction ends.

    Each statement that writes does the same; this is for those that read first and then write
    a whole file, whose statements may take longer than those of a page.
    """
    with driver(session).cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [str(household_id)])
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [FILE_STATEMENT_TIMEOUT])


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


def rows_of_others(
    session: Session,
    household_id: UUID,
    account_id: UUID,
    source_account_id: UUID | None,
    *,
    days: tuple[dt.date, dt.date],
) -> list[OtherRow]:
    """Return what other sources than `source_account_id` reported of an account."""
    parameters = {
        "household_id": household_id,
        "account_id": account_id,
        "source_account_id": source_account_id,
        "first": days[0],
        "last": days[1],
    }
    with driver(session).cursor(row_factory=class_row(OtherRow)) as cursor:
        return cursor.execute(_OF_OTHERS, parameters).fetchall()


def has_rows(session: Session, household_id: UUID, source_account_id: UUID) -> bool:
    """Tell whether a source account has transactions that are shown."""
    parameters = {"household_id": household_id, "source_account_id": source_account_id}
    return _tell(session, _HAS_ROWS, parameters)


def has_rows_of_account(session: Session, household_id: UUID, account_id: UUID) -> bool:
    """Tell whether a ledger account has transactions that are shown."""
    parameters = {"household_id": household_id, "account_id": account_id}
    return _tell(session, _HAS_ROWS_OF_ACCOUNT, parameters)


def adopt(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    source_account_id: UUID,
    source_ids: Sequence[str],
) -> None:
    """Let removed rows belong to the change set that is about to bring them back."""
    parameters = {
        "household_id": household_id,
        "change_set_id": change_set_id,
        "source_account_id": source_account_id,
        "source_ids": list(source_ids),
    }
    _write(session, _ADOPT, parameters)


def hand_over(
    session: Session,
    household_id: UUID,
    former: UUID,
    *,
    to_change_set_id: UUID,
    journal_page_id: UUID,
    source_account_id: UUID,
    source_ids: Sequence[str],
) -> int:
    """Let rows of one change set belong to another one, which reported them as well."""
    parameters = {
        "household_id": household_id,
        "former": former,
        "change_set_id": to_change_set_id,
        "journal_page_id": journal_page_id,
        "source_account_id": source_account_id,
        "source_ids": list(source_ids),
    }
    return _write(session, _HAND_OVER, parameters)


def take_back(
    session: Session, household_id: UUID, change_set_id: UUID, source_account_ids: Sequence[UUID]
) -> int:
    """Hide the rows that a change set brought; what people decided of them stays with them."""
    parameters = {
        "household_id": household_id,
        "change_set_id": change_set_id,
        "source_account_ids": list(source_account_ids),
    }
    return _write(session, _TAKE_BACK, parameters)


def restore(session: Session, household_id: UUID, change_set_id: UUID) -> int:
    """Give the source's fields of older rows the values they had before a change set.

    A field that was changed again since stays as it is.

    Returns:
        How many fields were given back.
    """
    parameters = {"household_id": household_id, "change_set_id": change_set_id}
    return sum(
        _write(
            session,
            _RESTORE.format(
                column=column, type=kind, as_text=_AS_TEXT.get(column, f"row.{column}::text")
            ),
            parameters,
        )
        for column, kind in _RESTORED.items()
    )


def _tell(session: Session, statement: str, parameters: Mapping[str, object]) -> bool:
    with driver(session).cursor() as cursor:
        row = cursor.execute(statement.encode(), parameters).fetchone()
    return bool(row and row[0])


def _write(session: Session, statement: str, parameters: Mapping[str, object]) -> int:
    with driver(session).cursor() as cursor:
        cursor.execute(statement.encode(), parameters)
        return cursor.rowcount
