"""What the pages of file imports show."""

import datetime as dt
from dataclasses import dataclass

from app.domain.money import Money

Options = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One import of the past."""

    import_id: str
    file_name: str
    format_name: str
    created_at: dt.datetime
    state: str
    """previewed, failed, booked or undone."""
    added: int = 0
    known: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class StartView:
    """imports/start.html: POST /imports, multipart, with `file`; then a redirect to the preview."""

    history: tuple[ImportRow, ...] = ()
    error: str = ""
    bytes_max: int = 20_000_000
    format_names: tuple[str, ...] = ("OFX", "QFX", "CAMT", "MT940", "CSV")


@dataclass(frozen=True, slots=True)
class ColumnGuess:
    """One column of a CSV file and what we take it for."""

    index: int
    heading: str
    samples: tuple[str, ...]
    role: str
    """A value of `roles`; "" for not used."""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One row of the file as we read it."""

    line: int
    date: dt.date
    description: str
    amount: Money
    is_known: bool = False
    """The ledger has it already: it will not be added again."""
    is_changed: bool = False
    """The ledger has it, but the file says something else of it now: it will be corrected."""
    is_matched: bool = False
    """Another source of the same account seems to have reported it."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """One line that could not be read."""

    where: str
    """Such as "line 17, column Amount"."""
    reason: str


@dataclass(frozen=True, slots=True)
class PreviewAccount:
    """One account of the file, and where its rows go."""

    key: str
    label: str
    """As the file names it."""
    target: str
    """The value of `targets` that is chosen: an account's id, or "new"."""
    rows: int


@dataclass(frozen=True, slots=True)
class PreviewView:
    """imports/preview.html and its fragment imports/_preview.html.

    POST /imports/{id}/layout with column-0, column-1, ..., decimal_mark, date_order, sign,
    currency, matches (leave_out or add) and account-KEY reads the file again and answers the
    fragment (303 without htmx); POST /imports/{id}/book books it; POST /imports/{id}/discard
    forgets it.
    """

    import_id: str
    file_name: str
    format_name: str
    rows: tuple[PreviewRow, ...]
    """The first rows of the file."""
    row_count: int
    known_count: int
    rejected: tuple[RejectedLine, ...] = ()
    """The first of them."""
    rejected_count: int = 0
    accounts: tuple[PreviewAccount, ...] = ()
    targets: Options = ()
    columns: tuple[ColumnGuess, ...] = ()
    """Empty for formats that say themselves what their fields mean."""
    roles: Options = ()
    decimal_mark: str = "."
    date_order: str = ""
    date_orders: Options = ()
    first_date: dt.date | None = None
    last_date: dt.date | None = None
    error: str = ""
    notes: tuple[str, ...] = ()
    """What to look at before importing."""
    sign: str = ""
    signs: Options = ()
    currency: str = ""
    """What rows count in of which the file does not say it; empty if it says it of all."""
    changed_count: int = 0
    """Of the known ones, how many will be corrected."""
    matched_count: int = 0
    """Rows that another source of the same account seems to have reported."""
    add_matches: bool = False

    @property
    def new_count(self) -> int:
        """Return how many rows will be added."""
        return self.row_count - self.known_count

    @property
    def has_work(self) -> bool:
        """Tell whether booking would do anything."""
        return bool(self.new_count or self.changed_count)


@dataclass(frozen=True, slots=True)
class ResultView:
    """imports/result.html: GET /imports/{id} after booking."""

    import_id: str
    file_name: str
    added: int
    known: int
    rejected: tuple[RejectedLine, ...]
    rejected_count: int
    transactions_url: str
    """The list, filtered to what was added."""
    can_undo: bool = False
    """POST /imports/{id}/undo."""
    modified: int = 0
    matched: int = 0
    """Left out: another source of the same account had reported them."""
    is_undone: bool = False
