"""Money, dates and counts in words and figures of the reader's locale; Decimal only."""

import datetime as dt
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import NumberPattern, get_currency_symbol

from app.core import clock
from app.domain.money import FRACTION_DIGITS_MAX, Money, minor_units

MINUS = "\N{MINUS SIGN}"
NO_VALUE = "\N{EN DASH}"
DEFAULT_LOCALE = "en_US"
_WEEK_DAYS = 7
_MINOR_UNITS_MAX = 4
"""Of a currency of ISO 4217; crypto assets have more."""
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))
_CODE_BEFORE_DIGIT = re.compile(r"(?<=[A-Z])(?=\d)")
_WIDE_SPACES = str.maketrans({"\N{NARROW NO-BREAK SPACE}": "\N{NO-BREAK SPACE}"})


@dataclass(frozen=True, slots=True)
class Formatting:
    """How one reader wants to see numbers and times."""

    locale: str = DEFAULT_LOCALE
    timezone: str = "UTC"


DEFAULT_FORMATTING = Formatting()
_formatting: ContextVar[Formatting] = ContextVar("formatting", default=DEFAULT_FORMATTING)


@contextmanager
def formatting(chosen: Formatting) -> Iterator[None]:
    """Format everything inside the block as `chosen` says."""
    token = _formatting.set(chosen)
    try:
        yield
    finally:
        _formatting.reset(token)


@lru_cache(maxsize=256)
def parse_locale(name: str) -> Locale:
    """Return the locale `de`, `de_DE` or `de-DE`, or American English if there is none such."""
    try:
        return Locale.parse(name.replace("-", "_")[:20])
    except (UnknownLocaleError, ValueError):
        return Locale.parse(DEFAULT_LOCALE)


def money(value: Money | None, *, signed: bool = False) -> str:
    """Write an amount with its currency: minus €1,234.50, `+$5.00` if signed, a dash for None.

    Never rounds: an amount finer than its currency's minor unit keeps its digits. The sign is
    a real minus in front, so that amounts align in tabular figures in every locale.
    """
    if value is None:
        return NO_VALUE
    digits = _decimals(value)
    form = _form(_formatting.get().locale, value.currency, digits)
    return _sign(value.amount, signed=signed) + form.write(abs(value.amount))


def currency_symbol(code: str) -> str:
    """Return the sign of a currency in the reader's locale, or its code."""
    return get_currency_symbol(code, locale=parse_locale(_formatting.get().locale))


def number(value: int | Decimal) -> str:
    """Write a count or a plain number with the locale's separators: `12,345`."""
    locale = parse_locale(_formatting.get().locale)
    exact = Decimal(value)
    exponent = exact.as_tuple().exponent
    digits = max(0, -exponent) if isinstance(exponent, int) else 0
    text: str = _pattern(_formatting.get().locale, "decimal", digits).apply(abs(exact), locale)
    return _sign(exact, signed=False) + text.translate(_WIDE_SPACES)


def percent(share: Decimal | None, digits: int = 0, *, signed: bool = False) -> str:
    """Write a share (0.123 is 12.3 %) as a percentage, a dash for None."""
    if share is None:
        return NO_VALUE
    step = Decimal(1).scaleb(-digits - 2)
    rounded = share.quantize(step, rounding=ROUND_HALF_EVEN)
    locale = parse_locale(_formatting.get().locale)
    text: str = _pattern(_formatting.get().locale, "percent", digits).apply(abs(rounded), locale)
    return _sign(rounded, signed=signed) + text.translate(_WIDE_SPACES)


def date(value: dt.date | None, style: str = "medium") -> str:
    """Write a day; `style` is short, medium, long or full. A dash for None."""
    if value is None:
        return NO_VALUE
    return format_date(value, format=style, locale=parse_locale(_formatting.get().locale))


def day_heading(value: dt.date) -> str:
    """Write a day as the heading of its transactions: Today, Yesterday, Mon, Nov 2, ..."""
    now = today()
    if value == now:
        return "Today"
    if value == now - dt.timedelta(days=1):
        return "Yesterday"
    skeleton = "MMMEd" if value.year == now.year else "yMMMEd"
    return _skeleton(skeleton, value)


def day_short(value: dt.date) -> str:
    """Write a day in a narrow column: `Nov 2`, with the year if it is not this one."""
    return _skeleton("MMMd" if value.year == today().year else "yMMMd", value)


def month(value: dt.date) -> str:
    """Write a month: `November 2026`."""
    return _skeleton("yMMMM", value)


def month_short(value: dt.date) -> str:
    """Write a month under a narrow bar: `Nov`."""
    return _skeleton("MMM", value)


def instant(value: dt.datetime | None) -> str:
    """Write an instant in the reader's time zone, to the minute: `Nov 2, 2026, 14:05`."""
    if value is None:
        return NO_VALUE
    local = value.astimezone(_zone())
    locale = parse_locale(_formatting.get().locale)
    day = format_date(local, format="medium", locale=locale)
    time = format_time(local, format="short", locale=locale)
    return f"{day}, {time}".translate(_WIDE_SPACES)


def time_of_day(value: dt.datetime) -> str:
    """Write the time of day in the reader's time zone: `2:05 PM`."""
    locale = parse_locale(_formatting.get().locale)
    text = format_time(value.astimezone(_zone()), format="short", locale=locale)
    return text.translate(_WIDE_SPACES)


