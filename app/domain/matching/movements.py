"""The same movement as told by two sources of one account."""

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from app.domain.matching.pairing import Movement, Pair, Pairs, pair_off
from app.domain.matching.words import are_alike

SAME_MOVEMENT_DAYS = 5
"""Banks and files date the same movement a few days apart: bought, booked, valued."""
_HABIT_DAYS = 10
"""Who pays the same to the same twice in so many days has a habit; the day then decides."""
_ROUND = Decimal(5)
_NO_REJECTED: frozenset[tuple[str, str]] = frozenset()

_TELLING_MIN = 8
"""So many movements that cannot be confused must be there to learn from how two sources date."""
_AGREEING = 0.8

# By days apart: how often such a pair is one movement.
_ALIKE = tuple(map(Decimal, ("0.9995", "0.999", "0.995", "0.995", "0.95", "0.95")))
_HABIT = tuple(map(Decimal, ("0.999",)))
_HABIT_OF_NO_DAY = tuple(map(Decimal, ("0.30",)))
_SOLE = tuple(map(Decimal, ("0.99", "0.985", "0.95", "0.90")))
_UNLIKE = tuple(map(Decimal, ("0.60",)))
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


@dataclass(frozen=True, slots=True)
class _Calendar:
    """How the days of two sources relate, as learned from movements that cannot be confused."""

    left_made: bool
    right_made: bool
    """Whether it is the day a movement was made that tells, and not the day it was booked."""
    lag: int
    """How many days later the right one dates."""
    agrees: bool
    """Nearly all follow this; else no day of a habit can be told from the next."""

    def days_apart(self, row: Movement, other: Movement) -> int:
        mine = row.made_on if self.left_made and row.made_on else row.date
        their = other.made_on if self.right_made and other.made_on else other.date
        return abs((their - mine).days - self.lag)


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
    shared = sorted(lefts.keys() & rights.keys())
    calendar = _learn((lefts[key], rights[key]) for key in shared)
    candidates = [
        pair
        for key in shared
        for pair in _candidates(lefts[key], rights[key], calendar)
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


def _learn(sides: Iterable[tuple[_Side, _Side]]) -> _Calendar | None:
    """Find out how two sources date, from movements that are the only ones of their amount."""
    hits: Counter[tuple[bool, bool, int]] = Counter()
    count = 0
    for left, right in sides:
        for row in left.rows:
            partners = right.near(row.date, SAME_MOVEMENT_DAYS)
            if len(partners) != 1 or not _is_sole(row, left, right):
                continue
            other = partners[0]
            count += 1
            for made, their_made in product((False, True), repeat=2):
                mine = row.made_on if made else row.date
                their = other.made_on if their_made else other.date
                if mine and their:
                    hits[made, their_made, (their - mine).days] += 1
    if count < _TELLING_MIN:
        return None
    # In doubt the days as they are: among equals the one with the least assumptions.
    best = max(hits, key=lambda way: (hits[way], -sum(map(abs, way))))
    return _Calendar(*best, agrees=hits[best] >= _AGREEING * count)


def _candidates(left: _Side, right: _Side, calendar: _Calendar | None) -> Iterator[Pair]:
    for row in left.rows:
        for other in right.near(row.date, SAME_MOVEMENT_DAYS):
            pair = _judge(row, other, left, right, calendar)
            if pair is not None:
                yield pair


def _judge(
    row: Movement, other: Movement, left: _Side, right: _Side, calendar: _Calendar | None
) -> Pair | None:
    apart = days_apart(row, other)
    if calendar and calendar.agrees:
        apart = calendar.days_apart(row, other)
    alike = are_alike(row.text, other.text)
    habit = alike and (left.has_habit(row) or right.has_habit(other))
    sole = not alike and _is_sole(row, left, right) and _is_sole(other, right, left)
    scale = _ALIKE
    if habit:
        is_even = _is_even(row, other, left, right)
        scale = _HABIT if is_even and not (calendar and not calendar.agrees) else _HABIT_OF_NO_DAY
    elif not alike:
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


def _is_even(row: Movement, other: Movement, left: _Side, right: _Side) -> bool:
    """Tell whether both sources tell a habit as often on its day."""
    return len(left.near(row.date, 0)) == len(right.near(other.date, 0))


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
