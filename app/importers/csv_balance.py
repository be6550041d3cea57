"""Running balances: do they follow from the amounts, in which order, and with which sign."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

Step = tuple[Decimal, Decimal | None]
"""Amount of a row and the balance beside it."""

_SHARE_THAT_PROVES = 0.8


@dataclass(frozen=True, slots=True)
class Chain:
    """How many steps from row to row the balances explain."""

    pairs: int
    ascending: int
    descending: int

    @property
    def proves(self) -> bool:
        """Tell whether nearly all balances follow from the amounts."""
        return self.pairs > 0 and max(self.ascending, self.descending) >= (
            _SHARE_THAT_PROVES * self.pairs
        )

    @property
    def newest_first(self) -> bool:
        """Tell whether the file begins with the latest row."""
        return self.descending > self.ascending


def follow(steps: Sequence[Step], sign: int = 1) -> Chain:
    """Compare each balance with its neighbour's and the amount between them.

    Args:
        steps: Rows in the file's order.
        sign: What the amounts are multiplied with.
    """
    pairs = ascending = descending = 0
    for (amount, balance), (next_amount, next_balance) in pairwise(steps):
        if balance is None or next_balance is None or not (amount and next_amount):
            continue
        pairs += 1
        ascending += next_balance == balance + sign * next_amount
        descending += balance == next_balance + sign * amount
    return Chain(pairs, ascending, descending)
