"""Entries of ISO 20022 statements: one booking of an account each, with what it was for."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import AmountError, is_currency, parse_amount
from app.importers.base import FIELD_CHARS_MAX
from app.importers.camt_tree import Node
from app.importers.identity import normalise
from app.importers.ofx_dates import DateError, find_date, read_date

NAMES_MAX = 5
"""Parties of a batch that its text names."""
REFERENCE_CHARS_MAX = 100

_SIGNS = {"CRDT": 1, "DBIT": -1}
_WORDS = {"CRDT": "Credit", "DBIT": "Debit"}
_PENDING = frozenset({"PDNG", "FUTR"})
_NO_REFERENCE = re.compile(
    r"(?:NON?REF|NOTPROVIDED|NOTAVAILABLE|NOTAPPLICABLE|N/?A|[0./\-]{0,100})"
)
_PARTY = ("Nm", "Pty/Nm", "Agt/FinInstnId/Nm")
_REFERENCES = ("EndToEndId", "TxId", "InstrId", "MndtId", "ChqNb")
_STRUCTURED = (
    "CdtrRefInf/Ref",
    "CdtrRefInf/CdtrRef",
    "RfrdDocInf/Nb",
    "RfrdDocInf/RfrdDocNb",
    "AddtlRmtInf",
)
_FAMILIES = {
    "RCDT": "Credit transfer received",
    "RRCT": "Instant credit transfer received",
    "ICDT": "Credit transfer sent",
    "IRCT": "Instant credit transfer sent",
    "RDDT": "Direct debit",
    "IDDT": "Direct debit collected",
    "CCRD": "Card",
    "MCRD": "Card payments taken",
    "CNTR": "Counter",
    "RCHQ": "Cheque",
    "ICHQ": "Cheque",
}
_CODES = ("Domn/Cd", "Domn/Fmly/Cd", "Domn/Fmly/SubFmlyCd", "Prtry/Cd")


class EntryError(ValueError):
    """An entry or a balance cannot be used; `field` names the element it is about."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the file has it, before it gets its account and its id."""

    number: int
    """Its place among all entries of the file, from 1."""
    line: int
    date: dt.date | None
    """When it was booked; None: the file does not say it."""
    value_date: dt.date | None
    """From when it bears interest."""
    authorized_date: dt.date | None
    amount: Decimal
    """In the owner's sign."""
    currency: str
    """Empty: that of the account."""
    bank_id: str
    description: str
    counterparty: str | None
    reference: str
    pending: bool


def read_entry(node: Node, number: int, owner: str) -> Entry:
    """Read one Ntry.

    The indicator of credit and debit is that of the booking itself: RvslInd only says that it
    takes back an earlier one, and turns nothing round.

    Args:
        node: The element.
        number: Its place in the file.
        owner: The name of the account's owner, who is not the other party; empty if unknown.

    Raises:
        EntryError: It has no amount, direction or day that can be read, or books nothing.
    """
    pending = _is_pending(node)
    amount, currency = read_amount(node)
    payments = node.every("NtryDtls", "TxDtls") or node.every("TxDtls")
    payment = payments[0] if payments and _count(node, payments) == 1 else None
    names = [_counterparty(node, each, owner) for each in payments] or [""]
    return Entry(
        number=number,
        line=node.line,
        date=_date(node, "BookgDt"),
        value_date=_date(node, "ValDt"),
        authorized_date=_authorized(payment) if payment else None,
        amount=amount,
        currency=currency,
        bank_id=_bank_id(node, payment),
        description=_description(node, payments, names),
        counterparty=names[0] or None if payment else None,
        reference=_reference(payment) if payment else "",
        pending=pending,
    )


def read_amount(node: Node) -> tuple[Decimal, str]:
    """Return the amount of an entry or balance in the owner's sign, and its currency or "".

    Raises:
        EntryError: The amount or its direction is missing or not as the standard has it.
    """
    indicator = node.get("CdtDbtInd").upper()
    if indicator not in _SIGNS:
        raise EntryError("CdtDbtInd", "it does not say whether it is a credit or a debit")
    amount, currency = read_unsigned(node)
    return (_SIGNS[indicator] * amount if amount else amount), currency


def read_unsigned(node: Node) -> tuple[Decimal, str]:
    """Return the amount as it stands, never negative, and its currency or "".

    Raises:
        EntryError: The amount is missing or not as the standard has it.
    """
    holder = node.first("Amt")
    if holder is None or not holder.text:
        raise EntryError("Amt", "the amount is missing")
    currency = holder.currency.upper()
    if currency and not (len(currency) == 3 and is_currency(currency)):
        raise EntryError("Amt", "its currency is not a code of three letters")
    try:
        amount = parse_amount(holder.text)
    except AmountError as error:
        raise EntryError("Amt", "the amount cannot be read exactly") from error
    if amount.is_signed():
        raise EntryError("Amt", "the amount has a sign, which the indicator beside it should say")
    return amount, currency


