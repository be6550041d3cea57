"""What the list of transactions and the drawer show; negative is money out."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain import text
from app.domain.money import Money

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """One row; also answered alone, inside the drawer's answer, after an edit."""

    transaction_id: str
    date: dt.date
    name: str
    """The counterparty, else the description."""
    description: str
    """The institution's text; "" if it says no more than the name."""
    category: str
    """"" for none."""
    account_name: str
    amount: Money
    pending: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """The transactions of one day, newest day first."""

    date: dt.date
    rows: tuple[TransactionRow, ...]
    sums: tuple[Money, ...] = ()
    """The day's net in each currency; empty where the day is not complete on this page."""
    is_continued: bool = False
    """The day began on the page before: no second heading."""


@dataclass(frozen=True, slots=True)
class RowsView:
    """transactions/_rows.html: what GET /transactions?after=CURSOR answers to htmx."""

    days: tuple[Day, ...]
    next_url: str = ""
    """/transactions with the same filter and the next cursor; "" at the end."""


@dataclass(frozen=True, slots=True)
class CurrencyTotals:
    """What the filter sums to in one currency."""

    money_in: Money
    money_out: Money
    """Negative."""
    net: Money


@dataclass(frozen=True, slots=True)
class TotalsView:
    """transactions/_totals.html."""

    count: int
    by_currency: tuple[CurrencyTotals, ...] = ()


@dataclass(frozen=True, slots=True)
class Chip:
    """One part of the filter in words, and the address of the list without it."""

    label: str
    remove_url: str


@dataclass(frozen=True, slots=True)
class FilterForm:
    """The filter as typed; every value is a text, "" for none."""

    search: str = ""
    account: str = ""
    category: str = ""
    direction: str = ""
    """"", in or out."""
    pending: str = ""
    """"", yes or no."""
    date_from: str = ""
    date_to: str = ""
    amount_min: str = ""
    amount_max: str = ""
    """Amounts are compared without their sign."""
    errors: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Tell whether something beside the search is set."""
        names = set(self.__slots__) - {"search", "errors"}
        return bool(self.errors) or any(getattr(self, name) for name in names)


@dataclass(frozen=True, slots=True)
class TransactionsView:
    """transactions/list.html, and its fragment transactions/_table.html without a cursor."""

    filter: FilterForm
    accounts: Options
    categories: Options
    """Value "none" finds what has no category."""
    chips: tuple[Chip, ...]
    totals: TotalsView | None
    """None where they cost so much that the page asks for them once it is shown."""
    rows: RowsView
    url: str
    """This list with its filter, without a cursor."""
    totals_url: str = ""
    """GET /transactions/totals with the filter answers _totals.html."""
    is_ledger_empty: bool = False
    is_first_page: bool = True
    edit_url: str = ""
    """POST here what is decided of the chosen rows, or of all that the filter lets through."""
    export_url: str = ""
    """POST here for all that the filter lets through as a file."""
    edited: int = 0
    """How many transactions were just changed."""
    undo_url: str = ""
    """/history/{id} of that change."""
    is_from_form: bool = False
    """The filter form asked by htmx: the answer brings its fields along, with what is wrong."""


@dataclass(frozen=True, slots=True)
class FieldSource:
    """The value of a field as one of those who may speak of it said it."""

    label: str
    value: str
    said_by: str
    """Bank, File, Rule, Model, Assistant or You."""
    is_effective: bool = False
    at: dt.datetime | None = None
    """Since when it is so."""
    reason: str = ""
    confidence: Decimal | None = None
    """From 0 to 1; None where nobody was in doubt."""


@dataclass(frozen=True, slots=True)
class FieldChangeRow:
    """One change of a field."""

    label: str
    before: str
    after: str
    reason: str = ""
    confidence: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ChangeGroup:
    """What one change set changed of the transaction."""

    url: str
    """/history/{id}"""
    at: dt.datetime
    said_by: str
    changes: tuple[FieldChangeRow, ...]
    is_undone: bool = False
    can_undo: bool = False


@dataclass(frozen=True, slots=True)
class Telling:
    """Another row that is the same movement, told by another source."""

    url: str
    told_by: str
    date: dt.date
    amount: Money
    take_apart_url: str
    """POST: it is a movement of its own; "" where it is the one that the shown row doubles."""
    state: str
    """In words: whether it counts."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """What a language model takes a transaction for: text of others, and none of it stored."""

    name: str
    """"" if it cannot tell."""
    category: str
    """The id of one of the form's options, else ""."""
    category_name: str
    reason: str
    cost: str
    """What the question took, in words."""


@dataclass(frozen=True, slots=True)
class Asking:
    """transactions/_asking.html: the question to a language model, below the drawer's form.

    POST `url` answers htmx with the fragment, else with the page, whose form is filled in.
    """

    id: str
    """Of the element: an answer that comes late must not stand below another transaction."""
    url: str
    host: str
    """Who gets what is asked."""
    model: str
    suggested: Suggested | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class TransactionDetail:
    """transactions/detail.html and its fragment transactions/_drawer.html.

    GET /transactions/{id}; POST /transactions/{id} with counterparty, category, note (a field
    left empty gives it back to the bank) answers 303, or to htmx the fragment with `saved`.
    """

    row: TransactionRow
    account_url: str
    institution_name: str
    counterparty: str
    """What stands in the form: the user's name for it, else ""."""
    counterparty_source: str
    category: str
    """The id of the user's own choice, else ""."""
    category_source: str
    """The name of the category it has without the user's choice, else ""."""
    categories: Options
    bank_text: str
    """The institution's description, untouched."""
    authorized_date: dt.date | None = None
    sources: tuple[FieldSource, ...] = ()
    bank_said: tuple[tuple[str, str], ...] | None = None
    """Every key and value of the journal entry, as text; None: not looked up."""
    journal_reference: str = ""
    """Which page of the journal: number and short hash."""
    journal_received_at: dt.datetime | None = None
    source_name: str = ""
    """Such as "Plaid", or the name of the file."""
    source_id: str = ""
    changes: tuple[ChangeGroup, ...] = ()
    """Newest first."""
    tellings: tuple[Telling, ...] = ()
    take_apart_url: str = ""
    """POST: this duplicate is a movement of its own; "" where it is none."""
    stands_in: bool = False
    """It is a duplicate that counts, because the bank withdrew the other one."""
    note: str = ""
    """What stands in the form."""
    seen: Mapping[str, str] = field(default_factory=dict)
    """The user's own values as they are now; sent along with the form, so that what somebody
    else decides meanwhile is not overwritten unseen."""
    undo_url: str = ""
    """/history/{id} of what was just saved."""
    errors: Mapping[str, str] = field(default_factory=dict)
    saved: bool = False
    asking: Asking | None = None
    """None where there is no language model."""
    removed_words: str = ""
    """Why it counts nowhere; "" if it counts."""

    @property
    def has_odd_characters(self) -> bool:
        """Whether the institution's text cannot be shown exactly as it was sent."""
        return text.is_odd(self.bank_text)
