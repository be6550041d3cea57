"""SQL that sums transactions: from the kept totals of months and days wherever they can tell."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.rows import class_row
from sqlalchemy.orm import Session

from app.domain.filters import TransactionFilter
from app.features.transactions.apply import driver
from app.features.transactions.listing import row_conditions
from app.models import NO_CATEGORY


class Total(NamedTuple):
    """Sums in one currency; `money_out` is negative."""

    currency: str
    money_in: Decimal
    money_out: Decimal
    transactions: int


class CategoryTotal(NamedTuple):
    """Sums of one category in one currency."""

    category_id: UUID
    currency: str
    money_in: Decimal
    money_out: Decimal
    transactions: int


class DayTotal(NamedTuple):
    """Sums of one day in one currency."""

    date: dt.date
    currency: str
    money_in: Decimal
    money_out: Decimal
    transactions: int


class Span(NamedTuple):
    """How many transactions an account has, and since when."""

    account_id: UUID
    transactions: int
    oldest: dt.date


_SUMS = """trim_scale(sum(money_in)) AS money_in, trim_scale(sum(money_out)) AS money_out,
sum(count)::bigint AS transactions"""
# Whole months from the monthly totals, the days before and after them from the daily ones.
_CELLS = """
SELECT account_id, category_id, currency, pending, money_in, money_out, count
FROM monthly_totals
WHERE household_id = %(household_id)s AND month >= %(month_from)s AND month < %(month_to)s
UNION ALL
SELECT account_id, category_id, currency, pending, money_in, money_out, count
FROM daily_totals
WHERE household_id = %(household_id)s
  AND (date >= %(date_from)s AND date < %(month_from)s AND date <= %(date_to)s
       OR date >= %(month_to)s AND date <= %(date_to)s AND date >= %(date_from)s)
"""
_BY_CURRENCY = f"""
SELECT currency, {_SUMS} FROM ({_CELLS}) AS cells WHERE true {{conditions}}
GROUP BY currency ORDER BY sum(count) DESC, currency
"""
_BY_CATEGORY = f"""
SELECT category_id, currency, {_SUMS} FROM ({_CELLS}) AS cells
GROUP BY category_id, currency ORDER BY sum(money_out), category_id, currency
"""
_BY_DAY = f"""
SELECT date, currency, {_SUMS} FROM daily_totals
WHERE household_id = %(household_id)s AND date BETWEEN %(first)s AND %(last)s
  AND NOT category_id = ANY(%(left_out)s)
GROUP BY date, currency ORDER BY date, currency
"""
_OF_ROWS = """
SELECT currency, trim_scale(coalesce(sum(amount) FILTER (WHERE amount > 0), 0)) AS money_in,
       trim_scale(coalesce(sum(amount) FILTER (WHERE amount < 0), 0)) AS money_out,
       count(*) AS transactions
FROM transactions
WHERE household_id = %(household_id)s AND is_live
  AND date BETWEEN %(date_from)s AND %(date_to)s {conditions}
GROUP BY currency ORDER BY count(*) DESC, currency
"""
_SPANS = """
SELECT account_id, sum(count)::bigint AS transactions, min(month) AS oldest
FROM monthly_totals
WHERE household_id = %(household_id)s AND count > 0
GROUP BY account_id
"""


def need_rows(wanted: TransactionFilter) -> bool:
    """Tell whether the kept totals cannot answer a filter, so that its rows must be summed."""
    return wanted.needs_rows or wanted.direction is not None


def totals(session: Session, household_id: UUID, wanted: TransactionFilter) -> list[Total]:
    """Return the sums of what the filter lets through, per currency, the most used first."""
    conditions, parameters = row_conditions(wanted)
    if need_rows(wanted):
        statement = _OF_ROWS
    else:
        statement = _BY_CURRENCY
        conditions = conditions.replace("category_id IS NULL", "category_id = %(no_category)s")
        parameters["no_category"] = NO_CATEGORY
    parameters |= _dates(wanted.date_from, wanted.date_to) | {"household_id": household_id}
    with driver(session).cursor(row_factory=class_row(Total)) as cursor:
        return cursor.execute(
            # nosemgrep: text-in-sql - row_conditions() joins texts of ours
            statement.format(conditions=conditions).encode(),
            parameters,
        ).fetchall()


def by_category(
    session: Session, household_id: UUID, first: dt.date, last: dt.date
) -> list[CategoryTotal]:
    """Return sums per category from `first` to `last`, the largest spending first."""
    parameters = _dates(first, last) | {"household_id": household_id}
    with driver(session).cursor(row_factory=class_row(CategoryTotal)) as cursor:
        return cursor.execute(_BY_CATEGORY.encode(), parameters).fetchall()


def by_day(
    session: Session,
    household_id: UUID,
    first: dt.date,
    last: dt.date,
    *,
    without_categories: Sequence[UUID],
) -> list[DayTotal]:
    """Return sums per day from `first` to `last`, days without movement left out."""
    parameters = {
        "household_id": household_id,
        "first": first,
        "last": last,
        "left_out": list(without_categories),
    }
    with driver(session).cursor(row_factory=class_row(DayTotal)) as cursor:
        return cursor.execute(_BY_DAY.encode(), parameters).fetchall()


def spans(session: Session, household_id: UUID) -> list[Span]:
    """Return each account that has transactions: how many, and the month of the oldest."""
    with driver(session).cursor(row_factory=class_row(Span)) as cursor:
        return cursor.execute(_SPANS, {"household_id": household_id}).fetchall()


def _dates(first: dt.date | None, last: dt.date | None) -> dict[str, Any]:
    """Return a span of days, and the whole months inside it: from the first, before the last."""
    first, last = first or dt.date(1, 1, 1), last or dt.date(9999, 12, 31)
    month_from = first if first.day == 1 else _next_month(first)
    month_to = _next_month(last) if _is_last_of_month(last) else last.replace(day=1)
    return {
        "date_from": first,
        "date_to": last,
        "month_from": month_from,
        "month_to": max(month_from, month_to),
    }


def _next_month(day: dt.date) -> dt.date:
    """Return the first day of the next month; of this one at the end of the calendar."""
    if day >= dt.date(9999, 12, 1):
        return dt.date(9999, 12, 31)
    return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)


def _is_last_of_month(day: dt.date) -> bool:
    return day >= dt.date(9999, 12, 31) or (day + dt.timedelta(days=1)).day == 1
