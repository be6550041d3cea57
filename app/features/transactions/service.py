"""Use cases of transactions: what sources change, and what people see and decide."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import NotFoundError
from app.core.faults import fault
from app.core.pagination import PAGE_SIZE_MAX, PageKey
from app.domain.filters import TransactionFilter
from app.domain.records import ChangeSet, SourceKey
from app.features.accounts.service import SourceAccountKey
from app.features.categories import service as categories
from app.features.journal import service as journal
from app.features.transactions import apply, edits, encoded, listing, repository, said, sums
from app.features.transactions.sums import CategoryTotal, DayTotal
from app.models import Transaction

Span = sums.Span
Total = sums.Total
TransactionRow = listing.TransactionRow
Edit = edits.Edit
Edited = edits.Edited
edit_transaction = edits.edit_transaction
edit_transactions = edits.edit_transactions


@dataclass(frozen=True, slots=True)
class Applied:
    """How much a change set changed in the ledger."""

    added: int
    modified: int
    removed: int


def apply_changes(
    session: Session,
    household_id: UUID,
    change_set_id: UUID,
    changes: ChangeSet,
    *,
    accounts: Mapping[str, SourceAccountKey],
    categories: Mapping[str, UUID],
    pages: Mapping[SourceKey, UUID],
    told_from: Mapping[UUID, dt.date] | None = None,
) -> Applied:
    """Bring the ledger to the state the source reports.

    Safe to repeat: applying the same changes twice stores the same rows as applying them
    once. The user's own columns are never written, and a pending transaction that is posted
    under a new id stays the same row. The caller saves the source's cursor in the same
    transaction, so that either both are stored or neither is.

    Args:
        session: An open transaction of the household, with an open change set.
        household_id: Whose ledger.
        change_set_id: The open change set.
        changes: All pages between two cursors, joined by `join_pages`.
        accounts: By the source's account id; every record's account is there.
        categories: Our category for each of the source's codes, where we have one.
        pages: The journal page that last spoke of each transaction.
        told_from: Source accounts of which `changes` tell all there is from a day on.

    Raises:
        KeyError: A record names an account that is not in `accounts`.
    """
    added = modified = 0
    if changes.upserts or told_from:
        added, modified = apply.upsert(
            session,
            household_id,
            change_set_id,
            apply.rows_of(changes.upserts, accounts, categories, pages),
            link_pending=any(record.pending_source_id for record in changes.upserts),
            told_from=told_from or {},
        )
    fault("ledger.mid_apply")
    removed = apply.remove(
        session,
        household_id,
        [
            (accounts[account_source_id].source_account_id, source_id, pages[key])
            for key in changes.removed
            for account_source_id, source_id in [key]
            if account_source_id in accounts
        ],
    )
    return Applied(added, modified, removed)


HISTORY_MAX = 200


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """One page of a list."""

    rows: Sequence[TransactionRow]
    next_key: PageKey | None
    """Where the next page starts; None at the end."""


@dataclass(frozen=True, slots=True)
class Detail:
    """Everything that is known of one transaction."""

    transaction: Transaction
    history: Sequence["Change"]
    journal_kind: str
    journal_sequence: int
    """Which page of its sync run, from 0."""
    journal_sha256: bytes
    received_at: dt.datetime
    tellings: Sequence[repository.Telling] = ()
    """Other rows that are the same movement, the original first."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that got another value."""

    at: dt.datetime
    kind: str
    """The kind of its change set: `sync`, `edit`, `import`, …"""
    actor_user_id: UUID | None
    change_set_id: UUID
    is_undone: bool
    """Its change set is out of force."""
    field: str
    before: str | None
    after: str | None
    reason: str | None
    confidence: Decimal | None

    @property
    def is_in_force(self) -> bool:
        """Whether its change set counts."""
        return not self.is_undone


@dataclass(frozen=True, slots=True)
class Analytics:
    """Sums over a span of days; money between the user's own accounts is left out of days."""

    first: dt.date
    last: dt.date
    by_category: Sequence[CategoryTotal]
    by_day: Sequence[DayTotal]
    income: Mapping[str, Decimal] = field(default_factory=dict)
    spending: Mapping[str, Decimal] = field(default_factory=dict)
    """Per currency; negative."""


