"""Which rows, and which accounts, of several sources are the same one.

Pure: rows go in, pairs come out, each with its confidence and its reason in words. A pair at or
above `CERTAIN` is applied, what lies below is asked; what two rows claim with equal right is
never guessed.
"""

from app.domain.matching.accounts import (
    AccountTrace,
    Overlap,
    may_be_same,
    overlap_of,
    same_accounts,
)
from app.domain.matching.movements import SAME_MOVEMENT_DAYS, same_movements
from app.domain.matching.pairing import CERTAIN, Movement, Pair, Pairs
from app.domain.matching.pending import PENDING_DAYS, posted_of_pending

__all__ = [
    "CERTAIN",
    "PENDING_DAYS",
    "SAME_MOVEMENT_DAYS",
    "AccountTrace",
    "Movement",
    "Overlap",
    "Pair",
    "Pairs",
    "may_be_same",
    "overlap_of",
    "posted_of_pending",
    "same_accounts",
    "same_movements",
]
