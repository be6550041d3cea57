"""The settings page: names, formats, currency, theme."""

import pytest
from fastapi import FastAPI

from app.features.audit import service as audit
from app.features.users.preferences import LOCALES, describe_user_agent, list_timezones
from app.ui.filters import parse_locale
from tests.cast import SignedInBrowser, sign_in
from tests.factories import people

GOOD = {
    "name": "Ada L.",
    "household_name": "The Lovelaces",
    "locale": "de_DE",
    "timezone": "Europe/Berlin",
    "base_currency": "EUR",
}


def test_what_is_saved_is_shown_at_once(ada: SignedInBrowser) -> None:
    assert ada.post("/settings/profile", data=GOOD).status_code == 303

    page = ada.get("/settings").text
    assert 'value="Ada L."' in page
    assert 'value="The Lovelaces"' in page
    assert '<option value="Europe/Berlin" selected>' in page
    me = ada.get("/api/v1/auth/me").json()
    assert (me["household_name"], me["base_currency"]) == ("The Lovelaces", "EUR")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "   "),
        ("name", "x" * 101),
        ("household_name", "\u202e"),
        ("locale", "xx_XX"),
        ("timezone", "../../etc/passwd"),
        ("base_currency", "XXX"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_saved(
    ada: SignedInBrowser, field: str, value: str
) -> None:
    answer = ada.post("/settings/profile", data={**GOOD, field: value})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert ada.get("/api/v1/auth/me").json()["name"] == "Ada"


def test_saving_the_same_again_writes_nothing(ada: SignedInBrowser) -> None:
    ada.post("/settings/profile", data=GOOD)
    ada.post("/settings/profile", data=GOOD)

    with ada.session() as session:
        events = audit.list_events(session, ada.household_id, action="user.profile_changed")
    assert len(events) == 1
    assert events[0].actor.user_id == ada.user_id
    assert events[0].actor.session_id == ada.session_id
    assert "Lovelace" not in str(events[0].details)
    assert len(str(events[0].details["request_id"])) == 32


def test_a_viewer_changes_their_own_name_but_not_the_household(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    viewer = sign_in(app, people.member(ada.person, "Vera", role="viewer"))
    own = {**GOOD, "household_name": "Household of Ada", "base_currency": "USD"}

    assert viewer.post("/settings/profile", data=own).status_code == 303
    assert viewer.post("/settings/profile", data=GOOD).status_code == 403
    assert ada.get("/api/v1/auth/me").json()["household_name"] == "Household of Ada"


def test_members_see_a_new_household_name_at_once(
    ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    ben.get("/api/v1/auth/me")
    ada.post("/settings/profile", data=GOOD)

    assert ben.get("/api/v1/auth/me").json()["household_name"] == "The Lovelaces"


@pytest.mark.parametrize("theme", ["light", "dark", ""])
def test_the_theme_is_kept_in_a_cookie_and_for_other_browsers(
    ada: SignedInBrowser, theme: str
) -> None:
    ada.cookies.set("theme", "light")

    assert ada.post("/settings/appearance", data={"theme": theme}).status_code == 303

    assert f'data-theme="{theme}"' in ada.get("/settings").text or not theme


def test_an_unknown_theme_is_refused(ada: SignedInBrowser) -> None:
    assert ada.post("/settings/appearance", data={"theme": "pink"}).status_code == 422


def test_every_locale_we_offer_formats_numbers_in_its_own_way() -> None:
    for name in LOCALES:
        assert str(parse_locale(name)) == name
    assert {"UTC", "Europe/Berlin", "America/New_York"} <= set(list_timezones())


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604",
            "Safari on iPhone",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0 Safari/537.36 Edg/150.0", "Edge on Windows"),
        ("curl/8.9.1", "curl/8.9.1"),
        ("", "Unknown program"),
        (None, "Unknown program"),
        ("\x1b[31mred", "[31mred"),
    ],
)
def test_a_session_is_named_as_its_owner_would(user_agent: str | None, words: str) -> None:
    assert describe_user_agent(user_agent) == words
