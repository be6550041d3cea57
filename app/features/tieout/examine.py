"""Examining accounts: their stated balances, what the rows come to, and what closes a gap."""

import calendar
import datetime as dt
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.tieout import (
    END,
    GAP,
    POSTED,
    SETTLED_AFTER,
    START,
    TIED,
    UNPROVEN,
    Acceptance,
    Anchor,
    Change,
    Reading,
    Row,
    Span,
    Verdict,
    acceptance_of,
    as_reported_then,
    tie_out,
)
from app.domain.tieout_search import NEAR, Explanation, explain, suspects
from app.features.accounts.service import END_OF_DAY
from app.features.tieout import repository
from app.features.tieout.repository import LedgerRow, StatedBalance, Total, Window
from app.models import Account

RECENT = dt.timedelta(days=62)
"""For so long every stated balance is looked at; of earlier months the last one."""
ROWS_MAX = 20_000
_HALF_MONTH = 15

REPEATED = Explanation("repeated", (), Decimal("0.5"))
"""The institution stated the same balance again although rows came: it may not be a new one."""


@dataclass(frozen=True, slots=True)
class Examined:
    """One account as it was examined."""

    account_id: UUID
    currency: str
    verdict: Verdict
    reason: str | None = None
    """Why it is unproven: `no_balance`, `one_balance`, `no_rows` or `value`."""
    explanations: tuple[Explanation, ...] = ()
    rejected: int = 0
    """Rows that could not be read since it last tied: any of them may close the gap."""
    accepted: Acceptance | None = None
    """By what a person accepted the gap."""

    @property
    def state(self) -> str:
        """Return `tied`, `gap` or `unproven`."""
        return UNPROVEN if self.reason else self.verdict.state

    @property
    def rings(self) -> bool:
        """Tell whether there is a gap that nobody has accepted."""
        return self.state == GAP and self.accepted is None

    @property
    def treatment(self) -> str:
        """Return how the institution that spoke last treats pending rows."""
        days = self.verdict.days
        return self.verdict.treatment_of(days[-1].anchor.source) if days else POSTED


def examine(
    session: Session,
    household_id: UUID,
    account_ids: Sequence[UUID],
    now: dt.datetime,
    *,
    every_day: bool = False,
) -> list[Examined]:
    """Return what is found of each account; a handful of statements for all that tie.

    Rows are read only where the sums of days leave a gap; with `every_day`, also where one lies
    between balances that tie again.
    """
    stated: defaultdict[UUID, list[StatedBalance]] = defaultdict(list)
    for balance in repository.balances(session, household_id, account_ids, now - RECENT):
        stated[balance.account_id].append(balance)
    sums = _sums(session, household_id, account_ids, stated, of_all_time=every_day)
    untold = {id_ for id_ in account_ids if stated[id_]} - {account_id for account_id, _ in sums}
    earlier = repository.have_rows(session, household_id, list(untold)) if untold else set()
    found = []
    for account in repository.accounts(session, household_id, account_ids):
        is_earlier = account.id in earlier
        examined = _by_totals(account, stated[account.id], sums, has_rows=is_earlier)
        gaps = any(day.gap for day in examined.verdict.days)
        if examined.state == GAP or (every_day and gaps and not examined.reason):
            examined = _by_rows(session, household_id, examined, stated[account.id], sums)
        found.append(examined)
    return _with_acceptances(session, household_id, found)


def _with_acceptances(
    session: Session, household_id: UUID, found: list[Examined]
) -> list[Examined]:
    if not any(each.state == GAP for each in found):
        return found
    known = repository.acceptances(session, household_id)
    return [
        replace(
            each,
            accepted=acceptance_of(each.verdict, known.get((each.account_id, each.currency), ())),
        )
        if each.state == GAP
        else each
        for each in found
    ]


