"""Bodies as Plaid sends them, made from a seed; numbers are exact."""

import datetime as dt
import random
from decimal import Decimal

import msgspec

_encoder = msgspec.json.Encoder(decimal_format="number")

MERCHANTS = (
    ("Walmart", "GENERAL_MERCHANDISE", "SUPERSTORES", "PURCHASE WM SUPERCENTER #{n}"),
    ("Burger King", "FOOD_AND_DRINK", "FAST_FOOD", "DD DOORDASH BURGERKIN {n}"),
    ("Netflix", "ENTERTAINMENT", "TV_AND_MOVIES", "NETFLIX.COM {n} LOS GATOS CA"),
    ("Shell", "TRANSPORTATION", "GAS", "SHELL OIL {n} POWAY CA"),
    (None, "TRANSFER_OUT", "ACCOUNT_TRANSFER", "ACH WEB XFER {n} P2P"),
    (None, "INCOME", "SALARY", "DIRECT DEP ACME CORP PAYROLL {n}"),
)


def encode(value: object) -> bytes:
    return _encoder.encode(value)


def transaction(transaction_id: str = "t1", amount: object = Decimal("12.34"), **fields) -> dict:
    """A transaction with the fields that matter; `fields` replace or add."""
    row = {
        "transaction_id": transaction_id,
        "account_id": "acc",
        "amount": amount,
        "date": "2026-11-01",
        "pending": False,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
        "name": "Coffee",
    }
    return row | fields


def without(row: dict, *names: str) -> dict:
    return {name: value for name, value in row.items() if name not in names}


def account(account_id: str = "acc", **fields) -> dict:
    balances = {
        "current": Decimal("110.94"),
        "available": Decimal("100.00"),
        "limit": None,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
    } | fields.pop("balances", {})
    row = {
        "account_id": account_id,
        "balances": balances,
        "mask": "0000",
        "name": "Checking",
        "official_name": "Gold Standard Checking",
        "type": "depository",
        "subtype": "checking",
    }
    return row | fields


def sync_body(**fields) -> bytes:
    body = {
        "accounts": [account()],
        "added": [],
        "modified": [],
        "removed": [],
        "next_cursor": "cursor-1",
        "has_more": False,
        "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE",
        "request_id": "45QSn7Xo2aZ1bcd",
    }
    return encode(body | fields)


def realistic_rows(count: int, seed: int = 1) -> list[dict]:
    """Transactions with every field of the contract, as large and as varied as Plaid's."""
    source = random.Random(seed)
    return [_realistic_row(source, number) for number in range(count)]


def realistic_page(count: int = 500, seed: int = 1) -> bytes:
    """A page of `/transactions/sync` with all fields; 500 rows are about 800 kB."""
    return sync_body(added=realistic_rows(count, seed), has_more=True)


def _id(source: random.Random) -> str:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return "".join(source.choices(letters, k=37))


def _realistic_row(source: random.Random, number: int) -> dict:
    merchant, primary, detailed, text = source.choice(MERCHANTS)
    description = text.format(n=source.randrange(1_000, 99_999))
    day = dt.date(2026, 11, 20) - dt.timedelta(days=number // 3)
    authorized = day - dt.timedelta(days=source.randrange(3))
    counterparties = [
        {
            "name": merchant,
            "type": "merchant",
            "logo_url": f"https://plaid-merchant-logos.plaid.com/{source.randrange(2_000)}.png",
            "website": "example.com",
            "entity_id": _id(source),
            "confidence_level": "VERY_HIGH",
        }
    ]
    return {
        "account_id": "BxBXxLj1m4HMXBm9WZZmCWVbPjX16EHwv99vp",
        "account_owner": None,
        "amount": Decimal(source.randrange(-500_000, 90_000)) / 100,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
        "check_number": None,
        "counterparties": counterparties if merchant else [],
        "date": day.isoformat(),
        "datetime": f"{day}T11:01:01Z",
        "authorized_date": authorized.isoformat(),
        "authorized_datetime": f"{authorized}T10:34:50Z",
        "location": {
            "address": "13425 Community Rd" if merchant else None,
            "city": "Poway" if merchant else None,
            "region": "CA" if merchant else None,
            "postal_code": "92064" if merchant else None,
            "country": "US" if merchant else None,
            "lat": 32.959068 if merchant else None,
            "lon": -117.037666 if merchant else None,
            "store_number": "1700" if merchant else None,
        },
        "name": description,
        "original_description": description + " 0000",
        "merchant_name": merchant,
        "merchant_entity_id": _id(source) if merchant else None,
        "logo_url": "https://plaid-merchant-logos.plaid.com/1100.png" if merchant else None,
        "website": "example.com" if merchant else None,
        "payment_meta": dict.fromkeys(
            "by_order_of payee payer payment_method payment_processor ppd_id reason "
            "reference_number".split()
        ),
        "payment_channel": source.choice(("in store", "online", "other")),
        "pending": number < 5,
        "pending_transaction_id": _id(source) if number % 7 == 0 else None,
        "personal_finance_category": {
            "primary": primary,
            "detailed": f"{primary}_{detailed}",
            "confidence_level": "VERY_HIGH",
            "version": "v2",
        },
        "personal_finance_category_icon_url": (
            f"https://plaid-category-icons.plaid.com/PFC_{primary}.png"
        ),
        "business_finance_category": None,
        "transaction_id": _id(source),
        "transaction_code": None,
        "transaction_type": "place",
        "running_balance": None,
        "merchant_category_code": None,
    }
