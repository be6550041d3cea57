"""SQL that lists transactions, newest first, in time that does not grow with the ledger.

Of each chosen account or category an index has the rows in the list's order, with all that filters
but a search look at: the newest of each, put in order, are the page. For any other filter a page is
sought in two steps, the second only if the first did not fill it:

1. Among the newest rows, of the one chosen account or category if there is one, by an index that
   holds all that filters look at, so that the filter never visits a row it does not show. Here a
   filter that lets through one row in two hundred finds its page.
2. In the whole ledger, by the index that fits the filter. What is sought is rare by now, so that
   index has few rows to show.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import replace
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
    {ALL} {{key}} {{span}} ORDER BY date DESC, id DESC LIMIT %(rows)s
) AS recent WHERE true {{conditions}}
"""
_NEWEST = f"""
SELECT {_FOUND} FROM transactions
WHERE household_id = %(household_id)s AND is_live {{key}} {{span}} {{conditions}}
ORDER BY date DESC, id DESC LIMIT %(limit)s
"""
_NEWEST_OF_EACH = """
SELECT found.* FROM unnest(%(keys)s::uuid[]) AS chosen (key) CROSS JOIN LATERAL ({newest}) AS found
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
        if newest := _newest_of_each(wanted, span, parameters):
            return _fetch(cursor, newest, parameters)
        found = _recent(cursor, wanted, span, conditions, parameters)
        if len(found) == limit or _ends_there(session, wanted, span, parameters):
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


def _newest_of_each(wanted: TransactionFilter, span: str, parameters: dict[str, Any]) -> str | None:
    """Return the statement that puts together the newest rows of each account or category.

    None if the filter chooses none, or asks for more than may be read of each.
    """
    keys = wanted.category_ids or wanted.account_ids
    if not keys or wanted.needs_rows or wanted.direction or wanted.pending:
        return None
    rest = (
        replace(wanted, category_ids=()) if wanted.category_ids else replace(wanted, account_ids=())
    )
    conditions, _ = row_conditions(rest)
    column = "category_id" if wanted.category_ids else "account_id"
    key = f"AND {column} = chosen.key"  # rule: one of the two names above
    newest = _NEWEST.format(key=key, span=span, conditions=conditions)
    parameters["keys"] = [key for key in dict.fromkeys(keys) if key != NO_CATEGORY]
    found = _NEWEST_OF_EACH.format(newest=newest)
    if NO_CATEGORY in wanted.category_ids:
        without = _NEWEST.format(key="AND category_id IS NULL", span=span, conditions=conditions)
        found += f"UNION ALL ({without})"  # rule: the texts above
    return found


def _recent(
    cursor: Cursor[TransactionRow],
    wanted: TransactionFilter,
    span: str,
    conditions: str,
    parameters: dict[str, Any],
) -> list[TransactionRow]:
    """Return what the filter lets through of the newest rows."""
    if wanted.pending and not wanted.search:
        return []  # few are pending at any time, and have an index of their own
    key = _key(wanted)
    is_wide = _fits_no_index(wanted) and not key
    parameters["rows"] = RECENT_ROWS_WIDE if is_wide else RECENT_ROWS
    statement = _RECENT.format(key=key, span=span, conditions=conditions)
    return _fetch(cursor, statement, parameters)


def _key(wanted: TransactionFilter) -> str:
    """Return the condition by whose index the rows come in the list's order, if there is one."""
    if wanted.search:
        return ""  # the list's own index alone has the text
    if wanted.category_ids == (NO_CATEGORY,):
        return "AND category_id IS NULL"
    if len(wanted.category_ids) == 1:
        return "AND category_id = %(categories)s"
    return "AND account_id = %(accounts)s" if len(wanted.account_ids) == 1 else ""


def _ends_there(
    session: Session, wanted: TransactionFilter, span: str, parameters: dict[str, Any]
) -> bool:
    """Tell whether the recent rows were the whole ledger, where to look up more takes long.

    A text is looked up among the rows of other households too.
    """
    return _lookup(wanted) is not None and not _is_beyond(session, span, parameters)


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
        ("accounts", *_is_one_of("account_id", wanted.account_ids, "accounts")),
        ("categories", *_is_one_of("category_id", wanted.category_ids, "categories", NO_CATEGORY)),
        ("amount_min", wanted.amount_min, "abs(amount) >= %(amount_min)s"),
        ("amount_max", wanted.amount_max, "abs(amount) <= %(amount_max)s"),
    ):
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    if wanted.direction is not None:
        conditions.append("amount > 0" if wanted.direction == "in" else "amount < 0")
    if wanted.pending is not None:
        conditions.append("pending" if wanted.pending else "NOT pending")
    fixed = "".join(f" AND {condition}" for condition in conditions)  # rule: those above
    return fixed, parameters


def _is_one_of(
    column: str, ids: tuple[UUID, ...], name: str, none: UUID | None = None
) -> tuple[UUID | list[UUID] | None, str]:
    """Return the value, if any are chosen, and the condition that a column is one of them.

    A single one is compared as such: only so does PostgreSQL see that an index has its rows in
    the list's order. `none` stands for no value.
    """
    if len(ids) == 1 and none not in ids:
        return ids[0], f"{column} = %({name})s"  # rule: names of the caller
    is_none = f" OR {column} IS NULL" if none in ids else ""
    return list(ids) or None, f"({column} = ANY(%({name})s){is_none})"


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
