"""The list as a file: CSV for spreadsheets, JSON for programs, in the order of the list."""

import datetime as dt
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from app.core import clock, downloads, replica
from app.core.database import household_transaction
from app.core.downloads import Download
from app.domain import cells
from app.domain.filters import TransactionFilter
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.categories import service as categories
from app.features.transactions import listing
from app.features.transactions.listing import TransactionRow
from app.features.transactions.views import Names

Format = Literal["csv", "json"]
MEDIA_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
ROWS_AT_A_TIME = 500
_HEAD = (
    "date", "amount", "currency", "counterparty", "description", "category", "account", "pending",
    "note", "reviewed_at", "id", "account_id", "category_id",
)  # fmt: skip
_encoder = msgspec.json.Encoder(decimal_format="string", uuid_format="canonical")


def download(
    household_id: UUID,
    wanted: TransactionFilter,
    *,
    format: Format,
    is_raw: bool = False,
    actor: Actor,
) -> Download:
    """Answer with the file, and note in the audit trail who took it.

    The arguments are those of `export`. Opens its transactions one after the other: hold no other
    one, since requests that each wait for a second connection could wait for each other.
    """
    with household_transaction(household_id) as session:
        names = Names(
            accounts.list_names(session, household_id),
            categories.list_categories(session, household_id),
        )
    details = {"format": format, "is_filtered": not wanted.is_empty}
    with household_transaction(household_id, for_trail=True) as trail:
        audit.record(trail, household_id, "transactions.exported", actor=actor, details=details)
    return Download(
        export(household_id, wanted, names, format=format, is_raw=is_raw),
        media_type=MEDIA_TYPES[format],
        file_name=f"transactions-{clock.today()}.{format}",
    )


def export(
    household_id: UUID,
    wanted: TransactionFilter,
    names: Names,
    *,
    format: Format,
    is_raw: bool = False,
) -> Generator[bytes, None, None]:
    """Make the file of what the filter lets through, some hundred rows at a time.

    All of it is of one moment, and read on the replica where there is one. The transaction is
    open while the file is read.

    Args:
        household_id: Whose.
        wanted: The filter, with the categories below those that it names.
        names: What accounts and categories are called.
        format: `csv` or `json`.
        is_raw: Leave cells of a CSV file as they are, though a spreadsheet would compute them.
    """
    with replica.reading_transaction(household_id) as session:
        downloads.wait_for_reader(session)
        if format == "csv":
            yield from lines(session, household_id, wanted, names, is_raw=is_raw)
        else:
            rows = listing.iterate(session, household_id, wanted, at_a_time=ROWS_AT_A_TIME)
            yield from _json(rows)


def lines(
    session: Session,
    household_id: UUID,
    wanted: TransactionFilter,
    names: Names,
    *,
    is_raw: bool = False,
) -> Iterator[bytes]:
    """Yield the parts of a CSV file of what the filter lets through."""
    rows = listing.iterate(session, household_id, wanted, at_a_time=ROWS_AT_A_TIME)
    yield from _csv(rows, names, is_raw=is_raw)


def _csv(rows: Iterator[TransactionRow], names: Names, *, is_raw: bool) -> Iterator[bytes]:
    yield ("\ufeff" + cells.row(_HEAD)).encode()  # without the mark, Excel reads another encoding
    while part := list(islice(rows, ROWS_AT_A_TIME)):
        yield "".join(_line(row, names, is_raw=is_raw) for row in part).encode()


def _line(row: TransactionRow, names: Names, *, is_raw: bool) -> str:
    texts = [
        row.counterparty or "",
        row.description,
        names.category(row.category_id),
        names.account(row.account_id),
        row.note or "",
    ]
    if not is_raw:
        texts = [cells.defuse(text) for text in texts]
    counterparty, description, category, account, note = texts
    reviewed_at = row.reviewed_at.astimezone(dt.UTC).isoformat() if row.reviewed_at else ""
    return cells.row(
        (
            row.date.isoformat(),
            f"{row.amount:f}",
            row.currency,
            counterparty,
            description,
            category,
            account,
            "yes" if row.pending else "no",
            note,
            reviewed_at,
            str(row.id),
            str(row.account_id),
            str(row.category_id or ""),
        )
    )


def _json(rows: Iterator[TransactionRow]) -> Iterator[bytes]:
    """Write one document with the rows as the API lists them; amounts are strings."""
    start = b'{"data":[\n'
    while part := list(islice(rows, ROWS_AT_A_TIME)):
        yield start + b",\n".join(_encode(part))
        start = b",\n"
    yield (start if start.startswith(b"{") else b"") + b"\n]}\n"


def _encode(rows: Sequence[TransactionRow]) -> list[bytes]:
    return [_encoder.encode(row) for row in rows]
