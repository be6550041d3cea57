"""Book a file: accounts, transactions, balances and quarantine in one transaction."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import clock, events, jobs
from app.core.database import household_transaction
from app.core.errors import ConflictError, InvalidInputError, NotFoundError
from app.core.faults import fault
from app.domain.records import (
    AccountRecord,
    BalanceRecord,
    ChangeSet,
    RejectedRecord,
    SourceKey,
    TransactionRecord,
)
from app.features.accounts import service as accounts
from app.features.accounts.service import SourceAccountKey
from app.features.changes import service as changes
from app.features.imports import repository
from app.features.imports.service import decision
from app.features.imports.service.decision import BookedAccount, Decision, StatedBalance
from app.features.imports.service.look import OpenFile, open_file
from app.features.imports.service.plan import (
    NEW,
    Plan,
    PlannedAccount,
    check_choice,
    make_plan,
    source_id_of,
)
from app.features.journal import service as journal
from app.features.matching.service.rows import match_changes
from app.features.tieout import service as tieout
from app.features.transactions import ledger_rows
from app.features.transactions import service as transactions
from app.features.transactions.service import Applied
from app.importers.base import UNKNOWN_CURRENCY, BalanceAnchor, Statement
from app.models import Import

log = structlog.get_logger(__name__)

REJECTED_SHOWN = 200
PART_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """What an import did."""

    id: UUID
    file_name: str
    format: str
    state: str
    created_at: dt.datetime
    booked_at: dt.datetime | None
    added: int
    modified: int
    """Rows the ledger had that say something else now."""
    known: int
    matched: int
    """Rows that another source of the same account tells: kept, and not counted twice."""
    rejected_count: int
    rejected: tuple[RejectedRecord, ...]
    """The first ones."""
    error: str | None
    account_ids: tuple[UUID, ...]
    days: tuple[dt.date, dt.date] | None = None


def get_result(household_id: UUID, import_id: UUID) -> Result:
    """Return what an import did.

    Raises:
        NotFoundError: The household has no such import.
    """
    with household_transaction(household_id) as session:
        row = repository.find_import(session, household_id, import_id)
        if row is None or row.state == "discarded":
            raise NotFoundError("There is no such import.")
        return _result(session, household_id, row)


def list_imports(session: Session, household_id: UUID, *, limit: int) -> list[Result]:
    """Return the imports of a household, the newest first; without rejected lines."""
    states = ("previewed", "failed", "booked", "undone")
    rows = repository.list_imports(session, household_id, states, limit=limit)
    return [_described(row) for row in rows]


def book(household_id: UUID, user_id: UUID, import_id: UUID) -> Result:
    """Add what is new in a file to the ledger, all of it or nothing.

    Booking twice, also at the same moment, does it once.

    Raises:
        NotFoundError: The household has no such import.
        UnreadableFileError: The file cannot be read.
        InvalidInputError: The columns of day and amount are not chosen yet.
        ConflictError: It was undone.
    """
    opened = open_file(household_id, import_id)
    if opened.reading.file is None:
        raise InvalidInputError(
            "Choose the columns of the date and the amount first.", field="layout"
        )
    with household_transaction(household_id) as session:
        row = repository.find_import(session, household_id, import_id, lock=True)
        assert row is not None  # imports are never deleted
        if row.state == "booked":
            return _result(session, household_id, row)
        if row.state != "previewed":
            raise ConflictError("This import was undone. Bring the file again.")
        # Rows and choices may have changed since the page was shown: compare under the lock.
        ledger_rows.lock(session, household_id)
        plan = make_plan(session, household_id, row, opened.reading)
        fault("import.booking")
        _apply(session, household_id, user_id, replace(opened, row=row), plan)
        session.expire(row)
        result = _result(session, household_id, row)
        jobs.tell_after_commit(session, lambda: _announce(household_id, result))
        fault("import.before_commit")
    fault("import.committed")
    return result


def change_set_of(session: Session, household_id: UUID, import_id: UUID) -> UUID:
    """Return the change set of an import that is in the ledger.

    Raises:
        NotFoundError: The household has no such import.
        ConflictError: It is not booked, or was undone.
    """
    row = repository.find_import(session, household_id, import_id)
    if row is None or row.state == "discarded":
        raise NotFoundError("There is no such import.")
    if row.state != "booked" or row.change_set_id is None:
        raise ConflictError("This import is not in the ledger.")
    return row.change_set_id


def set_state(session: Session, household_id: UUID, import_id: UUID, state: str) -> None:
    """Say that an import is `undone`, or `booked` again."""
    repository.update_import(session, household_id, import_id, {"state": state})


def _apply(
    session: Session, household_id: UUID, user_id: UUID, opened: OpenFile, plan: Plan
) -> None:
    row, file = opened.row, opened.reading.file
    assert file is not None  # book() has looked
    change_set_id = changes.open_change_set(
        session, household_id, kind="import", actor_user_id=user_id, sync_run_id=row.id
    )
    keys: dict[str, SourceAccountKey] = {}
    booked, upserts, removed, back = [], [], [], 0
    for account in plan.accounts:
        place = _place(session, household_id, row, account)
        keys[place.account_source_id] = SourceAccountKey(place.source_account_id, place.account_id)
        booked.append(place)
        taken = _taken(account, place)
        back += len(set(account.revived) & {record.source_id for record in taken})
        upserts += taken
        removed += [(place.account_source_id, source_id) for source_id in account.pending_gone]
    applied = _apply_in_parts(
        session, household_id, change_set_id, (upserts, removed), keys, row.journal_page_id
    )
    # Rows that an undone import had brought are there, hidden; for people they are new.
    applied = replace(applied, added=applied.added + back, modified=applied.modified - back)
    told = ChangeSet(None, None, tuple(upserts), tuple(removed))
    matched = 0
    if any((applied.added, applied.modified, applied.removed)):
        matched = match_changes(
            session, household_id, change_set_id, told, keys, apart=row.add_matches
        )
    journal.reject(session, household_id, row.journal_page_id, file.rejected)
    decision.write(session, household_id, row.id, Decision(row.layout, booked))
    counts = {"added": applied.added, "modified": applied.modified, "removed": applied.removed}
    counts[changes.REPEATED] = len(upserts) + len(removed) - sum(counts.values())
    changes.count(session, household_id, change_set_id, counts)
    # All: a file can take its rows along from another account.
    tieout.refresh_all(session, household_id)
    repository.update_import(
        session,
        household_id,
        row.id,
        {
            "state": "booked",
            "booked_at": clock.now(),
            "change_set_id": change_set_id,
            "targets": {place.key: str(place.account_id) for place in booked},
            "added": applied.added,
            "modified": applied.modified,
            "known": plan.count("known", "changed"),
            "matched": matched,
            "rejected": len(file.rejected),
        },
    )


def _apply_in_parts(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    rows: tuple[list[TransactionRecord], list[SourceKey]],
    keys: dict[str, SourceAccountKey],
    page_id: UUID,
) -> Applied:
    """Write the rows of a file, as many at once as one statement writes in a second or two."""
    upserts, removed = rows
    added = modified = gone = 0
    for start in range(0, max(1, len(upserts)), PART_ROWS):
        part = tuple(upserts[start : start + PART_ROWS])
        withdrawn = () if start else tuple(removed)
        applied = transactions.apply_changes(
            session,
            household_id,
            change_set_id,
            ChangeSet(None, None, part, withdrawn),
            accounts=keys,
            categories={},
            pages=dict.fromkeys([*(record.key for record in part), *withdrawn], page_id),
        )
        added, modified = added + applied.added, modified + applied.modified
        gone += applied.removed
    return Applied(added, modified, gone)


def _taken(account: PlannedAccount, place: BookedAccount) -> list[TransactionRecord]:
    """Return the rows to write, under the name that the ledger has for their account."""
    taken = [each.record for each in account.rows]
    if place.account_source_id == account.key:
        return taken
    return [replace(record, account_source_id=place.account_source_id) for record in taken]


def _place(
    session: Session, household_id: UUID, row: Import, account: PlannedAccount
) -> BookedAccount:
    """Bring the source account to the state that the file reports, feeding the chosen account."""
    target = account.target
    check_choice(row, account)
    account_id = target.account_id or target.reopens
    record = _account_record(account)
    if account_id is None:
        account_id = accounts.create_account(
            session, household_id, record, account.statement.institution
        )
    accounts.show(session, household_id, [account_id])
    record = replace(record, source_id=target.account_source_id or source_id_of(account_id))
    if target.source_account_id is not None and not target.is_fixed:
        accounts.feed_other_account(session, household_id, target.source_account_id, account_id)
    keys = accounts.store_accounts(
        session,
        household_id,
        [record],
        source=row.format,
        item_id=None,
        institution_name=account.statement.institution,
        journal_page_id=row.journal_page_id,
        feeds={record.source_id: account_id},
    )
    key = keys[record.source_id]
    balances = list(stated_balances(account.statements, account.currency))
    for balance in balances[1:]:  # the first one came with the account
        accounts.note_balance(
            session, household_id, key.source_account_id, balance, row.journal_page_id
        )
    return BookedAccount(
        key=account.key,
        account_source_id=record.source_id,
        source_account_id=key.source_account_id,
        account_id=account_id,
        is_new=target.account_id is None,
        currency=account.currency,
        withdrawn=list(account.pending_gone),
        renamed={
            each.file_id: each.record.source_id
            for each in account.rows
            if each.file_id != each.record.source_id
        },
        repeated=[each.record.source_id for each in account.rows if each.state == "known"],
        stated=[
            StatedBalance(each.day, each.current, each.currency)
            for each in balances
            if each.current is not None
        ],
    )


def _account_record(account: PlannedAccount) -> AccountRecord:
    record = account.statement.account
    return replace(record, balance=stated_balance(account.statement, account.currency))


def stated_balances(statements: Sequence[Statement], currency: str) -> Iterator[BalanceRecord]:
    """Yield what a file states of an account: its balance now, then those of each statement."""
    last = max(statements, key=lambda each: each.end or dt.date.min)
    yield stated_balance(last, currency)
    for statement in statements:
        for anchor in (statement.opening, statement.closing):
            yield balance_of(anchor, statement, currency)


def stated_balance(statement: Statement, currency: str) -> BalanceRecord:
    """Return the balance of the account that a statement is of, in `currency` if it has none."""
    balance = statement.account.balance
    closing = balance_of(statement.closing, statement, currency)
    if statement.closing is None and balance.as_of is not None:
        # Investments: cash and positions, which no anchor of the statement says.
        closing = replace(balance, currency=closing.currency)
    return replace(closing, available=balance.available)


def balance_of(anchor: BalanceAnchor | None, statement: Statement, currency: str) -> BalanceRecord:
    """Return a stated balance; without a day, of the file or its own, it proves nothing."""
    if statement.currency != UNKNOWN_CURRENCY:
        currency = statement.currency
    as_of = (anchor.date or statement.end) if anchor else None
    if anchor is None or as_of is None:
        return BalanceRecord(currency=currency, current=None)
    return BalanceRecord(currency=currency, current=anchor.amount, as_of=as_of)


def _result(session: Session, household_id: UUID, row: Import) -> Result:
    rejected = journal.list_rejected(
        session, household_id, row.journal_page_id, limit=REJECTED_SHOWN
    )
    return replace(_described(row), rejected=tuple(rejected))


def _described(row: Import) -> Result:
    return Result(
        id=row.id,
        file_name=row.file_name,
        format=row.format,
        state=row.state,
        created_at=row.created_at,
        booked_at=row.booked_at,
        added=row.added,
        modified=row.modified,
        known=row.known,
        matched=row.matched,
        rejected_count=row.rejected,
        rejected=(),
        error=row.error,
        account_ids=tuple(UUID(each) for each in row.targets.values() if each != NEW),
    )


def _announce(household_id: UUID, result: Result) -> None:
    log.info(
        "import_booked",
        import_id=str(result.id),
        added=result.added,
        known=result.known,
        rejected=result.rejected_count,
    )
    events.publish(household_id, "import_booked", import_id=str(result.id), added=result.added)