class Sums:
    """What the booked rows of one account in one currency come to by any day that was asked of."""

    def __init__(self, months: Sequence[Total], days: dict[dt.date, Decimal]) -> None:
        """Take all months in order, and the days that `needed` named."""
        self._starts = [month.date for month in months]
        self._before = [Decimal(0), *accumulate(month.amount for month in months)]
        self._days = days

    def before(self, day: dt.date) -> Decimal:
        """Return the sum of what is dated before a day."""
        place = bisect_left(self._starts, day.replace(day=1))
        listed = sum((self._days.get(each, Decimal(0)) for each in needed(day)), Decimal(0))
        if day.day <= _HALF_MONTH:
            return self._before[place] + listed - self.of(day)
        has_month = self._starts[place : place + 1] == [day.replace(day=1)]
        return self._before[place + has_month] - listed

    def of(self, day: dt.date) -> Decimal:
        """Return the sum of what is dated on a day."""
        return self._days.get(day, Decimal(0))

    @property
    def quiet(self) -> list[Span]:
        """Return the spans of whole months without any row, between months that have some."""
        ends = [_month_end(start) for start in self._starts]
        return [
            (end + dt.timedelta(days=1), start - dt.timedelta(days=1))
            for end, start in zip(ends, self._starts[1:], strict=False)
            if (start - end).days > 1
        ]


def needed(day: dt.date) -> list[dt.date]:
    """Return the day and the rest of its month towards the nearer end: months are summed up."""
    first, last = (1, day.day) if day.day <= _HALF_MONTH else (day.day, _month_end(day).day)
    return [day.replace(day=number) for number in range(first, last + 1)]


def _month_end(day: dt.date) -> dt.date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _sums(
    session: Session,
    household_id: UUID,
    account_ids: Sequence[UUID],
    stated: dict[UUID, list[StatedBalance]],
    *,
    of_all_time: bool,
) -> dict[tuple[UUID, str], Sums]:
    """Return the sums since the months of the first balances, or since the first rows.

    What was before the first balance is part of the opening, of which nobody tells us: without it
    all that differs is the opening itself.
    """
    balance_days = {_day(each) for balances in stated.values() for each in balances}
    if not balance_days:
        return {}
    since = dt.date.min if of_all_time else min(balance_days).replace(day=1)
    months: defaultdict[tuple[UUID, str], list[Total]] = defaultdict(list)
    for total in repository.months(session, household_id, account_ids, since):
        months[total.account_id, total.currency].append(total)
    dates = {date for day in balance_days for date in needed(day)}
    days: defaultdict[tuple[UUID, str], dict[dt.date, Decimal]] = defaultdict(dict)
    for total in repository.days(session, household_id, account_ids, sorted(dates)):
        days[total.account_id, total.currency][total.date] = total.amount
    return {key: Sums(of_key, days[key]) for key, of_key in months.items()}


def _day(balance: StatedBalance) -> dt.date:
    return balance.as_of.astimezone(dt.UTC).date()


def _is_of_day(balance: StatedBalance) -> bool:
    return balance.as_of.astimezone(dt.UTC).time() == END_OF_DAY


def _by_totals(
    account: Account,
    balances: Sequence[StatedBalance],
    sums: dict[tuple[UUID, str], Sums],
    *,
    has_rows: bool,
) -> Examined:
    """Examine with the kept totals of months and days alone.

    `has_rows` tells of rows that are in no sum.
    """
    # Where pending rows count, a balance from before the first rows tests nothing.
    balances = [each for each in balances if not each.is_blind] or balances
    currency = balances[-1].currency if balances else account.currency
    own = sums.get((account.id, currency), Sums([], {}))
    anchors = [_anchor(each, own) for each in balances if each.currency == currency]
    verdict = tie_out(anchors, own.quiet)
    has_rows = (
        has_rows
        or any(account_id == account.id for account_id, _ in sums)
        or any(each.pending for each in balances)
    )
    return Examined(
        account.id, currency, verdict, _reason(account.kind, verdict, has_rows=has_rows)
    )


def _reason(kind: str, verdict: Verdict, *, has_rows: bool) -> str | None:
    """Return why nothing can be proven, or None."""
    if kind == "investment":
        return "value"
    if not verdict.days:
        return "no_balance"
    if not has_rows:
        return "no_rows"
    return "one_balance" if verdict.state == UNPROVEN else None


