"""Movements of OFX statements: bank and card transactions, trades of investment accounts."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.money import AmountError, is_currency
from app.importers.amounts import decimal_mark_of, read_amount
from app.importers.base import FIELD_CHARS_MAX
from app.importers.ofx_dates import DateError, find_date, read_date
from app.importers.ofx_tree import TRADES, Node

BANK_TRANSACTIONS = frozenset({"STMTTRN", "STMTTRNP", "LOANSTMTTRN"})

_OUT_TYPES = frozenset({"DEBIT", "ATM", "POS", "CHECK", "FEE", "SRVCHG", "OUT"})
_IN_TYPES = frozenset({"CREDIT", "DEP", "DIRECTDEP", "IN"})
# What moves securities and never cash; the money of it, if any, comes as its own record.
_WITHOUT_CASH = frozenset({"REINVEST", "SPLIT", "JRNLSEC"})


class MovementError(ValueError):
    """A transaction cannot be booked; `field` names the element it is about."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction as the file has it, before it gets its id and its sign is judged."""

    line: int
    date: dt.date
    authorized_date: dt.date | None
    amount: Decimal
    """In the sign of the file."""
    currency: str
    type: str
    bank_id: str
    description: str
    counterparty: str | None
    reference: str
    pending: bool


def read_movement(node: Node, currency: str, decimal_mark: str) -> Movement:
    """Read one transaction of a statement.

    Args:
        node: A STMTTRN, a STMTTRNP (pending), or one of the trades of INVTRANLIST.
        currency: Of the statement; the transaction may name its own.
        decimal_mark: What a single separator with three digits behind it means in this file.

    Raises:
        MovementError: It has no day or no amount that can be read, or moves no money.
    """
    if node.name in TRADES and node.name != "INVBANKTRAN":
        return _trade(node, currency, decimal_mark)
    inner = node.find("STMTTRN") if node.name == "INVBANKTRAN" else node
    if inner is None:
        raise MovementError("STMTTRN", "the cash movement has no details")
    own, named = _own_currency(inner, currency)
    amount, symbol = _amount(inner, ("TRNAMT",), decimal_mark)
    payee = inner.child("PAYEE", "EXTDPAYEE")
    counterparty = (payee.text("NAME") if payee else "") or inner.text("PAYEE", "EXTDNAME")
    return Movement(
        line=inner.line,
        date=_date(inner, ("DTPOSTED", "DTTRAN", "DTUSER", "DTAVAIL", "VALUEDATE")),
        authorized_date=find_date(inner.text("DTUSER")),
        amount=amount,
        currency=own if named or not symbol else symbol,
        type=inner.text("TRNTYPE").upper(),
        bank_id=inner.text("FITID"),
        description=_description(inner, counterparty),
        counterparty=counterparty or None,
        reference=f"{inner.text('CHECKNUM')} {inner.text('REFNUM')}".strip(),
        pending=node.name == "STMTTRNP",
    )


def decimal_mark_in(nodes: Sequence[Node]) -> str:
    """Return what separates decimals in these transactions.

    OFX allows point and comma and no thousands separators. A bank that writes `1,234`
    for a thousand writes a point elsewhere in the file, so a point anywhere decides.
    """
    amounts = [node.text("TRNAMT", "TOTAL", "BALAMT") for node in nodes]
    with_point = any(decimal_mark_of(amount) == "." for amount in amounts)
    # Where nothing is proven, "1,234" is a decimal comma, as OFX has it, and "1.234" a point.
    return "," if not with_point and any("," in amount for amount in amounts) else "."


def sign_to_apply(rows: Sequence[Movement]) -> int:
    """Return -1 if a statement's signs are the bank's and not the owner's, else 1.

    TRNTYPE alone is no proof (a reversed fee is a positive FEE), so every row that says
    DEBIT must be positive and every row that says CREDIT negative, with several of both.
    """
    signed = [(_direction(row.type), row.amount) for row in rows if row.amount]
    known = [(direction, amount) for direction, amount in signed if direction]
    ins = sum(direction > 0 for direction, _ in known)
    against = all((amount > 0) != (direction > 0) for direction, amount in known)
    return -1 if against and ins >= 1 and len(known) - ins >= 2 else 1


def unsigned(rows: Sequence[Movement]) -> bool:
    """Tell whether the amounts have no sign at all and only the types say the direction."""
    directions = [_direction(row.type) for row in rows if row.amount]
    return (
        all(row.amount >= 0 for row in rows)
        and directions.count(-1) >= 2
        and directions.count(1) >= 1
        and 0 not in directions
    )


def with_direction(row: Movement) -> Movement:
    """Return the row with the sign that its type says."""
    return replace(row, amount=-row.amount) if _direction(row.type) < 0 else row


