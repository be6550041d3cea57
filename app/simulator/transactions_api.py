"""Endpoints about transactions."""

import datetime as dt
from itertools import pairwise
from typing import Any

import msgspec

from app.simulator.calls import Answer, Call, accounts_json, chosen_accounts, endpoint, item_json
from app.simulator.errors import PlaidError, invalid_field
from app.simulator.identifiers import identifier
from app.simulator.items import LiveItem
from app.simulator.rows import ZERO, Row, category_json, transaction_json
from app.simulator.stream import NOT_READY, InvalidCursorError, MutationError, Page

CURSOR_LENGTH_MAX = 256


def _version(call: Call) -> str:
    version: str = call.options.get("personal_finance_category_version", "v2")
    if version not in ("v1", "v2"):
        raise invalid_field("personal_finance_category_version must be v1 or v2")
    return version


@endpoint("/transactions/sync")
def sync(call: Call) -> Answer:
    """Return what changed since a cursor; the stream itself is in stream.py."""
    cursor = call.body.get("cursor") or ""
    if len(cursor) > CURSOR_LENGTH_MAX:
        raise invalid_field(f"cursor must be at most {CURSOR_LENGTH_MAX} characters")
    count = call.number("count", 100, 1, 500)
    version = _version(call)
    call.need("transactions")
    item = call.live()
    call.bank.set_noise(item)
    if not item.state.sync_called:
        item.state.sync_called = True
        call.bank.save()
    page = _page(call, item, cursor, count)
    accounts = [each for each in page.accounts if item.shows(each[0].account_id)]
    page = Page(
        _odd(call, item, page.added),
        _odd(call, item, page.modified),
        page.removed,
        page.next_cursor,
        page.has_more,
        page.status,
        accounts,
    )
    described = bool(call.options.get("include_original_description"))
    return page.parts(version=version, described=described)


def _page(call: Call, item: LiveItem, cursor: str, count: int) -> Page:
    account_id = call.options.get("account_id")
    if account_id is not None and account_id not in item.stream.accounts:
        raise PlaidError("INVALID_ACCOUNT_ID")
    faults, item_id, stream = call.bank.faults, item.item_id, item.stream
    try:
        number = stream.pages_read(cursor, account_id) + 1 if cursor != "now" else 1
        if cursor and faults.strike("invalid_cursor", item_id=item_id, path=call.path, page=number):
            cursor = "forgotten"
        if number > 1 and faults.strike("mutation", item_id=item_id, path=call.path, page=number):
            item.record("touch")
        return stream.sync(cursor, count, account_id=account_id)
    except MutationError:
        raise PlaidError("TRANSACTIONS_SYNC_MUTATION_DURING_PAGINATION") from None
    except InvalidCursorError as error:
        raise invalid_field(f"cursor is invalid: {error}") from None


def _odd(call: Call, item: LiveItem, rows: list[Row]) -> list[Row]:
    """Give rows unknown values or nulls, where such a fault is on."""
    extra: dict[str, Any] = {}
    if call.bank.faults.lasting("unknown_values", item.item_id):
        extra |= {
            "payment_channel": "telepathy",
            "transaction_code": "barter",
            "personal_finance_category": {
                "primary": "SPACE", "detailed": "SPACE_MOON_BASE", "confidence_level": "COSMIC",
                "version": "v9",
            },
            "new_field_of_tomorrow": {"nested": [1, None, "2024-05-05"]},
        }  # fmt: skip
    if call.bank.faults.lasting("null_merchant", item.item_id):
        extra |= {"merchant_name": None, "personal_finance_category": None, "counterparties": []}
    if not extra:
        return rows
    return [msgspec.structs.replace(row, extra=(row.extra or {}) | extra) for row in rows]


@endpoint("/transactions/get")
def get_transactions(call: Call) -> Answer:
    """Return transactions between two dates, newest first, by offset."""
    start, end = call.date("start_date"), call.date("end_date")
    count = call.number("count", 100, 1, 500)
    offset = call.number("offset", 0, 0, 1_000_000)
    version = _version(call)
    call.need("transactions")
    item = call.live()
    if item.stream.status == NOT_READY:
        raise PlaidError("PRODUCT_NOT_READY")
    accounts = chosen_accounts(call, item)
    ids = {account.account_id for account in accounts}
    rows = [row for row in item.stream.rows() if start <= row.date <= end and row.account_id in ids]
    rows.sort(key=lambda row: (row.date, row.transaction_id), reverse=True)
    described = bool(call.options.get("include_original_description"))
    return {
        "accounts": accounts_json(item, accounts),
        "transactions": [
            transaction_json(row, version=version, described=described)
            for row in rows[offset : offset + count]
        ],
        "total_transactions": len(rows),
        "item": item_json(call.state),
    }


