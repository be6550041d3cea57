"""Read a bank file with all that a person needs to see before agreeing with it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from app.importers import csv
from app.importers.base import StatementFile, check_size
from app.importers.csv_layout import CsvLayout
from app.importers.csv_table import read_rows
from app.importers.files import READERS, detect_format, read_file
from app.importers.text import decode_as

_SAMPLE_ROWS = 200
_SAMPLES_MAX = 5
_SAMPLE_CHARS = 80
_DOUBTFUL = 0.6

PAGE_KINDS = tuple(f"file.{name}" for name in (*READERS, "csv"))
"""How the journal calls files that we can read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading a file."""

    file: StatementFile | None
    """None: the layout names no day or no amount, so that nothing can be read yet."""
    layout: CsvLayout | None
    """None for formats that say themselves what their fields mean."""
    samples: tuple[tuple[str, ...], ...] = ()
    """For each column of a CSV file the first different values in it."""
    problems: tuple[str, ...] = ()
    """What the person should look at before importing, in words."""


def read(file_name: str, data: bytes, layout: CsvLayout | None = None) -> Reading:
    """Read a file, a CSV as `layout` says or, without one, as we guess.

    Raises:
        StatementError: It cannot be read; the message says what to do instead.
    """
    check_size(data)
    kind = detect_format(file_name, data)
    if layout is None and kind != "csv":
        file = read_file(file_name, data)
        return Reading(file, None, (), file.notes)
    layout = layout or csv.guess(data)
    layout.check()
    doubts = tuple(f"{d.name}: {d.reason}" for d in layout.decisions if d.confidence < _DOUBTFUL)
    samples = _samples(data, layout)
    if layout.missing():
        wanted = f"Choose the column for: {', '.join(layout.missing())}."
        return Reading(None, layout, samples, (wanted, *doubts))
    file = csv.parse(data, layout)
    return Reading(file, layout, samples, (*doubts, *file.notes))


def find_fields(
    page_kind: str,
    data: bytes,
    source_id: str,
    *,
    day: dt.date,
    layout: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """Return all that a file says of one transaction, in its own words.

    Args:
        page_kind: One of PAGE_KINDS.
        data: The whole file.
        source_id: The transaction's id, as made when the file was read.
        day: The day it was posted.
        layout: As the file was read, for CSV files.

    Returns:
        Texts by the file's own names; empty if the file has no such transaction.

    Raises:
        StatementError: The file cannot be read.
    """
    reader = READERS.get(page_kind.removeprefix("file."))
    if reader is not None:
        return reader.find_fields(data, source_id)
    if page_kind != "file.csv" or layout is None:
        return {}
    how = CsvLayout.from_dict(layout)
    for statement in csv.parse(data, how, day=day).statements:
        for line, row in zip(statement.lines, statement.transactions, strict=True):
            if row.source_id == source_id:
                return _line_of(data, how, line)
    return {}


def _line_of(data: bytes, layout: CsvLayout, line: int) -> dict[str, str]:
    for row in read_rows(decode_as(data, layout.encoding), layout.delimiter):
        if row.line == line:
            cells = enumerate(row.cells)
            named = {_heading(layout, index): cell for index, cell in cells if cell}
            return {"line": str(line), **named}
    return {}


def _heading(layout: CsvLayout, index: int) -> str:
    name = layout.names[index] if index < len(layout.names) else ""
    return name if name and layout.names.count(name) == 1 else f"{name or 'column'} {index + 1}"


def _samples(data: bytes, layout: CsvLayout) -> tuple[tuple[str, ...], ...]:
    rows = read_rows(decode_as(data, layout.encoding), layout.delimiter, limit=_SAMPLE_ROWS)
    body = [row.cells for row in rows if row.line >= layout.first_line]
    columns = []
    for index in range(len(layout.roles)):
        values = dict.fromkeys(cells[index] for cells in body if index < len(cells))
        columns.append(tuple(v[:_SAMPLE_CHARS] for v in values if v)[:_SAMPLES_MAX])
    return tuple(columns)
