"""One to one, the best pairs first, and no guess where two have the same right."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import groupby

CERTAIN = Decimal("0.98")
"""Applied from here on; below, a person is asked. What was measured: `make matching`."""

_EVEN_CHANCE = Decimal("0.50")


@dataclass(frozen=True, slots=True)
class Movement:
    """What a source says of one movement of one account; negative is money out."""

    id: str
    date: dt.date
    amount: Decimal
    currency: str
    text: str = ""
    """Description and counterparty."""
    made_on: dt.date | None = None
    """The day it was made or authorised, where the source says one."""
    category_code: str = ""
    """The source's category, as the taxonomy has it."""

    @property
    def looks(self) -> Hashable:
        """Return all by which it could be told from another; equal ones are interchangeable."""
        return (self.date, self.amount, self.currency, self.text, self.made_on)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two that may be one."""

    left: str
    right: str
    confidence: Decimal
    """From 0 to 1: how often such a pair is one."""
    reason: str
    """In words: what agrees, and what does not."""
    distance: int = 0
    """Among pairs of equal confidence the smaller goes first."""

    @property
    def is_certain(self) -> bool:
        """Tell whether it may be applied without asking, if nobody else claims the two."""
        return self.confidence >= CERTAIN


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs to apply, in which everybody is once at most, and pairs to ask about."""

    certain: tuple[Pair, ...] = ()
    possible: tuple[Pair, ...] = ()


@dataclass(slots=True)
class _State:
    lefts: set[str] = field(default_factory=set)
    rights: set[str] = field(default_factory=set)
    certain: list[Pair] = field(default_factory=list)
    possible: list[Pair] = field(default_factory=list)

    def is_free(self, pair: Pair) -> bool:
        return pair.left not in self.lefts and pair.right not in self.rights

    def close(self, pair: Pair) -> None:
        self.lefts.add(pair.left)
        self.rights.add(pair.right)


def pair_off(
    candidates: Iterable[Pair],
    lefts: Mapping[str, Hashable],
    rights: Mapping[str, Hashable],
) -> Pairs:
    """Choose pairs so that each left and each right is in one at most.

    The order is the confidence, then the distance. Of the pairs of one such level, those are
    taken that nothing of the same level contests; the others become questions, and their members
    take part in no pair that is worse. Members that look the same are interchangeable: of two
    equal coffees on one side and two on the other, any may go with any.

    Args:
        candidates: All pairs that are possible at all.
        lefts: By id: what the member looks like.
        rights: The same of the other side.
    """
    state = _State()
    ordered = sorted(candidates, key=lambda each: (*_level(each), each.left, each.right))
    for _, level in groupby(ordered, _level):
        free = [pair for pair in level if state.is_free(pair)]
        clear = set(_uncontested(free, lefts, rights))
        for pair in free:
            if pair not in clear:
                state.possible.append(_contested(pair))
            elif state.is_free(pair):
                (state.certain if pair.is_certain else state.possible).append(pair)
                state.close(pair)
        for pair in free:
            if pair not in clear:
                state.close(pair)
    return Pairs(tuple(state.certain), tuple(state.possible))


def _contested(pair: Pair) -> Pair:
    return replace(
        pair,
        confidence=min(pair.confidence, _EVEN_CHANCE),
        reason=f"{pair.reason} Another one fits as well.",
    )


def _level(pair: Pair) -> tuple[Decimal, int]:
    return -pair.confidence, pair.distance


def _uncontested(
    pairs: list[Pair], lefts: Mapping[str, Hashable], rights: Mapping[str, Hashable]
) -> Iterator[Pair]:
    """Yield the pairs whose two looks are enough for all that claim them."""
    left_count = Counter(lefts[each] for each in {pair.left for pair in pairs})
    right_count = Counter(rights[each] for each in {pair.right for pair in pairs})
    claims: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
    claimed_by: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
    for pair in pairs:
        claims[lefts[pair.left]].add(rights[pair.right])
        claimed_by[rights[pair.right]].add(lefts[pair.left])
    for pair in pairs:
        left, right = lefts[pair.left], rights[pair.right]
        if _suffices(left_count[left], claims[left], right_count) and _suffices(
            right_count[right], claimed_by[right], left_count
        ):
            yield pair


def _suffices(count: int, partners: set[Hashable], counts: Mapping[Hashable, int]) -> bool:
    return len(partners) == 1 or count >= sum(counts[each] for each in partners)
