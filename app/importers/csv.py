"""CSV files of any bank into domain records, as a layout says; guess the layout first."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain import cells as spreadsheet
from app.domain.money import AmountError, Money
from app.domain.records import AccountRecord, RejectedRecord, TransactionRecord
from app.importers import csv_words, identity
from app.importers.amounts import decimal_mark_of, read_amount
from app.importers.base import (
    ROWS_MAX,
    UNKNOWN_CURRENCY,
    BalanceAnchor,
    Statement,
    StatementError,
    StatementFile,
    check_size,
    now_of,
    too_many_rows,
)
from app.importers.csv_balance import follow
from app.importers.csv_columns import currency_in
from app.importers.csv_dates import find_date
from app.importers.csv_guess import guess
from app.importers.csv_layout import CsvLayout, Decision
from app.importers.csv_roles import direction_of
from app.importers.csv_table import Row, read_rows
from app.importers.csv_words import fold
from app.importers.text import decode_as

__all__ = ["CsvLayout", "CsvPreview", "Decision", "guess", "parse", "preview"]

_PREVIEW_ROWS = 10
_EXTREME_YEARS = (1950, 2100)
_ROLES_OF_A_ROW = ("date", "authorized_date", "value_date", "amount", "debit", "credit")
_ROLES_READ = (
    *_ROLES_OF_A_ROW,
    "counterparty",
    "direction",
    "balance",
    "currency",
    "reference",
    "account",
    "status",
)


class _RowError(ValueError):
    """A row cannot be booked; `role` names the column it is about."""

    def __init__(self, role: str, reason: str) -> None:
        super().__init__(reason)
        self.role = role


@dataclass(frozen=True, slots=True)
class CsvPreview:
    """What a person needs to see to agree with a layout."""

    layout: CsvLayout
    samples: tuple[tuple[str, ...], ...]
    """For each column the first different values in it."""
    rows: tuple[TransactionRecord, ...]
    """The first rows as they would be imported."""
    rejected: tuple[RejectedRecord, ...]
    """The first rows that would not be."""
    transactions: int
    """How many rows would be imported."""
    rejected_count: int
    problems: tuple[str, ...]
    """What the person should look at before importing, in words."""


def parse(
    data: bytes,
    layout: CsvLayout,
    account: AccountRecord | None = None,
    *,
    day: dt.date | None = None,
) -> StatementFile:
    """Read a CSV file as `layout` says.

    The same rows get the same ids in every file and under every choice of sign, currency and
    account, so that a file imported again with a mended sign corrects its rows.

    Args:
        data: The whole file.
        layout: From `guess`, changed by the person or not.
        account: The account that the rows belong to, where the person chose one; an account
            column in the file is then not used.
        day: Read the rows of this day alone, which takes a fraction of the time.

    Returns:
        One statement for each account, in the file's order. Every line that is neither blank
        nor above the table is in a transaction or in `rejected`.

    Raises:
        StatementError: The layout names no day or no amount, or the file is too large.
    """
    check_size(data)
    layout.check()
    if layout.missing():
        raise StatementError(
            f"no column was chosen for: {', '.join(layout.missing())}. Choose it and try again.",
            field=layout.missing()[0],
        )
    reader = _Reader(layout, account)
    for row in read_rows(_text(data, layout), layout.delimiter):
        if row.line >= layout.first_line and reader.is_of(row, day):
            reader.read(row)
    return StatementFile(
        "csv",
        reader.statements(),
        tuple(reader.rejected),
        layout.encoding,
        tuple(reader.notes()),
    )


def preview(data: bytes, layout: CsvLayout, account: AccountRecord | None = None) -> CsvPreview:
    """Return what importing the file with this layout would do, and what to look at first.

    Raises:
        StatementError: As `parse`, but a layout without day or amount is no error here: the
            preview then has only the columns and the problem.
    """
    layout.check()
    rows = read_rows(_text(data, layout), layout.delimiter, limit=200)
    body = [row for row in rows if row.line >= layout.first_line]
    samples = tuple(_samples(body, index) for index in range(len(layout.roles)))
    doubts = [f"{d.name}: {d.reason}" for d in layout.decisions if d.confidence < 0.6]
    if layout.missing():
        wanted = f"choose the column for: {', '.join(layout.missing())}"
        return CsvPreview(layout, samples, (), (), 0, 0, (wanted, *doubts))
    result = parse(data, layout, account)
    return CsvPreview(
        layout=layout,
        samples=samples,
        rows=result.transactions[:_PREVIEW_ROWS],
        rejected=result.rejected[:_PREVIEW_ROWS],
        transactions=len(result.transactions),
        rejected_count=len(result.rejected),
        problems=(*doubts, *result.notes),
    )


def _text(data: bytes, layout: CsvLayout) -> str:
    try:
        return decode_as(data, layout.encoding)
    except LookupError as error:
        raise StatementError(
            "there is no such encoding; choose another one", part="the layout", field="encoding"
        ) from error


def _samples(rows: Sequence[Row], index: int) -> tuple[str, ...]:
    values = dict.fromkeys(row.cells[index] for row in rows if index < len(row.cells))
    return tuple(value[:80] for value in values if value)[:5]


@dataclass(slots=True)
class _Entry:
    """One row that can be booked, before it gets its id."""

    line: int
    account: str
    date: dt.date
    authorized_date: dt.date | None
    amount: Decimal
    """As the file has it, before the layout turns signs round; the id is made of it."""
    signed: Decimal
    """In the owner's sign."""
    currency: str
    description: list[str]
    counterparty: str
    marks: tuple[str, ...]
    """What else tells rows of one day apart: reference and direction."""
    pending: bool
    balance: Decimal | None


