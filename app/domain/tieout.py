"""Tying out: do an account's rows explain the balances that its institution stated?

Of the balance before the first row nobody tells us, so it is the one unknown. A single stated
balance proves nothing, since some opening balance always makes it come out. From the second one
on every stated balance is a test: the same opening balance must lead to it.

Amounts have the owner's sign: what is owed is negative.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import product
from operator import contains
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
    older: Decimal = Decimal(0)
    """By how much more the rows dated up to the first balance of all came to when this one was
    stated than they come to now: its readings have it."""

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
    """The balance before the first row, as it is now: it moves with what is older than all
    balances."""
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
    however many balances follow it, until a row closes it. It moves only with `Anchor.older`.

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
    openings = _openings(anchors, treatments)
    days = tuple(
        _check(each, opening, treatments[each.source])
        for each, opening in zip(anchors, openings, strict=True)
    )
    verdict = _judge(Verdict(UNPROVEN, openings[-1], tuple(treatments.items()), days))
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


def _openings(anchors: Sequence[Anchor], treatments: dict[UUID, str]) -> list[Decimal]:
    """Return the opening under each balance: the earliest on which two of them agree."""
    votes = _votes(anchors, treatments)
    possible = [each.openings(treatments[each.source]) for each in anchors]
    moves = any(each.older != anchors[0].older for each in anchors)
    for place, values in enumerate(possible):
        for value in values:
            if moves or votes[value] > 1:
                found = _follow(anchors, possible, place, value)
                if sum(map(contains, possible, found)) > 1:
                    return found
    return _follow(anchors, possible, 0, possible[0][0])


def _follow(
    anchors: Sequence[Anchor], possible: Sequence[list[Decimal]], place: int, opening: Decimal
) -> list[Decimal]:
    """Return the opening under each balance, if it was this one under the balance at `place`.

    When the source adds or withdraws a row that is older than all balances, either they had it,
    and move with it, or they never had it: then the opening moves, by exactly this row, and they
    stand. Nobody says which; the balances up to the next such change do.
    """
    found = [opening] * (place + 1)
    while len(found) < len(anchors):
        start = end = len(found)
        while end < len(anchors) and anchors[end].older == anchors[start].older:
            end += 1
        moved = opening - (anchors[start].older - anchors[start - 1].older)
        tied = [sum(each in values for values in possible[start:end]) for each in (opening, moved)]
        if tied[1] > tied[0]:
            opening = moved
        found += [opening] * (end - start)
    return found


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
        return self._as_of(moment)

    def as_known(self, anchor: Anchor, opening: dt.date) -> "Row | None":
        """Return the row as it was known when a balance was stated; None if it was not.

        Old history that arrived later was in the balance, as it was first told; a row of these
        days was not. Of what is dated up to the first balance of all, on the day `opening`, it is
        the distance from that day which tells them apart: so it is the same under each balance.
        """
        then = self.as_reported(anchor.id)
        if then is not None:
            return then
        first = self._as_of(self.moment)
        day = opening if first.day <= opening else anchor.day
        return first if first.day < day - SETTLED_AFTER else None

    def _as_of(self, moment: UUID) -> "Row":
        """Return the row without what its source has reported of it since."""
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


def as_reported_then(
    anchor: Anchor, rows: Collection[Row], *, opening: dt.date, by_day: bool
) -> Anchor:
    """Return a stated balance read by what its source had reported by then.

    Its readings take what is older than all balances as it was reported then, and one more takes
    all rows so.

    Args:
        anchor: Its readings hold what the rows come to now.
        rows: All that may not be as they were then; whatever is not among them counts as now. Those
            dated since SETTLED_AFTER before its day, or before `opening`, and those that have
            changed since, are enough.
        opening: The day of the first balance of all.
        by_day: The balance was stated for a day, as files do: rows dated later are not in it.
    """
    older = sum(
        (
            _booked(row.as_known(anchor, opening), opening) - _booked(row, opening)
            for row in rows
            if row.moment > anchor.id or row.has_changed_since(anchor.id)
        ),
        Decimal(0),
    )
    readings = [replace(each, posted=each.posted + older) for each in anchor.readings]
    then = reported(anchor, rows, opening=opening, by_day=by_day)
    return replace(anchor, readings=(*readings, then), older=older)


def _booked(row: Row | None, by: dt.date) -> Decimal:
    """Return what a row is worth if it counts, is booked, and is dated by a day."""
    is_in = row is not None and row.counts and not row.pending and row.day <= by
    return row.amount if row is not None and is_in else Decimal(0)


def reported(
    anchor: Anchor, rows: Iterable[Row], *, by_day: bool, opening: dt.date = dt.date.min
) -> Reading:
    """Return what the rows came to as they had been reported when a balance was stated.

    Args:
        anchor: Its first reading holds what the rows come to now, to the end of its day.
        rows: See `as_reported_then`.
        by_day: See there.
        opening: See there.
    """
    now = anchor.readings[0]
    posted, pending = now.posted, Decimal(0)
    for row in rows:
        is_in = row.day <= anchor.day and not row.pending
        if is_in and row.moment <= anchor.id and not row.has_changed_since(anchor.id):
            continue  # then as now
        if row.counts and is_in:
            posted -= row.amount
        then = row.as_known(anchor, opening)
        if then is None or not then.counts or (by_day and then.day > anchor.day):
            continue
        if not then.pending:
            posted += then.amount
        elif not row.moment > anchor.id:
            pending += then.amount
    return Reading(REPORTED, posted, Decimal(0) if by_day else pending)
