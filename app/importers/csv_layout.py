"""How a CSV file is to be read: guessed by us, shown to the person, changed by the person."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.domain.money import is_currency
from app.importers.base import StatementError
from app.importers.csv_dates import ORDERS

ROLES = (
    "",
    "date",
    "authorized_date",
    "value_date",
    "description",
    "counterparty",
    "amount",
    "debit",
    "credit",
    "direction",
    "balance",
    "currency",
    "reference",
    "account",
    "status",
)
"""What a column can be; empty means that it is not read."""

SINGLE_ROLES = frozenset(ROLES) - {"", "description"}
"""Roles that at most one column can have; several descriptions are joined."""

SIGNS = ("as_written", "inverted", "by_direction")
"""`inverted`: positive is money out. `by_direction`: the direction column decides."""

COLUMNS_MAX = 256


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that was guessed, for the page that lets the person check it."""

    name: str
    """`encoding`, `delimiter`, `header`, `date`, `date_order`, `amount`, `decimal_mark`, `sign`,
    `currency`, `description`."""
    value: str
    confidence: float
    """From 0 to 1; below 0.6 the page should ask."""
    reason: str
    """In words."""


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """Everything that `parse` needs to know about a CSV file; plain values only.

    Change a guess with `dataclasses.replace` or through `to_dict` and `from_dict`.
    """

    encoding: str
    delimiter: str
    header_line: int | None
    """Line of the file, from 1, that names the columns; None if none does."""
    first_line: int
    """Line of the first record that is read."""
    names: tuple[str, ...]
    """What the file calls each column; empty where it says nothing."""
    roles: tuple[str, ...]
    """One of ROLES for each column."""
    date_order: str
    decimal_mark: str
    sign: str
    debits_negative: bool = False
    """The debit column has signs of its own: its values count as they are."""
    currency: str = ""
    """For rows that name none; empty if the file says nothing, then the person must choose."""
    account: str = ""
    """The account's number or name where the file says it once, outside of the rows."""
    decisions: tuple[Decision, ...] = ()

    def columns(self, role: str) -> tuple[int, ...]:
        """Return the columns with a role, from the left."""
        return tuple(index for index, own in enumerate(self.roles) if own == role)

    def column(self, role: str) -> int | None:
        """Return the first column with a role, or None."""
        return next(iter(self.columns(role)), None)

    def decision(self, name: str) -> Decision | None:
        """Return what was decided about `name`, if it was guessed."""
        return next((choice for choice in self.decisions if choice.name == name), None)

    def missing(self) -> tuple[str, ...]:
        """Return the roles without which nothing can be read and that no column has."""
        has_amount = bool({"amount", "debit", "credit"} & set(self.roles))
        wanted = (("date", "date" in self.roles), ("amount", has_amount))
        return tuple(role for role, there in wanted if not there)

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "CsvLayout":
        """Build a layout from what `to_dict` gave or a form sent.

        Raises:
            StatementError: A value is missing, of the wrong kind or not one of those allowed.
        """
        try:
            decisions = tuple(Decision(**choice) for choice in raw.get("decisions", ()))
            values = {**raw, "decisions": decisions}
            values["names"] = tuple(str(name) for name in raw["names"])
            values["roles"] = tuple(raw["roles"])
            layout = cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StatementError("it is not a layout", part="the layout") from error
        layout.check()
        return layout

    def check(self) -> None:
        """Refuse a layout that cannot be meant.

        Raises:
            StatementError: With the field that is wrong.
        """
        doubles = [role for role in SINGLE_ROLES if self.roles.count(role) > 1]
        header = self.header_line
        rules = (
            ("delimiter", isinstance(self.delimiter, str) and len(self.delimiter) == 1),
            ("delimiter", self.delimiter not in ('"', "\n", "\r", "\x00")),
            ("roles", len(self.roles) <= COLUMNS_MAX and set(self.roles) <= set(ROLES)),
            ("roles", not doubles),
            ("names", len(self.names) <= COLUMNS_MAX),
            ("date_order", self.date_order in ORDERS),
            ("decimal_mark", self.decimal_mark in (".", ",")),
            ("sign", self.sign in SIGNS),
            ("sign", self.sign != "by_direction" or "direction" in self.roles),
            ("debits_negative", isinstance(self.debits_negative, bool)),
            ("currency", not self.currency or is_currency(str(self.currency))),
            ("account", isinstance(self.account, str) and len(self.account) <= 200),
            ("encoding", isinstance(self.encoding, str) and len(self.encoding) <= 30),
            ("first_line", isinstance(self.first_line, int) and self.first_line >= 1),
            ("header_line", header is None or (isinstance(header, int) and header >= 1)),
        )
        for name, holds in rules:
            if not holds:
                raise StatementError(
                    "choose another value; each role but description has at most one column",
                    part="the layout",
                    field=name,
                )
