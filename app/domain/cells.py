"""Text that goes into a spreadsheet and stays text there."""

from collections.abc import Iterable

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # full-width forms are read as the plain ones
"""What makes a spreadsheet compute a cell instead of showing it."""


def defuse(text: str) -> str:
    """Return the text, behind an apostrophe if a spreadsheet would compute it.

    Anybody who can send the household money can write a description: `=HYPERLINK(…)` must not run
    when its owner opens the export. Numbers are written by us and need no defusing.
    """
    return f"'{text}" if text.startswith(_STARTS) else text


def row(values: Iterable[str]) -> str:
    """Return one line of a CSV file (RFC 4180), with its end."""
    return ",".join(map(_quoted, values)) + "\r\n"


def _quoted(value: str) -> str:
    if any(character in value for character in ',"\r\n') or value != value.strip():
        return '"' + value.replace('"', '""') + '"'
    return value
