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
_VISIT_DAYS = 6
_TIP_MAX = Decimal("1.30")
_DRIFT = Decimal("0.05")
_ROUND = Decimal(5)
_HOLDS = frozenset(map(Decimal, (1, 50, 75, 100, 125, 150, 175, 200)))
_HELD_MAX = Decimal(250)
_TIPPED = ("FOOD_AND_DRINK", "PERSONAL_CARE", "TRANSPORTATION_TAXIS")
_HELD = ("TRANSPORTATION_GAS", "TRAVEL_LODGING", "TRAVEL_RENTAL")


@dataclass(frozen=True, slots=True)
class _Tier:
    """How often such a pair is one, by what else is known of it."""

    made_then: Decimal
    """It vanished in the update in which the other came, which was made on its day."""
    together: Decimal
    """The same, if nobody says when the other was made."""
    later: Decimal
    """It vanished in another update, or is still there although it should be posted by now, and
    the other was made on its day."""
    words: str


_EQUAL = _Tier(Decimal("0.999"), Decimal("0.998"), Decimal("0.99"), "The same amount")
_TIP = _Tier(Decimal("0.999"), Decimal("0.99"), Decimal("0.90"), "As much as with a tip")
_HOLD = _Tier(Decimal("0.999"), Decimal("0.99"), Decimal("0.90"), "A round sum that was only held")
_EXCHANGE = _Tier(Decimal("0.99"), Decimal("0.90"), Decimal("0.80"), "Nearly the same amount")
_RENAMED = _Tier(
    Decimal("0.995"), Decimal("0.99"), Decimal("0.90"), "The same amount under another name"
)
_OTHERS_NEAR = Decimal("0.95")
_NOTHING_SAYS = Decimal("0.45")
"""Of an equal amount and name alone, without the moment and without the day."""


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
    tier = _tier(old, new)
    apart = _made_apart(old, new)
    if tier is None or (apart or 0) > _MADE_DAYS:
        return None
    is_made_then = apart == 0
    came_together = together is None or (new.id, old.id) in together
    confidence = _confidence(tier, is_made_then=is_made_then, together=came_together)
    if confidence is None or apart or (not is_made_then and _others_near(old, new, rows, tier)):
        if not came_together or confidence is None:
            return None
        confidence = min(confidence, _OTHERS_NEAR)
    days = (new.date - old.date).days
    return Pair(new.id, old.id, confidence, _reason(tier, days, together=came_together), days)


def _confidence(tier: _Tier, *, is_made_then: bool, together: bool) -> Decimal | None:
    if is_made_then:
        return tier.made_then if together else tier.later
    if together:
        return tier.together
    return _NOTHING_SAYS if tier is _EQUAL else None


def _made_apart(old: Movement, new: Movement) -> int | None:
    """Return how many days apart the two were made; None: unknown."""
    if new.made_on is None:
        return None
    apart = abs((new.made_on - (old.made_on or old.date)).days)
    # A bank that does not know when a row was made may repeat the day it was posted.
    return None if new.made_on == new.date and apart > 0 else apart


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


def _others_near(old: Movement, new: Movement, rows: Sequence[Movement], tier: _Tier) -> bool:
    """Tell whether it may be another one: a habit, or a second visit in those days."""
    is_equal = tier in (_EQUAL, _RENAMED)
    return any(
        row.id not in (old.id, new.id)
        and row.currency == old.currency
        and abs((row.date - old.date).days) <= (_HABIT_DAYS if is_equal else _VISIT_DAYS)
        and (not is_equal or (row.amount == new.amount and row.date != old.date))
        and are_alike(row.text, new.text)
        for row in rows
    )


def _reason(tier: _Tier, days: int, *, together: bool) -> str:
    when = "on its day" if days == 0 else f"{days} day{'s' * (days > 1)} later"
    how = "just as the pending one vanished" if together else "not when the pending one vanished"
    return f"{tier.words}, posted {when}, {how}."
