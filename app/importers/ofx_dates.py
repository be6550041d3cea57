"""Dates of OFX files: the day that the bank wrote, in the bank's own calendar."""

import datetime as dt
import re

YEAR_MIN, YEAR_MAX = 1000, 2199

_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_FIRST = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})")


class DateError(ValueError):
    """The text is not a day that we can keep."""


def read_date(text: str) -> dt.date:
    """Read `YYYYMMDD` with whatever follows, or a date with separators.

    Time and zone (`20130914000000.000[-7:MST]`) are dropped and never applied: the day that
    the bank prints on the statement is the day it wrote, and the same row must have the same
    day in each download. With separators and the year last, the day comes first, unless
    only the other order is a date.

    Raises:
        DateError: There is no date, or it is outside the years 1000 to 2199.
    """
    text = text.strip()
    match = _COMPACT.match(text) or _YEAR_FIRST.match(text)
    if match:
        year, month, day = map(int, match.groups())
    else:
        match = _YEAR_LAST.match(text)
        if match is None:
            raise DateError("it is not a date")
        day, month, year = map(int, match.groups())
        if month > 12:
            day, month = month, day
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise DateError(f"the year {year} is not plausible")
    try:
        return dt.date(year, month, day)
    except ValueError as error:
        raise DateError("there is no such day") from error


def find_date(text: str) -> dt.date | None:
    """Return the date in `text`, or None where there is none that can be read."""
    try:
        return read_date(text)
    except DateError:
        return None
