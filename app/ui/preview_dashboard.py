"""An invented overview for the preview."""

import datetime as dt
from decimal import Decimal

from app.core import clock
from app.domain.money import Money
from app.ui.charts import percent, worth_line
from app.ui.preview_data import accounts_view, all_rows, connections_view, usd
from app.ui.views.dashboard import (
    BankRow,
    CategoryBar,
    GapRow,
    LinePoint,
    MonthBar,
    MonthBars,
    MonthSpending,
    OverviewView,
    ProofStrip,
    UnprovenRow,
    WorthNow,
)

_BALANCES = (
    "18210.40", "18940.02", "17655.90", "19002.11", "20480.75", "20101.30", "21377.42",
    "19840.08", "20915.66", "21490.10", "20233.87", "21102.95", "22744.41",
)  # fmt: skip
_MONTHS = (
    ("5120.00", "-4310.22"), ("5120.00", "-5874.90"), ("6840.50", "-4102.75"),
    ("5120.00", "-4466.31"), ("5120.00", "-3987.04"), ("5120.00", "-3214.58"),
)  # fmt: skip
_SPENT = (
    ("Home and utilities", "-1368.02"), ("Food and drink", "-742.51"), ("Transport", "-311.80"),
    ("Shopping", "-268.44"), ("", "-190.00"), ("Entertainment", "-121.37"), ("Health", "-90.00"),
    ("Loan payments with a remarkably long name of its own", "-64.44"),
)  # fmt: skip


def overview_view(*, new: bool = False) -> OverviewView:
    """Return the overview of a household with everything, or of one that has just begun."""
    accounts = accounts_view()
    month = clock.today().replace(day=1)
    if new:
        unproven = (
            UnprovenRow("Everyday", "/accounts/everyday", "No balance was ever stated of it."),
        )
        return OverviewView(month, (), ProofStrip(0, 1, unproven=unproven))
    return OverviewView(
        month=month,
        worth=tuple(
            WorthNow(each, worth_line(_line_points()) if each.total.currency == "USD" else None)
            for each in accounts.net_worth
        ),
        proof=_proof(),
        banks=tuple(
            BankRow(each.connection_id, each.institution_name, each.state, each.headline,
                    each.state_words, each.institution_seen_at)
            for each in connections_view().connections
        ),
        months=(_months(month),),
        spending=(_spending(),),
        spending_url="/transactions?direction=out",
        questions=3,
        latest=tuple(all_rows()[:5]),
    )  # fmt: skip


def _line_points() -> list[LinePoint]:
    today = clock.today()
    ends = [today]
    while len(ends) < len(_BALANCES):
        ends.append(ends[-1].replace(day=1) - dt.timedelta(days=1))
    return [LinePoint(day, usd(text)) for day, text in zip(ends[::-1], _BALANCES, strict=True)]


def _proof() -> ProofStrip:
    today = clock.today()
    return ProofStrip(
        tied=4,
        accounts=8,
        tied_through=today - dt.timedelta(days=2),
        gaps=(
            GapRow("Store Card With A Remarkably Long Name", "/accounts/store", usd("-24.90"),
                   today - dt.timedelta(days=9)),
        ),
        unproven=(
            UnprovenRow("Long Term", "/accounts/brokerage",
                        "Markets move its value as well, so transactions cannot prove it."),
            UnprovenRow("Cold storage", "/accounts/coins", "No balance was ever stated of it."),
            UnprovenRow("Home", "/accounts/mortgage",
                        "One balance was stated so far; only the next one proves something."),
        ),
    )  # fmt: skip


def _months(current: dt.date) -> MonthBars:
    months = [current]
    while len(months) < len(_MONTHS):
        months.append((months[-1] - dt.timedelta(days=1)).replace(day=1))
    highest = max(abs(Decimal(text)) for pair in _MONTHS for text in pair)
    return MonthBars(
        "USD",
        tuple(
            MonthBar(month, "/transactions", usd(money_in), usd(money_out),
                     percent(Decimal(money_in), highest), percent(-Decimal(money_out), highest),
                     is_current=month == current)
            for month, (money_in, money_out) in zip(months[::-1], _MONTHS, strict=True)
        ),
    )  # fmt: skip


def _spending() -> MonthSpending:
    most = Decimal(_SPENT[0][1])
    return MonthSpending(
        total=usd("-3214.58"),
        bars=tuple(
            CategoryBar(name, "/transactions?direction=out", usd(text),
                        percent(Decimal(text), most))
            for name, text in _SPENT
        ),
        others=2,
        rest=Money(Decimal("-58.00"), "USD"),
    )  # fmt: skip
