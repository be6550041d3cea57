"""The same movement as told by two sources of one account."""

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.matching.pairing import Movement, Pair, Pairs, pair_off
from app.domain.matching.words import are_alike

SAME_MOVEMENT_DAYS = 5
"""Banks and files date the same movement a few days apart: bought, booked, valued."""
_HABIT_DAYS = 10
"""Who pays the same to the same twice in so many days has a habit; the day then decides."""
_ROUND = Decimal(5)
_NO_REJECTED: frozenset[tuple[str, str]] = frozenset()

# By days apart: how often such a pair is one movement.
_ALIKE = tuple(map(Decimal, ("0.9995", "0.999", "0.995", "0.995", "0.95", "0.95")))
_ALIKE_HABIT = tuple(map(Decimal, ("0.9995", "0.96", "0.90", "0.90", "0.80", "0.80")))
_SOLE = tuple(map(Decimal, ("0.99", "0.985", "0.93", "0.90")))
_UNLIKE = tuple(map(Decimal, ("0.90", "0.80", "0.60", "0.60")))
_AT_THE_EDGE = Decimal("0.95")


@dataclass(frozen=True, slots=True)
class _Side:
    """The movements of one source that have one amount, by day."""

    rows: Sequence[Movement]
    days: Sequence[dt.date]
    first: dt.date
    last: dt.date
    """The days that the source tells of, whatever the amount."""

    def near(self, day: dt.date, distance: int) -> Sequence[Movement]:
        start = bisect_left(self.days, day - dt.timedelta(days=distance))
        return self.rows[start : bisect_right(self.days, day + dt.timedelta(days=distance))]

    def has_habit(self, row: Movement) -> bool:
        near = self.near(row.date, _HABIT_DAYS)
        return any(
            each.date != row.date and are_alike(each.text, row.text)
            for each in near
            if each.id != row.id
        )


def same_movements(
    stored: Iterable[Movement],
    incoming: Iterable[Movement],
    *,
    rejected: Collection[tuple[str, str]] = _NO_REJECTED,
) -> Pairs:
    """Pair movements of one account that two sources tell; amounts and currencies are equal.

    Args:
        stored: What one source tells; the left of each pair.
        incoming: What the other tells.
        rejected: Pairs, in either order, of which a person said that they are two.
    """
    ours, theirs = list(stored), list(incoming)
    if not ours or not theirs:
        return Pairs()
    lefts, rights = _by_amount(ours), _by_amount(theirs)
    known_to_differ = {frozenset(pair) for pair in rejected}
    candidates = [
        pair
        for key in lefts.keys() & rights.keys()
        for pair in _candidates(lefts[key], rights[key])
        if frozenset((pair.left, pair.right)) not in known_to_differ
    ]
    return pair_off(
        candidates,
        {row.id: row.looks for row in ours},
        {row.id: row.looks for row in theirs},
    )


def _by_amount(rows: Sequence[Movement]) -> dict[tuple[Decimal, str], _Side]:
    groups: defaultdict[tuple[Decimal, str], list[Movement]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: (each.date, each.id)):
        groups[row.amount, row.currency].append(row)
    first, last = min(row.date for row in rows), max(row.date for row in rows)
    return {
        key: _Side(group, [row.date for row in group], first, last) for key, group in groups.items()
    }


def _candidates(left: _Side, right: _Side) -> Iterator[Pair]:
    for row in left.rows:
        for other in right.near(row.date, SAME_MOVEMENT_DAYS):
            pair = _judge(row, other, left, right)
            if pair is not None:
                yield pair


def _judge(row: Movement, other: Movement, left: _Side, right: _Side) -> Pair | None:
    apart = days_apart(row, other)
    alike = are_alike(row.text, other.text)
    habit = alike and apart > 0 and (left.has_habit(row) or right.has_habit(other))
    sole = not alike and _is_sole(row, left, right) and _is_sole(other, right, left)
    if alike:
        scale = _ALIKE_HABIT if habit else _ALIKE
    else:
        scale = _SOLE if sole and row.amount % _ROUND else _UNLIKE
    if apart >= len(scale):
        return None
    confidence = scale[apart]
    if not (alike and apart <= 1) and not (_tells_of(right, row) and _tells_of(left, other)):
        confidence = min(confidence, _AT_THE_EDGE)
    return Pair(
        row.id, other.id, confidence, _reason(apart, alike=alike, habit=habit, sole=sole), apart
    )


def days_apart(row: Movement, other: Movement) -> int:
    """Return how far the days are apart, of those that each source names the nearest two."""
    return min(
        abs((mine - their).days)
        for mine in (row.date, row.made_on or row.date)
        for their in (other.date, other.made_on or other.date)
    )


def _is_sole(row: Movement, mine: _Side, theirs: _Side) -> bool:
    """Tell whether it is the only one of its amount for days, and has one partner at most."""
    days = SAME_MOVEMENT_DAYS
    return len(mine.near(row.date, days)) == 1 and len(theirs.near(row.date, days)) <= 1


def _tells_of(side: _Side, row: Movement) -> bool:
    return side.first <= row.date <= side.last


def _reason(apart: int, *, alike: bool, habit: bool, sole: bool) -> str:
    when = "the same day" if apart == 0 else f"{apart} day{'s' * (apart > 1)} apart"
    words = "similar words" if alike else "other words"
    rest = ""
    if habit:
        rest = "; such a movement comes often"
    elif not alike:
        rest = "; no other of this amount near" if sole else "; others of this amount are near"
    return f"The same amount, {when}, {words}{rest}."
