"""ISO 20022 files from banks (camt.053, camt.052, camt.054) into domain records."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from app.domain.money import Money, is_currency
from app.domain.records import AccountRecord, RejectedRecord, TransactionRecord
from app.importers import identity
from app.importers.base import (
    ROWS_MAX,
    UNKNOWN_CURRENCY,
    Statement,
    StatementError,
    StatementFile,
    check_size,
    now_of,
    too_many_rows,
)
from app.importers.camt_balances import Anchors, Balance, Booked, anchors, read_balances
from app.importers.camt_entries import Entry, EntryError, only_informs, read_entry, stated_day
from app.importers.camt_tree import Document, Node, fields_of, mend
from app.importers.ofx_dates import find_date
from app.importers.text import decode

_HEAD_BYTES = 1000
_DECLARED = re.compile(rb"<\?xml[^>]{0,100}?encoding\s{0,9}=\s{0,9}[\"']([A-Za-z0-9._-]{1,30})")
_REPORT, _NOTIFICATION = "Rpt", "Ntfctn"
_NUMBERS = ("Id/IBAN", "Id/Othr/Id", "Id/BBAN", "Id/PrtryAcct/Id", "Id/UPIC")
_BANKS = ("Nm", "NmAndAdr/Nm", "CmbndId/Nm", "BICFI", "BIC")
_DEPOSITORY: tuple[str, str | None] = ("depository", None)
_CHECKING: tuple[str, str | None] = ("depository", "checking")
_SAVINGS: tuple[str, str | None] = ("depository", "savings")
_KINDS: dict[str, tuple[str, str | None]] = {
    "CACC": _CHECKING,
    "SLRY": _CHECKING,
    "TRAN": _CHECKING,
    "SVGS": _SAVINGS,
    "LLSV": _SAVINGS,
    "ONDP": _SAVINGS,
    "MOMA": ("depository", "money market"),
    "CARD": ("credit", "credit card"),
    "LOAN": ("loan", None),
}


def parse(data: bytes) -> StatementFile:
    """Read a bank-to-customer statement, account report or notification of any version.

    One row for each entry (Ntry), a batch of payments included, since an entry is what the
    balance moves by. Credits are positive, debits negative. What is not booked yet (PDNG, FUTR)
    is pending; what is only told (INFO) is left out, with a note.

    Returns:
        One statement for each Stmt, Rpt or Ntfctn, in the file's order. Entries that cannot be
        booked are in `rejected` with their line; so is the place where a file is damaged.

    Raises:
        StatementError: There is no statement in the file, or it is too large, nested too deep
            or declares entities.

    Source:
        ISO 20022 message definitions camt.052, camt.053, camt.054, versions 001.01 to 001.14.
    """
    reader, encoding = _read(data)
    return StatementFile(
        "camt",
        tuple(_apart_within_days(reader)),
        tuple(reader.rejected),
        encoding,
        tuple(reader.told()),
    )


def find_fields(data: bytes, source_id: str) -> dict[str, str]:
    """Return all that the file says of one transaction, by the standard's names.

    Names of inner elements have those around them before theirs, `BookgDt.Dt`, and a number where
    there are several, `NtryDtls.TxDtls[2].Amt`. Empty if the file has no such transaction.

    Raises:
        StatementError: As `parse`.
    """
    reader, _ = _read(data)
    numbers = reader.numbers()
    if source_id not in numbers:
        return {}
    entries = (part.entry for part in Document(reader.text).parts() if part.entry is not None)
    for number, entry in enumerate(entries, start=1):
        if number == numbers[source_id]:
            return fields_of(entry)
    return {}


def _read(data: bytes) -> tuple["_Reader", str]:
    """Return what was read of a file, mended if it is damaged, and the file's encoding."""
    check_size(data)
    match = _DECLARED.search(data[:_HEAD_BYTES])
    text, encoding = decode(data, declared=match[1].decode("ascii") if match else "")
    reader = _Reader(text)
    reader.read()
    if reader.broken_at is not None and (mended := mend(text)) != text:
        reader = _Reader(mended)
        reader.read()
    if not reader.statements:
        raise _nothing(reader.broken_at)
    return reader, encoding


def _nothing(line: int | None) -> StatementError:
    if line is None:
        return StatementError(
            "it holds no statement. Download the account statement as CAMT.053 again."
        )
    return StatementError(
        "it is damaged, and no statement stands before that. Download it from your bank again.",
        line=line,
    )


