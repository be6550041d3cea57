"""What each column of a CSV file is, by its name and by what stands in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.money import is_currency
from app.importers import csv_words as words
from app.importers.amounts import is_amount
from app.importers.csv_dates import looks_like_date
from app.importers.csv_table import Row
from app.importers.csv_words import fold

SAMPLE_ROWS = 1500
_CODE = re.compile(r"[A-Za-z]{3}")
_DECIMALS = re.compile(r"\d[.,]\d{2}(?!\d)|[$€£¥]|\d\s?(?:kr|zł|Kč|Ft)\b")
_DIGITS = re.compile(r"\d")
_IDENTIFIER = re.compile(r"0\d+|\d{10,}")


@dataclass(frozen=True, slots=True)
class Column:
    """What a sample of the rows shows about one column."""

    index: int
    name: str
    """Folded header."""
    filled: int
    rows: int
    dates: int
    amounts: int
    decimals: int
    negatives: int
    zeros: int
    distinct: int
    letters: int
    """Cells with at least two letters."""
    alpha: float
    """Mean number of letters in the filled cells."""
    codes: int
    """Cells that are a currency code."""
    values: tuple[str, ...]

    @property
    def is_date(self) -> bool:
        """Tell whether the column holds days."""
        return self.filled > 0 and self.dates >= 0.6 * self.filled

    @property
    def is_money(self) -> bool:
        """Tell whether the column can hold amounts."""
        return self.filled > 0 and self.amounts >= 0.7 * self.filled and not self.is_date

    @property
    def is_currency(self) -> bool:
        """Tell whether the column holds currency codes."""
        return self.filled > 0 and self.codes >= 0.8 * self.filled

    @property
    def is_text(self) -> bool:
        """Tell whether the column holds words."""
        return self.filled > 0 and self.letters >= 0.5 * self.filled and not self.is_date


def describe(rows: Sequence[Row], names: Sequence[str], width: int) -> list[Column]:
    """Return what a sample of the rows shows about each column."""
    step = max(1, len(rows) // SAMPLE_ROWS)
    sample = rows[::step][:SAMPLE_ROWS]
    return [_describe(sample, names, index) for index in range(width)]


def _describe(sample: Sequence[Row], names: Sequence[str], index: int) -> Column:
    values = [row.cells[index] for row in sample if index < len(row.cells) and row.cells[index]]
    unique = set(values)
    dates = {value for value in unique if looks_like_date(value)}
    amounts = {value for value in unique - dates if looks_like_amount(value)}
    name = names[index] if index < len(names) else ""
    return Column(
        index=index,
        name=fold(name),
        filled=len(values),
        rows=len(sample),
        dates=sum(value in dates for value in values),
        amounts=sum(value in amounts for value in values),
        decimals=sum(value in amounts and bool(_DECIMALS.search(value)) for value in values),
        negatives=sum(value in amounts and is_negative(value) for value in values),
        zeros=sum(value in amounts and not re.search(r"[1-9]", value) for value in values),
        distinct=len(unique),
        letters=sum(sum(map(str.isalpha, value)) >= 2 for value in values),
        alpha=sum(sum(map(str.isalpha, value)) for value in values) / max(1, len(values)),
        codes=sum(bool(_CODE.fullmatch(v)) and is_currency(v.upper()) for v in values),
        values=tuple(values[:SAMPLE_ROWS]),
    )


def looks_like_amount(text: str) -> bool:
    """Tell whether `text` can be an amount and is not rather a number of something."""
    if not _DIGITS.search(text) or _IDENTIFIER.fullmatch(text):
        return False
    return is_amount(text, ".") or is_amount(text, ",")


def is_negative(text: str) -> bool:
    """Tell whether an amount is written as negative."""
    stripped = text.strip()
    tail = stripped[-2:].upper()
    return (
        "-" in stripped or "\u2212" in stripped or stripped.startswith("(") or tail in ("DR", "DB")
    )


def rank(name: str, phrases: frozenset[str]) -> int:
    """Return how well a folded header fits: 3 the phrase itself, 2 begins or ends with it, 0 no."""
    if not name:
        return 0
    if name in phrases:
        return 3
    parts = name.split()
    for size in range(min(4, len(parts) - 1), 0, -1):
        if " ".join(parts[:size]) in phrases or " ".join(parts[-size:]) in phrases:
            return 2
    return 0


def header_score(cells: Sequence[str]) -> int:
    """Return how many cells of a record are names of columns; 0 if one is a date or amount."""
    if any(looks_like_date(cell) or _looks_like_money(cell) for cell in cells):
        return 0
    return sum(_is_known(fold(cell)) for cell in cells if cell and len(cell) <= 60)


def _looks_like_money(cell: str) -> bool:
    return bool(_DECIMALS.search(cell)) and looks_like_amount(cell)


_ALL_NAMES = (
    words.BOOKING_DATES,
    words.DATES,
    words.VALUE_DATES,
    words.AMOUNTS,
    words.DEBITS,
    words.CREDITS,
    words.BALANCES,
    words.CURRENCIES,
    words.DESCRIPTIONS,
    words.COUNTERPARTIES,
    words.ACCOUNTS,
    words.REFERENCES,
    words.DIRECTIONS,
    words.STATUSES,
)  # fmt: skip -- a list of lists


def _is_known(name: str) -> bool:
    return any(rank(name, phrases) for phrases in _ALL_NAMES)


def currency_in(name: str) -> str:
    """Return the currency that a header names, as in `Amount (EUR)`, or ""."""
    for word in reversed(name.upper().split()):
        if word in _COMMON_CURRENCIES:
            return word
    return ""


_COMMON_CURRENCIES = frozenset(
    "EUR USD GBP CHF SEK NOK DKK PLN CZK HUF RON BGN CAD AUD NZD SGD HKD JPY CNY INR BRL MXN ZAR "
    "TRY ILS THB MYR PHP IDR KRW RUB UAH ISK AED SAR CLP COP ARS PEN KES NGN EGP VND TWD".split()
)
