"""OFX, QFX and QBO files: bank, card, loan and investment statements into domain records."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal

from app.domain.money import AmountError, Money, is_currency
from app.domain.records import AccountRecord, BalanceRecord, RejectedRecord, TransactionRecord
from app.importers import identity
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
from app.importers.ofx_dates import find_date
from app.importers.ofx_transactions import (
    BANK_TRANSACTIONS,
    Movement,
    MovementError,
    decimal_mark_in,
    read_movement,
    sign_to_apply,
    unsigned,
    with_direction,
)
from app.importers.ofx_tree import TRADES, Node, parse_tree
from app.importers.text import decode

_HEADER_CHARS = 4000
_FORBIDDEN = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_DECLARED = re.compile(
    rb"(?:CHARSET\s*[:=]\s*\"?|<\?xml[^>]{0,100}?encoding\s*=\s*[\"'])([A-Za-z0-9._-]{1,30})"
    rb"|ENCODING\s*[:=]\s*\"?([A-Za-z0-9._-]{1,30})",
    re.IGNORECASE,
)
_STATEMENTS = ("STMTRS", "CCSTMTRS", "INVSTMTRS", "LOANSTMTRS")
_ACCOUNTS = ("BANKACCTFROM", "CCACCTFROM", "INVACCTFROM", "LOANACCTFROM")
_DEPOSITORY: tuple[str, str | None] = ("depository", None)
_KINDS: dict[str, tuple[str, str | None]] = {
    "CHECKING": ("depository", "checking"),
    "SAVINGS": ("depository", "savings"),
    "MONEYMRKT": ("depository", "money market"),
    "CD": ("depository", "cd"),
    "CREDITLINE": ("loan", "line of credit"),
    "CREDITCARD": ("credit", "credit card"),
}
_KIND_OF_STATEMENT: dict[str, tuple[str, str | None]] = {
    "CCSTMTRS": ("credit", "credit card"),
    "INVSTMTRS": ("investment", "brokerage"),
    "LOANSTMTRS": ("loan", None),
}


def is_ofx(data: bytes) -> bool:
    """Tell whether the bytes are an OFX document, whatever the file is called."""
    head = data[: 4 * _HEADER_CHARS].replace(b"\x00", b"").upper()
    return b"<OFX>" in head or b"OFXHEADER" in head or b"DATA:OFXSGML" in head


def parse(data: bytes) -> StatementFile:
    """Read an OFX 1.x (SGML) or 2.x (XML) file of any bank, broken ones included.

    Amounts keep the sign of the file, which OFX defines as the owner's: purchases and
    withdrawals are negative, for card accounts too. Only where a whole statement contradicts
    its own transaction types is the sign mended, and a note says so.

    Returns:
        One statement for each account statement in the file, in its order. Transactions that
        cannot be booked are in `rejected` with their line; none is dropped in silence.

    Raises:
        StatementError: There is no statement in the file, or it is too large, nested too deep
            or declares entities.

    Source:
        OFX 1.6 and 2.2, sections 3 (data types), 11 (banking), 13 (investments).
    """
    reader, encoding = _open(data)
    statements = reader.statements()
    if not statements:
        raise StatementError(_why_empty(reader.root))
    return StatementFile("ofx", statements, tuple(reader.rejected), encoding, tuple(reader.notes))


def find_fields(data: bytes, source_id: str) -> dict[str, str]:
    """Return all that the file says of one transaction, by the names of its elements.

    Elements of an inner aggregate have its name before theirs: `PAYEE.CITY`. Empty if the
    file has no such transaction.

    Raises:
        StatementError: As `parse`.
    """
    reader, _ = _open(data)
    rows = [row for statement in reader.statements() for row in statement.transactions]
    for row, node in zip(rows, reader.nodes, strict=True):
        if row.source_id == source_id:
            return {
                f"{inner.name}.{name}" if inner is not node else name: value
                for inner in (node, *node.walk())
                for name, value in inner.values.items()
            }
    return {}


def _open(data: bytes) -> tuple["_Reader", str]:
    """Return a reader over the file's tree, and the file's encoding."""
    check_size(data)
    match = _DECLARED.search(data[:_HEADER_CHARS])
    declared = (match[1] or match[2]).decode("ascii") if match else ""
    text, encoding = decode(data, declared=declared)
    if _FORBIDDEN.search(text):
        raise StatementError(
            "it declares a document type or entities, which no statement needs. If it is a web "
            "page, sign in at your bank and download the file again."
        )
    root = parse_tree(text[_start_of_body(text) :])
    return _Reader(root, first_line=text.count("\n", 0, _start_of_body(text))), encoding


def _start_of_body(text: str) -> int:
    match = re.search(r"<OFX[\s>]", text, re.IGNORECASE)
    return match.start() if match else 0


def _why_empty(root: Node) -> str:
    """Say why there is no statement: the bank's error code, if it sent one."""
    codes = [node.text("CODE") for node in root.walk() if node.name == "STATUS"]
    errors = [code for code in codes if re.fullmatch(r"[0-9]{1,6}", code) and int(code) != 0]
    if errors:
        return (
            f"the bank sent error {errors[-1]} instead of a statement. Sign in at your bank, "
            "answer what it asks and download the file again."
        )
    if root.find("ACCTINFORS", "PROFRS", "INTRARS", "XFERINFO"):
        return (
            "it lists accounts, settings or orders, not transactions. "
            "Download the account activity instead."
        )
    return "it holds no statement. Download the account activity as OFX or QFX again."


