"""Money: exact decimal amounts in a currency, negative for money out."""

import re
from dataclasses import dataclass
from decimal import Decimal

INTEGER_DIGITS_MAX = 15
FRACTION_DIGITS_MAX = 8

# Checked before Decimal() sees the text: an exponent such as 1E+1000000 is a valid Decimal
# and takes minutes to expand.
_AMOUNT = re.compile(r"[+-]?(\d{1,15}(\.\d{0,8})?|\.\d{1,8})", re.ASCII)
_FINEST = Decimal("1E-8")
_PLAIN_LENGTH_MAX = INTEGER_DIGITS_MAX + FRACTION_DIGITS_MAX + len("-0.")
_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{1,11}", re.ASCII)

# ISO 4217 minor units that are not 2.
_MINOR_UNITS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
    **dict.fromkeys("ADA BAT BCH BNB BTC BTG BSV DASH DOGE ETC ETH LSK LTC".split(), 8),
    **dict.fromkeys("NEO OMG QTUM XLM XMR XRP ZEC ZRX".split(), 8),
    "USDT": 6,
}


class AmountError(ValueError):
    """The text is not an amount we can keep exactly."""


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount in major units of a currency; negative is money out."""

    amount: Decimal
    currency: str

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.amount + other.amount, self.currency)


def parse_amount(text: str) -> Decimal:
    """Read a plain decimal number such as `-1234.56`.

    At most 15 integer and 8 fraction digits, ASCII digits, a point, no exponent.

    Raises:
        AmountError: The text is anything else.
    """
    if not _AMOUNT.fullmatch(text):
        raise AmountError(f"{text[:40]!r} is not an amount")
    return Decimal(text)


def check_amount(amount: Decimal) -> Decimal:
    """Return `amount` if it is finite and fits 15 integer and 8 fraction digits.

    Raises:
        AmountError: It is NaN, infinite, too large or finer than eight decimals.
    """
    if not amount.is_finite():
        raise AmountError("the amount is not a number")
    if amount.adjusted() >= INTEGER_DIGITS_MAX:
        raise AmountError("the amount has more than 15 digits before the point")
    rounded = amount.quantize(_FINEST)
    if rounded != amount:
        raise AmountError("the amount has more than 8 digits after the point")
    # 0E-99999 equals zero, yet PostgreSQL refuses it and formatting it takes 100 kB.
    plain = amount.adjusted() >= -FRACTION_DIGITS_MAX and len(str(amount)) <= _PLAIN_LENGTH_MAX
    return amount if plain else rounded


def plain(amount: Decimal) -> Decimal:
    """Return the same number without zeros after its last decimal, and without an exponent."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent >= 0:
        return amount
    normal = amount.normalize()
    return normal if normal.as_tuple().exponent <= 0 else normal.quantize(Decimal(1))  # type: ignore[operator]


def is_currency(code: str) -> bool:
    """Tell whether `code` has the form of an ISO 4217 or crypto currency code."""
    return _CURRENCY.fullmatch(code) is not None


def minor_units(currency: str) -> int:
    """Return how many decimals the currency is written with; 2 where we do not know."""
    return _MINOR_UNITS.get(currency, 2)
