"""Dates of CSV files: every order, separator and month name, decided by the whole column."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from app.importers.csv_words import fold
from app.importers.ofx_dates import YEAR_MAX, YEAR_MIN, DateError

ORDERS = ("YMD", "DMY", "MDY")
_PIVOT = 70
"""Two-digit years below it are in this century."""

# A year that is written with four digits is never one of two digits: 0001 is not 2001.
_NUMERIC = re.compile(
    r"(?!00\d\d)(\d{1,4})([-/. ])\s?(\d{1,2})\2\s?(?!00\d\d)(\d{1,4})\.?(?=$|[\sT,/])", re.ASCII
)
_COMPACT = re.compile(r"(\d{4}(?!00)\d{4})(?=$|[\sT,]|\d{4,6}$)", re.ASCII)
_CHINESE = re.compile(r"((?!00)\d{4})[年](\d{1,2})[月](\d{1,2})[日]?", re.ASCII)
_DAY_NAME = re.compile(r"[^\W\d_]{2,10}[.,]?\s+(?=\d)")
_NAMED_DAY_FIRST = re.compile(
    r"(\d{1,2})(?:st|nd|rd|th|\.)?[\s\-/.]*([^\W\d_]{3,12})\.?[\s\-/.,]*"
    r"((?!00)\d{4}|\d{2})(?=$|[\sT,])",
    re.IGNORECASE,
)
_NAMED_MONTH_FIRST = re.compile(
    r"([^\W\d_]{3,12})\.?[\s\-/.]*(\d{1,2})(?:st|nd|rd|th)?[\s,\-/.]+"
    r"((?!00)\d{4}|\d{2})(?=$|[\sT,])",
    re.IGNORECASE,
)
_NAMED_YEAR_FIRST = re.compile(
    r"((?!00)\d{4})[\s\-/.]*([^\W\d_]{3,12})\.?[\s\-/.]*(\d{1,2})(?=$|[\sT,])"
)
_REST = re.compile(r"[\sT,/.\-]*(?:\(?\d{1,2}[:.h]\d{2}.{0,40})?(?:[^\W\d_]{2,12}\.?)?\s*$")
_DATE_CHARS_MAX = 48

_MONTHS = {
    **dict.fromkeys("jan ene gen sty led tam януар янв sij".split(), 1),
    **dict.fromkeys("feb fev fevr feve lut uno hel фев vel".split(), 2),
    **dict.fromkeys("mar marz mae mrt maa bre мар ozu".split(), 3),
    **dict.fromkeys("apr abr avr kwi dub huh апр tra".split(), 4),
    **dict.fromkeys("may mai mag maj mei kve tou май svi".split(), 5),
    **dict.fromkeys("jun juin giu cze cer kes июн lip6".split(), 6),
    **dict.fromkeys("jul juil lug lip cvc hei июл srp7".split(), 7),
    **dict.fromkeys("aug ago aou sie srp elo авг kol".split(), 8),
    **dict.fromkeys("sep set wrz zar syy сен ruj".split(), 9),
    **dict.fromkeys("oct okt ott out paz rij lok окт".split(), 10),
    **dict.fromkeys("nov lis marras ноя stu".split(), 11),
    **dict.fromkeys("dec dez dic gru pro jou des дек".split(), 12),
}  # fmt: skip -- one month a line


@dataclass(frozen=True, slots=True)
class OrderChoice:
    """In which order the numbers of a column's dates stand, and how sure that is."""

    order: str
    confidence: float
    reason: str


def find_date(text: str, order: str) -> dt.date | None:
    """Return the day in `text`, or None if there is none or only a part of the text is one.

    Args:
        text: One cell; a time of day behind the date is dropped, never converted.
        order: `DMY` or `MDY` for dates with the year last; those with a four-digit year
            first are read as they are.
    """
    text = text.strip()
    if not 6 <= len(text) <= _DATE_CHARS_MAX:
        return None
    found = _parts(text)
    if found is None:
        return None
    numbers, order_found = found
    return _build(numbers, order_found or order)


def read_date(text: str, order: str) -> dt.date:
    """Return the day in `text`.

    Raises:
        DateError: The text is not a date of this order; the message says why in words.
    """
    day = find_date(text, order)
    if day is None:
        raise DateError("the date cannot be read" if text.strip() else "the date is missing")
    return day


def looks_like_date(text: str) -> bool:
    """Tell whether `text` is a date in any order."""
    return any(find_date(text, order) is not None for order in ORDERS)


