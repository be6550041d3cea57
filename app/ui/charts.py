"""Charts that are drawn on the server: figures to the coordinates of a path."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from app.domain.money import Money
from app.ui.views.dashboard import LinePoint, WorthLine

WIDTH, HEIGHT = 1000, 200
_MARGIN = 16
"""Above and below the line, so that it is not cut."""


def worth_line(points: Sequence[LinePoint]) -> WorthLine | None:
    """Return the line through points, the oldest first; None through fewer than two."""
    if len(points) < 2:
        return None
    amounts = [each.balance.amount for each in points]
    currency = points[0].balance.currency
    low, high = min(amounts), max(amounts)
    corners = [
        f"{_across(each.day, points)} {_down(each.balance.amount, low, high)}" for each in points
    ]
    return WorthLine(
        path="M" + "L".join(corners),
        points=tuple(points),
        high=Money(high, currency),
        low=Money(low, currency),
        zero=_down(Decimal(), low, high) if low < 0 < high else None,
    )


def _across(day: dt.date, points: Sequence[LinePoint]) -> int:
    span = max((points[-1].day - points[0].day).days, 1)
    return WIDTH * (day - points[0].day).days // span


def _down(amount: Decimal, low: Decimal, high: Decimal) -> int:
    share = (high - amount) / (high - low) if high != low else Decimal("0.5")
    return _MARGIN + int(share * (HEIGHT - 2 * _MARGIN))


def percent(part: Decimal, whole: Decimal) -> int:
    """Return a share for a bar, 0 to 100; what is not nothing is at least seen."""
    if not part or not whole:
        return 0
    return max(1, min(100, round(part / whole * 100)))