@endpoint("/transactions/refresh")
def refresh(call: Call) -> Answer:
    """Ask the bank for news; what comes is announced by webhook."""
    call.need("transactions")
    item = call.live()
    if item.stream.status == NOT_READY:
        raise PlaidError("PRODUCT_NOT_READY")
    before = item.stream.head()
    if item.state.login == "user_transactions_dynamic":
        number = sum(step.kind == "refresh" for step in item.state.steps) + 1
        item.record("refresh", {"number": number})
        call.bank.notify(
            item.state, "TRANSACTIONS", "DEFAULT_UPDATE", error=None, new_transactions=3
        )
        call.bank.notify(
            item.state, "TRANSACTIONS", "RECURRING_TRANSACTIONS_UPDATE",
            account_ids=[account.account_id for account in item.accounts()],
        )  # fmt: skip
    item.state.last_update_at = call.bank.now()
    if item.stream.head() != before:
        call.bank.announce_updates(item)
    return {}


@endpoint("/transactions/recurring/get")
def get_recurring(call: Call) -> Answer:
    """Return the recurring streams; they are the true series of the simulated life."""
    call.need("transactions")
    version = _version(call)
    item = call.live()
    if item.stream.status == NOT_READY:
        raise PlaidError("PRODUCT_NOT_READY")
    ids = {account.account_id for account in chosen_accounts(call, item)}
    series: dict[tuple[str, str], list[Row]] = {}
    for movement in item.life.movements:
        if movement.series is None or not item.feed.sees(movement):
            continue
        row = item.stream.row(item.feed.ids(movement)["posted"])
        if row is not None and row.account_id in ids:
            series.setdefault((movement.series, row.account_id), []).append(row)
    streams = [
        _stream_json(key, rows, version, item.today)
        for (key, _), rows in series.items()
        if len(rows) >= 2
    ]
    return {
        "inflow_streams": [each for each in streams if each["average_amount"]["amount"] < 0],
        "outflow_streams": [each for each in streams if each["average_amount"]["amount"] >= 0],
        "updated_datetime": (item.state.last_update_at or call.bank.now()).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        ),
    }


_FREQUENCIES = ((9, "WEEKLY", 7), (14, "BIWEEKLY", 14), (21, "SEMI_MONTHLY", 15),
                (40, "MONTHLY", 30), (400, "ANNUALLY", 365))  # fmt: skip


def _stream_json(key: str, rows: list[Row], version: str, today: dt.date) -> Answer:
    rows = sorted(rows, key=lambda row: row.date)
    first, last = rows[0], rows[-1]
    gaps = sorted((b.date - a.date).days for a, b in pairwise(rows))
    gap = gaps[len(gaps) // 2]
    frequency, days = next(
        ((name, days) for most, name, days in _FREQUENCIES if gap <= most), ("UNKNOWN", 400)
    )
    active = (today - last.date).days <= days * 3 // 2
    mature = len(rows) >= (2 if frequency == "ANNUALLY" else 3)
    facts = last.facts
    currency = {
        "iso_currency_code": facts.currency,
        "unofficial_currency_code": facts.unofficial_currency,
    }
    average = (sum((row.amount for row in rows), ZERO) / len(rows)).quantize(last.amount)
    state = "MATURE" if mature else "EARLY_DETECTION"
    return {
        "account_id": last.account_id,
        "stream_id": identifier(last.account_id, key),
        "category": [],
        "category_id": "",
        "description": last.name,
        "merchant_name": facts.merchant,
        "first_date": first.date,
        "last_date": last.date,
        "predicted_next_date": last.date + dt.timedelta(days=days) if active else None,
        "frequency": frequency,
        "transaction_ids": [row.transaction_id for row in rows],
        "average_amount": {"amount": average, **currency},
        "last_amount": {"amount": last.amount, **currency},
        "is_active": active,
        "status": state if active else "TOMBSTONED",
        "personal_finance_category": category_json(facts, version),
        "is_user_modified": False,
    }
