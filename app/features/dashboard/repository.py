"""SQL of the overview: the kept totals of months alone, never single transactions."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.features.transactions.apply import driver


class Tracked(NamedTuple):
    """An account whose transactions make its balance."""

    account_id: UUID
    currency: str
    with_pending: bool
    """Whether the institution's balance has pending transactions in it."""


class Moved(NamedTuple):
    """By how much the transactions of a month moved balances in one currency."""

    month: dt.date
    currency: str
    amount: Decimal


class MonthTotal(NamedTuple):
    """What came in and went out in a month, in one currency; `money_out` is negative."""

    month: dt.date
    currency: str
    money_in: Decimal
    money_out: Decimal


class Spent(NamedTuple):
    """What went out in one category and currency; negative."""

    category_id: UUID
    currency: str
    money_out: Decimal


_MOVED = """
SELECT month, currency, trim_scale(sum(money_in + money_out)) AS amount
FROM monthly_totals
JOIN unnest(%(account_ids)s::uuid[], %(currencies)s::text[], %(with_pending)s::boolean[])
     AS tracked (account_id, currency, with_pending) USING (account_id, currency)
WHERE household_id = %(household_id)s AND month BETWEEN %(first)s AND %(last)s
  AND (NOT pending OR with_pending)
GROUP BY month, currency
"""

_MONTHS = """
SELECT month, currency, trim_scale(sum(money_in)) AS money_in,
       trim_scale(sum(money_out)) AS money_out
FROM monthly_totals
WHERE household_id = %(household_id)s AND month BETWEEN %(first)s AND %(last)s
  AND NOT category_id = ANY(%(left_out)s)
GROUP BY month, currency HAVING sum(count) > 0
ORDER BY month, currency
"""

_SPENT = """
SELECT category_id, currency, trim_scale(sum(money_out)) AS money_out
FROM monthly_totals
WHERE household_id = %(household_id)s AND month = %(month)s
  AND NOT category_id = ANY(%(left_out)s)
GROUP BY category_id, currency HAVING sum(money_out) < 0
"""


def moved(
    session: Session,
    household_id: UUID,
    tracked: Sequence[Tracked],
    first: dt.date,
    last: dt.date,
) -> list[Moved]:
    """Return by how much these accounts moved in each month from `first` to `last`."""
    parameters = {
        "household_id": household_id,
        "account_ids": [each.account_id for each in tracked],
        "currencies": [each.currency for each in tracked],
        "with_pending": [each.with_pending for each in tracked],
        "first": first,
        "last": last,
    }
    with driver(session).cursor(row_factory=class_row(Moved)) as cursor:
        return cursor.execute(_MOVED, parameters).fetchall()


def months(
    session: Session,
    household_id: UUID,
    first: dt.date,
    last: dt.date,
    *,
    without_categories: Sequence[UUID],
) -> list[MonthTotal]:
    """Return what came in and went out in each month from `first` to `last`, per currency."""
    parameters = {
        "household_id": household_id,
        "first": first,
        "last": last,
        "left_out": list(without_categories),
    }
    with driver(session).cursor(row_factory=class_row(MonthTotal)) as cursor:
        return cursor.execute(_MONTHS, parameters).fetchall()


def spent(
    session: Session, household_id: UUID, month: dt.date, *, without_categories: Sequence[UUID]
) -> list[Spent]:
    """Return what went out in a month, per category and currency."""
    parameters = {
        "household_id": household_id,
        "month": month,
        "left_out": list(without_categories),
    }
    with driver(session).cursor(row_factory=class_row(Spent)) as cursor:
        return cursor.execute(_SPENT, parameters).fetchall()
