"""Investment accounts: securities with prices, trades, dividends, holdings.

Prices are integers in ten-thousandths of the currency's unit, quantities in
hundred-millionths.
"""

import datetime as dt
import random
from decimal import Decimal
from functools import cache

import msgspec

from app.simulator.people import AccountPlan

PRICE_SCALE = 10_000
QUANTITY_SCALE = 100_000_000
_SHARE_STEP = QUANTITY_SCALE // 1_000
_PRICE_EPOCH = 2010
_PRICE_MONTHS = 720


class Security(msgspec.Struct, frozen=True, kw_only=True):
    """Something one can hold."""

    key: str
    name: str
    ticker: str
    type: str
    subtype: str
    base: int
    """Price at the beginning of 2010."""
    swing: int = 45
    """Largest monthly change, in thousandths."""
    drift: int = 6
    """Mean monthly change, in thousandths."""
    sector: str | None = None
    dividend: int = 0
    """Quarterly dividend in hundredths of a percent of the value."""


SECURITIES = {
    each.key: each
    for each in (
        Security(key="total", name="Northlight Total Market ETF", ticker="NLTM", type="etf",
                 subtype="etf", base=412_000, dividend=35),
        Security(key="world", name="Northlight World ex-US ETF", ticker="NLWX", type="etf",
                 subtype="etf", base=298_000, drift=4, dividend=60),
        Security(key="bond", name="Evergreen Aggregate Bond Fund", ticker="EGABX",
                 type="mutual fund", subtype="mutual fund", base=104_000, swing=12, drift=1,
                 dividend=80),
        Security(key="target", name="Cascade Target Date 2050", ticker="CTDTX",
                 type="mutual fund", subtype="mutual fund", base=121_000, swing=30, drift=5,
                 dividend=30),
        Security(key="cascade", name="Cascade Systems Inc", ticker="CSCD", type="equity",
                 subtype="common stock", base=180_000, swing=95, drift=9,
                 sector="Technology Services"),
        Security(key="coin", name="Bitcoin", ticker="CUR:BTC", type="cryptocurrency",
                 subtype="cryptocurrency", base=2_500_000, swing=140, drift=12),
        Security(key="cash", name="U S Dollar", ticker="CUR:USD", type="cash", subtype="cash",
                 base=PRICE_SCALE, swing=0, drift=0),
    )
}  # fmt: skip

_MIX = {
    "401k": (("target", 100),),
    "roth": (("total", 70), ("world", 30)),
    "ira": (("total", 40), ("bond", 60)),
    "brokerage": (("total", 55), ("cascade", 30), ("coin", 15)),
}


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    """One investment transaction. `amount` is in cents, positive when cash is debited."""

    number: int
    day: int
    security: str | None
    quantity: int
    """In hundred-millionths; positive for buys."""
    amount: int
    price: int
    """In ten-thousandths."""
    type: str
    subtype: str
    name: str
    fees: int = 0
    cancels: int | None = None
    """Number of the trade that this one reverses."""


