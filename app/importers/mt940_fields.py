"""Fields of MT940 and MT942 messages: where they begin and end, and what the fixed ones say."""

import calendar
import datetime as dt
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import AmountError, parse_amount
from app.importers.base import FIELD_CHARS_MAX, StatementError

LINES_MAX = 2_000_000
"""Of a file; a row has about ten."""

_TAG = re.compile(r":(\d{2,3}[A-Z]?|NS):", re.ASCII)
_CONTROLS = " \x01\x02\x03\x1a"
_NO_ENTRY_DATE = "0000"
_CENTURY = 80
_AMOUNT = r"(?P<amount>\d{1,32}(?:[.,]\d{0,8})?)(?![.,\d])"
_BALANCE = re.compile(
    rf"\s?(?P<mark>[CD])\s?(?P<day>\d{{6}})\s?(?P<currency>[A-Z]{{3}})?\s?{_AMOUNT}\s{{0,80}}",
    re.ASCII,
)
_LINE = re.compile(
    r"\s?(?P<value>\d{6})(?P<entry>\d{4})?\s?(?P<mark>[RE]?[CD])(?P<funds>[A-Z])?\s{0,2}"
    rf"{_AMOUNT} ?(?P<type>(?!NONREF)[NFS][A-Z0-9 ]{{3}})?(?P<references>[^\n]*)\n?"
    r"(?P<supplementary>.*)",
    re.ASCII | re.DOTALL,
)
_SIGNS = {"C": 1, "D": -1, "RC": -1, "RD": 1, "EC": 1, "ED": -1}
_REFERENCE_CHARS = 16


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message, `:61:…`, without its tag."""

    tag: str
    text: str
    """Its lines, joined by line feeds; cut where it has more than FIELD_CHARS_MAX characters."""
    line: int
    ends_file: bool = False
    """The file ends in it, without a line end: it may be cut."""


class FieldError(ValueError):
    """A field does not say what it must; the message says what is wrong, without its text."""


def split_fields(text: str) -> Iterator[Field]:
    """Yield the fields of all messages in a file, without what banks write around them.

    Lines before the first field, block headers and whatever follows the end of a message (`-`,
    `-}`, `-XXX`) belong to no field. Some banks write `@@` for the end of a line.

    Raises:
        StatementError: There are more than LINES_MAX lines.
    """
    if "@@:" in text[:FIELD_CHARS_MAX]:
        text = text.replace("@@", "\n")
    tag, start, lines = "", 0, _Lines()
    for number, raw in enumerate(io.StringIO(text, newline=None), 1):
        if number > LINES_MAX:
            raise StatementError(
                f"it has more than {LINES_MAX:,} lines. Export shorter periods and import them "
                "one after the other."
            )
        line = raw.rstrip("\n").lstrip(_CONTROLS[1:])
        is_end = _ends_message(line)
        if is_end:
            _, _, line = line.rpartition("{4:") if "{4:" in line else ("", "", "")
        match = _TAG.match(line)
        if tag and (is_end or match):
            yield Field(tag, lines.text(), start)
            tag, lines = "", _Lines()
        if match:
            tag, start, line = match[1], number, line[match.end() :]
        if tag:
            lines.add(line)
    if tag:
        yield Field(tag, lines.text(), start, not text.endswith(("\n", "\r")))


class _Lines:
    """Collects the lines of a field, as many as are kept."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._left = FIELD_CHARS_MAX

    def add(self, line: str) -> None:
        if self._left > 0:
            self._lines.append(line[: self._left])
            self._left -= len(line) + 1

    def text(self) -> str:
        return "\n".join(self._lines).rstrip("\n")


def _ends_message(line: str) -> bool:
    return line.startswith(("-}", "-XXX", "{")) or line.strip(_CONTROLS) == "-"


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance of a statement: fields 60, 62, 64."""

    date: dt.date
    amount: Decimal
    """In the owner's sign."""
    currency: str
    """Empty where the bank leaves it out."""
    is_interim: bool
    """60M and 62M: between two messages of one statement."""


