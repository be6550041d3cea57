"""Amounts as banks write them: signs, currencies, decimal commas, brackets; never a float."""

import re
from decimal import Decimal

from app.domain.money import AmountError, is_currency, parse_amount

TEXT_CHARS_MAX = 64

_PLAIN = {
    ".": re.compile(r"[+-]?\d{1,15}(?:\.\d{1,8})?", re.ASCII),
    ",": re.compile(r"[+-]?\d{1,15}(?:,\d{1,8})?", re.ASCII),
}
# What separates groups of digits besides point and comma: spaces of all widths, apostrophes.
_SPACES = str.maketrans(dict.fromkeys("\xa0\u2007\u2008\u2009\u202f\u2002\u2003", " "))
_MINUSES = str.maketrans(dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d", "-"))
_QUOTES = str.maketrans(dict.fromkeys("\u2019\u2018\u00b4`\u02bc", "'"))
_TABLE = {**_SPACES, **_MINUSES, **_QUOTES}
_SYMBOLS = {
    "€": "EUR",
    "£": "GBP",
    "R$": "BRL",
    "US$": "USD",
    "C$": "CAD",
    "CA$": "CAD",
    "A$": "AUD",
    "AU$": "AUD",
    "NZ$": "NZD",
    "S$": "SGD",
    "HK$": "HKD",
    "₹": "INR",
    "RS": "",
    "RS.": "",
    "KČ": "CZK",
    "ZŁ": "PLN",
    "FT": "HUF",
    "₽": "RUB",
    "₺": "TRY",
    "₴": "UAH",
    "₪": "ILS",
    "₩": "KRW",
    "₱": "PHP",
    "฿": "THB",
    "₫": "VND",
    "KR": "",
    "KR.": "",
    "$": "",
    "¥": "",
    "FR": "",
    "FR.": "",
    "SFR.": "CHF",
    "SFR": "CHF",
    "LEI": "RON",
    "RP": "IDR",
    "RM": "MYR",
    "¤": "",
    "R": "ZAR",
    "CZK": "CZK",
}  # fmt: skip -- a table reads better in rows
_MARKS = {"CR": 1, "DR": -1, "DB": -1, "CRED": 1, "DEB": -1}
_BODY = re.compile(
    r"(?P<before>[^\d.,+\-() ']{0,4})[ ]?(?P<sign>[+-]?) ?"
    r"(?P<digits>[\d.,' ]{1,40}?) ?(?P<after>[^\d,+\-() ']{0,4})",
    re.ASCII,
)
_GROUPED = {
    ".": re.compile(r"\d{1,3}(?P<group>[, '])\d{2,3}(?:(?P=group)\d{2,3})*(?:\.\d*)?|\d*\.?\d*"),
    ",": re.compile(r"\d{1,3}(?P<group>[. '])\d{2,3}(?:(?P=group)\d{2,3})*(?:,\d*)?|\d*,?\d*"),
}


def read_amount(text: str, decimal_mark: str) -> tuple[Decimal, str]:
    """Read an amount with whatever a bank puts around the digits.

    Signs before or behind, brackets for negative, CR and DR, currency symbols and codes,
    groups separated by comma, point, space or apostrophe.

    Args:
        text: One cell or field.
        decimal_mark: `.` or `,`; the other one separates groups.

    Returns:
        The signed amount in major units, and the ISO 4217 currency it names or "".

    Raises:
        AmountError: The text is not such an amount, or has more than 15 digits before or 8
            after the decimal mark.
    """
    if _PLAIN[decimal_mark].fullmatch(text):
        return _without_minus_zero(Decimal(text.replace(",", "."))), ""
    text = text.strip()
    if len(text) > TEXT_CHARS_MAX:
        raise AmountError("the amount is too long")
    text, sign = _outer_sign(text.translate(_TABLE).strip())
    match = _BODY.fullmatch(text)
    if match is None:
        raise AmountError(f"{text[:40]!r} is not an amount")
    if match["sign"]:
        if sign:
            raise AmountError(f"{text[:40]!r} has two signs")
        sign = match["sign"]
    digits = _ungroup(match["digits"].strip(), decimal_mark)
    currency = _currency(match["before"]) or _currency(match["after"])
    amount = parse_amount(digits)
    return _without_minus_zero(-amount if sign == "-" else amount), currency


def _without_minus_zero(amount: Decimal) -> Decimal:
    return amount if amount else abs(amount)


def is_amount(text: str, decimal_mark: str) -> bool:
    """Tell whether `read_amount` can read `text`."""
    try:
        read_amount(text, decimal_mark)
    except AmountError:
        return False
    return True


def decimal_mark_of(text: str) -> str | None:
    """Return the decimal mark that `text` itself proves, or None if it could be either.

    `1,234.56` proves a point and `1,5` a comma; `1.234` and `12` prove nothing.
    """
    text = text.strip()
    point, comma = text.rfind("."), text.rfind(",")
    if point >= 0 and comma >= 0:
        return "." if point > comma else ","
    at = max(point, comma)
    if at < 0:
        return None
    mark, other = (".", ",") if point >= 0 else (",", ".")
    if text.count(mark) > 1:
        return other
    after = re.match(r"\d*", text[at + 1 :])
    before = re.search(r"\d*$", text[:at])
    assert after is not None
    assert before is not None  # both patterns match the empty text
    if len(after[0]) != 3 or len(before[0]) > 3 or not before[0] or before[0] == "0":
        return mark
    return None


def _outer_sign(text: str) -> tuple[str, str]:
    """Take off what stands around the number and says its sign."""
    if text.startswith("(") and text.endswith(")"):
        return text[1:-1].strip(), "-"
    if text.startswith("-(") and text.endswith(")"):
        return text[2:-1].strip(), "-"
    words = text.rsplit(maxsplit=1)
    tail = re.search(r"[A-Za-z]{2,4}$", text)
    mark = _MARKS.get(tail[0].upper()) if tail else None
    if mark and tail:
        return text[: tail.start()].strip(), "-" if mark < 0 else "+"
    if text[:1] in "+-" and text:
        return text[1:].strip(), text[0]
    if text[-1:] in "+-" and words and text:
        return text[:-1].strip(), text[-1]
    return text, ""


def _ungroup(digits: str, decimal_mark: str) -> str:
    """Return the digits with a decimal point and without group separators."""
    if not any(map(str.isdigit, digits)) or not _GROUPED[decimal_mark].fullmatch(digits):
        raise AmountError(f"{digits[:40]!r} is not an amount")
    group = "," if decimal_mark == "." else "."
    plain = digits.replace(group, "").replace(" ", "").replace("'", "")
    plain = plain.replace(decimal_mark, ".")
    integer, point, fraction = plain.partition(".")
    # Brokers pad with zeros on both sides; the digits that count must still fit.
    integer = integer.lstrip("0") or "0"
    return f"{integer}{point}{fraction.rstrip('0') if len(fraction) > 8 else fraction}"


def _currency(word: str) -> str:
    word = word.strip().upper()
    if not word:
        return ""
    if word in _SYMBOLS:
        return _SYMBOLS[word]
    if len(word) == 3 and word.isascii() and word.isalpha() and is_currency(word):
        return word
    raise AmountError("the amount has other text beside it")
