"""What every bank file becomes, the limits it must keep, and the one error it may raise."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from app.domain.records import (
    AccountRecord,
    BalanceRecord,
    RejectedRecord,
    TransactionRecord,
)

FILE_BYTES_MAX = 20 * 1024 * 1024
ROWS_MAX = 100_000
FIELD_CHARS_MAX = 4096
DEPTH_MAX = 64
UNKNOWN_CURRENCY = "XXX"
"""ISO 4217 for "no currency": the file says none and the person must choose."""


class StatementError(ValueError):
    """A bank file cannot be read at all; the message says what is wrong and what to do next.

    The message holds no text from the file but short numbers and codes.
    """

    def __init__(
        self, message: str, *, part: str = "the file", line: int | None = None, field: str = ""
    ) -> None:
        super().__init__(message)
        self.part = part
        self.line = line
        self.field = field

    def __str__(self) -> str:
        place = self.part if self.line is None else f"{self.part}, line {self.line}"
        if self.field:
            place = f"{place}, {self.field}"
        return f"{place}: {super().__str__()}"


@dataclass(frozen=True, slots=True)
class BalanceAnchor:
    """A balance that the file states for the end of a day, in the owner's sign."""

    date: dt.date | None
    """None: the file states no date that can be read."""
    amount: Decimal


def now_of(
    currency: str, closing: BalanceAnchor | None, available: BalanceAnchor | None = None
) -> BalanceRecord:
    """Return what an account has by the balances that its statement states in the end."""
    return BalanceRecord(
        currency=currency,
        current=closing.amount if closing else None,
        available=available.amount if available else None,
        as_of=closing.date if closing else None,
    )


@dataclass(frozen=True, slots=True)
class Statement:
    """The movements of one account in one file, in the file's order."""

    account: AccountRecord
    currency: str
    transactions: tuple[TransactionRecord, ...]
    start: dt.date | None = None
    """First day the file covers: as stated, else the day of the earliest transaction."""
    end: dt.date | None = None
    opening: BalanceAnchor | None = None
    """Balance before the first transaction."""
    closing: BalanceAnchor | None = None
    """Ledger balance, nearly always of a day on or after the last transaction."""
    available: BalanceAnchor | None = None
    institution: str | None = None
    lines: tuple[int, ...] = ()
    """For each transaction the line of the file on which it starts, from 1."""


@dataclass(frozen=True, slots=True)
class StatementFile:
    """All that was read from one file: what can be booked, and what cannot, with reasons."""

    format: str
    """`ofx`, `camt`, `mt940` or `csv`."""
    statements: tuple[Statement, ...]
    rejected: tuple[RejectedRecord, ...]
    encoding: str
    notes: tuple[str, ...] = ()
    """What was decided or mended on the way, in words for the person who imports."""

    @property
    def transactions(self) -> tuple[TransactionRecord, ...]:
        """Return the transactions of all statements, in the file's order."""
        return tuple(row for statement in self.statements for row in statement.transactions)


def check_size(data: bytes) -> None:
    """Refuse a file that is empty or larger than we read.

    Raises:
        StatementError: The file is empty or has more than 20 MiB.
    """
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf"):
        raise StatementError("it is empty. Download it from your bank again.")
    if len(data) > FILE_BYTES_MAX:
        raise StatementError(
            f"it has {len(data):,} bytes, more than the {FILE_BYTES_MAX:,} that can be read. "
            "Export a shorter period and import the parts one after the other."
        )


def too_many_rows(line: int) -> StatementError:
    """Return the error for a file with more rows than may be imported at once."""
    return StatementError(
        f"it has more than {ROWS_MAX:,} rows. Export shorter periods and import them one "
        "after the other.",
        line=line,
    )