def stated_day(node: Node, name: str) -> str:
    """Return a date as it is written, with its time and zone if the file has them, or "".

    The zone is not applied: the day that the bank wrote is the day of the statement.
    """
    return node.get(f"{name}/Dt", f"{name}/DtTm", name)


def only_informs(node: Node) -> bool:
    """Tell whether an entry is of something that moves no money, such as what is announced."""
    return _status(node) == "INFO"


def _status(node: Node) -> str:
    return node.get("Sts", "Sts/Cd", "Sts/Prtry").upper() or "BOOK"


def _is_pending(node: Node) -> bool:
    status = _status(node)
    if status != "BOOK" and status not in _PENDING:
        raise EntryError("Sts", "it does not say whether it is booked or pending")
    return status in _PENDING


def _date(node: Node, name: str) -> dt.date | None:
    text = stated_day(node, name)
    if not text:
        return None
    try:
        return read_date(text)
    except DateError as error:
        raise EntryError(name, f"the date cannot be read: {error}") from error


def _authorized(payment: Node) -> dt.date | None:
    return find_date(payment.get("RltdDts/TxDtTm", "RltdDts/AccptncDtTm"))


def _bank_id(node: Node, payment: Node | None) -> str:
    """Return the bank's own reference; others are the customer's, and come again."""
    texts = [node.get("AcctSvcrRef"), payment.get("Refs/AcctSvcrRef") if payment else ""]
    return next(filter(None, map(_usable, texts)), "")


def _usable(reference: str) -> str:
    """Return a reference, or "" for what banks write where they have none."""
    reference = reference[:REFERENCE_CHARS_MAX]
    return "" if _NO_REFERENCE.fullmatch(reference.upper().replace(" ", "")) else reference


def _reference(payment: Node) -> str:
    texts = [_usable(payment.get(f"Refs/{name}")) for name in _REFERENCES]
    return " ".join(filter(None, texts))


def _counterparty(node: Node, payment: Node, owner: str) -> str:
    """Return the name of the other party: who paid a credit, who was paid by a debit.

    The parties of a reversal are those of the payment that it takes back.
    """
    parties = payment.first("RltdPties")
    if parties is None:
        return ""
    is_credit = node.get("CdtDbtInd").upper() == "CRDT"
    is_reversal = node.get("RvslInd") in {"true", "1"}
    roles = ("Dbtr", "Cdtr") if is_credit != is_reversal else ("Cdtr", "Dbtr")
    names = [_party(parties, role) for role in roles]
    is_own = bool(owner) and normalise(names[0]) == normalise(owner)
    return names[1] or names[0] if is_own else names[0]


def _party(parties: Node, role: str) -> str:
    for name in (role, f"Ultmt{role}"):
        party = parties.first(name)
        if party is not None and (found := party.get(*_PARTY)):
            return found
    return ""


def _count(node: Node, payments: Sequence[Node]) -> int:
    """Return how many payments are booked as one, as far as the file says."""
    stated = node.get("NtryDtls/Btch/NbOfTxs", "Btch/NbOfTxs")
    return max(1, len(payments), int(stated) if re.fullmatch(r"[0-9]{1,6}", stated) else 0)


def _description(node: Node, payments: Sequence[Node], names: Sequence[str]) -> str:
    """Return what a person recognises: the other party and what was paid, else what there is."""
    text = information = node.get("AddtlNtryInf")
    count = _count(node, payments)
    if count > 1:
        named = list(dict.fromkeys(filter(None, names)))
        text = _batch(information or _codes(node), count, named)
    elif payments:
        text = _join(names[0], _remittance(payments[0]))
        text = text or payments[0].get("AddtlTxInf") or information
    text = text or _codes(node, *payments) or " ".join(map(_reference, payments))
    return (text or _WORDS[node.get("CdtDbtInd").upper()])[:FIELD_CHARS_MAX]


def _batch(words: str, count: int, names: Sequence[str]) -> str:
    """Say how many payments one booking is of, and whose."""
    text = ": ".join(filter(None, (words, f"{count} payments")))
    if not names:
        return text
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    return f"{text}: {', '.join(names[:NAMES_MAX])}{more}"


def _remittance(payment: Node) -> str:
    """Return what the payer wrote, in all its lines, and the references of invoices."""
    lines = [line.text for line in payment.every("RmtInf", "Ustrd")]
    for structured in payment.every("RmtInf", "Strd"):
        lines += [structured.get(path) for path in _STRUCTURED]
    return " ".join(dict.fromkeys(filter(None, lines)))


def _join(counterparty: str, remittance: str) -> str:
    """Join both without saying the same twice."""
    if counterparty in remittance:
        return remittance
    return f"{counterparty} {remittance}".strip()


def _codes(*nodes: Node) -> str:
    """Return the kind of transaction, in words if they are known, for want of others."""
    for node in nodes:
        if code := node.first("BkTxCd"):
            codes = " ".join(filter(None, (code.get(path) for path in _CODES)))
            return _FAMILIES.get(code.get("Domn/Fmly/Cd"), codes)
    return ""
