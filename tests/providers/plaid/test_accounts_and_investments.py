import datetime as dt
from decimal import Decimal

import pytest

from app.providers.plaid import pages
from tests.providers.plaid.bodies import account, encode


@pytest.mark.parametrize(
    ("kind", "sent", "current"),
    [
        ("depository", 100, 100),
        ("depository", -20, -20),
        ("credit", 410, -410),
        ("credit", -15, 15),
        ("loan", 250_000, -250_000),
        ("investment", 900, 900),
        ("brokerage", 900, 900),
        ("payroll", 1, 1),
    ],
)
def test_what_is_owed_is_negative(kind, sent, current):
    row = account(type=kind, balances={"current": sent, "available": 30, "limit": 500})
    body = encode({"accounts": [row], "item": {"item_id": "i"}})

    [record] = pages.decode_page(pages.ACCOUNTS, body, None).changes.accounts

    assert record.balance.current == current
    assert (record.balance.available, record.balance.limit) == (30, 500)


def test_accounts_come_with_the_state_of_the_item():
    body = encode(
        {
            "accounts": [account(), account("bad") | {"balances": None}],
            "item": {
                "item_id": "i",
                "institution_id": "ins_1",
                "institution_name": "First Platypus Bank",
                "error": {"error_type": "ITEM_ERROR", "error_code": "ITEM_LOGIN_REQUIRED"},
                "consent_expiration_time": "2026-12-01T00:00:00Z",
                "products": ["transactions"],
            },
        }
    )

    page = pages.decode_page(pages.ACCOUNTS, body, None)

    assert [row.source_id for row in page.changes.accounts] == ["acc"]
    assert [row.source_id for row in page.changes.rejected] == ["bad"]
    assert page.item is not None
    assert page.item.institution_name == "First Platypus Bank"
    assert page.item.error_code == "ITEM_LOGIN_REQUIRED"
    assert "sign in" in (page.item.error_message or "")
    assert page.item.consent_expires_at == dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def test_an_item_says_when_the_bank_was_reached():
    body = encode(
        {
            "item": {"item_id": "i", "institution_id": "ins_1", "billed_products": ["auth"]},
            "status": {
                "transactions": {
                    "last_successful_update": "2026-11-22T10:00:00.123456789Z",
                    "last_failed_update": None,
                }
            },
        }
    )

    item = pages.decode_page(pages.ITEM, body, None).item

    assert item is not None
    assert item.last_successful_update is not None
    assert item.last_successful_update.replace(microsecond=0) == dt.datetime(
        2026, 11, 22, 10, tzinfo=dt.UTC
    )
    assert (item.error_code, item.error_message, item.products) == (None, None, ("auth",))


def test_an_item_with_garbage_in_it_is_still_an_item():
    body = encode({"item": {"institution_id": "ins_1", "error": "?"}, "status": [1]})

    item = pages.decode_page(pages.ITEM, body, None).item

    assert item is not None
    assert (item.institution_id, item.error_code) == ("ins_1", None)


def test_holdings_name_their_security():
    body = encode(
        {
            "accounts": [account("inv", type="investment")],
            "securities": [
                {"security_id": "s1", "name": "ACME ETF", "ticker_symbol": "ACM", "type": "etf",
                 "isin": "US0000000001"},
                {"security_id": "s2", "name": "Pence PLC", "type": "equity"},
            ],
            "holdings": [
                {"account_id": "inv", "security_id": "s1", "quantity": Decimal("1.123456789012345"),
                 "institution_price": Decimal("10.01"),
                 "institution_value": Decimal("11.245802468"),
                 "cost_basis": None, "iso_currency_code": "USD",
                 "institution_price_as_of": "2026-11-20"},
                {"account_id": "inv", "security_id": "s2", "quantity": 3,
                 "institution_price": 1250, "institution_value": 3750,
                 "iso_currency_code": None, "unofficial_currency_code": "GBX"},
                {"account_id": "inv", "security_id": "s3", "quantity": None},
                {"account_id": "inv", "security_id": "s4", "quantity": 1,
                 "iso_currency_code": "USD"},
            ],
        }
    )  # fmt: skip

    page = pages.decode_page(pages.HOLDINGS, body, None)
    first, pence, nameless = page.holdings

    assert (first.name, first.ticker, first.isin, first.type) == (
        "ACME ETF", "ACM", "US0000000001", "etf",
    )  # fmt: skip
    assert first.quantity == Decimal("1.123456789012345")
    assert (first.price, first.value) == (Decimal("10.01"), Decimal("11.24580247"))
    assert first.as_of == dt.date(2026, 11, 20)
    assert (pence.currency, pence.price, pence.value) == ("GBP", Decimal("12.5"), Decimal("37.5"))
    assert nameless.name == "Unnamed security"
    assert [row.source_id for row in page.changes.rejected] == ["s3"]


def test_investment_transactions_have_our_sign_and_an_offset_for_a_cursor():
    rows = [
        {"investment_transaction_id": f"i{number}", "account_id": "inv", "amount": amount,
         "date": "2026-11-01", "name": "BUY ACME", "type": kind, "iso_currency_code": "USD"}
        for number, (amount, kind) in enumerate([(100, "buy"), (-40, "sell"), (-100, "cancel")])
    ]  # fmt: skip
    rows.append({"investment_transaction_id": "bad"})
    body = encode({"investment_transactions": rows, "total_investment_transactions": 10})

    page = pages.decode_page(pages.INVESTMENT_TRANSACTIONS, body, "4")

    assert [row.money.amount for row in page.changes.upserts] == [-100, 40, 100]
    assert (page.changes.from_cursor, page.changes.to_cursor) == ("4", "8")
    assert page.has_more
    assert not pages.decode_page(pages.INVESTMENT_TRANSACTIONS, body, "6").has_more