@dataclass(slots=True)
class _Reader:
    layout: CsvLayout
    account: AccountRecord | None
    entries: list[_Entry] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    continued: int = 0
    merged: int = 0
    other_mark: int = 0
    last: _Entry | None = None
    days: dict[str, dt.date | None] = field(default_factory=dict)
    headers: frozenset[str] = field(init=False)
    index: dict[str, int | None] = field(init=False)
    texts: tuple[int, ...] = field(init=False)
    header_currency: str = field(init=False)

    def __post_init__(self) -> None:
        layout = self.layout
        self.index = {role: layout.column(role) for role in _ROLES_READ}
        self.texts = layout.columns("description")
        self.headers = frozenset(filter(None, layout.names))
        if self.account is not None:
            self.index["account"] = None
        money = [i for r in ("amount", "debit", "credit") if (i := self.index[r]) is not None]
        names = [layout.names[i] for i in money if i < len(layout.names)]
        self.header_currency = next(filter(None, map(currency_in, map(fold, names))), "")

    def is_of(self, row: Row, day: dt.date | None) -> bool:
        """Tell whether a record may be of a day; one that names none may be."""
        own = self._other_day(row.cells, "date") if day is not None else None
        if own == day or own is None:
            return True
        self.last = None
        return False

    def read(self, row: Row) -> None:
        """Take one record: a transaction, the rest of the one before, or a rejected one."""
        if len(self.entries) >= ROWS_MAX:
            raise too_many_rows(row.line)
        try:
            if row.broken:
                self._reject(row, "line", row.broken)
                return
            cells = self._fitted(row.cells)
            if self._continues(cells):
                return
            entry = self._entry(row.line, cells)
        except _RowError as error:
            self._reject(row, error.role, str(error))
        else:
            self.entries.append(entry)
            self.last = entry

    def _reject(self, row: Row, role: str, reason: str) -> None:
        self.last = None
        filled = set(filter(None, row.cells))
        if len(filled) >= 2 and filled <= self.headers:
            reason = "it repeats the names of the columns"
        self.rejected.append(RejectedRecord(reason, f"line {row.line}, {role}"))

    def _cell(self, cells: Sequence[str], role: str) -> str:
        index = self.index[role]
        return cells[index] if index is not None and index < len(cells) else ""

    def _fitted(self, cells: tuple[str, ...]) -> tuple[str, ...]:
        """Put a text back together that an unquoted delimiter has torn into two cells."""
        width = len(self.layout.roles)
        extra = len(cells) - width
        if extra <= 0 or not any(cells[width:]) or not self.texts:
            return cells
        at = self.texts[0]
        joined = (
            *cells[:at],
            self.layout.delimiter.join(cells[at : at + extra + 1]),
            *cells[at + extra + 1 :],
        )
        try:
            self._raw_amount(joined)
            self._day(joined)
        except _RowError:
            return cells
        self.merged += 1
        return joined

    def _continues(self, cells: Sequence[str]) -> bool:
        """Take a line without day and amount as more text of the transaction above it."""
        if self.last is None or not self.texts or self._cell(cells, "date"):
            return False
        if any(self._cell(cells, role) for role in _ROLES_OF_A_ROW):
            return False
        others = [c for i, c in enumerate(cells) if c and i not in self.texts]
        words = [cells[i] for i in self.texts if i < len(cells) and cells[i]]
        if others or not words:
            return False
        self.last.description += words
        self.continued += 1
        return True

    def _entry(self, line: int, cells: Sequence[str]) -> _Entry:
        date = self._day(cells)
        amount, symbol = self._raw_amount(cells)
        status = fold(self._cell(cells, "status"))
        if status in csv_words.VOID_WORDS:
            raise _RowError("status", "the bank says that it was not carried out")
        counterparty = self._cell(cells, "counterparty")
        parts = [cells[i] for i in self.texts if i < len(cells) and cells[i]]
        return _Entry(
            line=line,
            account=self._cell(cells, "account"),
            date=date,
            authorized_date=self._other_day(cells, "authorized_date"),
            amount=amount,
            signed=self._signed(amount, cells),
            currency=self._currency(cells, symbol),
            description=_without_repeats(parts) or [counterparty],
            counterparty=counterparty,
            marks=(self._cell(cells, "reference"), self._cell(cells, "direction")),
            pending=status in csv_words.PENDING_WORDS,
            balance=self._balance(cells),
        )

    def _day(self, cells: Sequence[str]) -> dt.date:
        day = self._other_day(cells, "date")
        if day is None and not self._cell(cells, "date"):
            day = self._other_day(cells, "authorized_date") or self._other_day(cells, "value_date")
        if day is None:
            filled = bool(self._cell(cells, "date"))
            raise _RowError("date", "the date cannot be read" if filled else "the date is missing")
        return day

    def _other_day(self, cells: Sequence[str], role: str) -> dt.date | None:
        text = self._cell(cells, role)
        if not text:
            return None
        if text not in self.days:
            self.days[text] = find_date(text, self.layout.date_order)
        return self.days[text]

    def _raw_amount(self, cells: Sequence[str]) -> tuple[Decimal, str]:
        """Return the amount with the direction that its column gives it."""
        if self.index["amount"] is not None:
            text = self._cell(cells, "amount")
            if text or (self.index["debit"] is None and self.index["credit"] is None):
                return self._number(text, "amount")
        debit, symbol = self._optional(cells, "debit")
        credit, other = self._optional(cells, "credit")
        if debit is None and credit is None:
            raise _RowError("amount", "the amount is missing")
        if debit and credit:
            raise _RowError("amount", "it has money out and money in")
        if debit:
            return (debit if self.layout.debits_negative else -debit), symbol
        return credit or Decimal(0), other or symbol

    def _signed(self, amount: Decimal, cells: Sequence[str]) -> Decimal:
        if self.layout.sign == "inverted":
            return -amount
        if self.layout.sign == "by_direction" and amount > 0:
            direction = direction_of(self._cell(cells, "direction"))
            if not direction:
                raise _RowError("direction", "neither money in nor money out is said")
            return direction * amount
        return amount

    def _optional(self, cells: Sequence[str], role: str) -> tuple[Decimal | None, str]:
        text = self._cell(cells, role)
        if not text or text in {"-", "--"}:
            return None, ""
        return self._number(text, role)

    def _number(self, text: str, role: str) -> tuple[Decimal, str]:
        if not text:
            raise _RowError(role, "the amount is missing")
        mark = self.layout.decimal_mark
        try:
            return read_amount(text, mark)
        except AmountError:
            own = decimal_mark_of(text)
            if own is None or own == mark:
                raise _RowError(role, "the amount cannot be read exactly") from None
        try:
            number = read_amount(text, own)
        except AmountError as error:
            raise _RowError(role, "the amount cannot be read exactly") from error
        self.other_mark += 1
        return number

    def _balance(self, cells: Sequence[str]) -> Decimal | None:
        text = self._cell(cells, "balance")
        if not text:
            return None
        try:
            return read_amount(text, self.layout.decimal_mark)[0]
        except AmountError:
            return None

    def _currency(self, cells: Sequence[str], symbol: str) -> str:
        code = self._cell(cells, "currency").upper()
        if len(code) == 3 and code.isascii() and code.isalpha():
            return code
        return symbol or self.header_currency or self.layout.currency or UNKNOWN_CURRENCY

    def statements(self) -> tuple[Statement, ...]:
        """Return the rows by account, each with its id."""
        groups: dict[str, list[_Entry]] = {}
        for entry in self.entries:
            groups.setdefault(entry.account, []).append(entry)
        if not groups:
            return ()
        return tuple(self._statement(name, entries) for name, entries in groups.items())

    def _statement(self, name: str, entries: list[_Entry]) -> Statement:
        currency = Counter(entry.currency for entry in entries).most_common(1)[0][0]
        opening, closing = _anchors(entries)
        account = self.account or self._account(name, currency, closing)
        source = identity.IdentitySource()
        return Statement(
            account=account,
            currency=currency,
            transactions=tuple(self._record(entry, account.source_id, source) for entry in entries),
            start=min(entry.date for entry in entries),
            end=max(entry.date for entry in entries),
            opening=opening,
            closing=closing,
            lines=tuple(entry.line for entry in entries),
        )

    def _record(
        self, entry: _Entry, account: str, source: identity.IdentitySource
    ) -> TransactionRecord:
        description = " ".join(entry.description)
        return TransactionRecord(
            account_source_id=account,
            source_id=source.next_id(
                entry.date,
                entry.amount,
                texts=(description, entry.counterparty, *entry.marks),
            ),
            date=entry.date,
            money=Money(entry.signed, entry.currency),
            description=spreadsheet.plain(description),
            pending=entry.pending,
            counterparty=spreadsheet.plain(entry.counterparty) or None,
            authorized_date=entry.authorized_date,
        )

    def _account(self, name: str, currency: str, closing: BalanceAnchor | None) -> AccountRecord:
        """Describe the account from what little a CSV file says about it."""
        number = name or self.layout.account
        mask = "".join(filter(str.isalnum, number))[-4:]
        known = (number,) if number else self.layout.names
        return AccountRecord(
            source_id=identity.account_id("csv", *known),
            name=(number if number.replace(" ", "").isalpha() else f"Account {mask}").strip(),
            kind="depository",
            subtype=None,
            balance=now_of(currency, closing),
            mask=mask if len(mask) >= 2 else None,
        )

    def notes(self) -> Iterator[str]:
        """Yield what was mended or looks odd, for the person who imports."""
        if self.continued:
            yield f"{self.continued} lines were read as more text of the row above them."
        if self.merged:
            yield f"{self.merged} rows had a delimiter inside a text without quotes."
        if self.other_mark:
            yield f"{self.other_mark} amounts use another decimal mark than the rest."
        low, high = _EXTREME_YEARS
        strange = sum(not low <= entry.date.year <= high for entry in self.entries)
        if strange:
            yield f"{strange} rows are dated before {low} or after {high}: please check."
        if any(entry.currency == UNKNOWN_CURRENCY for entry in self.entries):
            yield "The file does not say its currency; choose it before importing."
        chain = follow([(entry.signed, entry.balance) for entry in self.entries])
        if chain.pairs > 1 and not chain.proves:
            yield (
                "The balances in the file do not follow from the amounts: check the sign and "
                "that the export is complete."
            )


