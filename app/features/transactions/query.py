"""The filter in the address of the list: read for the form, written for links and chips."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlencode
from uuid import UUID

from app.domain import filters
from app.domain.filters import FilterError, TransactionFilter
from app.models import NO_CATEGORY
from app.ui.filters import date as write_date
from app.ui.filters import number
from app.ui.views.transactions import Chip, FilterForm

PATH = "/transactions"
NONE = "none"
"""Stands in addresses for "no category"."""
_FIELDS = (
    "search", "account", "category", "direction", "pending",
    "date_from", "date_to", "amount_min", "amount_max",
)  # fmt: skip
_VALUE_CHARACTERS_MAX = 200

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The filter that an address asks for."""

    wanted: TransactionFilter
    """What could be read; not to be trusted while there are errors."""
    form: FilterForm
    """As it was typed, with a message for each field that cannot be read."""

    @property
    def has_errors(self) -> bool:
        """Tell whether a part of the filter cannot be read."""
        return bool(self.form.errors)


def read(pairs: Pairs) -> ListQuery:
    """Read the filter from the pairs of a query string; never fails."""
    typed = [(name, value.strip()) for name, value in pairs if name in _FIELDS]
    wanted, errors = _parse([(name, value) for name, value in typed if value])
    values = {name: value[:_VALUE_CHARACTERS_MAX] for name, value in typed}
    if wanted.pending is not None:
        values["pending"] = "yes" if wanted.pending else "no"
    return ListQuery(wanted, FilterForm(**values, errors=errors))


def _parse(pairs: Pairs) -> tuple[TransactionFilter, Mapping[str, str]]:
    """Return what can be read, and what is wrong with each field that cannot."""
    left = [
        (name, str(NO_CATEGORY) if (name, value) == ("category", NONE) else value)
        for name, value in pairs
    ]
    errors: dict[str, str] = {}
    for _ in _FIELDS:  # each turn drops the field that it blames
        try:
            return filters.parse(left), errors
        except FilterError as error:
            errors[error.field] = str(error)
            left = [pair for pair in left if pair[0] != error.field]
    return TransactionFilter(), errors


def url(wanted: TransactionFilter, *, path: str = PATH, after: str = "") -> str:
    """Return the address of the list with this filter, from this cursor on."""
    pairs = [
        (name, NONE if (name, value) == ("category", str(NO_CATEGORY)) else value)
        for name, value in wanted.to_query()
    ]
    if after:
        pairs.append(("after", after))
    return f"{path}?{urlencode(pairs)}" if pairs else path


def chips(
    wanted: TransactionFilter, *, accounts: Mapping[UUID, str], categories: Mapping[UUID, str]
) -> tuple[Chip, ...]:
    """Return each part of the filter in words, with the address of the list without it."""
    pairs = wanted.to_query()
    found = []
    for number_of, (name, value) in enumerate(pairs):
        rest = pairs[:number_of] + pairs[number_of + 1 :]
        label = _label(name, value, wanted, accounts, categories)
        found.append(Chip(label, url(filters.parse(rest))))
    return tuple(found)


def _label(
    name: str,
    value: str,
    wanted: TransactionFilter,
    accounts: Mapping[UUID, str],
    categories: Mapping[UUID, str],
) -> str:
    match name:
        case "search":
            return f"“{value}”"
        case "account":
            return accounts.get(UUID(value), "Unknown account")
        case "category":
            return categories.get(UUID(value), "Unknown category")
        case "direction":
            return "Money in" if value == "in" else "Money out"
        case "pending":
            return "Pending" if wanted.pending else "Posted"
        case "date_from" | "date_to":
            return f"{_PREFIX[name]} {write_date(dt.date.fromisoformat(value))}"
        case _:
            return f"{_PREFIX[name]} {number(Decimal(value))}"


_PREFIX = {
    "date_from": "From",
    "date_to": "Until",
    "amount_min": "At least",
    "amount_max": "At most",
}
