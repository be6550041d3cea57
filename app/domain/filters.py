"""Which transactions a list, an export or a report is about."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from app.domain.money import AmountError, parse_amount

SEARCH_CHARACTERS_MAX = 100
CHOICES_MAX = 200
DIRECTIONS = ("in", "out")
_TWO_AT_MOST = re.compile(r"[^\W_]{1,2}[\W_]*")
_LATIN_END = "\u0250"
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")


class FilterError(ValueError):
    """A part of the filter cannot be read; `field` is its name in the query."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Conditions that all must hold; empty ones hold always."""

    search: str = ""
    """Found in description, counterparty or note, whatever the case: one or two Latin letters or
    digits where a word begins with them, anything else anywhere."""
    account_ids: tuple[UUID, ...] = ()
    category_ids: tuple[UUID, ...] = ()
    """The all-zero id stands for "no category"."""
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    """The last day that counts."""
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    """Bounds of the size, whichever way the money went; never negative."""
    direction: str | None = None
    """`in` or `out`."""
    pending: bool | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything is let through."""
        return self == TransactionFilter()

    @property
    def is_span(self) -> bool:
        """Whether all of a span of days is let through."""
        return replace(self, date_from=None, date_to=None).is_empty

    @property
    def begins_words(self) -> bool:
        """Whether what is sought is found only where a word begins.

        That is for what is in nearly every text; scripts that know no spaces are left out.
        """
        return _TWO_AT_MOST.fullmatch(self.search) is not None and max(self.search) < _LATIN_END

    @property
    def needs_rows(self) -> bool:
        """Whether daily totals cannot answer it, since it looks into single transactions."""
        return bool(self.search) or self.amount_min is not None or self.amount_max is not None

    def to_query(self) -> list[tuple[str, str]]:
        """Return the pairs of a query string from which `parse` reads the same filter."""
        pairs = [("search", self.search)]
        pairs += [("account", str(id_)) for id_ in self.account_ids]
        pairs += [("category", str(id_)) for id_ in self.category_ids]
        pairs += [("date_from", _text(self.date_from)), ("date_to", _text(self.date_to))]
        pairs += [("amount_min", _text(self.amount_min)), ("amount_max", _text(self.amount_max))]
        pairs += [("direction", self.direction or ""), ("pending", _text(self.pending).lower())]
        return [(name, value) for name, value in pairs if value]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def parse(pairs: Iterable[tuple[str, str]]) -> TransactionFilter:
    """Read a filter from the pairs of a query string; unknown names are left to others.

    Raises:
        FilterError: A value cannot be read, or there are too many of one kind.
    """
    found = TransactionFilter()
    for name, value in pairs:
        value = value.strip()
        if value and name in _READERS:
            found = _READERS[name](found, value)
    if found.date_from and found.date_to and found.date_from > found.date_to:
        raise FilterError("date_to", "The last day is before the first day.")
    return found


def _search(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, search=value[:SEARCH_CHARACTERS_MAX].replace("\x00", ""))


def _account(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, account_ids=_more(found.account_ids, "account", value))


def _category(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, category_ids=_more(found.category_ids, "category", value))


def _more(ids: tuple[UUID, ...], name: str, value: str) -> tuple[UUID, ...]:
    if len(ids) >= CHOICES_MAX:
        raise FilterError(name, f"At most {CHOICES_MAX} can be chosen.")
    try:
        return (*ids, UUID(value))
    except ValueError:
        raise FilterError(name, "This is not an id.") from None


def _date_from(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, date_from=_date("date_from", value))


def _date_to(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, date_to=_date("date_to", value))


def _date(name: str, value: str) -> dt.date:
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise FilterError(name, "Write the day as 2026-11-23.") from None


def _amount_min(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, amount_min=_size("amount_min", value))


def _amount_max(found: TransactionFilter, value: str) -> TransactionFilter:
    return replace(found, amount_max=_size("amount_max", value))


def _size(name: str, value: str) -> Decimal:
    try:
        return abs(parse_amount(value))
    except AmountError:
        raise FilterError(name, "Write the amount as 1234.56.") from None


def _direction(found: TransactionFilter, value: str) -> TransactionFilter:
    if value not in DIRECTIONS:
        raise FilterError("direction", "The direction is in or out.")
    return replace(found, direction=value)


def _pending(found: TransactionFilter, value: str) -> TransactionFilter:
    if value.lower() not in _TRUE + _FALSE:
        raise FilterError("pending", "Pending is true or false.")
    return replace(found, pending=value.lower() in _TRUE)


_READERS = {
    "search": _search,
    "account": _account,
    "category": _category,
    "date_from": _date_from,
    "date_to": _date_to,
    "amount_min": _amount_min,
    "amount_max": _amount_max,
    "direction": _direction,
    "pending": _pending,
}
