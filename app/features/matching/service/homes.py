"""Which account of the ledger an account belongs to that a source shows for the first time."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy.orm import Session

from app.domain.matching import (
    AccountTrace,
    Movement,
    Overlap,
    Pair,
    Pairs,
    may_be_same,
    overlap_of,
    same_accounts,
)
from app.domain.records import AccountRecord, ChangeSet
from app.features.accounts import service as accounts
from app.features.accounts.service import SourceAccountKey
from app.features.matching.repository import questions as asked_sql
from app.features.matching.repository import rows as rows_sql
from app.features.matching.repository.rows import Trace
from app.features.matching.service.rows import SAME_ACCOUNT, Work, movement_of


@dataclass(frozen=True, slots=True)
class Homes:
    """Where new accounts belong."""

    feeds: Mapping[str, UUID] = field(default_factory=dict)
    """By the source's account id: the account of the ledger that it is, where that is certain."""
    questions: tuple[Pair, ...] = ()
    """Accounts of the ledger (left) that it may be; the right is the source's account id."""
    left: tuple[UUID, ...] = ()
    """Accounts of the ledger that are empty now, since what fed them has moved to its home."""


def find_homes(
    session: Session,
    household_id: UUID,
    records: Iterable[AccountRecord],
    changes: ChangeSet,
    *,
    item_id: UUID,
    institution_name: str | None,
) -> Homes:
    """Find the accounts of the ledger that an Item's new accounts are.

    New are those that we do not know, and those that we know and that had no rows yet: what moved
    on them is the best that can be known of them. One that is known moves to its home at once.

    Args:
        session: An open transaction of the household.
        household_id: Whose.
        records: The accounts that the Item lists now.
        changes: What is about to be applied.
        item_id: The Item.
        institution_name: Its institution.
    """
    traces = rows_sql.traces(session, household_id)
    mine = {trace.account_source_id: trace for trace in traces if trace.item_id == item_id}
    listed = {record.source_id: record for record in records}
    new = [record for record in listed.values() if _is_new(mine.get(record.source_id))]
    old = [
        trace
        for trace in traces
        if trace.item_id != item_id or trace.account_source_id not in listed
    ]
    if not new or not old:
        return Homes()
    arrivals = [_arrival(record, institution_name) for record in new]
    known = [_known(trace, is_gone=trace.item_id == item_id) for trace in old]
    pairs = same_accounts(
        known,
        arrivals,
        overlaps=_overlaps(session, household_id, known, arrivals, changes),
        rejected=_decided(session, household_id, known, mine),
    )
    homes = _homes(pairs, {str(trace.id): trace.account_id for trace in old})
    left = [
        _move(session, household_id, mine.get(account_source_id), account_id)
        for account_source_id, account_id in homes.feeds.items()
    ]
    return replace(homes, left=tuple(each for each in left if each))


def ask(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    homes: Homes,
    keys: Mapping[str, SourceAccountKey],
) -> None:
    """Ask about accounts that may be ones of the ledger, now that they have accounts there."""
    pairs = [
        Pair(pair.left, str(keys[pair.right].account_id), pair.confidence, pair.reason)
        for pair in homes.questions
        if str(keys[pair.right].account_id) != pair.left
    ]
    if pairs:
        Work(session, household_id, change_set_id).ask(SAME_ACCOUNT, pairs)


def _is_new(trace: Trace | None) -> bool:
    return trace is None or (trace.is_alone and not trace.has_rows)


def _arrival(record: AccountRecord, institution_name: str | None) -> AccountTrace:
    return AccountTrace(
        id=record.source_id,
        account=record.source_id,
        kind=record.kind,
        currency=record.balance.currency,
        subtype=record.subtype,
        mask=record.mask,
        name=record.name,
        institution=record.institution or institution_name,
        persistent_id=record.persistent_id,
        current=record.balance.current,
    )


def _known(trace: Trace, *, is_gone: bool) -> AccountTrace:
    return AccountTrace(
        id=str(trace.id),
        account=str(trace.account_id),
        kind=trace.kind,
        currency=trace.currency,
        subtype=trace.subtype,
        mask=trace.mask,
        name=trace.name,
        institution=trace.institution,
        persistent_id=trace.persistent_id,
        current=trace.current,
        is_gone=is_gone or trace.is_gone,
    )


def _overlaps(
    session: Session,
    household_id: UUID,
    known: Sequence[AccountTrace],
    arrivals: Sequence[AccountTrace],
    changes: ChangeSet,
) -> dict[tuple[str, str], Overlap]:
    """Count what the new accounts tell as accounts of the ledger do."""
    incoming: defaultdict[str, list[Movement]] = defaultdict(list)
    for row in changes.upserts:
        incoming[row.account_source_id].append(
            Movement(row.source_id, row.date, row.money.amount, row.money.currency)
        )
    pairs = [
        (one, other)
        for one in known
        for other in arrivals
        if incoming.get(other.id) and may_be_same(one, other)
    ]
    if not pairs:
        return {}
    days = [row.date for _, other in pairs for row in incoming[other.id]]
    stored = _stored(session, household_id, {one.account for one, _ in pairs}, min(days), max(days))
    return {
        (one.id, other.id): overlap_of(stored[one.account], incoming[other.id])
        for one, other in pairs
    }


def _stored(
    session: Session, household_id: UUID, account_ids: set[str], first: dt.date, last: dt.date
) -> defaultdict[str, list[Movement]]:
    rows = rows_sql.counted(
        session, household_id, None, sorted(map(UUID, account_ids)), days=(first, last)
    )
    stored: defaultdict[str, list[Movement]] = defaultdict(list)
    for row in rows:
        stored[str(row.account_id)].append(movement_of(row))
    return stored


def _decided(
    session: Session,
    household_id: UUID,
    known: Sequence[AccountTrace],
    mine: Mapping[str, Trace],
) -> set[tuple[str, str]]:
    """Return the pairs of accounts, by the ids they have here, that a person has decided on."""
    decided = asked_sql.decided_pairs(session, household_id)
    return {
        (one.id, account_source_id)
        for one in known
        for account_source_id, trace in mine.items()
        if {(UUID(one.account), trace.account_id), (trace.account_id, UUID(one.account))} & decided
    }


def _homes(pairs: Pairs, account_of: Mapping[str, UUID]) -> Homes:
    return Homes(
        feeds={pair.right: account_of[pair.left] for pair in pairs.certain},
        questions=tuple(
            Pair(str(account_of[pair.left]), pair.right, pair.confidence, pair.reason)
            for pair in pairs.possible
        ),
    )


def _move(
    session: Session, household_id: UUID, trace: Trace | None, account_id: UUID
) -> UUID | None:
    """Let an account that has no rows yet feed its home; return the one that is empty then."""
    if trace is not None and trace.account_id == account_id:
        return None
    accounts.show(session, household_id, [account_id])
    if trace is None:
        return None
    accounts.feed_other_account(session, household_id, trace.id, account_id)
    accounts.hide(session, household_id, [trace.account_id])
    return trace.account_id