def _without_repeats(parts: Sequence[str]) -> list[str]:
    """Leave out a text that another column says again, perhaps with more words."""
    folded = [part.casefold() for part in parts]
    return [
        part
        for at, part in enumerate(parts)
        if not any(
            folded[at] in other and (len(other) > len(folded[at]) or before < at)
            for before, other in enumerate(folded)
            if before != at
        )
    ]


def _anchors(entries: Sequence[_Entry]) -> tuple[BalanceAnchor | None, BalanceAnchor | None]:
    """Return the balances before the first and after the last row, if the amounts prove them."""
    stated = [(entry, entry.balance) for entry in entries if entry.balance is not None]
    if not stated:
        return None, None
    chain = follow([(entry.signed, entry.balance) for entry in entries])
    if not chain.proves and len(entries) > 1:
        return None, None
    newest_first = chain.newest_first
    if stated[0][0] is not entries[0] or stated[-1][0] is not entries[-1]:
        return None, None
    (oldest, first), (newest, last) = stated[0], stated[-1]
    if newest_first:
        (oldest, first), (newest, last) = (newest, last), (oldest, first)
    before = oldest.date - dt.timedelta(days=1) if oldest.date > dt.date.min else oldest.date
    return BalanceAnchor(before, first - oldest.signed), BalanceAnchor(newest.date, last)
