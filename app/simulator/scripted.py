"""Lives that are written down instead of generated: Plaid's dynamic and custom users, oddities."""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from app.simulator.errors import ERRORS, PlaidError, invalid_field
from app.simulator.investing import PRICE_SCALE, QUANTITY_SCALE, Portfolio, Security, Trade
from app.simulator.life import Life, Movement
from app.simulator.people import FIRST_PLATYPUS, AccountPlan, Household
from app.simulator.rows import Facts, decode

ACCOUNTS_MAX = 50
ROWS_MAX = 20_000
_NEVER = 10_000
_KINDS = ("depository", "credit", "loan", "investment", "other", "payroll")


class ScriptedLife(Life):
    """A life whose movements are all known; days pass, but nothing is made up."""

    def __init__(
        self, login: str, accounts: Iterable[AccountPlan], movements: Iterable[Movement],
        first_day: int, portfolios: dict[str, Portfolio] | None = None,
    ) -> None:  # fmt: skip
        household = Household(login, login, "", 0, "", "", "", tuple(accounts), ())
        super().__init__(household, dt.date.fromordinal(first_day).year)
        self.first_day = first_day
        self.portfolios |= portfolios or {}
        self.movements = sorted(movements, key=lambda each: each.authorized)
        for number, movement in enumerate(self.movements):
            movement.number = number

    def live_until(self, day: int) -> None:
        """Let the days pass; every movement is known already."""
        self.lived_until = max(day, self.lived_until)


def _movement(account: str, authorized: int, posted: int, amount: Decimal, text: str,
              facts: Facts, **more: Any) -> Movement:  # noqa: ANN401 - fields by name  # fmt: skip
    return Movement(
        number=0, account=account, authorized=authorized, posted=posted, amount=0, exact=amount,
        text=text, facts=facts, **more,
    )  # fmt: skip


_DYNAMIC = (
    ("Corner Bakery", "FOOD_AND_DRINK_COFFEE", 640), ("Metro Fuel", "TRANSPORTATION_GAS", 4210),
    ("Harvest Foods", "FOOD_AND_DRINK_GROCERIES", 7385),
    ("Paper & Ink", "GENERAL_MERCHANDISE_OFFICE_SUPPLIES", 1899),
    ("City Cab", "TRANSPORTATION_TAXIS_AND_RIDE_SHARES", 1425),
)  # fmt: skip


@lru_cache(maxsize=32)
def dynamic_life(linked_on: dt.date) -> ScriptedLife:
    """Return the 50 transactions of `user_transactions_dynamic`, six of them pending."""
    today = linked_on.toordinal()
    accounts = (
        AccountPlan("checking", FIRST_PLATYPUS, "Plaid Checking", "depository", "checking",
                    "0000", 500_000, "Plaid Gold Standard 0% Interest Checking"),
        AccountPlan("card", FIRST_PLATYPUS, "Plaid Credit Card", "credit", "credit card", "3333",
                    41_000, "Plaid Diamond 12.5% APR Interest Credit Card", limit=200_000),
    )  # fmt: skip
    movements = []
    for number in range(50):
        name, category, price = _DYNAMIC[number % 5]
        pending = number < 6
        day = today - (number % 3 if pending else number)
        amount = Decimal(price + number * 13).scaleb(-2)
        facts = Facts(merchant=name, category=category, channel="in store")
        movements.append(
            # Pending rows wait for /transactions/refresh, however many days pass.
            _movement(
                "card" if number % 4 == 0 else "checking", day, day + _NEVER if pending else day,
                amount, name.upper(), facts, pending=0 if pending else None,
            )
        )  # fmt: skip
    return ScriptedLife("user_transactions_dynamic", accounts, movements, today - 90)


# Amounts and currencies at the edges, then one row for each field that may be null or new.
_QUIRKS: tuple[tuple[str, str, str | None, str | None, dict[str, Any] | None], ...] = (
    ("yen", "1234567", "JPY", None, None),
    ("dinar", "12.345", "BHD", None, None),
    ("coins", "0.00012345", None, "BTC", None),
    ("pence", "1250", None, "GBX", None),
    ("checking", "1234567890.12", "USD", None, None),
    ("checking", "0.3", "USD", None, None),
    ("checking", "0.30000000000000004", "USD", None, None),
    ("checking", "-0.01", "USD", None, None),
    ("checking", "0", "USD", None, None),
    ("checking", "10.10", "USD", None, {"merchant_name": None, "counterparties": []}),
    ("checking", "11.10", "USD", None, {"personal_finance_category": None}),
    ("checking", "12.10", "USD", None, {"payment_channel": "telepathy"}),
    ("checking", "13.10", "USD", None, {"transaction_code": "barter"}),
    ("checking", "14.10", "USD", None, {"tomorrows_field": {"a": [1, None, "2024-05-05"]}}),
    ("checking", "15.10", "USD", None, {"name": "Ünïcödé 🏦 <script>alert(1)</script> =1+1"}),
    ("checking", "16.10", "USD", None, {"name": "x" * 4_000}),
    ("checking", "17.10", "USD", None, {"name": ""}),
    ("checking", "18.10", "USD", None, {"authorized_date": None, "location": None}),
)


