"""Tying out: do an account's rows explain the balances that its institution stated?

Of the balance before the first row nobody tells us, so it is the one unknown. A single stated
balance proves nothing, since some opening balance always makes it come out. From the second one
on every stated balance is a test: the same opening balance must lead to it.

Amounts have the owner's sign: what is owed is negative.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from uuid import UUID

POSTED, PENDING = "posted", "pending"
"""How an institution states a balance: of what is booked, or with what is pending as well."""
TIED, GAP, UNPROVEN = "tied", "gap", "unproven"
END, REPORTED, START = "end", "reported", "start"
"""Where inside its day a balance may have been stated: after all rows of that day; when its
source had reported what it had reported by then; before all rows of that day. No other cut."""
SETTLED_AFTER = dt.timedelta(days=14)
"""Rows that come later than this after their day are older history that was still missing."""
SOURCES_MAX = 6

Span = tuple[dt.date, dt.date]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the rows come to at a stated balance by one allowed cut, without the opening."""

    cut: str
    posted: Decimal
    pending: Decimal
    """Of the rows that were pending when the balance was stated."""

    def under(self, treatment: str) -> Decimal:
        """Return what the institution would have counted."""
        return self.posted + self.pending if treatment == PENDING else self.posted


@dataclass(frozen=True, slots=True)
class Anchor:
    """A balance that an institution stated, and what the rows come to by then."""

    id: UUID
    """Time-ordered: after the change sets that were booked before it was stated."""
    source: UUID
    """The source account that stated it: one institution, one treatment."""
    day: dt.date
    stated: Decimal
    readings: tuple[Reading, ...]
    """The first one is the default: END."""

    def openings(self, treatment: str) -> list[Decimal]:
        """Return the opening balances that would make it tie, without repeats."""
        return list(dict.fromkeys(self.stated - each.under(treatment) for each in self.readings))


@dataclass(frozen=True, slots=True)
class Checked:
    """A stated balance beside what opening and rows come to."""

    anchor: Anchor
    computed: Decimal
    cut: str

    @property
    def gap(self) -> Decimal:
        """Return stated less computed; zero where it ties."""
        return self.anchor.stated - self.computed


@dataclass(frozen=True, slots=True)
class Verdict:
    """How far the rows of an account explain the balances that were stated."""

    state: str
    """TIED, GAP, or UNPROVEN: fewer than two stated balances."""
    opening: Decimal = Decimal(0)
    """The balance before the first row."""
    treatments: tuple[tuple[UUID, str], ...] = ()
    """By source account."""
    days: tuple[Checked, ...] = ()
    tied_from: Checked | None = None
    tied: Checked | None = None
    """The last stated balance that ties."""
    gap: Decimal = Decimal(0)
    """Of the balance stated last: stated less computed."""
    broke_by: Checked | None = None
    """The first stated balance with this gap; it opened after `tied` and by then."""
    hole: Span | None = None
    """Before these two stated balances and after them the rows tie, between them rows are missing
    for whole months; the verdict is about what comes after."""

    def treatment_of(self, source: UUID) -> str:
        """Return how the institution behind a source account states its balances."""
        return dict(self.treatments).get(source, POSTED)


def tie_out(anchors: Sequence[Anchor], quiet: Sequence[Span] = ()) -> Verdict:
    """Compare each stated balance with the rows.

    The treatment of each source is the one by which most balances agree on one opening, POSTED
    if both do. The opening is the earliest on which two balances agree: so a break stays a break,
    however many balances follow it, until a row closes it.

    Args:
        anchors: In the order of time.
        quiet: Spans in which the account has no row although it has before and after; a gap
            that opens across one is history that nobody brought yet.
    """
    if not anchors:
        return Verdict(UNPROVEN)
    # The same balance of the same day, stated again, is no second witness.
    anchors = list({(each.source, each.day, each.stated): each for each in anchors}.values())
    treatments = _treatments(anchors)
    opening = _opening(anchors, treatments)
    days = tuple(_check(each, opening, treatments[each.source]) for each in anchors)
    verdict = _judge(Verdict(UNPROVEN, opening, tuple(treatments.items()), days))
    if verdict.state == GAP and verdict.tied is not None and verdict.broke_by is not None:
        before, after = verdict.tied.anchor.day, verdict.broke_by.anchor.day
        if any(before < first and last < after for first, last in quiet):
            rest = tie_out(anchors[days.index(verdict.broke_by) :], quiet)
            kept = days[: len(days) - len(rest.days)]
            return replace(rest, days=kept + rest.days, hole=rest.hole or (before, after))
    return verdict


def _treatments(anchors: Sequence[Anchor]) -> dict[UUID, str]:
    sources = list(dict.fromkeys(each.source for each in anchors))
    # Where nothing was ever pending both treatments are the same.
    open_sources = [
        source
        for source in sources
        if any(r.pending for each in anchors if each.source == source for r in each.readings)
    ][:SOURCES_MAX]
    best, most = dict.fromkeys(sources, POSTED), 0
    for choice in product((POSTED, PENDING), repeat=len(open_sources)):
        tried = best | dict.fromkeys(sources, POSTED)
        tried |= dict(zip(open_sources, choice, strict=True))
        agreeing = max(_votes(anchors, tried).values())
        if agreeing > most:
            best, most = tried, agreeing
    return best