def _direction(transaction_type: str) -> int:
    if transaction_type in _OUT_TYPES:
        return -1
    return 1 if transaction_type in _IN_TYPES else 0


def _trade(node: Node, currency: str, decimal_mark: str) -> Movement:
    details = next((child for child in node.walk() if child.text("TOTAL")), node)
    holder = node if node.text("TOTAL") else details
    head = node.find("INVTRAN") or node
    if not holder.text("TOTAL"):
        raise MovementError(
            "TOTAL", "it moves securities and no money; holdings are not read from files"
        )
    amount, _ = _amount(holder, ("TOTAL",), decimal_mark)
    own, _ = _own_currency(holder, currency)
    security = node.find("SECID")
    words = (
        _trade_name(node.name),
        head.text("MEMO"),
        security.text("UNIQUEID") if security else "",
    )
    return Movement(
        line=node.line,
        date=_date(head, ("DTTRADE", "DTSETTLE")),
        authorized_date=None,
        amount=_cash_effect(node, holder, amount, decimal_mark),
        currency=own,
        type=node.name,
        bank_id=head.text("FITID"),
        description=_limit(" ".join(filter(None, words))),
        counterparty=None,
        reference="",
        pending=False,
    )


_SECURITIES = {
    "MF": "fund",
    "DEBT": "bond",
    "OPT": "option",
    "OTHER": "security",
    "STOCK": "stock",
}
_TRADE_NAMES = {
    "INCOME": "Income",
    "REINVEST": "Reinvested",
    "RETOFCAP": "Return of capital",
    "INVEXPENSE": "Expense",
    "MARGININTEREST": "Margin interest",
    "JRNLFUND": "Transfer of cash",
    "CLOSUREOPT": "Option closed",
}


def _trade_name(name: str) -> str:
    """Say in words what a trade is, as most brokers give it no text of its own."""
    for verb in ("BUY", "SELL"):
        if name.startswith(verb):
            return f"{verb.capitalize()} {_SECURITIES.get(name.removeprefix(verb), '')}".strip()
    return _TRADE_NAMES.get(name, name.capitalize())


def _cash_effect(node: Node, holder: Node, amount: Decimal, decimal_mark: str) -> Decimal:
    """Return what a trade did to the cash: buying costs, reinvesting a dividend does not."""
    if node.name in _WITHOUT_CASH:
        return Decimal(0)
    try:
        units, _ = read_amount(holder.text("UNITS"), decimal_mark)
    except AmountError:
        return amount
    # Some brokers leave out the sign. A reversal has the signs of both turned round.
    if node.name.startswith("BUY") and units > 0 < amount:
        return -amount
    if node.name.startswith("SELL") and units < 0 > amount:
        return -amount
    return amount


def _own_currency(node: Node, currency: str) -> tuple[str, bool]:
    """Return the transaction's currency and whether it names one.

    CURRENCY says what the amount is in; ORIGCURRENCY only what it was converted from.
    """
    aggregate = node.child("CURRENCY")
    code = (aggregate.text("CURSYM") if aggregate else node.text("CURRENCY")).upper()
    if len(code) == 3 and is_currency(code):
        return code, True
    return currency, False


def _amount(node: Node, names: tuple[str, ...], decimal_mark: str) -> tuple[Decimal, str]:
    text = node.text(*names)
    if not text:
        raise MovementError(names[0], "the amount is missing")
    try:
        plain = decimal_mark == "." and "," not in text and text.count(".") <= 1
        return read_amount(text, "." if plain else decimal_mark_of(text) or decimal_mark)
    except AmountError as error:
        raise MovementError(names[0], "the amount cannot be read exactly") from error


def _date(node: Node, names: tuple[str, ...]) -> dt.date:
    reason = "the date is missing"
    for name in names:
        if node.text(name):
            try:
                return read_date(node.text(name))
            except DateError as error:
                reason = f"the date cannot be read: {error}"
    raise MovementError(names[0], reason)


def _description(node: Node, counterparty: str) -> str:
    """Join what the bank says about the transaction, without saying the same twice."""
    name = " ".join(filter(None, (node.text("NAME") or counterparty, node.text("NAME2"))))
    memo = node.text("MEMO")
    if not name or memo.startswith(name):
        text = memo
    elif not memo or memo in name:
        text = name
    else:
        text = f"{name} {memo}"
    if not text:
        # A cheque without payee still needs words to be found by.
        text = " ".join(filter(None, (node.text("TRNTYPE"), node.text("CHECKNUM"))))
    return _limit(text)


def _limit(text: str) -> str:
    return text[:FIELD_CHARS_MAX]
