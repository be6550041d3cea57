"""Lines of a delimited file into records, whatever its quotes and line ends are like."""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from app.importers.base import FIELD_CHARS_MAX, ROWS_MAX, too_many_rows
from app.importers.csv_dates import looks_like_date

DELIMITERS = (",", ";", "\t", "|")
RECORD_LINES_MAX = 40
RECORD_CHARS_MAX = 16 * 1024
CELLS_MAX = 256
LINES_MAX = 5 * ROWS_MAX
"""Descriptions over several lines and blank lines between rows are common."""
_BROKEN_QUOTES_MAX = 50
_PREAMBLE_LINES = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One record of the file: the line it starts on, counted from 1, and its cells, stripped."""

    line: int
    cells: tuple[str, ...]
    broken: str = ""
    """Why it cannot be trusted, in words; empty if it can."""


def read_rows(text: str, delimiter: str, *, limit: int | None = None) -> list[Row]:
    """Split a file into records; blank lines are left out.

    A quote that is never closed costs one record and not the rest of the file.

    Args:
        text: The whole file.
        delimiter: One character.
        limit: Stop after so many records; None reads all.

    Raises:
        StatementError: There are more than 100,000 records.
    """
    if text.count("\n") + text.count("\r") > 2 * LINES_MAX:
        raise too_many_rows(LINES_MAX)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    rows: list[Row] = []
    for row in _records(lines, delimiter):
        if any(row.cells):
            rows.append(row)
            if limit is not None and len(rows) >= limit:
                break
            if len(rows) > ROWS_MAX + _PREAMBLE_LINES:
                raise too_many_rows(row.line)
    return _unwrapped(rows, delimiter)


def modal_width(rows: list[Row]) -> int:
    """Return the number of cells that most records have."""
    widths = Counter(len(row.cells) for row in rows)
    return max(widths, key=lambda width: (widths[width], width)) if widths else 0


class _Feed:
    """Hands lines to the csv reader and stops where a record becomes too long to be one."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.next = 0
        self.record_start = 0
        self.chars = 0

    def skip_blank_lines(self) -> None:
        """Pass over lines that are no part of any record."""
        while self.next < len(self.lines) and not self.lines[self.next]:
            self.next += 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.next >= len(self.lines):
            raise StopIteration
        line = self.lines[self.next]
        self.chars += len(line)
        first = self.next == self.record_start
        if not first and (
            self.next - self.record_start >= RECORD_LINES_MAX or self.chars > RECORD_CHARS_MAX
        ):
            raise StopIteration
        self.next += 1
        return line[: RECORD_CHARS_MAX + 1] + "\n"


def _records(lines: list[str], delimiter: str) -> Iterator[Row]:
    feed = _Feed(lines)
    broken_quotes = 0
    while feed.next < len(lines):
        quoted = broken_quotes < _BROKEN_QUOTES_MAX
        reader = csv.reader(
            feed,
            delimiter=delimiter,
            skipinitialspace=delimiter != "\t",
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )
        while True:
            feed.skip_blank_lines()
            feed.record_start, feed.chars = feed.next, 0
            start = feed.next
            try:
                cells = next(reader)
            except StopIteration:
                break
            except csv.Error:
                cells = []
            if quoted and _is_runaway(lines, feed, cells, delimiter):
                # The quote is not closed: take its line alone and go on with the next one.
                broken_quotes += 1
                feed.next = start + 1
                yield _row(start, lines[start].split(delimiter, CELLS_MAX), "a quote is not closed")
                break
            too_long = feed.chars > RECORD_CHARS_MAX
            yield _row(start, cells, "the line is too long to be a row" if too_long else "")


def _is_runaway(lines: list[str], feed: _Feed, cells: list[str], delimiter: str) -> bool:
    """Tell whether a record swallowed lines that are not its own."""
    count = feed.next - feed.record_start
    if count <= 1:
        return False
    inside = (line.split(delimiter, 1)[0] for line in lines[feed.record_start + 1 : feed.next])
    if any(looks_like_date(start.strip(' "')) for start in inside):
        return True  # a line that begins with a day is a row of its own
    at_end = feed.next >= len(lines) or count >= RECORD_LINES_MAX or feed.chars > RECORD_CHARS_MAX
    last = lines[feed.next - 1].rstrip()
    return not cells or (at_end and '"' not in last)


def _row(start: int, cells: list[str], broken: str = "") -> Row:
    if len(cells) > CELLS_MAX:
        cells, broken = cells[:CELLS_MAX], f"it has more than {CELLS_MAX} fields"
    stripped = tuple(cell.strip() for cell in cells)
    if any(len(cell) > FIELD_CHARS_MAX for cell in stripped):
        broken = f"a field has more than {FIELD_CHARS_MAX:,} characters"
        stripped = tuple(cell[:FIELD_CHARS_MAX] for cell in stripped)
    return Row(start + 1, stripped, broken)


def _unwrapped(rows: list[Row], delimiter: str) -> list[Row]:
    """Split again where each whole line is one quoted field."""
    wrapped = [row for row in rows if len(row.cells) == 1 and delimiter in row.cells[0]]
    if len(wrapped) * 2 <= len(rows):
        return rows
    return [
        row if len(row.cells) > 1 else _row(row.line - 1, _split_once(row.cells[0], delimiter))
        for row in rows
    ]


def _split_once(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return text.split(delimiter, CELLS_MAX)
