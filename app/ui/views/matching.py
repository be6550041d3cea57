"""What the page of possible duplicates shows."""

import datetime as dt
from dataclasses import dataclass

from app.domain.money import Money


@dataclass(frozen=True, slots=True)
class PairSide:
    """One of two that may be one."""

    name: str
    url: str
    told_by: str
    """Who tells it, in words: "Plaid", "OFX file"."""
    facts: tuple[tuple[str, str, bool], ...]
    """Label, value, and whether the other one says the same."""
    amount: Money | None = None
    date: dt.date | None = None
    pending: bool = False
    is_removed: bool = False


@dataclass(frozen=True, slots=True)
class PairCard:
    """Two that may be one; its forms: POST /matches/{id}/merge and /matches/{id}/reject."""

    pair_id: str
    title: str
    reason: str
    percent: int
    """How often such a pair is one."""
    left: PairSide
    """The one that would stay."""
    right: PairSide
    consequence: str
    """What merging does, in words."""


@dataclass(frozen=True, slots=True)
class DisagreementRow:
    """A row of which two sources tell different things."""

    date: dt.date
    name: str
    url: str
    amount: Money
    words: str
    """Who tells what."""
    other_amount: Money | None = None


@dataclass(frozen=True, slots=True)
class AccountDisagreements:
    """What the sources of one account disagree on."""

    account_name: str
    account_url: str
    sources: str
    rows: tuple[DisagreementRow, ...]


@dataclass(frozen=True, slots=True)
class MatchesView:
    """matching/list.html."""

    pairs: tuple[PairCard, ...]
    disagreements: tuple[AccountDisagreements, ...]
