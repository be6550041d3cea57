"""MT940 customer statements, and MT942 interim reports, of SWIFT: into domain records."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.money import Money
from app.domain.records import AccountRecord, RejectedRecord, TransactionRecord
from app.importers import identity, mt940_days
from app.importers.base import (
    FIELD_CHARS_MAX,
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
from app.importers.mt940_details import Details, read_details, read_unmarked, says_something
from app.importers.mt940_fields import (
    Balance,
    Field,
    FieldError,
    StatementLine,
    read_balance,
    read_line,
    split_fields,
)
from app.importers.text import decode

MESSAGES_MAX = 20_000
_WORDS = ("überweisung", "übertrag", "gebühr", "straße", "bäckerei", "müller", "köln", "café")
_OPENING, _CLOSING, _AVAILABLE = ("60F", "60M"), ("62F", "62M"), ("64",)
_BALANCES = (*_OPENING, *_CLOSING, *_AVAILABLE)
_INTERIM = frozenset({"34F", "90C", "90D"})
_KNOWN = frozenset({"20", "25", "25P", "61", *_BALANCES, *_INTERIM})
_CURRENCY = re.compile(r"\s?\d{0,5}[CD]?\s?([A-Z]{3})\s?[CD]?\d", re.ASCII)
_ACCOUNT = re.compile(r"(.{0,60}\d)([A-Z]{3})", re.ASCII)
# The bank's number of a booking has digits and no spaces; `nota` or `55555` is for people.
_BANK_ID = re.compile(r"(?=(?:[^\d]{0,12}\d){4})[A-Z0-9][A-Z0-9./+-]{7,33}", re.ASCII)


def parse(data: bytes) -> StatementFile:
    """Read the messages of any bank, with or without SWIFT's blocks around them.

    The messages of one statement (62M in one, 60M in the next) become one statement. Rows are
    dated by their entry date, else by their value date; `authorized_date` stays empty, for the
    day from which interest counts is not the day of the purchase. Rows of MT942 are pending.

    Returns:
        One statement for each of the file's, in its order. Transactions that cannot be booked
        are in `rejected` with their line; none is dropped in silence.

    Raises:
        StatementError: There is no statement in the file, or it is too large.

    Source:
        SWIFT Standards Category 9, MT940 and MT942; for field 86 what banks publish.
    """
    reader, encoding = _open(data)
    statements = tuple(statement for statement, _ in reader.statements())
    return StatementFile("mt940", statements, tuple(reader.rejected), encoding, reader.notes())


def find_fields(data: bytes, source_id: str) -> dict[str, str]:
    """Return all that the file says of one transaction, by the standard's names of subfields.

    What field 86 marks by codes or keys has these before it: `86 ?20`, `86 /NAME/`. Empty if
    the file has no such transaction.

    Raises:
        StatementError: As `parse`.
    """
    reader, _ = _open(data)
    for statement, rows in reader.statements():
        for record, row in zip(statement.transactions, rows, strict=True):
            if record.source_id == source_id:
                return row.fields()
    return {}


def _open(data: bytes) -> tuple["_Reader", str]:
    check_size(data)
    text, encoding = decode(data, words=_WORDS)
    reader = _Reader()
    for each in split_fields(text):
        reader.take(each)
    if not reader.messages:
        raise StatementError("it holds no statement. Download the account activity as MT940 again.")
    return reader, encoding


@dataclass(slots=True)
class _Row:
    """A field 61 with the fields behind it that are about it."""

    line: int
    said: StatementLine
    raw: str
    details: str = ""
    unmarked: str = ""

    def add(self, text: str) -> None:
        """Add a field 86; some banks write one for each line of text."""
        self.details = f"{self.details}\n{text}".strip("\n")[:FIELD_CHARS_MAX]

    def words(self) -> Details:
        """Return what fields 86 or NS say of the row."""
        return read_details(self.details) if self.details else read_unmarked(self.unmarked)

    def description(self, details: Details) -> str:
        """Return the text that a person knows the row by: of field 86, else of field 61."""
        said = self.said
        if said.text and not details.name:
            details = Details(said.text, details.purpose, details.kind)
        if details.description:
            return details.description[:FIELD_CHARS_MAX]
        references = (said.reference, said.bank_reference)
        words = (said.supplementary, *(each for each in references if says_something(each)))
        return " ".join(" ".join(words).split())[:FIELD_CHARS_MAX] or said.type or said.mark

    def bank_id(self) -> str:
        """Return the bank's own number of the row, or an empty text."""
        number = self.said.bank_reference
        return number if _BANK_ID.fullmatch(number) else ""

    def identity_texts(self) -> Iterator[str]:
        """Yield what the file says, without spaces: they vary with how lines were cut."""
        said = self.said
        parts = (self.details, self.unmarked, said.supplementary, said.reference + said.text)
        for part in parts:
            yield "".join(part.split())

    def fields(self) -> dict[str, str]:
        """Return the texts of the row by their names in the standard."""
        said = self.said
        named = {
            "Statement Line": self.raw,
            "Value Date": said.value_date,
            "Entry Date": said.entry_date,
            "Debit/Credit Mark": said.mark,
            "Funds Code": said.funds_code,
            "Amount": said.amount_text,
            "Transaction Type Identification Code": said.type,
            "Reference for the Account Owner": f"{said.reference} {said.text}".strip(),
            "Reference of the Account Servicing Institution": said.bank_reference,
            "Supplementary Details": said.supplementary,
            "Information to Account Owner": self.details or self.unmarked,
        }
        marked = {f"86 {code}": text for code, text in self.words().fields.items()}
        return {name: text for name, text in (named | marked).items() if text}


