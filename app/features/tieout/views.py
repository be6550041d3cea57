"""What the page of an account shows, made of what the service knows."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from app.domain.money import Money
from app.domain.tieout import PENDING
from app.features.accounts import views as accounts_views
from app.features.accounts.service import AccountView
from app.features.tieout import words
from app.features.tieout.proof import DayBalance, Explained, Proof, StatedDay
from app.ui.sources import source_name
from app.ui.views.accounts import (
    Acceptance,
    AccountPage,
    BalanceChart,
    ChartPoint,
    ExplainedRow,
    Explanation,
    StatedBalance,
)

CHART_WIDTH, CHART_HEIGHT = 1000, 300
_MARGIN = 24
"""Above and below the line, so that points are not cut."""
_TREATMENTS = {
    "posted": "The bank's balance leaves out pending transactions.",
    PENDING: "The bank's balance has pending transactions in it.",
}


def account_view(
    account: AccountView,
    proof: Proof,
    balances: Sequence[DayBalance],
    names: Mapping[UUID, str],
    *,
    error: str = "",
    reason: str = "",
) -> AccountPage:
    """Return the page of one account; with `error`, why its difference was not accepted."""
    days = tuple(_day(each, proof.currency) for each in proof.days)
    return AccountPage(
        account=accounts_views.row(account),
        state=proof.state,
        words=proof.words,
        treatment=_TREATMENTS[proof.treatment] if len(days) > 1 and not proof.reason else "",
        transactions_url=_transactions_url(account),
        tied_from=proof.tied_from,
        tied_amount=_money(proof.tied_amount, proof.currency),
        gap=_money(proof.gap, proof.currency),
        gap_text="" if proof.gap is None else str(proof.gap),
        accepted=_accepted(proof, names),
        error=error,
        reason=reason,
        stated=days[0] if days else None,
        broke_by=proof.broke_by,
        between_url=_transactions_url(
            account, date_from=str(proof.tied_through), date_to=str(proof.broke_by)
        ),
        hole=proof.hole,
        explanations=tuple(_explanation(each, proof.currency) for each in proof.explanations),
        rejected=proof.rejected,
        chart=_chart(proof, balances),
        days=days,
    )


def _accepted(proof: Proof, names: Mapping[UUID, str]) -> Acceptance | None:
    found = proof.accepted
    if found is None:
        return None
    by = names.get(found.user_id) if found.user_id else None
    url = f"/history/{found.change_set_id}"
    return Acceptance(found.since, by or "somebody who has left", found.at, found.reason, url)


def _transactions_url(account: AccountView, **more: str) -> str:
    return f"/transactions?{urlencode({'account': str(account.id), **more})}"


def _money(amount: Decimal | None, currency: str) -> Money | None:
    return None if amount is None else Money(amount, currency)


def _day(day: StatedDay, currency: str) -> StatedBalance:
    return StatedBalance(
        day=day.day,
        stated=Money(day.stated, currency),
        computed=_money(day.computed, currency),
        gap=_money(day.gap, currency),
        note=words.CUTS[day.cut] if not day.gap else "",
        source=source_name(day.source),
        received_at=day.received_at,
        url=f"/imports/{day.import_id}" if day.import_id else "",
    )


def _explanation(found: Explained, currency: str) -> Explanation:
    percent = round(found.confidence * 100)
    return Explanation(
        words=found.words,
        certainty=words.certainty(percent),
        percent=percent,
        rows=tuple(
            ExplainedRow(
                url=f"/transactions/{each.transaction_id}",
                name=each.description,
                date=each.date,
                amount=Money(each.amount, currency),
                effect=Money(each.effect, currency),
                twin_url=f"/transactions/{each.twin_id}" if each.twin_id else "",
            )
            for each in found.rows
        ),
    )


def _chart(proof: Proof, balances: Sequence[DayBalance]) -> BalanceChart | None:
    """Return the chart of the days that `balances` cover, or of the stated ones alone."""
    first = balances[0].day if balances else min((d.day for d in proof.days), default=None)
    last = max((each.day for each in proof.days), default=None)
    if first is None or last is None or first == last:
        return None
    shown = [each for each in reversed(proof.days) if each.day >= first]
    amounts = [each.balance for each in balances] + [each.stated for each in shown]
    low, high = min(amounts), max(amounts)
    span = (last - first).days

    def across(day_number: int) -> int:
        return CHART_WIDTH * day_number // span

    def down(amount: Decimal) -> int:
        room = CHART_HEIGHT - 2 * _MARGIN
        share = (high - amount) / (high - low) if high != low else Decimal("0.5")
        return _MARGIN + int(share * room)

    steps = [f"H{across((each.day - first).days)}V{down(each.balance)}" for each in balances]
    return BalanceChart(
        path=f"M0 {down(balances[0].balance)}{''.join(steps)}" if balances else "",
        points=tuple(
            ChartPoint(across((each.day - first).days), down(each.stated), not each.gap)
            for each in shown
        ),
        high=Money(high, proof.currency),
        low=Money(low, proof.currency),
        first=first,
        last=last,
        zero=down(Decimal(0)) if low < 0 < high else None,
    )