def relative(value: dt.datetime | None) -> str:
    """Write how long ago or how soon: `just now`, `5 min ago`, `in 2 h`; the day after a week.

    None is "never", as in a connection that never succeeded.
    """
    if value is None:
        return "never"
    seconds = int((clock.now() - value).total_seconds())
    distance = abs(seconds)
    if distance < _UNITS[-1][0]:
        return "just now" if seconds >= 0 else "in a moment"
    if distance >= _WEEK_DAYS * _UNITS[0][0]:
        return day_short(value.astimezone(_zone()).date())
    size, name = next(unit for unit in _UNITS if distance >= unit[0])
    text = f"{distance // size} {name}"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def count_of(number_of: int, singular: str, plural: str | None = None) -> str:
    """Write a count with its noun: `1 transaction`, `12,345 transactions`."""
    return f"{number(number_of)} {singular if number_of == 1 else plural or singular + 's'}"


@lru_cache(maxsize=4096)
def initials(name: str) -> str:
    """Return one or two letters that stand for a name: `FP` for First Platypus Bank."""
    words = [word for word in name.replace("-", " ").split() if word[:1].isalnum()]
    letters = "".join(word[0] for word in words[:2]) or name[:1] or "?"
    return letters.upper()


@lru_cache(maxsize=4096)
def hue(name: str) -> int:
    """Return one of twelve colours (0 to 11) that is always the same for a name."""
    return zlib.crc32(name.encode()) % 12


@dataclass(frozen=True, slots=True)
class _Form:
    """How amounts of one currency with so many decimals are written in one locale.

    Babel takes 50 microseconds an amount, and a page has a hundred: where a locale groups by
    thousands, as nearly all do, its separators are put into Python's own exact format instead.
    """

    locale_name: str
    currency: str
    digits: int
    prefix: str = ""
    suffix: str = ""
    separators: dict[int, str] | None = None
    """Python's comma and point to the locale's; None where Babel has to write every amount."""

    def write(self, amount: Decimal) -> str:
        if self.separators is None:
            return self.write_slowly(amount)
        number = f"{amount:,.{self.digits}f}".translate(self.separators)
        return f"{self.prefix}{number}{self.suffix}"

    def write_slowly(self, amount: Decimal) -> str:
        locale = parse_locale(self.locale_name)
        pattern = _pattern(self.locale_name, "currency", self.digits)
        text = pattern.apply(amount, locale, currency=self.currency, currency_digits=False)
        return _CODE_BEFORE_DIGIT.sub("\N{NO-BREAK SPACE}", text.strip().translate(_WIDE_SPACES))


_SAMPLES = tuple(Decimal(text) for text in ("0", "1", "999", "1234", "12345", "1234567", "0.5"))


@lru_cache(maxsize=2048)
def _form(locale_name: str, currency: str, digits: int) -> _Form:
    """Return the form, quick where it writes the samples as Babel does."""
    slow = _Form(locale_name, currency, digits)
    symbols = parse_locale(locale_name).number_symbols["latn"]
    decimal, group = symbols["decimal"], symbols["group"].translate(_WIDE_SPACES)
    zero = f"0{decimal}{'0' * digits}" if digits else "0"
    prefix, found, suffix = slow.write(Decimal(0)).partition(zero)
    if not found:
        return slow
    separators = str.maketrans({",": group, ".": decimal})
    quick = _Form(locale_name, currency, digits, prefix, suffix, separators)
    agrees = all(quick.write(sample) == slow.write(sample) for sample in _SAMPLES)
    return quick if agrees else slow


@lru_cache(maxsize=1024)
def _pattern(locale_name: str, kind: str, digits: int) -> NumberPattern:
    """Return the locale's pattern of a kind, made to write exactly so many decimals."""
    locale = parse_locale(locale_name)
    patterns = {
        "currency": locale.currency_formats["standard"],
        "decimal": locale.decimal_formats[None],
        "percent": locale.percent_formats[None],
    }
    pattern: NumberPattern = copy(patterns[kind])
    pattern.frac_prec = (digits, digits)
    return pattern


def _sign(amount: Decimal, *, signed: bool) -> str:
    if amount < 0:
        return MINUS
    return "+" if signed and amount > 0 else ""


def _decimals(value: Money) -> int:
    exponent = value.amount.normalize().as_tuple().exponent
    needed = -exponent if isinstance(exponent, int) else 0
    usual = minor_units(value.currency)
    # Eight zeros after every round amount of a crypto asset hide the amount.
    fewest = usual if usual <= _MINOR_UNITS_MAX else 2
    return min(max(needed, fewest), FRACTION_DIGITS_MAX)


def today() -> dt.date:
    """Return which day it is for the reader."""
    return clock.now().astimezone(_zone()).date()


def _zone() -> dt.tzinfo:
    return _zone_of(_formatting.get().timezone)


@lru_cache(maxsize=256)
def _zone_of(name: str) -> dt.tzinfo:
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # zoneinfo's error for an unknown name is a KeyError
        return dt.UTC


def _skeleton(skeleton: str, value: dt.date) -> str:
    return _skeleton_of(skeleton, value, _formatting.get().locale)


@lru_cache(maxsize=4096)
def _skeleton_of(skeleton: str, value: dt.date, locale_name: str) -> str:
    return format_skeleton(skeleton, value, locale=parse_locale(locale_name))


ALL = {
    "count_of": count_of,
    "currency_symbol": currency_symbol,
    "date": date,
    "day_heading": day_heading,
    "day_short": day_short,
    "hue": hue,
    "initials": initials,
    "instant": instant,
    "money": money,
    "month": month,
    "month_short": month_short,
    "number": number,
    "percent": percent,
    "relative": relative,
    "time_of_day": time_of_day,
}
"""Every filter of the templates, by name."""
