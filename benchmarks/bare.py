"""The floor of the list: an ASGI application with asyncpg and msgspec and nothing else.

It answers the query of `/api/v1/transactions/` with the same bytes, but asks nobody who they
are, guards nothing, counts nothing and logs nothing.
"""

import base64
import datetime as dt
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import asyncpg  # type: ignore[import-untyped]  # it has no types
import msgspec

HOUSEHOLD = "FINTECH_BENCH_HOUSEHOLD"
CONNECTIONS = 10
PAGE_ROWS = 50
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")

_COLUMNS = (
    "id", "date", "amount", "currency", "pending", "description", "counterparty", "account_id",
    "category_id", "note", "reviewed_at",
)  # fmt: skip
# The statement of `app/features/transactions/repository.py`.
_LIST = """
SELECT found.id, found.date, found.amount, found.currency, found.pending, row.description,
       row.counterparty, found.account_id, found.category_id, row.note, row.reviewed_at
FROM (
    SELECT id, date, amount, currency, pending, account_id, category_id
    FROM transactions
    WHERE household_id = $1 AND is_live AND (date, id) < ($2, $3)
    ORDER BY date DESC, id DESC
    LIMIT $4
) AS found
JOIN transactions AS row ON row.household_id = $1 AND row.id = found.id
ORDER BY found.date DESC, found.id DESC
"""


class Bare:
    """The application."""

    def __init__(self) -> None:
        self._household_id: UUID
        self._pool: asyncpg.Pool | None = None

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Handle the life of the server, or one request."""
        if scope["type"] == "lifespan":
            await receive()
            self._household_id = UUID(os.environ[HOUSEHOLD])
            url = os.environ["DATABASE_URL"]
            self._pool = await asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS)
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = _encoder.encode(await self._page(scope["query_string"]))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _page(self, query: bytes) -> dict[str, object]:
        assert self._pool is not None
        packed = base64.urlsafe_b64decode(parse_qs(query)[b"cursor"][0] + b"==")
        date = dt.date.fromordinal(int.from_bytes(packed[:4]))
        rows = await self._pool.fetch(
            _LIST, self._household_id, date, UUID(bytes=packed[4:]), PAGE_ROWS + 1
        )
        last = rows[PAGE_ROWS - 1]
        key = last["date"].toordinal().to_bytes(4) + last["id"].bytes
        return {
            "data": [dict(zip(_COLUMNS, row, strict=True)) for row in rows[:PAGE_ROWS]],
            "next_cursor": base64.urlsafe_b64encode(key).decode().rstrip("="),
        }


app = Bare()
