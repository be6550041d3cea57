"""Text that goes into a spreadsheet and stays text there."""

from collections.abc import Iterable

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # full-width forms are read as the plain ones
"""What makes a spreadsheet compute a cell instead of showing it."""


def defuse(text: str) -> str:
    """Return the text, behind an apostrophe if a spreadsheet would compute it.

    Anybody who can send the household money can write a description: `=HYPERLINK(…)` must not run
    when its owner opens the export. Numbers are written by us and need no defusing.
    """
    return f"'{text}" if _would_run(text.lstrip("'")) else text


def plain(cell: str) -> str:
    """Return the text that `defuse` made a cell of: every text comes back as it was."""
    return cell[1:] if cell.startswith("'") and _would_run(cell.lstrip("'")) else cell


def _would_run(text: str) -> bool:
    return text.startswith(_STARTS)


def row(values: Iterable[str]) -> str:
    """Return one line of a CSV file (RFC 4180), with its end."""
    return ",".join(map(_quoted, values)) + "\r\n"


def _quoted(value: str) -> str:
    if any(character in value for character in ',"\r\n') or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value
