"""Balances of ISO 20022 statements: which of them hold for the end of a day, and of which day.

A wrong anchor makes a gap that is none, so what leaves it open is not used, and a note says so.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.importers.base import BalanceAnchor
from app.importers.camt_entries import EntryError, read_amount, read_unsigned, stated_day
from app.importers.camt_tree import Node
from app.importers.ofx_dates import find_date

_DAY = dt.timedelta(days=1)
_SECOND_PAGE = "INTM"


@dataclass(frozen=True, slots=True)
class Booked:
    """What is booked in a statement, in its currency."""

    days: Sequence[dt.date]
    """Of its entries, also of those that cannot be read; none of what is pending."""
    total: Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """One balance as the file has it."""

    code: str
    amount: Decimal
    currency: str
    day: dt.date | None
    is_midnight: bool
    """The day is said with the time at which it starts."""
    is_signed: bool
    """False: the file does not say whether it is a credit or a debit."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """The balances of a statement that prove something, and why others do not."""

    opening: BalanceAnchor | None = None
    closing: BalanceAnchor | None = None
    available: BalanceAnchor | None = None
    notes: tuple[str, ...] = ()


def read_balances(
    statement: Node, reject: Callable[[Node, EntryError], None]
) -> tuple[Balance, ...]:
    """Return the balances of a statement, without those of the pages that it is cut into."""
    found = []
    for node in statement.every("Bal"):
        try:
            found.append(_balance(node))
        except EntryError as error:
            reject(node, error)
    return tuple(balance for balance in found if balance.code)


def _balance(node: Node) -> Balance:
    is_page = node.get("Tp/SubTp/Cd") == _SECOND_PAGE
    code = "" if is_page else node.get("Tp/CdOrPrtry/Cd", "Tp/Cd").upper()
    is_signed = bool(node.get("CdtDbtInd"))
    amount, currency = read_amount(node) if is_signed else read_unsigned(node)
    text = stated_day(node, "Dt")
    is_midnight = "T00:00:00" in text
    return Balance(code, amount, currency, find_date(text), is_midnight, is_signed)


def anchors(
    balances: Sequence[Balance], currency: str, booked: Booked, created: dt.date | None
) -> Anchors:
    """Choose the anchors of a statement or of a report.

    Args:
        balances: Of the statement.
        currency: Of the account; balances in others are not used.
        booked: The entries between the balances.
        created: For a report within the day (camt.052) when it was made: what is of that day
            may change until its end. None for a statement, which is made of whole days.
    """
    own = [each for each in balances if each.currency in {"", currency}]
    opening = _earliest([each for each in own if each.code == "OPBD"])
    opening = opening or _earliest([each for each in own if each.code == "PRCD"])
    closing = _latest([each for each in own if each.code == "CLBD"])
    available = _latest([each for each in own if each.code == "CLAV"])
    available = available or _latest([each for each in own if each.code == "ITAV"])
    notes = []
    if len(own) < len(balances):
        notes.append("A balance in another currency than its account is not used.")
    if _is_unproven(opening, closing, booked.total):
        notes.append(
            "A statement does not say whether its balances are credits or debits, and its "
            "entries do not lead from one to the other, so they are not used."
        )
        opening = closing = None
    chosen_closing = _closing(closing, booked.days, created)
    chosen_opening = _opening(opening, closing, booked.days, created)
    if closing and not chosen_closing:
        notes.append("A closing balance is not of the end of its day and is not used.")
    if opening and not chosen_opening:
        notes.append("An opening balance is not of the end of a day and is not used.")
    signed = available if available and available.is_signed else None
    return Anchors(chosen_opening, chosen_closing, _anchor(signed), tuple(notes))


def _anchor(balance: Balance | None) -> BalanceAnchor | None:
    return BalanceAnchor(balance.day, balance.amount) if balance else None


def _earliest(balances: Sequence[Balance]) -> Balance | None:
    return min(balances, key=lambda each: each.day or dt.date.max, default=None)


def _latest(balances: Sequence[Balance]) -> Balance | None:
    return max(balances, key=lambda each: each.day or dt.date.min, default=None)


def _is_unproven(opening: Balance | None, closing: Balance | None, total: Decimal) -> bool:
    """Tell whether balances have no direction, and the entries do not prove that it is credit."""
    used = [each for each in (opening, closing) if each]
    if all(each.is_signed for each in used):
        return False
    return not (opening and closing and opening.amount + total == closing.amount)


def _opening(
    balance: Balance | None,
    closing: Balance | None,
    days: Sequence[dt.date],
    created: dt.date | None,
) -> BalanceAnchor | None:
    """Date the opening balance with the last day that ends before the first entry.

    Many banks date it with the day that it opens; a day on which nothing is booked ends with the
    balance with which it starts, so only the day of the first entry makes a difference.
    """
    if balance is None:
        return None
    first = min(days, default=None)
    if first is None and closing is not None and closing.amount != balance.amount:
        first = closing.day
    if first is None or (balance.day and balance.day < first):
        return BalanceAnchor(balance.day, balance.amount) if balance.day else None
    is_start = balance.day is None or balance.day == first
    # A later report of a day opens with what was booked earlier that day.
    return BalanceAnchor(first - _DAY, balance.amount) if is_start and created is None else None


def _closing(
    balance: Balance | None, days: Sequence[dt.date], created: dt.date | None
) -> BalanceAnchor | None:
    """Date the closing balance; it is none if the statement has entries of later days."""
    if balance is None or (balance.day is None and created is not None):
        return None
    if balance.day is None:
        return BalanceAnchor(None, balance.amount)
    last = max(days, default=dt.date.min)
    day = balance.day
    if balance.is_midnight and last < day:
        day -= _DAY  # the moment at which the day before ends
    if last > day or (created is not None and day >= created):
        return None
    return BalanceAnchor(day, balance.amount)
