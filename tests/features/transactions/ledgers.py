"""Ledgers with known rows, brought in as a sync does."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.domain.money import Money
from app.domain.records import AccountRecord, BalanceRecord, ChangeSet, TransactionRecord
from app.features.accounts import service as accounts
from app.features.categories import service as categories
from app.features.changes import service as changes
from app.features.journal import service as journal
from app.features.transactions import service as transactions


@dataclass(frozen=True, repr=False)  # it holds a hundred categories
class Ledger:
    """A household's ledger: its accounts by the source's name for them."""

    household_id: UUID
    accounts: dict[str, accounts.SourceAccountKey]
    categories: dict[str, UUID]


def open_ledger(household_id: UUID, names: Sequence[str] = ("checking", "card")) -> Ledger:
    """Give a household accounts without transactions."""
    with household_transaction(household_id) as session:
        page_id = journal.write(session, household_id, kind="test.accounts", payload=b"{}")
        keys = accounts.store_accounts(
            session,
            household_id,
            [
                AccountRecord(n, n.title(), "depository", None, BalanceRecord("USD", None))
                for n in names
            ],
            source="test",
            item_id=None,
            institution_name="First Platypus Bank",
            journal_page_id=page_id,
        )
        codes = categories.ids_by_code(session, household_id)
    return Ledger(household_id, keys, codes)


def record(
    source_id: str,
    amount: str = "-1.00",
    *,
    account: str = "checking",
    date: dt.date = dt.date(2026, 11, 2),
    description: str = "CAFFE NERO 0042",
    currency: str = "USD",
    category: str | None = None,
    pending: bool = False,
) -> TransactionRecord:
    """Return a record with plain defaults; negative is money out."""
    return TransactionRecord(
        account_source_id=account,
        source_id=source_id,
        date=date,
        money=Money(Decimal(amount), currency),
        description=description,
        category_code=category,
        pending=pending,
    )


def bring(
    ledger: Ledger,
    *records: TransactionRecord,
    removed: Sequence[str] = (),
    page_id: UUID | None = None,
) -> None:
    """Bring records into the ledger; `removed` are ids on the checking account.

    Without the id of a journal page, which is where details look for what the bank said, they
    are from one that is not there.
    """
    change = ChangeSet(None, "c", records, tuple(("checking", each) for each in removed))
    page_id = page_id or uuid7()
    with household_transaction(ledger.household_id) as session:
        change_set_id = changes.open_change_set(session, ledger.household_id, kind="sync")
        transactions.apply_changes(
            session,
            ledger.household_id,
            change_set_id,
            change,
            accounts=ledger.accounts,
            categories=ledger.categories,
            pages=dict.fromkeys([*(r.key for r in records), *change.removed], page_id),
        )
