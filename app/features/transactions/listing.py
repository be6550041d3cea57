"""SQL that lists transactions, newest first, in time that does not grow with the ledger.

A page is sought in two steps, the second only if the first did not fill it:

1. Among the newest rows, by an index that holds all that filters look at, so that the filter
   never visits a row it does not show. Here a filter that lets through one row in two hundred
   finds its page, and a small ledger ends.
2. In the whole ledger, by the index that fits the filter. What is sought is rare by now, so that
   index has few rows to show.
"""

import datetime as dt
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Cursor
from psycopg.rows import RowMaker
from sqlalchemy.orm import Session

from app.core import database
from app.core.pagination import PAGE_SIZE_MAX, PageKey
from app.domain.filters import TransactionFilter
from app.features.transactions.apply import driver
from app.models import NO_CATEGORY

RECENT_ROWS = 10_000
RECENT_ROWS_WIDE = 60_000
"""For filters that no index fits exactly: reading on for a while is the cheaper way to fifty."""
TRIGRAM_CHARACTERS = 3
"""Shorter texts have no trigram to look up, unless a word begins with them."""
_WORD_BEGINS = r"(^|[\u0001-/:-@\[-`{-~])"
"""After nothing, a space or a sign. The signs are counted up, of ASCII alone: only then does the
trigram index know that this is where a word begins."""
_KEY_MAX = 2**62


class TransactionRow(Struct, frozen=True, gc=False):
    """One transaction as lists show it; negative is money out. Its fields are those of the API."""

    id: UUID
    date: dt.date
    amount: Decimal
    currency: str
    pending: bool
    description: str
    counterparty: str | None
    account_id: UUID
    category_id: UUID | None
    note: str | None
    reviewed_at: dt.datetime | None


_FOUND = "id, date, amount, currency, pending, account_id, category_id"
# The limit around the limit is one that PostgreSQL knows while it plans for any values.
LIST = f"""
SELECT found.id, found.date, trim_scale(found.amount), found.currency, found.pending,
       row.description, row.counterparty, found.account_id, found.category_id, row.note,
       row.reviewed_at
FROM (
    SELECT * FROM ({{found}} ORDER BY date DESC, id DESC LIMIT %(limit)s) AS page
    LIMIT {PAGE_SIZE_MAX + 1}
) AS found
JOIN transactions AS row ON row.household_id = %(household_id)s AND row.id = found.id
ORDER BY found.date DESC, found.id DESC
"""
ALL = f"""
SELECT {_FOUND}, search_text FROM transactions
WHERE household_id = %(household_id)s AND is_live
"""
_RECENT = f"""
SELECT {_FOUND} FROM (
    {ALL} {{span}} ORDER BY date DESC, id DESC LIMIT %(rows)s
) AS recent WHERE true {{conditions}}
"""
_LOOKED_UP = f"""
SELECT {_FOUND} FROM {{function}} AS found WHERE true {{span}} {{conditions}}
"""
_ITERATED = """
SELECT id, date, trim_scale(amount), currency, pending, description, counterparty, account_id,
       category_id, note, reviewed_at
FROM transactions
WHERE household_id = %(household_id)s AND is_live {span} {conditions}
ORDER BY date DESC, id DESC
"""
_EXISTS_BEYOND = f"""
SELECT EXISTS (
    SELECT FROM ({ALL} {{span}} ORDER BY date DESC, id DESC OFFSET %(rows)s LIMIT 1) AS beyond
)
"""


def list_page(
    session: Session,
    household_id: UUID,
    wanted: TransactionFilter,
    *,
    after: PageKey | None = None,
    limit: int,
) -> list[TransactionRow]:
    """Return transactions, newest first, that follow `after`."""
    span, parameters = _span(wanted, after)
    conditions, more = row_conditions(wanted)
    parameters |= {"household_id": household_id, "limit": limit, **more}
    with driver(session).cursor(row_factory=_rows) as cursor:
        if not conditions:
            return _fetch(cursor, f"{ALL} {span}", parameters)
        parameters["rows"] = RECENT_ROWS_WIDE if _fits_no_index(wanted) else RECENT_ROWS
        found = _fetch(cursor, _RECENT.format(span=span, conditions=conditions), parameters)
        if len(found) == limit or not _is_beyond(session, span, parameters):
            return found
        return _fetch(cursor, _whole(wanted, span, conditions, parameters), parameters)


def list_ids(
    session: Session, household_id: UUID, wanted: TransactionFilter, *, limit: int
) -> list[UUID]:
    """Return what the filter lets through, the newest first, at most `limit`."""
    span, parameters = _span(wanted, None)
    conditions, more = row_conditions(wanted)
    parameters |= {"household_id": household_id, "limit": limit, **more}
    found = _whole(wanted, span, conditions, parameters)
    with driver(session).cursor() as cursor:
        ordered = f"{found} ORDER BY date DESC, id DESC LIMIT %(limit)s"  # rule: fixed texts
        cursor.execute(ordered.encode(), parameters)
        return [row[0] for row in cursor]


def iterate(
    session: Session, household_id: UUID, wanted: TransactionFilter, *, at_a_time: int
) -> Iterator[TransactionRow]:
    """Yield all that the filter lets through, the newest first; a cursor of the server keeps them.

    It lasts as long as the session's transaction.
    """
    span, parameters = _span(wanted, None)
    conditions, more = row_conditions(wanted)
    statement = _ITERATED.format(span=span, conditions=conditions).encode()
    with driver(session).cursor("iterated", row_factory=_rows) as cursor:
        cursor.itersize = at_a_time
        yield from cursor.execute(statement, parameters | {"household_id": household_id, **more})


