"""Endpoints about investments."""

import datetime as dt
from decimal import Decimal
from typing import Any

from app.simulator.calls import Answer, Call, accounts_json, chosen_accounts, endpoint, item_json
from app.simulator.errors import PlaidError
from app.simulator.feed import cents
from app.simulator.identifiers import identifier
from app.simulator.investing import (
    PRICE_SCALE,
    QUANTITY_SCALE,
    Portfolio,
    Security,
    Trade,
    scaled,
    value_of,
)
from app.simulator.items import LiveItem
from app.simulator.rows import Account
from app.simulator.stream import NOT_READY

_HISTORY_DAYS = 731


def _portfolios(call: Call, item: LiveItem) -> dict[str, Portfolio]:
    """Return the Item's portfolios by account id.

    Raises:
        PlaidError: NO_INVESTMENT_ACCOUNTS.
    """
    ids = {account.account_id for account in chosen_accounts(call, item, ("investment",))}
    found = {
        item.feed.id_of(plan.key): item.life.portfolios[plan.key]
        for plan in item.plans()
        if plan.type == "investment" and item.feed.id_of(plan.key) in ids
    }
    if not found:
        raise PlaidError("NO_INVESTMENT_ACCOUNTS")
    return found


def _ready(call: Call) -> LiveItem:
    call.need("investments")
    item = call.live()
    if item.stream.status == NOT_READY:
        raise PlaidError("PRODUCT_NOT_READY")
    return item


def _security_id(key: str) -> str:
    return identifier("security", key)


def security_json(security: Security, price: int, day: int) -> Answer:
    """Return Plaid's security object with its closing price, in ten-thousandths, of a day."""
    known: dict[str, Any] = dict.fromkeys(
        "isin cusip figi sedol institution_security_id institution_id proxy_security_id industry "
        "cfi_code option_contract fixed_income update_datetime unofficial_currency_code".split()
    )
    is_cash = security.type == "cash"
    return known | {
        "security_id": _security_id(security.key),
        "name": security.name,
        "ticker_symbol": security.ticker,
        "is_cash_equivalent": is_cash,
        "type": security.type,
        "subtype": security.subtype,
        "close_price": scaled(price, PRICE_SCALE),
        "close_price_as_of": dt.date.fromordinal(day),
        "iso_currency_code": "USD",
        "market_identifier_code": None if is_cash else "XNAS",
        "sector": security.sector,
    }


def _holding_json(
    account_id: str, portfolio: Portfolio, key: str, held: tuple[int, int], day: int
) -> Answer:
    quantity, cost = held
    price = portfolio.price(key, day)
    return {
        "account_id": account_id,
        "security_id": _security_id(key),
        "institution_price": scaled(price, PRICE_SCALE),
        "institution_price_as_of": dt.date.fromordinal(day),
        "institution_price_datetime": None,
        "institution_value": cents(value_of(quantity, price)),
        "cost_basis": cents(cost),
        "quantity": scaled(quantity, QUANTITY_SCALE),
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
        "vested_quantity": None,
        "vested_value": None,
        "tax_lots": [],
    }


@endpoint("/investments/holdings/get")
def get_holdings(call: Call) -> Answer:
    """List what is held; the values of an account add up to its balance."""
    item = _ready(call)
    portfolios = _portfolios(call, item)
    day = item.day
    holdings = []
    securities: dict[str, Answer] = {}
    for account_id, portfolio in portfolios.items():
        for key, held in portfolio.holdings(day).items():
            holdings.append(_holding_json(account_id, portfolio, key, held, day))
            price = portfolio.price(key, day)
            securities[key] = security_json(portfolio.security(key), price, day)
    return {
        "accounts": accounts_json(item, _shown(call, item)),
        "holdings": holdings,
        "securities": list(securities.values()),
        "item": item_json(call.state),
        "is_investments_fallback_item": False,
    }


def _shown(call: Call, item: LiveItem) -> list[Account]:
    return chosen_accounts(call, item, ("investment", "depository"))


def trade_json(item_id: str, account_id: str, trade: Trade) -> Answer:
    """Return Plaid's investment transaction object."""
    number = trade.number

    def name_of(other: int) -> str:
        return identifier(item_id, account_id, "trade", other)

    return {
        "investment_transaction_id": name_of(number),
        "cancel_transaction_id": None if trade.cancels is None else name_of(trade.cancels),
        "account_id": account_id,
        "security_id": _security_id(trade.security or "cash"),
        "date": dt.date.fromordinal(trade.day),
        "transaction_datetime": None,
        "name": trade.name,
        "quantity": scaled(trade.quantity, QUANTITY_SCALE),
        "amount": cents(trade.amount),
        "price": scaled(trade.price, PRICE_SCALE),
        "fees": cents(trade.fees) if trade.fees else Decimal(0),
        "type": trade.type,
        "subtype": trade.subtype,
        "iso_currency_code": "USD",
        "unofficial_currency_code": None,
    }


@endpoint("/investments/transactions/get")
def get_investment_transactions(call: Call) -> Answer:
    """List trades between two dates, newest first, by offset; 24 months at most."""
    start, end = call.date("start_date"), call.date("end_date")
    count = call.number("count", 100, 1, 500)
    offset = call.number("offset", 0, 0, 1_000_000)
    item = _ready(call)
    portfolios = _portfolios(call, item)
    first = max(start.toordinal(), item.day - _HISTORY_DAYS)
    last = min(end.toordinal(), item.day)
    found = [
        (trade.day, number, account_id, trade)
        for account_id, portfolio in portfolios.items()
        for number, trade in enumerate(portfolio.trades)
        if first <= trade.day <= last
    ]
    found.sort(key=lambda each: each[:3], reverse=True)
    shown = [trade_json(item.item_id, each[2], each[3]) for each in found[offset : offset + count]]
    securities: dict[str, Answer] = {}
    for _, _, account_id, trade in found[offset : offset + count]:
        key, portfolio = trade.security or "cash", portfolios[account_id]
        price = portfolio.price(key, item.day)
        securities[key] = security_json(portfolio.security(key), price, item.day)
    return {
        "accounts": accounts_json(item, _shown(call, item)),
        "investment_transactions": shown,
        "total_investment_transactions": len(found),
        "securities": list(securities.values()),
        "item": item_json(call.state),
        "is_investments_fallback_item": False,
    }


@endpoint("/investments/refresh")
def refresh_investments(call: Call) -> Answer:
    """Ask for news of the investments; they are announced by webhook."""
    item = _ready(call)
    _portfolios(call, item)
    notify = call.bank.notify
    notify(item.state, "HOLDINGS", "DEFAULT_UPDATE", error=None, new_holdings=0, updated_holdings=1)
    notify(
        item.state, "INVESTMENTS_TRANSACTIONS", "DEFAULT_UPDATE", error=None,
        new_investments_transactions=0, cancelled_investments_transactions=0,
    )  # fmt: skip
    return {}