@dataclass(slots=True)
class _Reader:
    """Reads the statements of one file and collects what went wrong."""

    text: str
    statements: list[Statement] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    """How often each was to be said."""
    entries: list[list[int]] = field(default_factory=list)
    """For each statement the numbers of its transactions among all entries of the file."""
    seen: set[tuple[str, Statement]] = field(default_factory=set)
    """Each statement with the Id that its bank gave it."""
    broken_at: int | None = None

    def read(self) -> None:
        """Read the file to its end, or to where it is damaged."""
        document = Document(self.text)
        rows: list[Entry] = []
        days: list[dt.date] = []
        number = 0
        for part in document.parts():
            if part.entry is not None:
                number += 1
                row = self._entry(part.entry, part.statement, number, is_cut=part.is_cut)
                if row is not None:
                    rows.append(row)
                elif not only_informs(part.entry):
                    days += filter(None, [find_date(stated_day(part.entry, "BookgDt"))])
            elif part.statement is not None:
                self._statement(part.statement, rows, days, is_cut=part.is_cut)
                rows, days = [], []
        self.broken_at = document.broken_at
        if self.broken_at is not None:
            reason = "the file is damaged here, and nothing behind this line could be read"
            self.rejected.append(RejectedRecord(reason, f"line {self.broken_at}"))

    def numbers(self) -> dict[str, int]:
        """Return the place of each transaction among the entries of the file."""
        found: dict[str, int] = {}
        for statement, numbers in zip(self.statements, self.entries, strict=True):
            for row, number in zip(statement.transactions, numbers, strict=True):
                found.setdefault(row.source_id, number)
        return found

    def note(self, words: str) -> None:
        """Say something to the person, once."""
        self.notes[words] = self.notes.get(words, 0) + 1

    def told(self) -> Iterator[str]:
        """Yield each note, with how often it holds."""
        for words, count in self.notes.items():
            yield words if count == 1 else f"{words} ({count:,} times)"

    def reject(self, node: Node, error: EntryError) -> None:
        """Put an entry or a balance aside with its line and the reason."""
        if len(self.rejected) >= ROWS_MAX:
            raise too_many_rows(node.line)
        bank_id = node.get("AcctSvcrRef", "NtryRef")[:100] or None
        where = f"line {node.line}, {error.field}"
        self.rejected.append(RejectedRecord(str(error), where, bank_id))

    def _entry(
        self, node: Node, statement: Node | None, number: int, *, is_cut: bool
    ) -> Entry | None:
        if is_cut or statement is None:
            reason = "the file ends inside it" if is_cut else "it stands outside of any statement"
            self.reject(node, EntryError("Ntry", reason))
            return None
        if only_informs(node):
            self.note("An entry that only informs, and moves no money, is left out.")
            return None
        try:
            return read_entry(node, number, statement.get("Acct/Ownr/Nm"))
        except EntryError as error:
            self.reject(node, error)
            return None

    def _statement(
        self, node: Node, rows: list[Entry], days: list[dt.date], *, is_cut: bool
    ) -> None:
        balances = () if node.name == _NOTIFICATION else read_balances(node, self.reject)
        currency = self._currency(node, balances, rows)
        start, end = (find_date(node.get(f"FrToDt/{name}")) for name in ("FrDtTm", "ToDtTm"))
        rows = list(self._dated(node, balances, end, rows))
        posted = [row for row in rows if not row.pending]
        days = [*days, *(row.date for row in posted if row.date)]
        total = sum((row.amount for row in posted if row.currency in {"", currency}), Decimal(0))
        proven = self._anchors(node, balances, currency, Booked(days, total), is_cut=is_cut)
        account = self._account(node, currency, proven)
        closing = proven.closing
        all_days = [row.date for row in rows if row.date]
        start = start or min(all_days, default=None)
        end = end or max(all_days, default=None) or (closing.date if closing else None)
        if node.name == _NOTIFICATION:
            start = end = None  # it tells some entries of these days, and perhaps not all
        statement = Statement(
            account=account,
            currency=currency,
            transactions=self._records(account.source_id, rows, currency),
            start=start,
            end=end,
            opening=proven.opening,
            closing=proven.closing,
            available=proven.available,
            institution=_institution(node),
            lines=tuple(row.line for row in rows),
        )
        copy = (node.get("Id"), replace(statement, lines=()))
        if copy in self.seen and copy[0] and rows:
            self.note("A statement stands twice in the file and is read once.")
            return
        self.seen.add(copy)
        self.statements.append(statement)
        self.entries.append([row.number for row in rows])

    def _currency(self, node: Node, balances: Iterable[Balance], rows: Iterable[Entry]) -> str:
        stated = node.get("Acct/Ccy").upper()
        if len(stated) == 3 and is_currency(stated):
            return stated
        for used in ({each.currency for each in balances}, {row.currency for row in rows}):
            named = used - {""}
            if len(named) == 1:
                return named.pop()
        self.note("A statement does not say its currency; choose it before importing.")
        return UNKNOWN_CURRENCY

    def _dated(
        self, node: Node, balances: Iterable[Balance], end: dt.date | None, rows: Iterable[Entry]
    ) -> Iterator[Entry]:
        """Give a day to entries without one: their value date, else the statement's."""
        closing = max((b.day for b in balances if b.code == "CLBD" and b.day), default=None)
        day = closing or end or find_date(node.get("CreDtTm"))
        for row in rows:
            if row.date is not None:
                yield row
            # What is in the closing balance was booked by then, whatever its value date.
            elif row.value_date is not None and not (closing and row.value_date > closing):
                yield replace(row, date=row.value_date)
            elif day is not None:
                self.note("A transaction without a day was given that of its statement.")
                yield replace(row, date=day)
            else:
                missing = EntryError("BookgDt", "the date is missing")
                self.reject(Node("Ntry", row.line), missing)

    def _anchors(
        self,
        node: Node,
        balances: tuple[Balance, ...],
        currency: str,
        booked: Booked,
        *,
        is_cut: bool,
    ) -> Anchors:
        created = None
        if node.name == _REPORT:
            created = find_date(node.get("CreDtTm")) or dt.date.min
        found = anchors(balances, currency, booked, created)
        for words in found.notes:
            self.note(words)
        # What comes behind the damage is in the closing balance and not in the rows.
        return replace(found, closing=None) if is_cut else found

    def _account(self, node: Node, currency: str, proven: Anchors) -> AccountRecord:
        account = node.first("Acct") or Node("Acct", node.line)
        number = "".join(account.get(*_NUMBERS).split()).upper()
        if not number:
            self.note("A statement does not say its account number.")
        # Other numbers than an IBAN are numbers of one bank only.
        bank = "" if account.get("Id/IBAN") else _bank_code(account)
        kind, subtype = _KINDS.get(account.get("Tp/Cd", "Tp/Prtry").upper(), _DEPOSITORY)
        mask = "".join(filter(str.isalnum, number))[-4:]
        return AccountRecord(
            source_id=identity.account_id(bank, number, currency),
            name=account.get("Nm")[:200] or f"{(subtype or 'account').capitalize()} {mask}".strip(),
            kind=kind,
            subtype=subtype,
            balance=now_of(currency, proven.closing, proven.available),
            mask=mask if len(mask) >= 2 else None,
        )

    def _records(
        self, account: str, rows: Iterable[Entry], currency: str
    ) -> tuple[TransactionRecord, ...]:
        ids = identity.IdentitySource()
        return tuple(self._record(account, row, currency, ids) for row in rows)

    def _record(
        self, account: str, row: Entry, currency: str, ids: identity.IdentitySource
    ) -> TransactionRecord:
        assert row.date is not None  # those without were given one, or rejected
        if row.currency not in {"", currency}:
            self.note("A transaction is in another currency than its account.")
        return TransactionRecord(
            account_source_id=account,
            source_id=ids.next_id(
                row.date,
                row.amount,
                bank_id=row.bank_id,
                texts=(row.description, row.reference),
            ),
            date=row.date,
            money=Money(row.amount, row.currency or currency),
            description=row.description,
            pending=row.pending,
            counterparty=row.counterparty,
            authorized_date=row.authorized_date,
        )