def _rows(_: object) -> RowMaker[TransactionRow]:
    """Make rows by position: by name costs as much as reading them."""
    return lambda values: TransactionRow(*values)


def _fetch(
    cursor: Cursor[TransactionRow], found: str, parameters: dict[str, Any]
) -> list[TransactionRow]:
    # nosemgrep: text-in-sql - joined of texts of ours
    return cursor.execute(LIST.format(found=found).encode(), parameters).fetchall()


def _is_beyond(session: Session, span: str, parameters: dict[str, Any]) -> bool:
    """Tell whether the ledger goes on after the recent rows that were looked at."""
    with driver(session).cursor() as cursor:
        # nosemgrep: text-in-sql - _span() joins texts of ours
        row = cursor.execute(_EXISTS_BEYOND.format(span=span).encode(), parameters).fetchone()
    return row is not None and bool(row[0])


def is_large(session: Session, household_id: UUID) -> bool:
    """Tell whether a ledger has more rows than the recent ones."""
    return _is_beyond(session, "", {"household_id": household_id, "rows": RECENT_ROWS})


def _whole(
    wanted: TransactionFilter, span: str, conditions: str, parameters: dict[str, Any]
) -> str:
    """Return the statement that seeks in the whole ledger what is rare."""
    if function := _lookup(wanted):
        without_search, _ = row_conditions(wanted, search=False)
        return _LOOKED_UP.format(function=function, span=span, conditions=without_search)
    keys = ""
    if wanted.amount_min is not None or wanted.amount_max is not None or wanted.direction:
        keys, more = _key_ranges(wanted)
        parameters |= more
    return f"{ALL} {span} {conditions} {keys}"


def _lookup(wanted: TransactionFilter) -> str | None:
    """Return the function that finds the searched text behind the wall; None: none does."""
    is_guest = database.guest.get() is not None
    if wanted.begins_words:
        # A guest has few rows to read: there is no second index for what is shared.
        return None if is_guest else "match_transactions(%(begins)s)"
    if len(wanted.search) < TRIGRAM_CHARACTERS:
        return None
    name = "search_shared_transactions" if is_guest else "search_transactions"
    return f"{name}(%(search)s)"


def _fits_no_index(wanted: TransactionFilter) -> bool:
    """Tell whether the index of the second step would show many rows that the filter drops."""
    has_amount = (wanted.amount_min, wanted.amount_max, wanted.direction) != (None, None, None)
    return bool(wanted.search) or (has_amount and bool(wanted.account_ids or wanted.category_ids))


def _span(wanted: TransactionFilter, after: PageKey | None) -> tuple[str, dict[str, Any]]:
    """Return what bounds the page in time: conditions that the list's index answers."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    for name, value, comparison in (
        ("date_from", wanted.date_from, ">="),
        ("date_to", wanted.date_to, "<="),
    ):
        if value is not None:
            conditions.append(f"AND date {comparison} %({name})s")  # rule: both from the line above
            parameters[name] = value
    if after is not None:
        conditions.append("AND (date, id) < (%(after_date)s, %(after_id)s)")
        parameters |= {"after_date": after.date, "after_id": after.id}
    return " ".join(conditions), parameters


def row_conditions(wanted: TransactionFilter, *, search: bool = True) -> tuple[str, dict[str, Any]]:
    """Return what a filter says of single rows, dates apart, as SQL and its parameters."""
    parameters: dict[str, Any] = {"search": wanted.search.lower()}
    conditions = ["strpos(search_text, %(search)s) > 0"] if wanted.search and search else []
    if wanted.begins_words:
        parameters["begins"] = word_beginning(wanted.search.lower())
        # The test before it is cheaper, and most rows fail it.
        conditions += ["search_text ~ %(begins)s"] if search else []
    for name, value, condition in (
        ("accounts", list(wanted.account_ids) or None, "account_id = ANY(%(accounts)s)"),
        ("amount_min", wanted.amount_min, "abs(amount) >= %(amount_min)s"),
        ("amount_max", wanted.amount_max, "abs(amount) <= %(amount_max)s"),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    if wanted.category_ids:
        is_none = " OR category_id IS NULL" if NO_CATEGORY in wanted.category_ids else ""
        conditions.append(f"(category_id = ANY(%(categories)s){is_none})")
        parameters["categories"] = list(wanted.category_ids)
    if wanted.direction is not None:
        conditions.append("amount > 0" if wanted.direction == "in" else "amount < 0")
    if wanted.pending is not None:
        conditions.append("pending" if wanted.pending else "NOT pending")
    fixed = "".join(f" AND {condition}" for condition in conditions)  # rule: those above
    return fixed, parameters


def word_beginning(text: str) -> str:
    """Return PostgreSQL's regular expression for words that begin with a text."""
    return _WORD_BEGINS + re.sub(r"([\W_])", r"\\\1", text)


def _key_ranges(wanted: TransactionFilter) -> tuple[str, dict[str, Any]]:
    """Return the ranges of `amount_key` that hold all amounts of the filter, and a little more."""
    low = int((wanted.amount_min or Decimal()) * 100)
    high = _KEY_MAX if wanted.amount_max is None else int(wanted.amount_max * 100)
    ranges = {
        "in": "amount_key BETWEEN %(key_low)s AND %(key_high)s",
        "out": "amount_key BETWEEN -%(key_high)s AND -%(key_low)s",
    }
    chosen = [ranges[wanted.direction]] if wanted.direction else list(ranges.values())
    fixed = f"AND ({' OR '.join(chosen)})"  # rule: those above
    return fixed, {"key_low": low, "key_high": high}