@lru_cache(maxsize=32)
def quirks_life(linked_on: dt.date) -> ScriptedLife:
    """Return the life of `sim_quirks`: one row for each oddity a reader must survive."""
    today = linked_on.toordinal()
    accounts = [
        AccountPlan("checking", FIRST_PLATYPUS, "Odd Checking", "depository", "checking", "0000",
                    100_000),
        AccountPlan("yen", FIRST_PLATYPUS, "円 Account", "depository", "savings", "0081", 0,
                    currency="JPY"),
        AccountPlan("dinar", FIRST_PLATYPUS, "Dinar Account", "depository", "savings", "0973", 0,
                    currency="BHD"),
        AccountPlan("coins", FIRST_PLATYPUS, "Wallet", "depository", "cash management", "0BTC", 0,
                    currency="", unofficial_currency="BTC"),
        AccountPlan("pence", FIRST_PLATYPUS, "Pence Account", "depository", "savings", "GBX0", 0,
                    currency="", unofficial_currency="GBX"),
        AccountPlan("hidden", FIRST_PLATYPUS, "", "depository", "money market", "", 5_000,
                    hides_available=True),
    ]  # fmt: skip
    movements = []
    for number, (account, amount, currency, unofficial, extra) in enumerate(_QUIRKS):
        facts = Facts(
            currency=currency, unofficial_currency=unofficial, merchant="Oddity",
            category="GENERAL_MERCHANDISE_OTHER_GENERAL_MERCHANDISE",
        )  # fmt: skip
        movements.append(
            _movement(account, today - number, today - number, Decimal(amount),
                      f"ODDITY {number}", facts, extra=extra)
        )  # fmt: skip
    return ScriptedLife("sim_quirks", accounts, movements, today - 90)


