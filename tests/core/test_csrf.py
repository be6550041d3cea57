"""S8: no other site can make a browser change anything here."""

import httpx2
import pytest
from fastapi import FastAPI

from app.core import csrf, security
from app.core.config import settings
from tests.cast import Browser, SignedInBrowser
from tests.database import digest
from tests.routes import NO_CSRF_TOKEN, SAFE_METHODS, every_route, unsafe_routes


def send(browser: Browser, method: str, path: str, **headers: str | None) -> httpx2.Response:
    """Send without the headers that the browser would add, unless they are given."""
    saved = dict(browser.headers)
    browser.headers.pop("X-CSRF-Token", None)
    browser.headers.pop("Sec-Fetch-Site", None)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items() if value}
        return browser.request(method, path, headers=given)
    finally:
        browser.headers.update(saved)


def token(browser: SignedInBrowser) -> str:
    return browser.headers["X-CSRF-Token"]


def test_S8_every_unsafe_route_refuses_a_cookie_without_its_token(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    for route in unsafe_routes(app):
        answer = send(ada, route.method, route.url(), Sec_Fetch_Site="same-origin")
        if route.key in NO_CSRF_TOKEN:
            assert answer.status_code in (401, 422, 503), route
        else:
            assert answer.status_code == 403, route
            assert "expired" in answer.text, route


def test_S8_every_unsafe_route_refuses_other_origins_even_with_the_token(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    foreign: list[dict[str, str]] = [
        {},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": settings.PUBLIC_URL},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:8000.evil.example"},
        {"Origin": "http://localhost"},
    ]
    for route in unsafe_routes(app):
        if route.key in NO_CSRF_TOKEN:
            continue
        for headers in foreign:
            answer = send(ada, route.method, route.url(), X_CSRF_Token=token(ada), **headers)
            assert answer.status_code == 403, (route, headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "http://localhost:8000"},
    ],
)
def test_S8_our_own_pages_may_post(ada: SignedInBrowser, headers: dict[str, str]) -> None:
    answer = send(ada, "POST", "/sign-out", X_CSRF_Token=token(ada), **headers)

    assert answer.status_code == 303


def test_S8_the_token_may_come_in_a_form_field_of_either_encoding(ada: SignedInBrowser) -> None:
    secret = ada.headers.pop("X-CSRF-Token")
    fields = {"csrf_token": secret, "theme": "dark"}

    plain = ada.post("/settings/appearance", data=fields)
    multipart = ada.post("/settings/appearance", data=fields, files={"file": b"some bytes"})
    wrong = ada.post("/settings/appearance", data={**fields, "csrf_token": "0" * 64})

    assert (plain.status_code, multipart.status_code, wrong.status_code) == (303, 303, 403)


def test_S8_the_token_of_one_session_does_not_serve_another(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    answer = send(ada, "POST", "/sign-out", X_CSRF_Token=token(cleo), Sec_Fetch_Site="same-origin")

    assert answer.status_code == 403


def test_S8_a_visitors_token_does_not_serve_after_signing_in(
    client: Browser, ada: SignedInBrowser
) -> None:
    client.greet()
    visitors = client.headers["X-CSRF-Token"]

    answer = send(ada, "POST", "/sign-out", X_CSRF_Token=visitors, Sec_Fetch_Site="same-origin")

    assert answer.status_code == 403


def test_S8_a_bearer_token_needs_no_csrf_token_and_a_cookie_does_not_help_a_bad_one(
    ada: SignedInBrowser,
) -> None:
    good = send(ada, "POST", "/api/v1/auth/logout", Authorization=ada.bearer()["Authorization"])
    bad = send(ada, "POST", "/api/v1/auth/logout", Authorization="Bearer nonsense")

    assert (good.status_code, bad.status_code) == (204, 401)


def test_S8_a_bearer_header_is_no_way_around_the_check_on_pages(ada: SignedInBrowser) -> None:
    answer = send(ada, "POST", "/sign-out", Authorization=ada.bearer()["Authorization"])

    assert answer.status_code == 403


def test_S8_reading_changes_nothing(app: FastAPI, ada: SignedInBrowser) -> None:
    ada.get("/")
    before = digest()
    for route in every_route(app):
        if route.method in SAFE_METHODS and not route.parameters and "events" not in route.path:
            ada.request(route.method, route.path)
            ada.request(route.method, route.path)

    assert digest() == before


def test_the_csrf_token_is_not_the_cookie_and_hangs_on_it() -> None:
    cookie = security.new_token()

    assert cookie not in security.csrf_token(cookie)
    assert security.is_csrf_token(security.csrf_token(cookie), cookie)
    assert not security.is_csrf_token(security.csrf_token(cookie), security.new_token())
    assert not security.is_csrf_token("\ud800", cookie)
    assert csrf.SESSION_COOKIE != csrf.VISITOR_COOKIE
