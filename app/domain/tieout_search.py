"""Which rows close the gap between a stated and a computed balance: a bounded, exact search.

Everything that may be wrong with a row is a suspect with an effect: how much the computed
balance would change were it so. The smallest set whose effects add up to the gap explains it.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import comb
from uuid import UUID

from app.domain.tieout import PENDING, Row

SET_ROWS_MAX = 4
"""Larger sets close any gap by coincidence."""
SUSPECTS_MAX = 40
"""Of one kind, in sets of several; the latest ones. Alone, ALONE_MAX are tried."""
ALONE_MAX = 2_000
NEAR = dt.timedelta(days=3)
"""How far apart a row and its copy are dated, and how early or late a bank books."""
EXPLANATIONS_MAX = 3


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which a row can be wrong."""

    likely: Decimal
    """How often it is the cause when it closes the gap to the cent, from 0 to 1."""
    joins: bool = True
    """Whether several rows at once are plausible."""


KINDS = {
    "removed": Kind(Decimal("0.9")),
    "set_aside": Kind(Decimal("0.9")),
    "changed": Kind(Decimal("0.9")),
    "booked": Kind(Decimal("0.85")),
    "dropped": Kind(Decimal("0.85")),
    "duplicate": Kind(Decimal("0.85")),
    "early": Kind(Decimal("0.6")),
    "late": Kind(Decimal("0.6")),
    "sign": Kind(Decimal("0.5"), joins=False),
    "extra": Kind(Decimal("0.3"), joins=False),
}
"""`removed`: withdrawn, and the balance still has it. `set_aside`: held for a duplicate, and the
bank counts it. `changed`: the balance still has the earlier amount. `booked`: pending, and the
bank has booked it. `dropped`: pending, and no longer in the balance. `duplicate`: the same twice.
`early`, `late`: booked by the bank just before or after the day it is dated. `sign`: money in for
money out, or the reverse. `extra`: the bank does not have it."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Something that may be wrong with a row."""

    row_id: UUID
    kind: str
    effect: Decimal
    """By how much the computed balance would change were it put right."""
    day: dt.date
    twin_id: UUID | None = None
    """Of a duplicate: the row that it repeats."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Rows that together close the gap exactly."""

    kind: str
    suspects: tuple[Suspect, ...]
    confidence: Decimal
    """From 0 to 1: by the kind, by how many other sets close it, by how probable it is that some
    set of this size closes a gap by coincidence."""


def suspects(rows: Sequence[Row], after: dt.date, by: dt.date, *, treatment: str) -> list[Suspect]:
    """Return all that may be wrong between a stated balance that ties and one that does not.

    Args:
        rows: Live and removed ones, of the days `after` to `by` and NEAR around them.
        after: Day of the balance that ties.
        by: Day of the first one that does not.
        treatment: Whether pending rows are in the stated balance.
    """
    found: list[Suspect] = []
    twins = _twins(rows)
    paired = set(twins) | set(twins.values())
    for row in rows:
        found += _of_history(row, by, treatment)
        is_counted = row.counts and (not row.pending or treatment == PENDING)
        if not is_counted:
            continue
        if by < row.day <= by + NEAR and not row.pending:
            found.append(Suspect(row.id, "early", row.amount, row.day))
        if not after < row.day <= by:
            continue
        if row.id in twins:
            found.append(Suspect(row.id, "duplicate", -row.amount, row.day, twins[row.id]))
        if row.day > by - NEAR and not row.pending:
            found.append(Suspect(row.id, "late", -row.amount, row.day))
        found.append(Suspect(row.id, "sign", -2 * row.amount, row.day))
        if row.id not in paired:
            found.append(Suspect(row.id, "extra", -row.amount, row.day))
    return found


