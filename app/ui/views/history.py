"""What the pages of the history show; negative is money out."""

import datetime as dt
from dataclasses import dataclass

from app.domain.money import Money
from app.ui.views.transactions import FieldChangeRow

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SetLine:
    """One change set in words."""

    url: str
    kind: str
    icon: str
    words: str
    """Such as "Sync of First Platypus brought 12 transactions"."""
    said_by: str
    """Who or what did it."""
    at: dt.datetime
    undone_by: str = ""
    """Who undid it; "" while it is in force."""
    undone_at: dt.datetime | None = None
    undone_url: str = ""
    verb: str = ""
    """`undo`, `redo`, or "" where neither can be."""
    target_url: str = ""
    """What an undo undid, or a redo redid."""


@dataclass(frozen=True, slots=True)
class HistoryDay:
    """The change sets of one day."""

    date: dt.date
    sets: tuple[SetLine, ...]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """history/list.html, and its fragment history/_list.html."""

    days: tuple[HistoryDay, ...]
    kinds: Options
    accounts: Options
    kind: str = ""
    account: str = ""
    quiet: bool = False
    next_url: str = ""
    is_filtered: bool = False


@dataclass(frozen=True, slots=True)
class ChangedRow:
    """One transaction of a change set."""

    url: str
    date: dt.date
    name: str
    amount: Money
    is_live: bool
    changes: tuple[FieldChangeRow, ...] = ()
    state: str = ""
    """In a preview: `leaves`, `comes back`, or ""."""


@dataclass(frozen=True, slots=True)
class SetView:
    """history/set.html."""

    line: SetLine
    reason: str
    source_url: str
    """The import or the connection it came through."""
    source_words: str
    brought: tuple[ChangedRow, ...]
    brought_more: bool
    changed: tuple[ChangedRow, ...]
    changed_more: bool


@dataclass(frozen=True, slots=True)
class PreviewView:
    """history/preview.html, and its fragment history/_preview.html: what undo or redo would do."""

    line: SetLine
    verb: str
    removed: int
    restored: int
    changed: int
    effects: tuple[Money, ...]
    """What the sums gain or lose, by currency."""
    rows: tuple[ChangedRow, ...]
    row_count: int
    balances: int
    is_merge: bool
    """Of two accounts."""
    is_sync: bool
    is_acceptance: bool = False
    """Of a difference between an account and its bank."""
    refusal: str = ""
    refusal_url: str = ""
    refusal_words: str = ""
    """Which later change set stands in the way."""
    refusal_at: dt.datetime | None = None
