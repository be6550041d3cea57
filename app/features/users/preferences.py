"""What a person may choose about how numbers and times look."""

from functools import cache
from zoneinfo import available_timezones

from app.core.errors import InvalidInputError

LOCALES = {
    "en_US": "English (United States)",
    "en_GB": "English (United Kingdom)",
    "en_CA": "English (Canada)",
    "en_AU": "English (Australia)",
    "en_IE": "English (Ireland)",
    "en_IN": "English (India)",
    "da_DK": "Dansk",
    "de_AT": "Deutsch (Österreich)",
    "de_CH": "Deutsch (Schweiz)",
    "de_DE": "Deutsch (Deutschland)",
    "es_ES": "Español (España)",
    "es_MX": "Español (México)",
    "fi_FI": "Suomi",
    "fr_CA": "Français (Canada)",
    "fr_CH": "Français (Suisse)",
    "fr_FR": "Français (France)",
    "it_IT": "Italiano",
    "ja_JP": "日本語",
    "nb_NO": "Norsk",
    "nl_NL": "Nederlands",
    "pl_PL": "Polski",
    "pt_BR": "Português (Brasil)",
    "pt_PT": "Português (Portugal)",
    "sv_SE": "Svenska",
}
"""Forms of numbers and dates; the words of the pages are English."""


CURRENCIES = tuple(
    "USD EUR GBP CHF CAD AUD NZD JPY SEK NOK DKK ISK PLN CZK HUF RON TRY ILS ZAR AED SAR INR SGD "
    "HKD CNY KRW THB IDR MYR PHP VND BRL MXN ARS CLP COP PEN".split()
)
"""Currencies that totals can be shown in."""


@cache
def list_timezones() -> tuple[str, ...]:
    """Return the names of the time zones that people know, by region and city."""
    names = (name for name in available_timezones() if "/" in name)
    regional = (name for name in names if not name.startswith(("Etc/", "SystemV/", "posix/")))
    return ("UTC", *sorted(regional))


def check_locale(name: str) -> str:
    """Return the locale if we offer it.

    Raises:
        InvalidInputError: We do not.
    """
    if name not in LOCALES:
        raise InvalidInputError("Choose a format from the list.", field="locale")
    return name


def check_timezone(name: str) -> str:
    """Return the time zone if there is one of that name.

    Raises:
        InvalidInputError: There is none.
    """
    if name not in list_timezones():
        raise InvalidInputError("Choose a time zone from the list.", field="timezone")
    return name


def check_currency(code: str) -> str:
    """Return the code if totals can be shown in that currency.

    Raises:
        InvalidInputError: They cannot.
    """
    if code not in CURRENCIES:
        raise InvalidInputError("Choose a currency from the list.", field="base_currency")
    return code


def describe_user_agent(user_agent: str | None) -> str:
    """Return what a person recognises: `Firefox on Linux`, or the program's own first word."""
    text = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in text), None)
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    if browser and system:
        return f"{browser} on {system}"
    first = "".join(letter for letter in text.partition(" ")[0][:40] if letter.isprintable())
    return browser or first or "Unknown program"


# Most browsers also claim to be the ones below them, so the order matters.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
