"""Balances of MT940: for the end of which day each of them stands, if for any."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.importers.base import BalanceAnchor
from app.importers.mt940_fields import Balance

_DAY = dt.timedelta(days=1)
Anchors = tuple[BalanceAnchor | None, BalanceAnchor | None]
"""Opening and closing."""


@dataclass(slots=True)
class Span:
    """The days of the booked rows of one statement, and its balances."""

    days: Sequence[dt.date] = ()
    opening: Balance | None = None
    closing: Balance | None = None
    first: dt.date = field(init=False)
    last: dt.date = field(init=False)

    def __post_init__(self) -> None:
        self.first = min(self.days, default=dt.date.max)
        self.last = max(self.days, default=dt.date.min)

    def moment(self) -> dt.date:
        """Return the day by which statements of an account follow each other."""
        stated = self.closing or self.opening
        return stated.date if stated else self.last


def anchor(spans: Sequence[Span]) -> list[Anchors]:
    """Return the balances of an account's statements that are true for the end of a day.

    A balance stands between rows. It is the one at the end of a day only if all rows before it
    are of that day or earlier, and all after it of a later one. That is not so where a day has
    several statements, nor where a bank dates rows by their value; such a balance would find a
    gap where there is none, so it is left out.

    The standard dates an opening balance with the day of the closing before it, at the end of
    which it is true. Many banks write the first day of the statement instead: then it is the
    balance at the end of the day before. Of an interim balance, which stands between two messages
    of one day, that would be said in vain, for rows of the day may be in the message before it.

    Args:
        spans: In the file's order.
    """
    order = sorted(range(len(spans)), key=lambda at: spans[at].moment())
    before, earlier = dt.date.min, {}
    for at in order:
        earlier[at] = before
        before = max(before, spans[at].last)
    after, later = dt.date.max, {}
    for at in reversed(order):
        later[at] = after
        after = min(after, spans[at].first)
    return [
        (_opening(span, earlier[at], later[at]), _closing(span, earlier[at], later[at]))
        for at, span in enumerate(spans)
    ]


def _opening(span: Span, earlier: dt.date, later: dt.date) -> BalanceAnchor | None:
    balance = span.opening
    if balance is None:
        return None
    day = balance.date
    if day == span.first and not balance.is_interim and day > dt.date.min:
        day -= _DAY
    is_true = earlier <= day < min(span.first, later)
    return BalanceAnchor(day, balance.amount) if is_true else None


def _closing(span: Span, earlier: dt.date, later: dt.date) -> BalanceAnchor | None:
    balance = span.closing
    if balance is None:
        return None
    is_true = max(earlier, span.last) <= balance.date < later
    return BalanceAnchor(balance.date, balance.amount) if is_true else None