@dataclass(slots=True)
class _Reader:
    """Reads the statements of one file and collects what went wrong."""

    root: Node
    first_line: int
    rejected: list[RejectedRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ids: dict[str, identity.IdentitySource] = field(default_factory=dict)
    rows: int = 0
    nodes: list[Node] = field(default_factory=list)
    """Of the transactions that can be booked, in the order of the statements."""

    def statements(self) -> tuple[Statement, ...]:
        bank = self.root.find("FI")
        institution = (bank.text("ORG")[:200] or None) if bank else None
        found = [node for node in self.root.walk() if node.name in _STATEMENTS]
        if not found and self.root.find(*BANK_TRANSACTIONS):
            self.notes.append("The file has transactions outside of any statement.")
            found = [self.root]
        statements = tuple(self._statement(node, institution) for node in found)
        for node in self.root.walk() if found and found != [self.root] else ():
            if node.name in BANK_TRANSACTIONS and not _is_within(node, _STATEMENTS):
                self._reject(node, node.name, "it stands outside of any account's statement")
        return statements

    def _statement(self, node: Node, institution: str | None) -> Statement:
        entries = [entry for entry in node.walk() if _is_transaction(entry)]
        currency = self._currency(node, entries)
        balances = [entry for entry in node.children if entry.name in {"LEDGERBAL", "AVAILBAL"}]
        mark = decimal_mark_in([*entries, *balances])
        rows = list(self._movements(entries, currency, mark))
        signed, sign = self._signed(rows)
        closing = self._anchor(node, "LEDGERBAL", mark, sign)
        available = self._anchor(node, "AVAILBAL", mark, 1)
        account = self._account(node, currency, mark, closing, available)
        days = [row.date for row in rows]
        return Statement(
            account=account,
            currency=currency,
            transactions=self._records(account.source_id, rows, signed),
            start=_stated(node, "DTSTART") or min(days, default=None),
            end=_stated(node, "DTEND") or max(days, default=None),
            closing=closing,
            available=available,
            institution=institution,
            lines=tuple(self.first_line + row.line for row in rows),
        )

    def _movements(self, entries: list[Node], currency: str, mark: str) -> Iterator[Movement]:
        """Yield what can be booked; put the rest aside with its line and reason."""
        for entry in entries:
            self.rows += 1
            line = self.first_line + entry.line
            if self.rows > ROWS_MAX:
                raise too_many_rows(line)
            if _is_cut(entry, self.root):
                self._reject(entry, entry.name, "the file ends inside this transaction")
                continue
            try:
                movement = read_movement(entry, currency, mark)
            except MovementError as error:
                self._reject(entry, error.field, str(error))
            else:
                self.nodes.append(entry)
                yield movement

    def _reject(self, node: Node, field_name: str, reason: str) -> None:
        where = f"line {self.first_line + node.line}, {field_name}"
        holder = node if node.text("FITID") else node.find("INVTRAN", "STMTTRN") or node
        bank_id = holder.text("FITID")[:100] or None
        self.rejected.append(RejectedRecord(reason, where, bank_id))

    def _signed(self, rows: list[Movement]) -> tuple[list[Movement], int]:
        """Return the rows in the owner's sign, and the sign to apply to the balance."""
        if unsigned(rows):
            self.notes.append(
                "The amounts of a statement have no signs; DEBIT and CREDIT say the direction."
            )
            return [with_direction(row) for row in rows], 1
        sign = sign_to_apply(rows)
        if sign < 0:
            self.notes.append(
                "The amounts of a statement contradict DEBIT and CREDIT throughout, so all "
                "signs were turned round."
            )
            rows = [replace(row, amount=-row.amount) for row in rows]
        return rows, sign

    def _records(
        self, account: str, rows: list[Movement], signed: list[Movement]
    ) -> tuple[TransactionRecord, ...]:
        """Give each row its id, which depends on what the file says and on no decision of ours."""
        source = self.ids.setdefault(account, identity.IdentitySource())
        return tuple(
            TransactionRecord(
                account_source_id=account,
                source_id=source.next_id(
                    row.date,
                    row.amount,
                    bank_id=row.bank_id,
                    texts=(row.description, row.reference),
                ),
                date=mended.date,
                money=Money(mended.amount, mended.currency),
                description=mended.description,
                pending=mended.pending,
                counterparty=mended.counterparty,
                authorized_date=mended.authorized_date,
            )
            for row, mended in zip(rows, signed, strict=True)
        )

    def _currency(self, node: Node, entries: list[Node]) -> str:
        code = node.text("CURDEF").upper()
        if len(code) == 3 and is_currency(code):
            return code
        used = {
            child.text("CURSYM").upper()
            for entry in entries
            for child in entry.children
            if child.name == "CURRENCY"
        }
        if len(used) == 1 and is_currency(code := used.pop()):
            return code
        self.notes.append("A statement does not say its currency; choose it before importing.")
        return UNKNOWN_CURRENCY

    def _anchor(self, node: Node, name: str, mark: str, sign: int) -> BalanceAnchor | None:
        balance = node.child(name)
        text = balance.text("BALAMT") if balance else ""
        if balance is None or not text:
            return None
        try:
            amount, _ = read_amount(text, decimal_mark_of(text) or mark)
        except AmountError:
            self._reject(balance, "BALAMT", "the balance cannot be read exactly")
            return None
        if node.name == "LOANSTMTRS":
            amount = -abs(amount)  # what is owed
        return BalanceAnchor(find_date(balance.text("DTASOF")), sign * amount)

    def _account(
        self,
        node: Node,
        currency: str,
        mark: str,
        closing: BalanceAnchor | None,
        available: BalanceAnchor | None,
    ) -> AccountRecord:
        holder = next((child for child in node.children if child.name in _ACCOUNTS), None)
        holder = holder or Node("", node.line)
        number = holder.text("ACCTID", "LOANACCTID")
        if not number:
            self.notes.append("A statement does not say its account number.")
        stated = holder.text("ACCTTYPE").upper()
        kinds = _KINDS.get(stated, _DEPOSITORY)
        kind, subtype = _KIND_OF_STATEMENT.get(node.name, kinds)
        mask = "".join(filter(str.isalnum, number))[-4:]
        name = f"{(subtype or kind).capitalize()} {mask}".strip()
        return AccountRecord(
            source_id=identity.account_id(
                holder.text("BANKID", "BROKERID"),
                holder.text("BRANCHID"),
                number,
                "" if kind == "credit" else stated,
            ),
            name=name,
            kind=kind,
            subtype=subtype,
            balance=_balance(node, currency, mark, closing, available),
            mask=mask if len(mask) >= 2 else None,
        )


def _is_transaction(node: Node) -> bool:
    if node.name not in TRADES and node.name not in BANK_TRANSACTIONS:
        return False
    # The STMTTRN inside an INVBANKTRAN is read with it; TRANSFER is also an order's name.
    parent = node.parent
    return parent is None or parent.name not in TRADES


def _is_within(node: Node, names: tuple[str, ...]) -> bool:
    above = node.parent
    while above is not None and above.name not in names:
        above = above.parent
    return above is not None


def _is_cut(entry: Node, root: Node) -> bool:
    """Tell whether the file breaks off in this transaction, so that a value may be half."""
    return not entry.closed and not root.closed and entry.ends_file


def _stated(node: Node, name: str) -> dt.date | None:
    """Return a date of the list of transactions."""
    holders = ("BANKTRANLIST", "INVTRANLIST", "LOANTRANLIST")
    holder = next((child for child in node.children if child.name in holders), None)
    return find_date(holder.text(name)) if holder else None


def _balance(
    node: Node,
    currency: str,
    mark: str,
    closing: BalanceAnchor | None,
    available: BalanceAnchor | None,
) -> BalanceRecord:
    if node.name == "INVSTMTRS":
        return _investment_balance(node, currency, mark)
    return now_of(currency, closing, available)


def _investment_balance(node: Node, currency: str, mark: str) -> BalanceRecord:
    """Return cash plus the market value of the positions, and the cash as available."""
    cash = _sum_of(node, "INVBAL", "AVAILCASH", mark)
    values = _sum_of(node, "INVPOS", "MKTVAL", mark)
    known = [amount for amount in (cash, values) if amount is not None]
    return BalanceRecord(
        currency=currency,
        current=sum(known, Decimal(0)) if known else None,
        available=cash,
        as_of=find_date(node.text("DTASOF")),
    )


def _sum_of(node: Node, name: str, value: str, mark: str) -> Decimal | None:
    """Add up one value of all aggregates of a name; None where one cannot be read."""
    texts = [child.text(value) for child in node.walk() if child.name == name]
    texts = [text for text in texts if text]
    try:
        amounts = [read_amount(text, decimal_mark_of(text) or mark)[0] for text in texts]
    except AmountError:
        return None
    return sum(amounts, Decimal(0)) if amounts else None
