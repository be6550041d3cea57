"""Find what a change set tells again: within its transaction, near the days that it touched."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import combinations
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.domain.matching import (
    PENDING_DAYS,
    SAME_MOVEMENT_DAYS,
    Movement,
    Pair,
    Pairs,
    posted_of_pending,
    same_movements,
)
from app.domain.records import ChangeSet, TransactionRecord
from app.features.accounts.service import SourceAccountKey
from app.features.matching.repository import questions as asked_sql
from app.features.matching.repository import rows as rows_sql
from app.features.matching.repository.rows import Candidate, Marked

PENDING_POSTED, SAME_MOVEMENT, SAME_ACCOUNT = "pending_posted", "same_movement", "same_account"
OWN = "Brought as a movement of its own."
OVERDUE_DAYS = 10
"""A pending transaction as old as this should be posted or gone."""
_CONTEXT = dt.timedelta(days=2 * SAME_MOVEMENT_DAYS)
"""Around the days in question, to see whether a movement is a habit."""
Days = tuple[dt.date, dt.date]


def match_changes(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    changes: ChangeSet,
    keys: Mapping[str, SourceAccountKey],
    *,
    apart: bool = False,
) -> int:
    """Mark what an open change set tells again as duplicates; ask where it is not certain.

    Args:
        session: An open transaction of the household, in which `changes` were just applied.
        household_id: Whose ledger.
        change_set_id: The open change set; it can be undone with its pairs.
        changes: What was applied.
        keys: By the source's account id.
        apart: Whoever brings them says that they are movements of their own: what would be
            marked is remembered as decided, and counts.

    Returns:
        How many duplicates were marked.
    """
    days = _days_touched(changes, keys)
    withdrawn = {
        keys[account].source_account_id for account, _ in changes.removed if account in keys
    }
    work = Work(session, household_id, change_set_id, apart=apart)
    count = work.match_pending(days, withdrawn | set(days)) if days or withdrawn else 0
    by_account: dict[UUID, Days] = {}
    for key in keys.values():
        if key.source_account_id in days:
            span = by_account.get(key.account_id, days[key.source_account_id])
            by_account[key.account_id] = _joined([span, days[key.source_account_id]])
    count += work.match_told(by_account)
    if count or withdrawn:
        asked_sql.close_moot(session, household_id)
    return count


def _days_touched(changes: ChangeSet, keys: Mapping[str, SourceAccountKey]) -> dict[UUID, Days]:
    """Return, by source account, the first and the last day of what was told of it."""
    days: dict[str, tuple[dt.date, dt.date]] = {}
    for record in changes.upserts:
        first, last = days.get(record.account_source_id, (record.date, record.date))
        days[record.account_source_id] = min(first, record.date), max(last, record.date)
    return {keys[account].source_account_id: span for account, span in days.items()}


def _joined(spans: Iterable[Days]) -> Days:
    firsts, lasts = zip(*spans, strict=True)
    return min(firsts), max(lasts)


@dataclass(slots=True)
class Work:
    """One look at the ledger, under one change set."""

    session: Session
    household_id: UUID
    change_set_id: UUID
    apart: bool = False
    _decided: set[tuple[str, str]] | None = field(default=None, init=False)

    def match_pending(self, days: Mapping[UUID, Days], source_account_ids: Iterable[UUID]) -> int:
        """Find what vanished pending transactions were posted as."""
        today = clock.today()
        first = min((span[0] for span in days.values()), default=today)
        waiting = rows_sql.awaited(
            self.session,
            self.household_id,
            self.change_set_id,
            sorted(source_account_ids),
            since=_back(first, 2 * PENDING_DAYS),
            overdue=_back(today, OVERDUE_DAYS),
        )
        if not waiting:
            return 0
        span = waiting[0].date, waiting[-1].date
        posted = rows_sql.posted(
            self.session,
            self.household_id,
            self.change_set_id,
            waiting,
            days=(_back(span[0], OVERDUE_DAYS), _back(span[1], -PENDING_DAYS)),
        )
        count = 0
        for source_account_id in {row.source_account_id for row in waiting}:
            mine = [row for row in waiting if row.source_account_id == source_account_id]
            theirs = [row for row in posted if row.source_account_id == source_account_id]
            count += self._apply(PENDING_POSTED, self._posted_of(mine, theirs), mine + theirs)
        return count

    def _posted_of(self, waiting: Sequence[Candidate], posted: Sequence[Candidate]) -> Pairs:
        open_ = [row for row in posted if not row.is_explained]
        if not open_:
            return Pairs()
        pairs = posted_of_pending(
            map(movement_of, waiting),
            map(movement_of, open_),
            together={
                (str(new.id), str(old.id))
                for new in open_
                for old in waiting
                if new.is_new and old.vanished_now
            },
            others=[movement_of(row) for row in posted if row.is_explained],
            rejected=self.decided,
        )
        # One that is gone anyway is worth a question only for what a person wrote on it.
        asked = {str(row.id) for row in waiting if row.is_decided or not row.is_removed}
        return Pairs(pairs.certain, tuple(each for each in pairs.possible if each.right in asked))

    def match_told(self, days: Mapping[UUID, Days]) -> int:
        """Find movements that several sources of one account tell."""
        if not days:
            return 0
        shared = rows_sql.shared_accounts(self.session, self.household_id, sorted(days))
        count = 0
        for account_id, sources in shared.items():
            first, last = days[account_id]
            rows = rows_sql.counted(
                self.session,
                self.household_id,
                self.change_set_id,
                [account_id],
                days=(
                    _back(first, SAME_MOVEMENT_DAYS + _CONTEXT.days),
                    _back(last, -SAME_MOVEMENT_DAYS - _CONTEXT.days),
                ),
            )
            inner = _back(first, SAME_MOVEMENT_DAYS), _back(last, -SAME_MOVEMENT_DAYS)
            count += self._match_sources(rows, sorted(sources), inner)
        return count

    def _match_sources(
        self, rows: Sequence[Candidate], sources: Sequence[UUID], inner: Days
    ) -> int:
        by_id = {str(row.id): row for row in rows}
        told = {str(row.id): {row.source_account_id, *row.told_by} for row in rows}
        mine = [row for row in rows if (str(row.id), str(row.id)) not in self.decided]
        certain: list[Pair] = []
        possible: list[Pair] = []
        for one, other in combinations(sources, 2):
            pairs = same_movements(
                _told_by_one(mine, told, one, other),
                _told_by_one(mine, told, other, one),
                rejected=self.decided,
            )
            for pair in pairs.certain:
                stays = _ordered(SAME_MOVEMENT, pair, by_id)
                if not told[stays.left] & told[stays.right]:
                    told[stays.left] |= told.pop(stays.right)
                    certain.append(pair)
            possible += pairs.possible
        near = {str(row.id) for row in rows if inner[0] <= row.date <= inner[1]}
        wanted = Pairs(
            tuple(pair for pair in certain if near & {pair.left, pair.right}),
            tuple(pair for pair in possible if near & {pair.left, pair.right}),
        )
        return self._apply(SAME_MOVEMENT, wanted, rows)

    def _apply(self, kind: str, pairs: Pairs, rows: Sequence[Candidate]) -> int:
        by_id = {str(row.id): row for row in rows}
        if self.apart:
            self._keep_apart(pairs, by_id)
            return 0
        if pairs.certain:
            marked = [_marked(kind, pair, by_id) for pair in pairs.certain]
            rows_sql.mark_duplicates(
                self.session, self.household_id, self.change_set_id, _without_chains(marked)
            )
        self.ask(kind, [_ordered(kind, pair, by_id) for pair in pairs.possible])
        return len(pairs.certain)

    def _keep_apart(self, pairs: Pairs, rows: Mapping[str, Candidate]) -> None:
        """Remember that new rows are movements of their own: they are paired with themselves."""
        own = {
            row_id
            for pair in (*pairs.certain, *pairs.possible)
            for row_id in (pair.left, pair.right)
            if rows[row_id].is_new
        }
        alone = [_question(SAME_MOVEMENT, Pair(each, each, Decimal(0), OWN)) for each in own]
        asked_sql.insert_suggestions(
            self.session, self.household_id, [each | {"state": "rejected"} for each in alone]
        )

    def ask(self, kind: str, pairs: Iterable[Pair]) -> None:
        """Store questions; a pair that was asked before, in either order, is not asked again."""
        asked_sql.insert_suggestions(
            self.session,
            self.household_id,
            [
                _question(kind, pair)
                for pair in pairs
                if not {(pair.left, pair.right), (pair.right, pair.left)} & self.decided
            ],
        )

    @property
    def decided(self) -> set[tuple[str, str]]:
        """The pairs of which a person has said what they are."""
        if self._decided is None:
            pairs = asked_sql.decided_pairs(self.session, self.household_id)
            self._decided = {(str(left), str(right)) for left, right in pairs}
        return self._decided


def told_before(
    session: Session,
    household_id: UUID,
    account_id: UUID,
    source_account_id: UUID | None,
    records: Sequence[TransactionRecord],
) -> set[str]:
    """Return the ids of records that would be certain duplicates, were they booked.

    Args:
        session: An open transaction of the household.
        household_id: Whose ledger.
        account_id: The account that they would go to.
        source_account_id: The source account that would tell of them, if there is one already.
        records: What its source tells; their source ids differ.
    """
    if not records:
        return set()
    days = [record.date for record in records]
    rows = rows_sql.counted(
        session,
        household_id,
        None,
        [account_id],
        days=(_back(min(days), _CONTEXT.days), _back(max(days), -_CONTEXT.days)),
    )
    pairs = same_movements(
        (
            movement_of(row)
            for row in rows
            if source_account_id not in (row.source_account_id, *row.told_by)
        ),
        map(_movement_of_record, records),
    )
    return {pair.right for pair in pairs.certain}


def _movement_of_record(record: TransactionRecord) -> Movement:
    return Movement(
        id=record.source_id,
        date=record.date,
        amount=record.money.amount,
        currency=record.money.currency,
        text=f"{record.description} {record.counterparty or ''}".strip(),
        made_on=record.authorized_date,
        category_code=record.category_code or "",
    )


def _question(kind: str, pair: Pair) -> dict[str, object]:
    return {
        "kind": kind,
        "left_id": UUID(pair.left),
        "right_id": UUID(pair.right),
        "confidence": pair.confidence,
        "reason": pair.reason,
    }


def _told_by_one(
    rows: Sequence[Candidate], told: Mapping[str, set[UUID]], one: UUID, other: UUID
) -> list[Movement]:
    """Return what stands in the words of one source and is not told by the other."""
    return [
        movement_of(row)
        for row in rows
        if row.source_account_id == one and other not in told.get(str(row.id), {other})
    ]


def movement_of(row: Candidate) -> Movement:
    """Return what the domain needs to know of a row."""
    return Movement(
        id=str(row.id),
        date=row.date,
        amount=row.amount,
        currency=row.currency,
        text=row.text,
        made_on=row.made_on,
        category_code=row.category_code or "",
    )


def _ordered(kind: str, pair: Pair, rows: Mapping[str, Candidate]) -> Pair:
    """Put the one that stays on the left: not the pending one, else the one that came first."""
    if kind == PENDING_POSTED:
        return pair
    left, right = sorted((rows[pair.left], rows[pair.right]), key=_comes_first)
    return Pair(str(left.id), str(right.id), pair.confidence, pair.reason)


def _comes_first(row: Candidate) -> tuple[bool, bool, UUID]:
    return row.duplicate_of_id is not None, row.pending, row.id


def _marked(kind: str, pair: Pair, rows: Mapping[str, Candidate]) -> Marked:
    ordered = _ordered(kind, pair, rows)
    duplicate = rows[ordered.right]
    return Marked(
        duplicate_id=duplicate.id,
        group_id=duplicate.duplicate_of_id or duplicate.id,
        original_id=UUID(ordered.left),
        confidence=pair.confidence,
        reason=pair.reason,
    )


def _without_chains(marked: Sequence[Marked]) -> list[Marked]:
    """Let each duplicate name a row that stays: with three sources, one may stay and then go."""
    stays = {each.duplicate_id: each.original_id for each in marked}

    def last(row_id: UUID) -> UUID:
        while row_id in stays:
            row_id = stays[row_id]
        return row_id

    return [each._replace(original_id=last(each.original_id)) for each in marked]


def _back(day: dt.date, days: int) -> dt.date:
    try:
        return day - dt.timedelta(days=days)
    except OverflowError:
        return day
