"""Which movements of two sources are the same one: one to one, the nearest days first."""

import datetime as dt
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

SAME_MOVEMENT_DAYS = 3
"""Banks and files date the same movement a few days apart: bought, booked, valued."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What two sources agree on when they speak of the same movement."""

    id: str
    date: dt.date
    amount: Decimal
    currency: str


def match_movements(
    stored: Iterable[Movement],
    incoming: Iterable[Movement],
    *,
    days_max: int = SAME_MOVEMENT_DAYS,
) -> dict[str, str]:
    """Pair movements of one account that two sources report.

    Amount and currency are equal and the days at most `days_max` apart; pairs of the same day
    are made first, then those a day apart, and so on, each movement in one pair at most. Only
    incoming movements of days that the stored ones span can be paired: before and after, the
    other source says nothing, and an equal amount is a coincidence.

    Returns:
        The stored id for each incoming id that has one.
    """
    waiting: defaultdict[tuple[dt.date, Decimal, str], deque[str]] = defaultdict(deque)
    for movement in stored:
        waiting[movement.date, movement.amount, movement.currency].append(movement.id)
    if not waiting:
        return {}
    first, last = min(day for day, _, _ in waiting), max(day for day, _, _ in waiting)
    unpaired = [movement for movement in incoming if first <= movement.date <= last]
    pairs: dict[str, str] = {}
    for distance in range(days_max + 1):
        for sign in (-1, 1) if distance else (1,):
            still_unpaired = []
            for movement in unpaired:
                ordinal = movement.date.toordinal() + sign * distance
                day = _day(ordinal)
                candidates = waiting.get((day, movement.amount, movement.currency)) if day else None
                if candidates:
                    pairs[movement.id] = candidates.popleft()
                else:
                    still_unpaired.append(movement)
            unpaired = still_unpaired
    return pairs


def _day(ordinal: int) -> dt.date | None:
    is_day = dt.date.min.toordinal() <= ordinal <= dt.date.max.toordinal()
    return dt.date.fromordinal(ordinal) if is_day else None