def _votes(anchors: Iterable[Anchor], treatments: dict[UUID, str]) -> Counter[Decimal]:
    return Counter(value for each in anchors for value in each.openings(treatments[each.source]))


def _opening(anchors: Sequence[Anchor], treatments: dict[UUID, str]) -> Decimal:
    votes = _votes(anchors, treatments)
    mentioned = (v for each in anchors for v in each.openings(treatments[each.source]))
    first = anchors[0].openings(treatments[anchors[0].source])[0]
    return next((value for value in mentioned if votes[value] > 1), first)


def _check(anchor: Anchor, opening: Decimal, treatment: str) -> Checked:
    for reading in anchor.readings:
        computed = opening + reading.under(treatment)
        if computed == anchor.stated:
            return Checked(anchor, computed, reading.cut)
    default = anchor.readings[0]
    return Checked(anchor, opening + default.under(treatment), default.cut)


def _judge(verdict: Verdict) -> Verdict:
    days = verdict.days
    tied = [place for place, each in enumerate(days) if not each.gap]
    first, last = days[tied[0]], days[tied[-1]]
    verdict = replace(verdict, tied_from=first, tied=last)
    if len(days) == 1:
        return verdict
    if last is days[-1]:
        return replace(verdict, state=TIED)
    gap = days[-1].gap
    same = len(days) - 1
    while days[same - 1].gap == gap:
        same -= 1
    return replace(verdict, state=GAP, gap=gap, broke_by=days[same])


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A gap that a person accepted: it had opened after a day, and by another one."""

    id: UUID
    gap: Decimal
    after: dt.date
    by: dt.date


def acceptance_of(verdict: Verdict, known: Iterable[Acceptance]) -> Acceptance | None:
    """Return by which of these the gap of a verdict is accepted; None if it has none, or by none.

    It must be the same gap: the same difference, opened in the same days. As balances are thinned
    out later, these days may become more, never other ones.
    """
    if verdict.state != GAP or verdict.tied is None or verdict.broke_by is None:
        return None
    after, by = verdict.tied.anchor.day, verdict.broke_by.anchor.day
    for each in known:
        is_within = after < each.by and each.after < by
        if each.gap == verdict.gap and (is_within or (each.after, each.by) == (after, by)):
            return each
    return None


@dataclass(frozen=True, slots=True)
class Change:
    """What the institution had reported of a row before it reported something else."""

    moment: UUID
    """The change set, time-ordered, in which it changed."""
    field: str
    """`amount`, `date`, `pending` or `removed_at`."""
    before: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the ledger as it is now, and what its source said of it earlier."""

    id: UUID
    day: dt.date
    amount: Decimal
    pending: bool
    moment: UUID
    """The change set that brought it, time-ordered."""
    removed: bool = False
    duplicate_of: UUID | None = None
    changes: tuple[Change, ...] = ()
    """The institution's own, oldest first."""

    @property
    def counts(self) -> bool:
        """Tell whether it is in the ledger's balance now."""
        return not (self.removed or self.duplicate_of)

    def has_changed_since(self, moment: UUID) -> bool:
        """Tell whether its source has reported something else of it since."""
        return bool(self.changes) and self.changes[-1].moment > moment

    def as_reported(self, moment: UUID) -> "Row | None":
        """Return the row as its source had reported it by then; None if it had not yet."""
        if self.moment > moment:
            return None
        if not self.has_changed_since(moment):
            return self
        before: dict[str, str | None] = {}
        for change in self.changes:
            if change.moment > moment:
                before.setdefault(change.field, change.before)
        return replace(
            self,
            day=dt.date.fromisoformat(before["date"] or "") if "date" in before else self.day,
            amount=Decimal(before["amount"] or 0) if "amount" in before else self.amount,
            pending=before["pending"] == "true" if "pending" in before else self.pending,
            removed=before["removed_at"] is not None if "removed_at" in before else self.removed,
        )


def reported(anchor: Anchor, rows: Iterable[Row], *, by_day: bool) -> Reading:
    """Return what the rows came to as they had been reported when a balance was stated.

    Args:
        anchor: Its first reading holds what the rows come to now, to the end of its day.
        rows: All that are dated since SETTLED_AFTER before its day, or have changed since.
        by_day: The balance was stated for a day, as files do: rows dated later are not in it.
    """
    now = anchor.readings[0]
    posted, pending = now.posted, Decimal(0)
    for row in rows:
        is_in = row.day <= anchor.day and not row.pending
        if is_in and row.moment <= anchor.id and not row.has_changed_since(anchor.id):
            continue  # then as now
        if row.counts and is_in:
            posted -= row.amount
        then = row.as_reported(anchor.id)
        if then is None:
            # Old history that arrived later was in the balance, a row of these days was not.
            then = row if row.day < anchor.day - SETTLED_AFTER else None
        if then is None or not then.counts or (by_day and then.day > anchor.day):
            continue
        if not then.pending:
            posted += then.amount
        elif not row.moment > anchor.id:
            pending += then.amount
    return Reading(REPORTED, posted, Decimal(0) if by_day else pending)