@cache
def _month_prices(key: str) -> tuple[int, ...]:
    """Prices at the start of each month from January 2010, for 60 years."""
    security = SECURITIES[key]
    prices = [security.base]
    pick = random.Random(f"price {key}")  # noqa: S311 - prices are no secret
    for _ in range(_PRICE_MONTHS):
        change = pick.randint(-security.swing, security.swing) + security.drift
        prices.append(max(prices[-1] + prices[-1] * change // 1000, 1))
    return tuple(prices)


def price_on(key: str, day: int) -> int:
    """Return the closing price of a day, in ten-thousandths; smooth between months."""
    date = dt.date.fromordinal(day)
    month = (date.year - _PRICE_EPOCH) * 12 + date.month - 1
    if month < 0:
        return SECURITIES[key].base
    prices = _month_prices(key)
    start, end = prices[min(month, _PRICE_MONTHS)], prices[min(month + 1, _PRICE_MONTHS)]
    return start + (end - start) * (date.day - 1) // 31


class Portfolio:
    """One investment account and its trades so far."""

    def __init__(self, plan: AccountPlan, first_day: int, seed: int) -> None:
        self.plan = plan
        self.trades: list[Trade] = []
        self.opening_cash = plan.opening
        self._cash = plan.opening
        self._quantities: dict[str, int] = {}
        self._mix = _MIX.get(plan.subtype, _MIX["ira"])
        self._first_day = first_day
        self._random = random.Random(f"{seed} {plan.key}")  # noqa: S311 - no secret

    def deposit(self, day: int, amount: int) -> None:
        """Let cash in cents arrive; it is invested on the following days."""
        kind = "contribution" if self.plan.from_payroll else "deposit"
        self._trade(day, None, 0, -amount, PRICE_SCALE, "cash", kind, f"{kind.upper()} ELECTRONIC")

    def live(self, day: int) -> None:
        """Let one day pass: invest what lies idle, receive dividends, pay fees."""
        date = dt.date.fromordinal(day)
        if date.weekday() > 4:
            return
        if date.day in (8, 9, 10) and self._cash > 10_000:
            self._invest(day)
        if date.month % 3 == 0 and 20 <= date.day <= 22:
            self._dividends(day)
        if date.month == 12 and date.day in (28, 29) and self._cash > 2_500:
            self._trade(day, None, 0, 2_500, 0, "fee", "account fee", "ANNUAL ACCOUNT FEE")
        if date.month == 5 and date.day in (12, 13):
            self._rebalance(day)

    def _invest(self, day: int) -> None:
        idle = self._cash
        for key, percent in self._mix:
            price = price_on(key, day)
            quantity = idle * percent // 100 * PRICE_SCALE // 100 * QUANTITY_SCALE // price
            quantity = quantity // _SHARE_STEP * _SHARE_STEP
            amount = -(-quantity * price * 100 // (PRICE_SCALE * QUANTITY_SCALE))
            if quantity and amount <= self._cash:
                ticker = SECURITIES[key].ticker
                self._trade(day, key, quantity, amount, price, "buy", "buy", f"BUY {ticker}")

    def _dividends(self, day: int) -> None:
        for key, quantity in list(self._quantities.items()):
            security = SECURITIES[key]
            value = quantity * price_on(key, day) * 100 // (PRICE_SCALE * QUANTITY_SCALE)
            amount = value * security.dividend // 10_000
            paid = any(t.day > day - 5 and t.security == key and t.subtype == "dividend"
                       for t in self.trades[-12:])  # fmt: skip
            if amount > 0 and not paid:
                text = f"DIVIDEND {security.ticker}"
                self._trade(day, key, 0, -amount, 0, "cash", "dividend", text)

    def _rebalance(self, day: int) -> None:
        """Sell a slice once a year; every third time the first order is cancelled."""
        if not self._quantities or any(trade.day > day - 9 and trade.type in ("sell", "cancel")
                                       for trade in self.trades[-9:]):  # fmt: skip
            return
        key = max(self._quantities, key=lambda held: self._quantities[held])
        price, quantity = price_on(key, day), self._quantities[key] // 25
        quantity = quantity // _SHARE_STEP * _SHARE_STEP
        amount = quantity * price * 100 // (PRICE_SCALE * QUANTITY_SCALE)
        ticker = SECURITIES[key].ticker
        if self._random.randrange(3) == 0:
            first = self._trade(day, key, -quantity, -amount, price, "sell", "sell",
                                f"SELL {ticker}")  # fmt: skip
            self._trade(day, key, quantity, amount, price, "cancel", "sell",
                        f"CANCEL SELL {ticker}", cancels=first.number)  # fmt: skip
        self._trade(day, key, -quantity, -amount + 495, price, "sell", "sell", f"SELL {ticker}",
                    fees=495)  # fmt: skip

    def _trade(
        self, day: int, security: str | None, quantity: int, amount: int, price: int,
        kind: str, subtype: str, name: str, *, fees: int = 0, cancels: int | None = None,
    ) -> Trade:  # fmt: skip
        trade = Trade(
            number=len(self.trades), day=day, security=security, quantity=quantity, amount=amount,
            price=price, type=kind, subtype=subtype, name=name, fees=fees, cancels=cancels,
        )  # fmt: skip
        self.trades.append(trade)
        self._cash -= amount
        if security is not None:
            self._quantities[security] = self._quantities.get(security, 0) + quantity
        return trade

    def holdings(self, day: int) -> dict[str, tuple[int, int]]:
        """Return what is held at the end of a day: quantity and cost in cents, by security.

        Cash is under `cash`, with a quantity in hundred-millionths of the unit.
        """
        held: dict[str, tuple[int, int]] = {}
        cash = self.opening_cash
        for trade in self.trades:
            if trade.day > day:
                continue
            cash -= trade.amount
            if trade.security is None or not trade.quantity:
                continue
            quantity, cost = held.get(trade.security, (0, 0))
            if trade.quantity > 0:
                cost += trade.amount
            elif quantity:
                # Sold at average cost.
                cost += cost * trade.quantity // quantity
            held[trade.security] = (quantity + trade.quantity, cost)
        held["cash"] = (cash * (QUANTITY_SCALE // 100), cash)
        return {key: value for key, value in held.items() if value[0]}

    def value(self, day: int) -> int:
        """Return the account's value in cents at the end of a day."""
        return sum(
            value_of(quantity, self.price(key, day))
            for key, (quantity, _) in self.holdings(day).items()
        )

    def security(self, key: str) -> Security:
        """Return what is known of a security."""
        return SECURITIES[key]

    def price(self, key: str, day: int) -> int:
        """Return a security's closing price, in ten-thousandths."""
        return price_on(key, day)


def value_of(quantity: int, price: int) -> int:
    """Return the value in cents of a scaled quantity at a scaled price, rounded down."""
    return quantity * price * 100 // (PRICE_SCALE * QUANTITY_SCALE)


def scaled(value: int, scale: int) -> Decimal:
    """Return the exact decimal `value / scale`; the scale is a power of ten."""
    return Decimal(value).scaleb(-(len(str(scale)) - 1))
