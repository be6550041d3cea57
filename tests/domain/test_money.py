from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import (
    AmountError,
    Money,
    check_amount,
    is_currency,
    minor_units,
    parse_amount,
)

LARGEST = Decimal("999999999999999.99999999")
amounts = st.decimals(min_value=-LARGEST, max_value=LARGEST, places=8)


@given(amounts)
def test_what_is_written_is_read_back(amount):
    assert parse_amount(format(amount, "f")) == amount


@given(amounts | st.integers(-(10**15) + 1, 10**15 - 1).map(Decimal))
def test_an_amount_that_fits_is_kept_exactly(amount):
    assert check_amount(amount) == amount


@given(st.decimals())
def test_what_is_checked_fits_the_column_or_is_refused(amount):
    try:
        checked = check_amount(amount)
    except AmountError:
        return
    assert checked == amount
    assert abs(checked) <= LARGEST
    assert len(format(checked, "f")) <= 40


@given(st.text(alphabet="0123456789+-.eE_ ,'٣NaInfty", max_size=30) | st.text(max_size=10))
def test_whatever_text_is_parsed_passes_the_check_or_is_refused(text):
    try:
        amount = parse_amount(text)
    except AmountError:
        return
    assert check_amount(amount) == amount


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "1e5", "1E+1000000", "NaN", "Infinity", "1,5", "1 000", "1_000", "٣", " 1", "1 ",
     "1\n", "--1", "1.123456789", "1234567890123456", "0x10", "½", "1.2.3"],
)  # fmt: skip
def test_text_that_is_no_plain_number_is_refused(text):
    with pytest.raises(AmountError):
        parse_amount(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", "0"), ("-0.10", "-0.10"), ("+5", "5"), (".5", "0.5"), ("5.", "5"), ("-.25", "-0.25")],
)
def test_plain_numbers_are_read(text, amount):
    assert str(parse_amount(text)) == amount


@pytest.mark.parametrize(
    "amount",
    ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "1E+15", "-1E+15", "1E+999999", "0.000000001",
     "1E-999999", "1." + "0" * 33 + "1", "123456789012345." + "1" * 9],
)  # fmt: skip
def test_numbers_that_do_not_fit_are_refused(amount):
    with pytest.raises(AmountError):
        check_amount(Decimal(amount))


@pytest.mark.parametrize("amount", ["0E-999999", "1." + "0" * 5_000, "-0.000000000000"])
def test_zeros_without_end_are_cut_off(amount):
    checked = check_amount(Decimal(amount))

    assert checked == Decimal(amount)
    assert len(format(checked, "f")) < 40


@pytest.mark.parametrize("read", [lambda text: check_amount(Decimal(text)), parse_amount])
@pytest.mark.parametrize(
    "text", ["1E+999999", "1E-999999", "0E+999999", "0E-999999", "9" * 100_000]
)
def test_hostile_numbers_are_refused_or_short(text, read):
    try:
        amount = read(text)
    except AmountError:
        return
    assert len(format(amount, "f")) < 40


@given(amounts, amounts)
def test_adding_is_exact_and_undone_by_the_negative(one, other):
    total = Money(one, "USD") + Money(other, "USD")

    assert total.amount - other == one
    assert total + -Money(other, "USD") == Money(one, "USD")


def test_currencies_do_not_mix():
    with pytest.raises(ValueError, match="EUR"):
        Money(Decimal(1), "USD") + Money(Decimal(1), "EUR")


@pytest.mark.parametrize("code", ["USD", "BTC", "USDT", "X1"])
def test_forms_of_a_currency(code):
    assert is_currency(code)


@pytest.mark.parametrize("code", ["", "U", "usd", "US D", "1AB", "ÜSD", "USD\n", "X" * 13])
def test_what_no_currency_looks_like(code):
    assert not is_currency(code)


@pytest.mark.parametrize(
    ("currency", "decimals"), [("USD", 2), ("JPY", 0), ("BHD", 3), ("BTC", 8), ("ZZZ", 2)]
)
def test_minor_units(currency, decimals):
    assert minor_units(currency) == decimals
