"""A page of the list as the API tells it, encoded by PostgreSQL.

Programs page through whole ledgers with nothing but days for a filter. To make rows into objects
of ours and those into text again took most of such a request.
"""

import datetime as dt
from uuid import UUID

from app.core import at_once
from app.core.pagination import PageKey
from app.domain.filters import TransactionFilter
from app.features.transactions.listing import ALL, LIST

_SPAN = """
AND (date, id) < (%(after_date)s, %(after_id)s)
AND date >= %(date_from)s AND date <= %(date_to)s
"""
# One row more than the page has tells that there is a next one.
_PAGE = at_once.Statement(
    "transactions_page",
    f"""
SELECT string_agg(json, ',' ORDER BY place) FILTER (WHERE place < %(limit)s),
       (array_agg(date ORDER BY place))[%(limit)s - 1],
       (array_agg(id ORDER BY place))[%(limit)s - 1],
       count(*) = %(limit)s
FROM (
    SELECT row_number() OVER (ORDER BY date DESC, id DESC) AS place, date, id,
           to_json(told)::text AS json
    FROM (
        SELECT id, date, trim_scale::text AS amount, currency, pending, description, counterparty,
               account_id, category_id, note,
               to_char(reviewed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
               AS reviewed_at
        FROM ({LIST.format(found=f"{ALL} {_SPAN}")}) AS listed
    ) AS told
) AS page
""",
    {
        "household_id": "uuid",
        "after_date": "date",
        "after_id": "uuid",
        "date_from": "date",
        "date_to": "date",
        "limit": "integer",
    },
)
_BEFORE_ALL = PageKey(dt.date.max, UUID(int=2**128 - 1))


async def page(
    household_id: UUID, wanted: TransactionFilter, *, after: PageKey | None, limit: int
) -> bytes:
    """Return the JSON of the transactions of a span of days that follow `after`, newest first."""
    start = after or _BEFORE_ALL
    values = {
        "after_date": start.date,
        "after_id": start.id,
        "date_from": wanted.date_from or dt.date.min,
        "date_to": wanted.date_to or dt.date.max,
        "limit": limit + 1,
    }
    [(rows, date, transaction_id, goes_on)] = await at_once.read(household_id, _PAGE, values)
    cursor = f'"{PageKey(date, transaction_id).encode()}"' if goes_on else "null"
    return f'{{"data":[{rows or ""}],"next_cursor":{cursor}}}'.encode()
