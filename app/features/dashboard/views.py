"""What the overview shows, made of what the service knows."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from app.domain.filters import TransactionFilter
from app.domain.money import Money
from app.features.accounts import service as accounts
from app.features.accounts.service import AccountView
from app.features.accounts.views import net_worth
from app.features.connections.service.overview import Connection
from app.features.dashboard.service import (
    MONTHS_OF_BARS,
    BalanceAt,
    Overview,
    Spending,
    heads,
    months_back,
)
from app.features.tieout import words
from app.features.transactions import query
from app.features.transactions.views import Names, row_view
from app.models import NO_CATEGORY, TieOut
from app.ui.charts import percent, worth_line
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
    WorthLine,
    WorthNow,
)

CATEGORIES_SHOWN = 8
_ORDER = (
    "needs_user", "held", "dead", "parked", "expiring", "stale", "syncing", "waiting", "good",
)  # fmt: skip


def overview_view(overview: Overview, *, base_currency: str, questions: int) -> OverviewView:
    """Return the page; the base currency comes first wherever there are several."""

    def base_first(currency: str) -> tuple[bool, str]:
        return currency != base_currency, currency

    names = Names(overview.names, overview.categories)
    month = overview.today.replace(day=1)
    worth = sorted(accounts.worth(overview.accounts), key=lambda each: base_first(each.currency))
    return OverviewView(
        month=month,
        worth=tuple(
            WorthNow(net_worth(each), _line(overview.lines.get(each.currency, ()), each.currency))
            for each in worth
        ),
        proof=_proof(overview.accounts, overview.tie_outs),
        banks=_banks(overview.connections),
        months=tuple(
            _months(overview, month, currency)
            for currency in sorted({each.currency for each in overview.months}, key=base_first)
        ),
        spending=tuple(
            _spending(overview, names, month, currency)
            for currency in sorted({each.currency for each in overview.spending}, key=base_first)
        ),
        spending_url=_month_url(month, direction="out"),
        questions=questions,
        latest=tuple(row_view(row, names) for row in overview.latest),
    )


def _line(balances: Sequence[BalanceAt], currency: str) -> WorthLine | None:
    return worth_line([LinePoint(each.day, Money(each.balance, currency)) for each in balances])


def _proof(shown: Sequence[AccountView], tie_outs: Mapping[UUID, TieOut]) -> ProofStrip:
    tied, unproven = [], []
    gaps: list[GapRow] = []
    accepted: list[GapRow] = []
    for account in shown:
        found, url = tie_outs.get(account.id), f"/accounts/{account.id}"
        if found is not None and found.state == "tied":
            tied.append(found.tied_through)
        elif found is not None and found.state == "gap" and found.gap is not None:
            gap = Money(found.gap, found.currency)
            row = GapRow(account.name, url, gap, found.broke_by)
            (accepted if found.accepted_by else gaps).append(row)
        else:
            reason = (found.reason if found is not None else None) or "no_balance"
            unproven.append(UnprovenRow(account.name, url, words.IN_SHORT[reason]))
    return ProofStrip(
        tied=len(tied),
        accounts=len(shown),
        tied_through=min((day for day in tied if day is not None), default=None),
        gaps=tuple(gaps),
        accepted=tuple(accepted),
        unproven=tuple(unproven),
    )


def _banks(connections: Iterable[Connection]) -> tuple[BankRow, ...]:
    return tuple(
        BankRow(
            connection_id=str(each.id),
            name=each.institution_name,
            state=each.status,
            headline=each.headline,
            words=each.explanation,
            seen_at=each.institution_seen_at,
        )
        for each in sorted(connections, key=lambda each: _ORDER.index(each.status))
    )


def _months(overview: Overview, current: dt.date, currency: str) -> MonthBars:
    found = {each.month: each for each in overview.months if each.currency == currency}
    highest = max(max(each.money_in, -each.money_out) for each in found.values())
    bars = []
    for back in range(MONTHS_OF_BARS - 1, -1, -1):
        month = months_back(current, back)
        total = found.get(month)
        money_in, money_out = (total.money_in, total.money_out) if total else (Decimal(), Decimal())
        bars.append(
            MonthBar(
                month=month,
                url=_month_url(month),
                money_in=Money(money_in, currency),
                money_out=Money(money_out, currency),
                in_height=percent(money_in, highest),
                out_height=percent(-money_out, highest),
                is_current=month == current,
            )
        )
    return MonthBars(currency, tuple(bars))


def _spending(overview: Overview, names: Names, month: dt.date, currency: str) -> MonthSpending:
    found = [each for each in overview.spending if each.currency == currency]
    shown, others = found[:CATEGORIES_SHOWN], found[CATEGORIES_SHOWN:]
    head_of = heads(overview.categories)
    # A category with a transfer below it is no filter for exactly what was summed.
    parents = {node.parent_id for node in overview.categories if head_of[node.id] == node.id}

    def url(each: Spending) -> str:
        if each.category_id in parents:
            return ""
        return _month_url(month, direction="out", category_id=each.category_id)

    return MonthSpending(
        total=Money(sum((each.amount for each in found), Decimal()), currency),
        bars=tuple(
            CategoryBar(
                name=names.category(each.category_id if each.category_id != NO_CATEGORY else None),
                url=url(each),
                amount=Money(each.amount, currency),
                percent=percent(each.amount, found[0].amount),
            )
            for each in shown
        ),
        others=len(others),
        rest=Money(sum((each.amount for each in others), Decimal()), currency) if others else None,
    )


def _month_url(
    month: dt.date, *, direction: str | None = None, category_id: UUID | None = None
) -> str:
    return query.url(
        TransactionFilter(
            category_ids=(category_id,) if category_id is not None else (),
            date_from=month,
            date_to=months_back(month, -1) - dt.timedelta(days=1),
            direction=direction,
        )
    )
