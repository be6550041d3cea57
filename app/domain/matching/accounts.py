"""The same account at another source, or at the same one under new ids."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.domain.matching.pairing import Movement, Pair, Pairs, pair_off
from app.domain.matching.words import are_alike

_NEAR_DAYS = 3
_ROWS_MIN = 8
"""Movements in the days that both tell of, below which they prove nothing."""
_SHARE_SAME = Decimal("0.8")
_SHARE_OTHER = Decimal("0.3")


@dataclass(frozen=True, slots=True)
class AccountTrace:
    """What a source says of an account, as far as it helps to know it again."""

    id: str
    account: str
    """The account of the ledger that it feeds, or would."""
    kind: str
    currency: str
    subtype: str | None = None
    mask: str | None = None
    name: str = ""
    institution: str | None = None
    persistent_id: str | None = None
    current: Decimal | None = None
    """The balance as last stated."""
    is_gone: bool = False
    """Its source tells of it no more: unlinked, closed, or replaced."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """How much two accounts tell the same, in the days that both tell of."""

    shared: int
    """Movements that both have."""
    left: int
    right: int

    @property
    def share(self) -> Decimal:
        """Return which part of what either has the other has as well."""
        return Decimal(self.shared) / max(self.left, self.right, 1)


def overlap_of(old: Iterable[Movement], new: Iterable[Movement]) -> Overlap:
    """Count the movements of equal amount and nearly equal day, in the days that both tell of."""
    ours, theirs = list(old), list(new)
    if not ours or not theirs:
        return Overlap(0, 0, 0)
    first = max(min(row.date for row in rows) for rows in (ours, theirs))
    last = min(max(row.date for row in rows) for rows in (ours, theirs))
    left, right = _days_by_amount(ours, first, last), _days_by_amount(theirs, first, last)
    return Overlap(
        sum(_common(left[key], right[key]) for key in left.keys() & right.keys()),
        sum(map(len, left.values())),
        sum(map(len, right.values())),
    )


def same_accounts(
    old: Iterable[AccountTrace],
    new: Iterable[AccountTrace],
    *,
    overlaps: Mapping[tuple[str, str], Overlap] | None = None,
    rejected: Collection[tuple[str, str]] = frozenset(),
) -> Pairs:
    """Pair accounts that a source shows for the first time with those of the ledger.

    Neither a name nor the last digits of a number are enough: people have several accounts of one
    name, and banks repeat digits. What is enough: the provider's own lasting id; the same
    movements; or everything agreeing with an account whose source fell silent.

    Args:
        old: Accounts of the ledger; the left of each pair.
        new: Accounts that a source shows for the first time.
        overlaps: By (old, new): the movements they have in common, as far as there are any.
        rejected: Pairs, in either order, of which a person said that they are two.
    """
    ours, theirs = list(old), list(new)
    known_to_differ = {frozenset(pair) for pair in rejected}
    candidates = [
        pair
        for one in ours
        for other in theirs
        if frozenset((one.id, other.id)) not in known_to_differ
        and (pair := _judge(one, other, (overlaps or {}).get((one.id, other.id)))) is not None
    ]
    return pair_off(
        candidates,
        {each.id: each.account for each in ours},
        {each.id: each.account for each in theirs},
    )


def may_be_same(one: AccountTrace, other: AccountTrace) -> bool:
    """Tell whether nothing that they say of themselves keeps two accounts from being one."""
    return (
        (one.kind, one.currency) == (other.kind, other.currency)
        and (one.subtype or other.subtype) == (other.subtype or one.subtype)
        and _masks_agree(one.mask, other.mask) is not False
    )


def _days_by_amount(
    rows: Iterable[Movement], first: dt.date, last: dt.date
) -> dict[tuple[Decimal, str], list[dt.date]]:
    days: defaultdict[tuple[Decimal, str], list[dt.date]] = defaultdict(list)
    for row in rows:
        if first <= row.date <= last:
            days[row.amount, row.currency].append(row.date)
    return {key: sorted(each) for key, each in days.items()}


def _common(left: list[dt.date], right: list[dt.date]) -> int:
    """Count pairs of days that are near, each day in one pair."""
    count, waiting = 0, iter(right)
    other = next(waiting, None)
    for day in left:
        while other is not None and (day - other).days > _NEAR_DAYS:
            other = next(waiting, None)
        if other is not None and (other - day).days <= _NEAR_DAYS:
            count += 1
            other = next(waiting, None)
    return count


def _judge(one: AccountTrace, other: AccountTrace, overlap: Overlap | None) -> Pair | None:
    if one.persistent_id and one.persistent_id == other.persistent_id:
        return Pair(one.id, other.id, Decimal("0.9999"), "The bank's own lasting id is the same.")
    if not may_be_same(one, other):
        return None
    if overlap is not None and min(overlap.left, overlap.right) >= _ROWS_MIN:
        if overlap.shared >= _ROWS_MIN and overlap.share >= _SHARE_SAME:
            reason = f"Both tell {overlap.shared} movements alike."
            return Pair(one.id, other.id, Decimal("0.999"), reason)
        if overlap.share <= _SHARE_OTHER:
            return None
    return _by_description(one, other)


def _by_description(one: AccountTrace, other: AccountTrace) -> Pair | None:
    same_mask = _masks_agree(one.mask, other.mask)
    same_name = bool(one.name) and one.name.casefold() == other.name.casefold()
    same_bank = bool(one.institution) and are_alike(one.institution or "", other.institution or "")
    same_balance = bool(one.current) and one.current == other.current
    agrees = [
        words
        for words, agree in (
            ("number", same_mask),
            ("name", same_name),
            ("bank", same_bank),
            ("balance", same_balance),
        )
        if agree
    ]
    if not (same_mask or same_balance or (same_name and same_bank)):
        return None
    confidence = Decimal("0.60") + Decimal("0.08") * len(agrees)
    if same_mask and same_name and same_bank and (one.is_gone or same_balance):
        confidence = Decimal("0.985") + Decimal("0.005") * (one.is_gone and same_balance)
    gone = "; the earlier one is told no more" if one.is_gone else ""
    return Pair(one.id, other.id, confidence, f"The same {' and '.join(agrees)}{gone}.")


def _masks_agree(one: str | None, other: str | None) -> bool | None:
    """Tell whether last digits agree, as far as both go; None: one is not known."""
    if not one or not other:
        return None
    shorter, longer = sorted((one, other), key=len)
    return longer.endswith(shorter)
