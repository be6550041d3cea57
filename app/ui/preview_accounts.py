"""Invented proofs for the preview's pages of one account."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from app.core import clock
from app.domain.money import Money
from app.ui.preview_data import accounts_view, usd
from app.ui.views.accounts import (
    AccountPage,
    AccountRow,
    BalanceChart,
    ChartPoint,
    ExplainedRow,
    Explanation,
    StatedBalance,
)

_DAYS = 60
_GAP_OPENED = 50
"""Day of the preview on which the account with a gap stopped tying out."""


def account_page(account_id: str) -> AccountPage:
    """Return the page of one of the preview's accounts: tied out, with a gap, or unproven."""
    view = accounts_view()
    rows = [row for group in (*view.assets, *view.debts) for row in group.accounts]
    row = next((each for each in rows if each.account_id == account_id), rows[0])
    if row.gap is None:
        return _unproven(row)
    days = _stated(row, row.gap.amount)
    page = AccountPage(
        account=replace(row, tied_through=days[0].day),
        state="tied",
        words="",
        treatment="The bank's balance leaves out pending transactions.",
        transactions_url=f"/transactions?account={account_id}",
        tied_from=days[-1].day,
        tied_amount=days[0].stated,
        stated=days[0],
        gap=row.gap,
        chart=_chart(days),
        days=tuple(days),
    )
    return _with_gap(page) if row.is_untied else page


def _with_gap(page: AccountPage) -> AccountPage:
    tied = next(day for day in page.days if day.is_tied)
    assert page.gap is not None  # asked for
    stale = ExplainedRow("/transactions/0002", "Corner Bakery", tied.day, page.gap, page.gap)
    twice = replace(stale, name="Petrol Point", amount=-page.gap, twin_url="/transactions/0003")
    return replace(
        page,
        account=replace(page.account, tied_through=tied.day),
        state="gap",
        tied_amount=tied.stated,
        broke_by=tied.day + dt.timedelta(days=1),
        between_url=page.transactions_url,
        explanations=(
            Explanation(
                "It is still pending here, and the bank has booked it.", "Likely", 62, (stale,)
            ),
            Explanation(
                "They are here twice, and the bank counts them once.",
                "Possible",
                21,
                (twice, replace(twice, name="Skyline Air")),
            ),
        ),
        rejected=2,
    )


def _unproven(row: AccountRow) -> AccountPage:
    return AccountPage(
        account=row,
        state="unproven",
        words="The balance of an investment account is what it is worth, and markets move it as "
        "well. Transactions cannot prove it.",
        treatment="",
        transactions_url=f"/transactions?account={row.account_id}",
    )


def _stated(row: AccountRow, gap: Decimal) -> list[StatedBalance]:
    last = row.balance or usd("0")
    found = []
    for back in range(0, _DAYS, 2):
        moved = Decimal((back * 37) % 41 * 23 - back * 9)
        stated = Money(last.amount - moved, last.currency)
        off = gap if _DAYS - back > _GAP_OPENED else Decimal(0)
        found.append(
            StatedBalance(
                day=clock.today() - dt.timedelta(days=back),
                stated=stated,
                computed=Money(stated.amount - off, stated.currency),
                gap=Money(off, stated.currency),
                note="before the day's transactions" if back == 4 else "",
                source="OFX file" if back > _GAP_OPENED else "Plaid",
                received_at=clock.now() - dt.timedelta(days=back),
                url="/imports/1" if back > _GAP_OPENED else "",
            )
        )
    return found


def _chart(days: list[StatedBalance]) -> BalanceChart:
    oldest_first = days[::-1]
    amounts = [each.stated.amount for each in days]
    low, high = min(amounts), max(amounts)
    at = [
        (
            place * 1000 // (len(days) - 1),
            24 + int((high - each.stated.amount) / (high - low) * 252),
        )
        for place, each in enumerate(oldest_first)
    ]
    return BalanceChart(
        path=f"M0 {at[0][1]}" + "".join(f"H{x}V{y}" for x, y in at),
        points=tuple(
            ChartPoint(x, y, each.is_tied) for (x, y), each in zip(at, oldest_first, strict=True)
        ),
        high=Money(high, days[0].stated.currency),
        low=Money(low, days[0].stated.currency),
        first=oldest_first[0].day,
        last=days[0].day,
    )
