"""How a file was booked, as the journal keeps it: with the file, it makes the same rows."""

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from app.domain.money import Money
from app.domain.records import TransactionRecord
from app.features.journal import service as journal
from app.features.transactions.said import DECISION
from app.importers import identity
from app.importers.base import UNKNOWN_CURRENCY, StatementFile


class StatedBalance(msgspec.Struct):
    """A balance that a file states, in the owner's sign."""

    day: dt.date | None
    """None: the day of booking."""
    current: Decimal
    currency: str


class BookedAccount(msgspec.Struct):
    """Where the rows of one account of the file went, and which of them."""

    key: str
    account_source_id: str
    source_account_id: UUID
    account_id: UUID
    is_new: bool
    """The import opened the ledger account."""
    currency: str
    """Of rows of which the file does not say it."""
    withdrawn: list[str]
    """Rows that an earlier file had as pending and this one has no more."""
    renamed: dict[str, str]
    """Rows that the ledger knows under another id than the file: theirs to ours."""
    repeated: list[str] | None = None
    """Rows that the ledger had as the file says them, by our ids, and perhaps some more. With
    `stated`, what undoing another file asks of this one; None: it was booked before we noted it."""
    stated: list[StatedBalance] | None = None


class Decision(msgspec.Struct):
    """How a file was booked."""

    layout: dict[str, object] | None
    accounts: list[BookedAccount]


def write(session: Session, household_id: UUID, import_id: UUID, decision: Decision) -> None:
    """Keep how a file was booked, in the transaction that books it."""
    journal.write(
        session,
        household_id,
        kind=DECISION,
        payload=msgspec.json.encode(decision),
        sync_run_id=import_id,
        sequence=1,
    )


def read(session: Session, household_id: UUID, import_id: UUID) -> Decision:
    """Return how an import was booked."""
    page = journal.read_last(session, household_id, import_id, DECISION)
    assert page is not None  # written in the transaction that booked it
    return msgspec.json.decode(page.payload, type=Decision)


def booked_rows(file: StatementFile, place: BookedAccount) -> list[TransactionRecord]:
    """Return the rows of one account of a file as they were booked, under the ledger's ids."""
    rows = [
        in_currency(record, place.currency)
        for statement in file.statements
        if statement.account.source_id == place.key
        for record in statement.transactions
    ]
    return [
        replace(
            row,
            account_source_id=place.account_source_id,
            source_id=place.renamed.get(row.source_id, row.source_id),
        )
        for row in identity.number_equal(rows)
    ]


def in_currency(record: TransactionRecord, currency: str) -> TransactionRecord:
    """Return the record in the currency that was chosen, if its file does not say one."""
    if record.money.currency != UNKNOWN_CURRENCY:
        return record
    return replace(record, money=Money(record.money.amount, currency))
