"""The list that PostgreSQL encodes: the same rows, in the same words, as the list made of rows."""

import asyncio
import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy import text

from app.core.database import household_transaction
from app.core.json import JsonResponse
from app.core.pagination import decode_key
from app.domain.filters import TransactionFilter
from app.features.transactions import service
from app.features.transactions.edits import Edit
from tests.factories import people
from tests.features.transactions import ledgers

FIRST_DAY = dt.date(2026, 3, 1)
TEXTS = (
    'a "quoted" \\ text', "two\nlines\tand \x01", "Café ₿ 🥐 \u2028", "</script>", "%(limit)s $1 %",
)  # fmt: skip
AMOUNTS = ("-1.00", "12.50", "0.00", "-0.001", "1234567890123456.12", "100")
SPANS = (
    TransactionFilter(),
    TransactionFilter(date_from=FIRST_DAY + dt.timedelta(days=3)),
    TransactionFilter(date_to=FIRST_DAY + dt.timedelta(days=9)),
    TransactionFilter(date_from=FIRST_DAY, date_to=FIRST_DAY),
    TransactionFilter(date_from=dt.date(2027, 1, 1)),
)


@pytest.fixture(scope="module")
def ledger(app):
    person = people.person("Ada")
    made = ledgers.open_ledger(person.household_id)
    ledgers.bring(
        made,
        *(
            ledgers.record(
                f"t{number}",
                AMOUNTS[number % len(AMOUNTS)],
                date=FIRST_DAY + dt.timedelta(days=number % 12),
                description=TEXTS[number % len(TEXTS)],
                pending=number % 4 == 0,
            )
            for number in range(60)
        ),
    )
    edit = Edit(given=frozenset({"note", "reviewed"}), note=" ".join(TEXTS), reviewed=True)
    wanted = TransactionFilter(direction="in")
    with household_transaction(made.household_id) as session:
        service.edit_transactions(session, made.household_id, person.user_id, wanted, edit)
    return made


@pytest.mark.parametrize("wanted", SPANS)
@pytest.mark.parametrize("limit", [1, 7, 59, 60, 61])
def test_pages_say_what_those_made_of_rows_say(ledger, wanted, limit):
    key = None
    for _ in range(100):
        encoded = asyncio.run(
            service.encode_span(ledger.household_id, wanted, after=decode_key(key), limit=limit)
        )
        page = json.loads(encoded)
        assert _read(page) == _read(_made_of_rows(ledger, wanted, key, limit))
        key = page["next_cursor"]
        if key is None:
            return
    raise AssertionError("the list does not end")


def _read(page: dict[str, Any]) -> dict[str, Any]:
    """Read the moments, which may be written with or without their fraction of zero."""
    for row in page["data"]:
        row["reviewed_at"] = row["reviewed_at"] and dt.datetime.fromisoformat(row["reviewed_at"])
    return page


def _made_of_rows(ledger, wanted, key, limit) -> dict[str, Any]:
    with household_transaction(ledger.household_id) as session:
        session.execute(text("SET LOCAL TIME ZONE 'UTC'"))
        page = service.list_transactions(
            session, ledger.household_id, wanted, after=decode_key(key), limit=limit
        )
    next_cursor = page.next_key.encode() if page.next_key else None
    found: dict[str, Any] = json.loads(
        JsonResponse({"data": page.rows, "next_cursor": next_cursor}).body
    )
    return found