def choose_order(texts: Iterable[str], *, prefer: str = "DMY", why: str = "") -> OrderChoice:
    """Decide the order of day and month by all dates of a column.

    A number above 12 proves; otherwise the order in which the file is sorted is right;
    otherwise `prefer` is, and the choice says that it is a guess.
    """
    open_texts = [text.strip() for text in texts if 6 <= len(text.strip()) <= _DATE_CHARS_MAX]
    split = [(text, found[0]) for text in open_texts if (found := _parts(text)) and not found[1]]
    numbers = [parts for _, parts in split]
    if not numbers:
        return OrderChoice("YMD", 0.99, "the year comes first or the month is a word")
    counts = {order: sum(_build(n, order) is not None for n in numbers) for order in ORDERS}
    best = max(counts.values())
    possible = [order for order in ("DMY", "MDY", "YMD") if counts[order] == best]
    if len(possible) > 1:
        dotted = sum("." in text[:4] for text, _ in split) * 2 > len(split)
        if dotted and "DMY" in possible:
            return OrderChoice("DMY", 0.95, "with points the day comes first")
        return _by_sorting(numbers, possible, prefer, why)
    order = possible[0]
    if best < len(numbers):
        return OrderChoice(order, 0.8, f"{best} of {len(numbers)} dates are dates in this order")
    words = {"DMY": "a first number", "MDY": "a second number", "YMD": "the first number"}
    return OrderChoice(order, 0.99, f"{words[order]} is too large for another order")


def _by_sorting(
    numbers: list[tuple[int, int, int]], possible: list[str], prefer: str, why: str
) -> OrderChoice:
    """Choose the order in which the rows are sorted by date, as exports are."""
    disorder, spans = {}, {}
    for order in possible:
        days = [day for n in numbers if (day := _build(n, order))]
        steps = list(pairwise(days))
        disorder[order] = min(sum(a < b for a, b in steps), sum(a > b for a, b in steps))
        spans[order] = (max(days) - min(days)).days
    tidy = [order for order in possible if disorder[order] == min(disorder.values())]
    if len(tidy) == 1:
        return OrderChoice(tidy[0], 0.85, "only in this order are the rows sorted by date")
    short, longer = sorted(spans[order] for order in tidy)[:2]
    if short * 3 < longer and len(set(numbers)) > 1:
        order = next(order for order in tidy if spans[order] == short)
        return OrderChoice(order, 0.75, "in another order the days would be far apart")
    order = prefer if prefer in tidy else tidy[0]
    if all(n[0] == n[1] for n in numbers):
        return OrderChoice(order, 0.95, "day and month are the same number in every row")
    return OrderChoice(order, 0.4, f"day and month cannot be told apart{why}; please check")


def _parts(text: str) -> tuple[tuple[int, int, int], str] | None:
    """Split a date into three numbers and the order they stand in, "" if it is open."""
    match = _NUMERIC.match(text)
    if match and _REST.fullmatch(text, match.end()):
        a, b, c = match[1], match[3], match[4]
        if len(a) == 4:
            return (int(a), int(b), int(c)), "YMD"
        if len(a) == 3 or len(c) in (1, 3):
            return None
        return (int(a), int(b), int(c)), ""
    match = _COMPACT.match(text)
    if match:
        digits = match[1]
        if digits[:2] in {"19", "20"} and int(digits[4:6]) <= 12:
            return (int(digits[:4]), int(digits[4:6]), int(digits[6:])), "YMD"
        return (int(digits[:2]), int(digits[2:4]), int(digits[4:])), ""
    match = _CHINESE.match(text)
    if match:
        return (int(match[1]), int(match[2]), int(match[3])), "YMD"
    return _named(text)


def _named(text: str) -> tuple[tuple[int, int, int], str] | None:
    """Split a date whose month is a word."""
    if text.isascii() and not any(map(str.isalpha, text)):
        return None
    for pattern, day, month, year in (
        (_NAMED_DAY_FIRST, 1, 2, 3),
        (_NAMED_MONTH_FIRST, 2, 1, 3),
        (_NAMED_YEAR_FIRST, 3, 2, 1),
    ):
        match = pattern.match(text)
        number = _month(match[month]) if match else 0
        if match and number and _REST.fullmatch(text, match.end()):
            return (_year(match[year]), number, int(match[day])), "YMD"
    weekday = _DAY_NAME.match(text)
    if weekday and not _month(weekday[0].strip(" .,")):
        return _parts(text[weekday.end() :])
    return None


def _month(word: str) -> int:
    plain = fold(word)
    return _MONTHS.get(plain[:4]) or _MONTHS.get(plain[:3]) or 0


def _year(digits: str) -> int:
    year = int(digits)
    if len(digits) > 2:
        return year
    return year + (2000 if year < _PIVOT else 1900)


def _build(numbers: tuple[int, int, int], order: str) -> dt.date | None:
    a, b, c = numbers
    year, month, day = {"YMD": (a, b, c), "DMY": (c, b, a), "MDY": (c, a, b)}[order]
    if year < 100:
        year += 2000 if year < _PIVOT else 1900
    if not (YEAR_MIN <= year <= YEAR_MAX and 1 <= month <= 12 and 1 <= day <= 31):
        return None
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None