@dataclass(slots=True)
class _Message:
    """One message, and after `join` those that continue its statement."""

    account: str = ""
    """Field 25, without spaces and points."""
    currency: str = ""
    opening: Balance | None = None
    closing: Balance | None = None
    available: Balance | None = None
    is_cut: bool = False
    """The file ends in the closing balance."""
    is_report: bool = False
    """An MT942: of what is not in a statement yet."""
    rows: list[_Row] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    """Tags."""

    def continues(self, other: "_Message") -> bool:
        """Tell whether this is the next message of another one's statement."""
        left, right = other.closing, self.opening
        return (
            left is not None
            and right is not None
            and left.is_interim
            and right.is_interim
            and (left.date, left.amount) == (right.date, right.amount)
            and (other.account, other.currency) == (self.account, self.currency)
        )

    def join(self, other: "_Message") -> None:
        """Take over the rows and the closing balances of the next message."""
        self.rows += other.rows
        self.closing, self.available = other.closing, other.available or self.available
        self.is_cut = other.is_cut

    def is_pending(self, row: _Row) -> bool:
        """Tell whether a row is not booked yet."""
        is_statement = self.opening is not None or self.closing is not None
        return row.said.is_expected or (self.is_report and not is_statement)

    def has_gap(self) -> bool:
        """Tell whether opening and rows do not come to the closing balance."""
        if self.opening is None or self.closing is None:
            return False
        booked = sum((row.said.amount for row in self.rows if not self.is_pending(row)), Decimal(0))
        return self.opening.amount + booked != self.closing.amount

    def span(self) -> mt940_days.Span:
        days = [row.said.day for row in self.rows if not self.is_pending(row)]
        is_doubtful = self.is_cut and (self.opening is None or self.has_gap())
        return mt940_days.Span(days, self.opening, None if is_doubtful else self.closing)

    @property
    def key(self) -> tuple[str, str]:
        """Return what tells accounts apart: banks number those of several currencies alike."""
        return self.account, self.currency