class CustomPortfolio(Portfolio):
    """The holdings that a custom user's JSON lists."""

    def __init__(self, plan: AccountPlan, entry: dict[str, Any], first_day: int) -> None:
        super().__init__(plan, first_day, 0)
        self._known: dict[str, Security] = {}
        self._prices: dict[str, int] = {}
        self._listed: dict[str, tuple[int, int]] = {}
        for holding in _dicts(entry.get("holdings")):
            self._hold(holding)
        for number, trade in enumerate(_dicts(entry.get("investment_transactions"))):
            self.trades.append(self._listed_trade(number, trade))

    def _hold(self, holding: dict[str, Any]) -> None:
        key = self._learn(holding.get("security") or {})
        price = int(_decimal(holding.get("institution_price", 0)) * PRICE_SCALE)
        quantity = _decimal(holding.get("quantity", 0))
        cost = _decimal(holding.get("cost_basis") or 0) * quantity
        self._prices[key] = price
        self._listed[key] = (int(quantity * QUANTITY_SCALE), int(cost * 100))

    def _learn(self, described: dict[str, Any]) -> str:
        ticker = str(described.get("ticker_symbol") or described.get("name") or "UNKNOWN")
        is_coin = ticker.startswith("CUR:")
        self._known[ticker] = Security(
            key=ticker, name=str(described.get("name") or ticker), ticker=ticker,
            type="cryptocurrency" if is_coin else "equity",
            subtype="cryptocurrency" if is_coin else "common stock", base=PRICE_SCALE,
        )  # fmt: skip
        return ticker

    def _listed_trade(self, number: int, entry: dict[str, Any]) -> Trade:
        key = self._learn(entry.get("security") or {})
        quantity, price = _decimal(entry.get("quantity", 0)), _decimal(entry.get("price", 0))
        fees = _decimal(entry.get("fees") or 0)
        kind = str(entry.get("type", "buy"))
        return Trade(
            number=number, day=_day(entry.get("date")).toordinal(), security=key,
            quantity=int(quantity * QUANTITY_SCALE), amount=int((quantity * price + fees) * 100),
            price=int(price * PRICE_SCALE), type=kind, subtype=kind,
            name=str(entry.get("name") or f"{kind.upper()} {key}"), fees=int(fees * 100),
        )  # fmt: skip

    def security(self, key: str) -> Security:
        """Return what the JSON says of a security."""
        return self._known.get(key) or super().security(key)

    def price(self, key: str, day: int) -> int:
        """Return the price the JSON gives, on every day."""
        return self._prices.get(key) or super().price(key, day)

    def holdings(self, day: int) -> dict[str, tuple[int, int]]:  # noqa: ARG002 - as the base
        """Return the holdings the JSON lists, and the starting balance as cash."""
        cash = {"cash": (self.opening_cash * (QUANTITY_SCALE // 100), self.opening_cash)}
        return self._listed | (cash if self.opening_cash else {})


def _dicts(value: object) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > ROWS_MAX:
        raise invalid_field("the custom user's lists must be lists of objects")
    if not all(isinstance(each, dict) for each in value):
        raise invalid_field("the custom user's lists must be lists of objects")
    return value


def _decimal(value: object) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise invalid_field(f"{str(value)[:40]!r} is not a number") from None
    if not number.is_finite() or abs(number) > Decimal(10) ** 15:
        raise invalid_field("a number of the custom user is out of range")
    return number


def _day(value: object) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value)[:10])
    except ValueError:
        raise invalid_field(f"{str(value)[:40]!r} is not a date") from None


@lru_cache(maxsize=32)
def custom_life(password: str, linked_on: dt.date) -> ScriptedLife:
    """Return the life that a custom user's JSON describes.

    Raises:
        PlaidError: The JSON is not one, breaks the schema, or asks for an error.
    """
    try:
        config = decode(password)
    except ValueError:
        raise invalid_field("the password of user_custom must be JSON") from None
    if not isinstance(config, dict):
        raise invalid_field("the password of user_custom must be a JSON object")
    forced = config.get("force_error")
    if forced:
        raise PlaidError(str(forced) if str(forced) in ERRORS else "INVALID_CREDENTIALS")
    entries = _dicts(config.get("override_accounts"))[:ACCOUNTS_MAX]
    if not entries:
        raise PlaidError("NO_ACCOUNTS")
    accounts, movements = [], []
    portfolios: dict[str, Portfolio] = {}
    for number, entry in enumerate(entries):
        plan, mine = _custom_account(number, entry, linked_on)
        accounts.append(plan)
        movements += mine
        if plan.type == "investment":
            portfolios[plan.key] = CustomPortfolio(plan, entry, 1)
    first = min([each.posted for each in movements], default=linked_on.toordinal())
    return ScriptedLife("user_custom", accounts, movements, max(1, first - 1), portfolios)


def _custom_account(
    number: int, entry: dict[str, Any], linked_on: dt.date
) -> tuple[AccountPlan, list[Movement]]:
    kind, meta = str(entry.get("type", "depository")), entry.get("meta") or {}
    if kind not in _KINDS:
        raise invalid_field(f"unknown account type {kind[:40]!r}")
    subtype = str(entry.get("subtype") or "checking")
    currency = str(entry.get("currency") or "USD")
    key = f"custom{number}"
    movements = [_custom_row(key, row, currency) for row in _dicts(entry.get("transactions"))]
    movements += _income(key, entry.get("inflow_model") or {}, currency, linked_on)
    posted = sum(
        (each.exact or Decimal(0) for each in movements if each.posted <= linked_on.toordinal()),
        Decimal(0),
    )
    start = _decimal(entry.get("starting_balance", 100))
    # The starting balance is what the account shows now.
    opening = start if kind == "investment" else (
        start - posted if kind in ("credit", "loan") else start + posted
    )  # fmt: skip
    available = entry.get("force_available_balance")
    limit = meta.get("limit")
    rate = (entry.get("liability") or {}).get("purchase_apr", 0)
    plan = AccountPlan(
        key, FIRST_PLATYPUS, str(meta.get("name") or f"Plaid {subtype.title()}"), kind, subtype,
        str(meta.get("mask") or f"{number:04d}"), int(opening * 100),
        official_name=meta.get("official_name"), currency=currency,
        limit=None if limit is None else int(_decimal(limit) * 100),
        available=None if available is None else int(_decimal(available) * 100),
        hides_available=bool(entry.get("has_null_available_balance")),
        rate=int(_decimal(rate) * 100),
    )  # fmt: skip
    return plan, movements


def _custom_row(key: str, row: dict[str, Any], currency: str) -> Movement:
    transacted, posted = _day(row.get("date_transacted")), _day(row.get("date_posted"))
    amount = _decimal(row.get("amount", 0))
    facts = Facts(currency=str(row.get("currency") or currency), confidence="LOW")
    return _movement(
        key, min(transacted, posted).toordinal(), posted.toordinal(), amount,
        str(row.get("description") or "TRANSACTION"), facts,
        pending=0 if transacted < posted else None,
    )  # fmt: skip


def _income(key: str, model: dict[str, Any], currency: str, linked_on: dt.date) -> list[Movement]:
    """Return two years of the monthly income that an inflow model describes."""
    if model.get("type") != "monthly-income":
        return []
    amount = _decimal(model.get("income_amount", 0))
    number = int(_decimal(model.get("payment_day_of_month", 1)))
    if not 1 <= number <= 31:
        raise invalid_field("payment_day_of_month must be 1 to 31")
    facts = Facts(currency=currency, category="INCOME_SALARY")
    text = str(model.get("transaction_name") or "DIRECT DEPOSIT")
    days = [linked_on - dt.timedelta(days=back) for back in range(730)]
    return [
        _movement(key, day.toordinal(), day.toordinal(), -amount, text, facts, series="income")
        for day in days
        if day.day == min(number, 28)
    ]