def _anchor(balance: StatedBalance, sums: Sums) -> Anchor:
    day, pending = _day(balance), balance.pending or Decimal(0)
    before = sums.before(day)
    readings = (Reading(END, before + sums.of(day), pending), Reading(START, before, pending))
    return Anchor(balance.id, balance.source_account_id, day, balance.current, readings)


def _by_rows(
    session: Session,
    household_id: UUID,
    examined: Examined,
    balances: Sequence[StatedBalance],
    sums: dict[tuple[UUID, str], Sums],
) -> Examined:
    """Examine again with what sources had reported when they stated each balance."""
    verdict = examined.verdict
    assert verdict.days  # there is a gap
    anchors = [day.anchor for day in verdict.days]
    last = anchors[-1].day
    opened = verdict.tied.anchor.day if verdict.tied and verdict.state == GAP else last
    first = min(opened, last - RECENT)
    near = [each for each in anchors if each.day >= first]
    rows, older = _rows(session, household_id, examined, near, first)
    of_day = {each.id for each in balances if _is_of_day(each)}
    # Under balances of long ago only what is older than all of them is as it was reported then.
    anchors = [
        as_reported_then(
            each, [*rows, *older], opening=anchors[0].day, by_day=each.id in of_day
        )
        for each in anchors
    ]  # fmt: skip
    own = sums.get((examined.account_id, examined.currency), Sums([], {}))
    verdict = tie_out(anchors, own.quiet)
    reason = "one_balance" if verdict.state == UNPROVEN else None
    examined = replace(examined, verdict=verdict, reason=reason)
    if verdict.state != GAP:
        return examined
    since = examined.verdict.tied.anchor.id if examined.verdict.tied else near[0].id
    return replace(
        examined,
        explanations=explanations(examined.verdict, rows),
        rejected=repository.count_rejected(session, household_id, examined.account_id, since),
    )


def _rows(
    session: Session,
    household_id: UUID,
    examined: Examined,
    near: Sequence[Anchor],
    first: dt.date,
) -> tuple[list[Row], list[Row]]:
    """Return the rows of the last balances, and further ones that the first balance hangs on."""
    anchors = [day.anchor for day in examined.verdict.days]
    window = Window(
        examined.account_id,
        examined.currency,
        first=first - SETTLED_AFTER - NEAR,
        last=anchors[-1].day + SETTLED_AFTER,
        near_since=min(each.id for each in near),
        opening_first=anchors[0].day - SETTLED_AFTER - NEAR,
        opening_last=anchors[0].day + SETTLED_AFTER,
        since=min(each.id for each in anchors),
        limit=ROWS_MAX,
    )
    found, changed = repository.rows(session, household_id, window)
    changes: defaultdict[UUID, list[Change]] = defaultdict(list)
    for each in changed:
        changes[each.transaction_id].append(Change(each.change_set_id, each.field, each.before))
    rows = [(row.is_near, _row(row, changes)) for row in found]
    return [row for is_near, row in rows if is_near], [row for is_near, row in rows if not is_near]


def _row(row: LedgerRow, changes: dict[UUID, list[Change]]) -> Row:
    return Row(
        id=row.id,
        day=row.date,
        amount=row.amount,
        pending=row.pending,
        moment=row.change_set_id,
        removed=row.is_removed,
        duplicate_of=row.duplicate_of_id,
        changes=tuple(changes[row.id]),
    )


def explanations(verdict: Verdict, rows: Iterable[Row]) -> tuple[Explanation, ...]:
    """Return what closes the gap of a verdict, the likeliest first; empty if nothing does."""
    if verdict.state != GAP or verdict.tied is None or verdict.broke_by is None:
        return ()
    tied, broke = verdict.tied, verdict.broke_by
    after, by = tied.anchor.day, broke.anchor.day
    if tied.cut == START or after == by:
        after -= dt.timedelta(days=1)
    found = suspects(list(rows), after, by, treatment=verdict.treatment_of(broke.anchor.source))
    made = explain(verdict.gap, found)
    if broke.anchor.stated == tied.anchor.stated and broke.computed != tied.computed:
        made.append(REPEATED)
    return tuple(sorted(made, key=lambda each: -each.confidence))


__all__ = ["TIED", "Examined", "Sums", "examine", "explanations", "needed"]