@dataclass(slots=True)
class _Reader:
    """Sorts the fields of one file into messages and collects what went wrong."""

    messages: list[_Message] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    rows: int = 0
    left_out: int = 0
    subject: _Row | None = None
    """What a field 86 is about; None: the statement, or a row that cannot be read."""

    def take(self, field_: Field) -> None:
        """Sort in the next field."""
        tag = field_.tag
        if tag in _KNOWN:
            self._begin(field_)
        if tag == "86" and self.subject:
            self.subject.add(field_.text)
        elif tag == "NS" and self.subject:
            self.subject.unmarked = field_.text
        elif tag == "61":
            self._take_line(field_)
        elif tag in _BALANCES:
            self._take_balance(field_)
        elif tag in {"25", "25P"}:
            self._take_account(field_)
        elif tag in _INTERIM:
            self._take_report(field_)

    def _begin(self, field_: Field) -> None:
        """Begin a message where one begins, or where a bank left out its first field."""
        tag = field_.tag
        seen = self.messages[-1].seen if self.messages else None
        again = seen is not None and tag in {"25", *_OPENING} and _CLOSING[0] in seen
        if seen is None or tag == "20" or again:
            if len(self.messages) >= MESSAGES_MAX:
                raise _too_many_messages(field_.line)
            account = self.messages[-1].account if again and tag != "25" else ""
            self.messages.append(_Message(account))
        self.messages[-1].seen.add(tag)
        self.subject = None

    def _take_account(self, field_: Field) -> None:
        message = self.messages[-1]
        number = re.sub(r"[\s.]", "", field_.text.partition("\n")[0]).upper()
        match = _ACCOUNT.fullmatch(number)
        if match:
            number = match[1]
            message.currency = message.currency or match[2]
        message.account = message.account or number

    def _take_line(self, field_: Field) -> None:
        self.rows += 1
        if self.rows > ROWS_MAX:
            raise too_many_rows(field_.line)
        try:
            said = read_line(field_)
        except FieldError as error:
            self._reject(field_, str(error))
            return
        self.subject = _Row(field_.line, said, field_.text)
        self.messages[-1].rows.append(self.subject)

    def _take_balance(self, field_: Field) -> None:
        message = self.messages[-1]
        try:
            balance = read_balance(field_)
        except FieldError as error:
            self._reject(field_, str(error))
            return
        if field_.tag in _OPENING:
            message.opening = message.opening or balance
            message.currency = balance.currency or message.currency
        elif field_.tag in _CLOSING:
            message.closing, message.is_cut = balance, field_.ends_file
        else:
            message.available = balance
        message.currency = message.currency or balance.currency

    def _take_report(self, field_: Field) -> None:
        message = self.messages[-1]
        message.is_report = True
        match = _CURRENCY.match(field_.text)
        if match and not message.currency:
            message.currency = match[1]

    def _reject(self, field_: Field, reason: str) -> None:
        self.rejected.append(RejectedRecord(reason, f"line {field_.line}, {field_.tag}"))

    def statements(self) -> Iterator[tuple[Statement, list[_Row]]]:
        """Yield the statements of the file, each with its rows."""
        self.messages = _join(self.messages)
        accounts: dict[tuple[str, str], list[_Message]] = {}
        for message in self.messages:
            accounts.setdefault(message.key, []).append(message)
        anchors = {
            id(message): pair
            for group in accounts.values()
            for message, pair in zip(
                group, mt940_days.anchor([each.span() for each in group]), strict=True
            )
        }
        ids = {key: identity.IdentitySource() for key in accounts}
        for message in self.messages:
            opening, closing = anchors[id(message)]
            self.left_out += (message.opening is not None) + (message.closing is not None)
            self.left_out -= (opening is not None) + (closing is not None)
            yield _statement(message, opening, closing, ids[message.key]), message.rows

    def notes(self) -> tuple[str, ...]:
        """Return what was decided or looks odd, for the person who imports."""
        messages = self.messages
        found = {
            "Statements without an account number": sum(not each.account for each in messages),
            "Statements without a currency, which is to be chosen before importing": sum(
                not each.currency for each in messages
            ),
            "Statements whose opening balance and rows do not come to the closing balance, as "
            "where rows are missing": sum(each.has_gap() for each in messages),
            "Balances that are not those of the end of a day, by the dates of the rows, and are "
            "not used": self.left_out,
        }
        return tuple(f"{text}: {count}." for text, count in found.items() if count)


def _too_many_messages(line: int) -> StatementError:
    return StatementError(
        f"it has more than {MESSAGES_MAX:,} statements. Export shorter periods and import them "
        "one after the other.",
        line=line,
    )


def _join(messages: list[_Message]) -> list[_Message]:
    joined: list[_Message] = []
    for message in messages:
        if joined and message.continues(joined[-1]):
            joined[-1].join(message)
        else:
            joined.append(message)
    return joined


def _statement(
    message: _Message,
    opening: BalanceAnchor | None,
    closing: BalanceAnchor | None,
    ids: identity.IdentitySource,
) -> Statement:
    currency = message.currency or UNKNOWN_CURRENCY
    stated = message.available
    available = BalanceAnchor(stated.date, stated.amount) if stated else None
    account = _account(message, currency, closing, available)
    days = [row.said.day for row in message.rows]
    stated_days = [balance.date for balance in (message.opening, message.closing) if balance]
    return Statement(
        account=account,
        currency=currency,
        transactions=tuple(
            _record(message, row, account.source_id, currency, ids) for row in message.rows
        ),
        start=min(days or stated_days, default=None),
        end=message.closing.date if message.closing else max(days or stated_days, default=None),
        opening=opening,
        closing=closing,
        available=available,
        lines=tuple(row.line for row in message.rows),
    )


def _record(
    message: _Message, row: _Row, account: str, currency: str, ids: identity.IdentitySource
) -> TransactionRecord:
    said, details = row.said, row.words()
    return TransactionRecord(
        account_source_id=account,
        source_id=ids.next_id(
            said.day, said.amount, bank_id=row.bank_id(), texts=row.identity_texts()
        ),
        date=said.day,
        money=Money(said.amount, currency),
        description=row.description(details),
        pending=message.is_pending(row),
        counterparty=details.name or said.text or None,
    )


def _account(
    message: _Message,
    currency: str,
    closing: BalanceAnchor | None,
    available: BalanceAnchor | None,
) -> AccountRecord:
    mask = "".join(filter(str.isalnum, message.account))[-4:]
    return AccountRecord(
        source_id=identity.account_id("mt940", *message.key),
        name=f"Account {mask}".strip(),
        kind="depository",
        subtype=None,
        balance=now_of(currency, closing, available),
        mask=mask if len(mask) >= 2 else None,
    )