def list_transactions(
    session: Session,
    household_id: UUID,
    wanted: TransactionFilter,
    *,
    after: PageKey | None = None,
    limit: int,
) -> TransactionPage:
    """Return one page of transactions, newest first."""
    limit = min(limit, PAGE_SIZE_MAX)
    rows = listing.list_page(session, household_id, wanted, after=after, limit=limit + 1)
    more = len(rows) > limit
    rows = rows[:limit]
    return TransactionPage(rows, PageKey(rows[-1].date, rows[-1].id) if more else None)


async def encode_span(
    household_id: UUID, wanted: TransactionFilter, *, after: PageKey | None = None, limit: int
) -> bytes:
    """Return one page of a span of days as the API tells it, for whoever asks."""
    return await encoded.page(household_id, wanted, after=after, limit=min(limit, PAGE_SIZE_MAX))


def totals_take_long(session: Session, household_id: UUID, wanted: TransactionFilter) -> bool:
    """Tell whether summing up takes so long that a page had better not wait for it.

    That is when single rows have to be summed, or the months of a large ledger.
    """
    return sums.need_rows(wanted) or listing.is_large(session, household_id)


def totals(session: Session, household_id: UUID, wanted: TransactionFilter) -> list[Total]:
    """Return the sums of what the filter lets through, per currency."""
    return sums.totals(session, household_id, wanted)


def spans(session: Session, household_id: UUID) -> dict[UUID, Span]:
    """Return, by account, how many transactions there are and since when."""
    return {span.account_id: span for span in sums.spans(session, household_id)}


def get_transaction(session: Session, household_id: UUID, transaction_id: UUID) -> Detail:
    """Return everything that is known of one transaction but its source's own words.

    Raises:
        NotFoundError: The household has no such transaction.
    """
    row = get_row(session, household_id, transaction_id)
    page = journal.read_heading(session, household_id, row.journal_page_id)
    return Detail(
        transaction=row,
        history=_history(session, household_id, transaction_id),
        journal_kind=page.kind,
        journal_sequence=page.sequence,
        journal_sha256=page.sha256,
        received_at=page.received_at,
        tellings=repository.tellings(session, household_id, row),
    )


def said_by_source(
    session: Session, household_id: UUID, transaction_id: UUID
) -> Mapping[str, object]:
    """Return all that the source's own page says of one transaction; it opens the whole page.

    Raises:
        NotFoundError: The household has no such transaction.
        SealError: The page does not open, or is not what was written.
    """
    row = get_row(session, household_id, transaction_id)
    page = journal.read(session, household_id, row.journal_page_id)
    return said.said_by_source(session, household_id, page, row)


def get_row(session: Session, household_id: UUID, transaction_id: UUID) -> Transaction:
    """Return one transaction as it stands.

    Raises:
        NotFoundError: The household has no such transaction.
    """
    row = repository.find(session, household_id, transaction_id)
    if row is None:
        raise NotFoundError("There is no such transaction.")
    return row


def _history(session: Session, household_id: UUID, transaction_id: UUID) -> list[Change]:
    rows = repository.history(session, household_id, transaction_id, limit=HISTORY_MAX)
    return [
        Change(
            at=row.created_at,
            kind=row.kind,
            actor_user_id=row.actor_user_id,
            change_set_id=row.change_set_id,
            is_undone=row.undone_by is not None,
            field=row.field,
            before=row.before,
            after=row.after,
            reason=row.reason,
            confidence=row.confidence,
        )
        for row in rows
    ]


def analyse(session: Session, household_id: UUID, first: dt.date, last: dt.date) -> Analytics:
    """Return income and spending from `first` to `last`, by category and by day."""
    nodes = categories.list_categories(session, household_id)
    transfers = {node.id for node in nodes if node.kind == "transfer"}
    by_category = sums.by_category(session, household_id, first, last)
    by_day = sums.by_day(session, household_id, first, last, without_categories=sorted(transfers))
    income: dict[str, Decimal] = {}
    spending: dict[str, Decimal] = {}
    for total in by_category:
        if total.category_id not in transfers:
            income[total.currency] = income.get(total.currency, Decimal()) + total.money_in
            spending[total.currency] = spending.get(total.currency, Decimal()) + total.money_out
    return Analytics(first, last, by_category, by_day, income, spending)
