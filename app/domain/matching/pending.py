"""Pending transactions that vanished, and what they were posted as, where no source links them."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from app.domain.matching.pairing import Movement, Pair, Pairs, pair_off
from app.domain.matching.words import are_alike

PENDING_DAYS = 14
"""Most are posted within five days, hardly any later than fourteen."""
_MADE_DAYS = 1
"""How far the day that a posted row was made may be from the day of the pending one."""
_HABIT_DAYS = 10
_TIP_MAX = Decimal("1.30")
_DRIFT = Decimal("0.05")
_ROUND = Decimal(5)
_HOLDS = frozenset(map(Decimal, (1, 50, 75, 100, 125, 150, 175, 200)))
_HELD_MAX = Decimal(250)
_TIPPED = ("FOOD_AND_DRINK", "PERSONAL_CARE", "TRANSPORTATION_TAXIS")
_HELD = ("TRANSPORTATION_GAS", "TRAVEL_LODGING", "TRAVEL_RENTAL")
_WORTH_ASKING = Decimal("0.60")


@dataclass(frozen=True, slots=True)
class _Tier:
    together: Decimal
    """It vanished in the same update in which the other came."""
    later: Decimal
    """It vanished in another update, or is still there although it should be posted by now."""
    words: str


_EQUAL = _Tier(Decimal("0.998"), Decimal("0.92"), "The same amount")
_TIP = _Tier(Decimal("0.985"), Decimal("0.80"), "As much as with a tip")
_HOLD = _Tier(Decimal("0.985"), Decimal("0.80"), "A round sum that was only held")
_EXCHANGE = _Tier(Decimal("0.98"), Decimal("0.70"), "Nearly the same amount, as by another rate")
_RENAMED = _Tier(Decimal("0.985"), Decimal("0.70"), "The same amount under another name")
_SAME_DAY_MADE = Decimal("0.99")
_UNSURE = Decimal("0.95")


def posted_of_pending(
    pending: Iterable[Movement],
    posted: Iterable[Movement],
    *,
    together: Collection[tuple[str, str]] | None = None,
    others: Iterable[Movement] = (),
    rejected: Collection[tuple[str, str]] = frozenset(),
) -> Pairs:
    """Pair vanished pending transactions of one source account with those that were posted.

    Args:
        pending: Vanished, or there for longer than they should be; the right of each pair.
        posted: Those that nothing explains yet; the left of each pair.
        together: Pairs (posted, pending) of which one came in the update in which the other
            vanished; None: all.
        others: Further rows of the account; equal ones make a habit of a movement.
        rejected: Pairs, in either order, of which a person said that they are two.
    """
    waiting = sorted(pending, key=lambda each: (each.date, each.id))
    found = sorted(posted, key=lambda each: (each.date, each.id))
    known_to_differ = {frozenset(pair) for pair in rejected}
    rows = [*found, *waiting, *others]
    candidates = [
        pair
        for old in waiting
        for new in _posted_after(old, found)
        if frozenset((old.id, new.id)) not in known_to_differ
        and (pair := _judge(old, new, rows, together=together)) is not None
    ]
    return pair_off(
        candidates,
        {row.id: row.looks for row in found},
        {row.id: row.looks for row in waiting},
    )


def _posted_after(old: Movement, posted: Sequence[Movement]) -> Iterator[Movement]:
    start = bisect_left(posted, old.date, key=lambda each: each.date)
    last = old.date + timedelta(days=PENDING_DAYS)
    for new in posted[start : bisect_right(posted, last, key=lambda each: each.date)]:
        if new.currency == old.currency and (new.amount > 0) == (old.amount > 0):
            yield new


def _judge(
    old: Movement,
    new: Movement,
    rows: Sequence[Movement],
    *,
    together: Collection[tuple[str, str]] | None,
) -> Pair | None:
    is_made_then = _is_made_then(old, new)
    tier = _tier(old, new)
    if tier is None or is_made_then is False:
        return None
    came_together = together is None or (new.id, old.id) in together
    confidence = tier.together if came_together else tier.later
    if tier is _EQUAL and is_made_then:
        confidence = max(confidence, _SAME_DAY_MADE)
    elif _is_habit(old, new, rows, tier):
        confidence = min(confidence, _UNSURE)
    if confidence < _WORTH_ASKING:
        return None
    days = (new.date - old.date).days
    return Pair(new.id, old.id, confidence, _reason(tier, days, together=came_together), days)


def _is_made_then(old: Movement, new: Movement) -> bool | None:
    """Tell whether the posted row was made on the day of the pending one; None: unknown."""
    if new.made_on is None:
        return None
    apart = abs((new.made_on - (old.made_on or old.date)).days)
    # A bank that does not know when a row was made may repeat the day it was posted.
    if new.made_on == new.date and apart > 0:
        return None
    return None if 0 < apart <= _MADE_DAYS else apart == 0


def _tier(old: Movement, new: Movement) -> _Tier | None:
    alike = are_alike(old.text, new.text)
    if old.amount == new.amount:
        is_round = new.amount % _ROUND == 0
        return _EQUAL if alike else None if is_round else _RENAMED
    if not alike:
        return None
    ratio = new.amount / old.amount if old.amount else Decimal(0)
    codes = (old.category_code, new.category_code)
    if 1 < ratio <= _TIP_MAX and any(code.startswith(_TIPPED) for code in codes):
        return _TIP
    is_held = any(code.startswith(_HELD) for code in codes) and abs(old.amount) in _HOLDS
    if is_held and abs(new.amount) <= _HELD_MAX:
        return _HOLD
    return _EXCHANGE if abs(ratio - 1) <= _DRIFT else None


def _is_habit(old: Movement, new: Movement, rows: Sequence[Movement], tier: _Tier) -> bool:
    """Tell whether others of about that amount and name are near, so that it may be one of them."""
    slack = Decimal(0) if tier in (_EQUAL, _RENAMED) else abs(new.amount - old.amount)
    return any(
        row.id not in (old.id, new.id)
        and abs((row.date - old.date).days) <= _HABIT_DAYS
        and row.currency == old.currency
        and abs(row.amount - new.amount) <= slack
        and (row.date, row.amount) != (old.date, old.amount)
        and are_alike(row.text, new.text)
        for row in rows
    )


def _reason(tier: _Tier, days: int, *, together: bool) -> str:
    when = "on its day" if days == 0 else f"{days} day{'s' * (days > 1)} later"
    how = "just as the pending one vanished" if together else "not when the pending one vanished"
    return f"{tier.words}, posted {when}, {how}."