def read_balance(field: Field) -> Balance:
    """Read a mark, a day, a currency and an amount, such as `C260105EUR1234,56`.

    Raises:
        FieldError: It is not such a balance.
    """
    match = _BALANCE.fullmatch(field.text)
    if match is None:
        raise FieldError("the balance cannot be read exactly")
    amount = _amount(match["amount"], match["mark"])
    day = _value_day(match["day"])
    return Balance(day, amount, match["currency"] or "", field.tag.endswith("M"))


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What a field 61 says, by its subfields; all texts may be empty."""

    day: dt.date
    amount: Decimal
    """In the owner's sign: `D` and `RC`, the reversal of a credit, are money out."""
    value_date: str
    entry_date: str
    mark: str
    funds_code: str
    amount_text: str
    type: str
    reference: str
    """Of the account owner; `NONREF` for none."""
    text: str
    """What stands behind a reference of full length; some banks write the other party's name."""
    bank_reference: str
    supplementary: str

    @property
    def is_expected(self) -> bool:
        """Tell whether it is announced and not yet booked (MT942)."""
        return self.mark.startswith("E")


def read_line(field: Field) -> StatementLine:
    """Read a field 61.

    The day is the entry date where there is one: it is the day on which the bank booked the row,
    and rows up to the day of the closing balance lead to it. The value date, from which interest
    counts, stands in for it, as the standard lets banks leave out an entry date that is the same.

    Raises:
        FieldError: It has no day or no amount that can be read.

    Source:
        SWIFT Standards Category 9, MT940, field 61.
    """
    match = _LINE.fullmatch(field.text)
    if match is None:
        raise FieldError("its date, mark or amount cannot be read exactly")
    references = match["references"]
    if field.ends_file and len((match["type"] or "") + references) < len("NTRF"):
        raise FieldError("the file ends inside this transaction")
    reference, _, bank_reference = references.partition("//")
    reference, text = _without_text(reference)
    return StatementLine(
        day=_booking_day(match["value"], match["entry"] or ""),
        amount=_amount(match["amount"], match["mark"]),
        value_date=match["value"],
        entry_date=match["entry"] or "",
        mark=match["mark"],
        funds_code=match["funds"] or "",
        amount_text=match["amount"],
        type=(match["type"] or "").strip(),
        reference=reference.strip(),
        text=text,
        bank_reference=bank_reference.strip(),
        supplementary=match["supplementary"].strip(),
    )


def _without_text(reference: str) -> tuple[str, str]:
    text = reference[_REFERENCE_CHARS:].strip()
    if not any(map(str.isalpha, text)):
        return reference, ""
    return reference[:_REFERENCE_CHARS], text


def _amount(text: str, mark: str) -> Decimal:
    """Return an amount with the sign of its mark; zero has none."""
    plain = text.replace(",", ".").lstrip("0")
    plain = plain if plain[:1].isdigit() else f"0{plain}"
    try:
        amount = parse_amount(plain)
    except AmountError as error:
        raise FieldError("the amount cannot be read exactly") from error
    return _SIGNS[mark] * amount if amount else amount


def _value_day(text: str) -> dt.date:
    """Read `YYMMDD`. A month of interest has 30 days, so 30 February is the last of the month."""
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:])
    year += 1900 if year >= _CENTURY else 2000
    if not (1 <= month <= 12 and 1 <= day <= 31):
        raise FieldError("there is no such day")
    return dt.date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _booking_day(value: str, entry: str) -> dt.date:
    """Return the entry date `MMDD` in the year in which it is nearest to the value date."""
    value_day = _value_day(value)
    if entry in {"", _NO_ENTRY_DATE}:
        return value_day
    days = []
    for year in (value_day.year - 1, value_day.year, value_day.year + 1):
        try:
            days.append(dt.date(year, int(entry[:2]), int(entry[2:])))
        except ValueError:  # 29 February, in most years
            continue
    if not days:
        raise FieldError("there is no such entry date")
    return min(days, key=lambda day: abs(day - value_day))