def _of_history(row: Row, by: dt.date, treatment: str) -> Iterator[Suspect]:
    """Yield what a row's state and past make suspicious, on whichever day up to `by` it is."""
    if row.day > by:
        return
    if row.removed:
        yield Suspect(row.id, "removed", row.amount, row.day)
    elif row.duplicate_of:
        yield Suspect(row.id, "set_aside", row.amount, row.day)
    elif row.pending:
        kind, effect = ("dropped", -row.amount) if treatment == PENDING else ("booked", row.amount)
        yield Suspect(row.id, kind, effect, row.day)
    else:
        earlier = {Decimal(c.before) for c in row.changes if c.field == "amount" and c.before}
        yield from (
            Suspect(row.id, "changed", amount - row.amount, row.day)
            for amount in sorted(earlier - {row.amount})
        )


def _twins(rows: Iterable[Row]) -> dict[UUID, UUID]:
    """Return each row that says the same as one before it: its id and the other's."""
    same: defaultdict[Decimal, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda each: (each.moment, each.id)):
        if row.counts:
            same[row.amount].append(row)
    return {
        later.id: earlier.id
        for group in same.values()
        for place, later in enumerate(group)
        for earlier in group[:place]
        if abs(later.day - earlier.day) <= NEAR
    }


def explain(gap: Decimal, found: Sequence[Suspect]) -> list[Explanation]:
    """Return the smallest sets of suspects that add up to the gap, the likeliest first.

    Only suspects of one kind make a set, and at most SET_ROWS_MAX of them.
    """
    by_kind: defaultdict[str, list[Suspect]] = defaultdict(list)
    for each in sorted(found, key=lambda each: (each.day, each.row_id), reverse=True):
        if each.effect:
            by_kind[each.kind].append(each)
    for size in range(1, SET_ROWS_MAX + 1):
        closing = [
            (kind, chosen, _coincidence(members, size))
            for kind, of_kind in by_kind.items()
            if size == 1 or KINDS[kind].joins
            for members in [of_kind[: ALONE_MAX if size == 1 else SUSPECTS_MAX]]
            for chosen in _closing(members, gap, size)
        ]
        if closing:
            return _ranked(closing)
    return []


def _ranked(
    closing: Sequence[tuple[str, tuple[Suspect, ...], Decimal]],
) -> list[Explanation]:
    best: dict[frozenset[UUID], Explanation] = {}
    for kind, chosen, coincidence in closing:
        made = Explanation(kind, chosen, KINDS[kind].likely / (1 + coincidence))
        rows = frozenset(each.row_id for each in chosen)
        if rows not in best or best[rows].confidence < made.confidence:
            best[rows] = made
    total = sum(each.confidence for each in best.values())
    shared = [
        Explanation(e.kind, e.suspects, min(e.confidence, e.confidence**2 / total).quantize(_CENT))
        for e in best.values()
    ]
    return sorted(shared, key=lambda each: -each.confidence)[:EXPLANATIONS_MAX]


_CENT = Decimal("0.01")


def _coincidence(members: Sequence[Suspect], size: int) -> Decimal:
    """Return how many sets of this size are to be expected to hit a given sum by chance."""
    effects = [abs(each.effect) for each in members]
    finest = min(int(each.normalize().as_tuple().exponent) for each in effects)
    sums = sum(sorted(effects)[-size:], Decimal(0)).scaleb(-min(finest, 0)) * 2 + 1
    return Decimal(comb(len(members), size)) / sums


def _closing(members: Sequence[Suspect], gap: Decimal, size: int) -> Iterator[tuple[Suspect, ...]]:
    """Yield the sets of exactly `size` members that add up to the gap, each row once in a set."""
    places: defaultdict[Decimal, list[int]] = defaultdict(list)
    for place, each in enumerate(members):
        places[each.effect].append(place)

    def search(start: int, rest: Decimal, wanted: int) -> Iterator[tuple[int, ...]]:
        if wanted == 1:
            yield from ((place,) for place in places.get(rest, ()) if place >= start)
            return
        for place in range(start, len(members)):
            for more in search(place + 1, rest - members[place].effect, wanted - 1):
                yield (place, *more)

    for chosen in search(0, gap, size):
        rows = tuple(members[place] for place in chosen)
        if len({each.row_id for each in rows}) == size:
            yield rows
