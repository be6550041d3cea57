"""Money, dates and counts as a reader sees them."""

import datetime as dt
from decimal import Decimal

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from app.domain.money import Money
from app.ui import filters
from app.ui.filters import MINUS, Formatting

NBSP = "\N{NO-BREAK SPACE}"
NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("locale", "amount", "currency", "text"),
    [
        ("en_US", "-1234567.5", "EUR", f"{MINUS}€1,234,567.50"),
        ("de_DE", "-1234567.5", "EUR", f"{MINUS}1.234.567,50{NBSP}€"),
        ("de-CH", "-1234567.5", "EUR", f"{MINUS}EUR{NBSP}1’234’567.50"),
        ("fr_FR", "1234.5", "EUR", f"1{NBSP}234,50{NBSP}€"),
        ("en_IN", "-1234567.5", "INR", f"{MINUS}₹12,34,567.50"),
        ("en_US", "5", "JPY", "¥5"),
        ("en_US", "1.5", "KWD", f"KWD{NBSP}1.500"),
        ("en_US", "0.00012345", "BTC", f"BTC{NBSP}0.00012345"),
        ("en_US", "2.0000", "BTC", f"BTC{NBSP}2.00"),
        ("en_US", "1.005", "USD", "$1.005"),
        ("en_US", "0", "USD", "$0.00"),
        ("nonsense", "1", "USD", "$1.00"),
    ],
)
def test_money_is_written_as_the_locale_writes_it(locale, amount, currency, text):
    with filters.formatting(Formatting(locale)):
        assert filters.money(Money(Decimal(amount), currency)) == text


@given(st.decimals(-(10**15) + 1, 10**15 - 1, places=8, allow_nan=False))
def test_money_never_loses_a_digit(amount):
    text = filters.money(Money(amount, "USD"))
    assert Decimal(text.replace(MINUS, "-").replace("$", "").replace(",", "")) == amount


@given(
    st.sampled_from(["en_US", "de_DE", "de_CH", "fr_FR", "en_IN", "es_ES", "pl_PL", "ar_EG", "ja"]),
    st.sampled_from(["USD", "EUR", "JPY", "KWD", "BTC", "XYZ"]),
    st.decimals(0, 10**12, places=2),
)
def test_the_quick_way_writes_what_babel_writes(locale, currency, amount):
    digits = filters._decimals(Money(amount, currency))
    form = filters._form(locale, currency, digits)
    assert form.write(amount) == form.write_slowly(amount)


def test_signed_money_has_a_sign_unless_it_is_zero():
    def written(text: str) -> str:
        return filters.money(Money(Decimal(text), "USD"), signed=True)

    assert [written(text) for text in ("5", "-5", "0")] == ["+$5.00", f"{MINUS}$5.00", "$0.00"]


def test_what_is_unknown_is_a_dash():
    assert {filters.money(None), filters.date(None), filters.percent(None)} == {filters.NO_VALUE}


def test_percentages_round_half_to_even_and_keep_their_sign():
    assert filters.percent(Decimal("0.125")) == "12%"
    assert filters.percent(Decimal("-0.1234"), 1, signed=True) == f"{MINUS}12.3%"
    assert filters.percent(Decimal("0.5"), signed=True) == "+50%"


def test_counts_agree_with_their_noun():
    assert filters.count_of(1, "transaction") == "1 transaction"
    assert filters.count_of(12345, "transaction") == "12,345 transactions"
    assert filters.count_of(2, "entry", "entries") == "2 entries"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (dt.timedelta(seconds=5), "just now"),
        (dt.timedelta(minutes=5), "5 min ago"),
        (dt.timedelta(hours=23, minutes=59), "23 h ago"),
        (dt.timedelta(days=6, hours=23), "6 d ago"),
        (dt.timedelta(days=30), "Oct 24"),
        (dt.timedelta(seconds=-30), "in a moment"),
        (dt.timedelta(hours=-2), "in 2 h"),
    ],
)
def test_instants_near_now_are_told_by_their_distance(span, text):
    with time_machine.travel(NOON, tick=False):
        assert filters.relative(NOON - span) == text


def test_an_instant_that_never_came_is_never():
    assert filters.relative(None) == "never"


def test_today_is_the_reader_s_day_and_not_the_server_s():
    late = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)
    with time_machine.travel(late, tick=False):
        with filters.formatting(Formatting(timezone="Pacific/Auckland")):
            assert filters.day_heading(dt.date(2026, 11, 24)) == "Today"
            assert filters.day_heading(dt.date(2026, 11, 23)) == "Yesterday"
        with filters.formatting(Formatting(timezone="no/where")):
            assert filters.day_heading(dt.date(2026, 11, 23)) == "Today"


def test_days_of_another_year_say_so():
    with time_machine.travel(NOON, tick=False):
        assert filters.day_heading(dt.date(2026, 3, 2)) == "Mon, Mar 2"
        assert filters.day_heading(dt.date(2025, 3, 2)) == "Sun, Mar 2, 2025"
        assert filters.day_short(dt.date(2025, 3, 2)) == "Mar 2, 2025"


def test_instants_are_written_in_the_reader_s_zone_to_the_minute():
    with filters.formatting(Formatting("de_DE", "Europe/Berlin")):
        assert filters.instant(NOON) == "23.11.2026, 13:00"
        assert filters.time_of_day(NOON) == "13:00"


@given(st.text(max_size=80))
def test_any_name_has_initials_and_a_colour(name):
    assert 1 <= len(filters.initials(name)) <= 6  # a ligature may become several letters
    assert 0 <= filters.hue(name) <= 11