def _institution(node: Node) -> str | None:
    return node.get(*(f"Acct/Svcr/FinInstnId/{name}" for name in _BANKS))[:200] or None


def _bank_code(account: Node) -> str:
    return account.get("Svcr/FinInstnId/BICFI", "Svcr/FinInstnId/BIC")


def _apart_within_days(reader: _Reader) -> Iterator[Statement]:
    """Yield the statements, without the balances at which two of them meet within one day.

    Where a statement opens with the balance with which another one closes, and has entries of
    that same day, the balance is of no day's end.
    """
    opens = _places(map(_opens_at, reader.statements))
    closes = _places(map(_closes_at, reader.statements))
    for place, read in enumerate(reader.statements):
        statement = read
        if opens.get(_closes_at(read), set()) - {place}:
            reader.note("Two statements meet within one day; that balance is not used.")
            balance = replace(read.account.balance, current=None, as_of=None)
            account = replace(read.account, balance=balance)
            statement = replace(statement, account=account, closing=None)
        if closes.get(_opens_at(read), set()) - {place}:
            statement = replace(statement, opening=None)
        yield statement


_Moment = tuple[str, dt.date | None, Decimal] | None


def _opens_at(statement: Statement) -> _Moment:
    """Return account, day of the first booked row, and opening balance."""
    if statement.opening is None:
        return None
    days = (row.date for row in statement.transactions if not row.pending)
    return statement.account.source_id, min(days, default=None), statement.opening.amount


def _closes_at(statement: Statement) -> _Moment:
    """Return account, day and closing balance."""
    closing = statement.closing
    return (statement.account.source_id, closing.date, closing.amount) if closing else None


def _places(moments: Iterable[_Moment]) -> dict[_Moment, set[int]]:
    """Return at which places among the statements each moment comes."""
    found: dict[_Moment, set[int]] = {}
    for place, moment in enumerate(moments):
        if moment is not None and moment[1] is not None:
            found.setdefault(moment, set()).add(place)
    return found
