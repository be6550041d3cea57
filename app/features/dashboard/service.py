"""Use cases of the overview: gather what the other features know, and the sums of months."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.filters import TransactionFilter
from app.domain.tieout import PENDING
from app.features.accounts import service as accounts
from app.features.accounts.service import AccountName, AccountView
from app.features.categories import service as categories
from app.features.categories.service import CategoryNode
from app.features.connections.service import overview as connections
from app.features.connections.service.overview import Connection
from app.features.dashboard import repository
from app.features.dashboard.repository import MonthTotal, Moved, Tracked
from app.features.tieout import service as tieout
from app.features.transactions import service as transactions
from app.features.transactions.listing import TransactionRow
from app.models import NO_CATEGORY, TieOut

MONTHS_OF_BARS = 6
MONTHS_OF_LINE = 12
LATEST = 5
_MOVED_BY_TRANSACTIONS = ("depository", "credit", "other")
"""Markets and interest move the balances of the other kinds as well."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What went out in a category and those below it that count; negative."""

    category_id: UUID
    """NO_CATEGORY for what has none."""
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BalanceAt:
    """A balance at the end of a day."""

    day: dt.date
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Overview:
    """What the overview tells of a household on a day."""

    today: dt.date
    accounts: Sequence[AccountView]
    tie_outs: Mapping[UUID, TieOut]
    lines: Mapping[str, Sequence[BalanceAt]]
    """By currency: what the accounts that transactions move came to, month by month."""
    months: Sequence[MonthTotal]
    """Money between the household's own accounts is left out."""
    spending: Sequence[Spending]
    """Of this month, the largest first."""
    connections: Sequence[Connection]
    latest: Sequence[TransactionRow]
    names: Sequence[AccountName]
    categories: Sequence[CategoryNode]


def get_overview(session: Session, household_id: UUID, today: dt.date) -> Overview:
    """Return the overview of a household, in a number of statements that nothing changes."""
    shown = accounts.list_accounts(session, household_id)
    tie_outs = tieout.list_stored(session, household_id, [each.id for each in shown])
    nodes = categories.list_categories(session, household_id)
    transfers = [node.id for node in nodes if node.kind == "transfer"]
    month = today.replace(day=1)
    spent = repository.spent(session, household_id, month, without_categories=transfers)
    return Overview(
        today=today,
        accounts=shown,
        tie_outs=tie_outs,
        lines=_lines(session, household_id, shown, tie_outs, today),
        months=repository.months(
            session,
            household_id,
            months_back(month, MONTHS_OF_BARS - 1),
            month,
            without_categories=transfers,
        ),
        spending=_by_head(spent, heads(nodes)),
        connections=connections.list_connections(session, household_id),
        latest=transactions.list_transactions(
            session, household_id, TransactionFilter(), limit=LATEST
        ).rows,
        names=accounts.list_names(session, household_id),
        categories=nodes,
    )


def months_back(month: dt.date, number: int) -> dt.date:
    """Return the first day of the month so many months before."""
    years, place = divmod(month.year * 12 + month.month - 1 - number, 12)
    return dt.date(years, place + 1, 1)


def heads(nodes: Sequence[CategoryNode]) -> dict[UUID, UUID]:
    """Return, by category, the one that it is summed under: the topmost that counts whole.

    Where a transfer stands below a category, that category does not count whole: filtered by it,
    the list would show what the sum leaves out. What stands below it is summed by itself.
    """
    parents = {node.id: node.parent_id for node in nodes}
    mixed: set[UUID] = set()
    for node in nodes:
        above = parents[node.id] if node.kind == "transfer" else None
        while above is not None:
            mixed.add(above)
            above = parents.get(above)
    found: dict[UUID, UUID] = {}
    for node in nodes:  # parents come first
        above = node.parent_id
        is_alone = above is None or above in mixed or above not in found
        found[node.id] = node.id if is_alone or above is None else found[above]
    return found


def _by_head(spent: Sequence[repository.Spent], head_of: Mapping[UUID, UUID]) -> list[Spending]:
    sums: dict[tuple[UUID, str], Decimal] = {}
    for each in spent:
        key = (head_of.get(each.category_id, NO_CATEGORY), each.currency)
        sums[key] = sums.get(key, Decimal()) + each.money_out
    found = [
        Spending(category_id, currency, sum_) for (category_id, currency), sum_ in sums.items()
    ]
    return sorted(found, key=lambda each: (each.amount, each.category_id))


def _lines(
    session: Session,
    household_id: UUID,
    shown: Sequence[AccountView],
    tie_outs: Mapping[UUID, TieOut],
    today: dt.date,
) -> dict[str, list[BalanceAt]]:
    """Return the lines: today's balances, less month by month what came since."""
    made = [
        each for each in shown if each.kind in _MOVED_BY_TRANSACTIONS and each.current is not None
    ]
    tracked = [
        Tracked(each.id, each.currency, _counts_pending(tie_outs.get(each.id))) for each in made
    ]
    month = today.replace(day=1)
    first = months_back(month, MONTHS_OF_LINE - 1)
    moves: dict[str, list[Moved]] = {}
    for each in repository.moved(session, household_id, tracked, first, month):
        moves.setdefault(each.currency, []).append(each)
    now = {worth.currency: worth.net for worth in accounts.worth(made)}
    return {
        currency: _line(now[currency], {each.month: each.amount for each in found}, today)
        for currency, found in moves.items()
    }


def _counts_pending(tie_out: TieOut | None) -> bool:
    return tie_out is not None and tie_out.treatment == PENDING


def _line(now: Decimal, moved: Mapping[dt.date, Decimal], today: dt.date) -> list[BalanceAt]:
    """Return the balance today and at the end of each month before, back to the first move."""
    points = [BalanceAt(today, now)]
    month, oldest = today.replace(day=1), min(moved)
    while month >= oldest:
        balance = points[-1].balance - moved.get(month, Decimal())
        points.append(BalanceAt(month - dt.timedelta(days=1), balance))
        month = months_back(month, 1)
    return points[::-1]
