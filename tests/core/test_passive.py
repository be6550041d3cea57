"""H9, F13, and what a passive scanner looks for: every route, with what it answers."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from lxml import html

from tests.cast import Browser, SignedInBrowser, sign_in
from tests.expectations import OPERATORS_ONLY
from tests.factories import ledger, people
from tests.queries import counted_queries
from tests.routes import FOR_STRANGERS, Route, every_route, queries

ROOT = Path(__file__).resolve().parents[2]
ENDLESS = ("/events",)
MARK = "q7zx"
INJECTIONS = (
    f"{MARK}' OR '1'='1",
    f'{MARK}" OR "1"="1',
    f"{MARK}'; DROP TABLE items; --",
    f"{MARK}') UNION SELECT NULL, version() --",
    f"1; SELECT pg_sleep(10) --{MARK}",
    f"{MARK}%' AND 1=cast((SELECT current_user) AS int) AND '%'='",
    f"{MARK}\\'; COPY items TO PROGRAM 'id' --",
    f"$${MARK}$$ || %(household_id)s || :name",
)
TELLING = re.compile(
    r"Traceback|psycopg|sqlalchemy|uvicorn|starlette|PostgreSQL \d|/site-packages/", re.IGNORECASE
)


@pytest.fixture(scope="module")
def ada(app: FastAPI) -> SignedInBrowser:
    """Ada, whose browser every test here uses."""
    return sign_in(app, people.person("Ada"))


@pytest.fixture(scope="module")
def owned(ada: SignedInBrowser) -> dict[str, str]:
    """Ids of what Ada owns, by the names that routes give them."""
    made = ledger.everything(ada.household_id, ada.user_id)
    return {name: str(value) for name, value in dataclasses.asdict(made).items()}


def reads(app: FastAPI) -> list[Route]:
    return [
        route
        for route in every_route(app)
        if route.method == "GET" and route.path not in ENDLESS and route.key not in OPERATORS_ONLY
    ]


@pytest.fixture(scope="module")
def pages(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str]
) -> list[tuple[str, httpx2.Response, html.HtmlElement]]:
    """Every page as Ada and, where they may, as strangers see it: place, answer, elements."""
    visitor, found = Browser(app), []
    for route in reads(app):
        for browser in (ada, visitor) if route.key in FOR_STRANGERS else (ada,):
            answer = browser.get(route.url(**owned))
            if answer.headers.get("content-type", "").startswith("text/html") and answer.content:
                found.append((str(route), answer, html.document_fromstring(answer.text)))
    assert len(found) > 30
    return found


def allowed_origin(answer: httpx2.Response) -> list[str]:
    return [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_H9_no_other_origin_may_read_an_answer(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str], origin: str
) -> None:
    for route in every_route(app):
        if route.path in ENDLESS:
            continue
        asked = {
            "Origin": origin,
            "Access-Control-Request-Method": route.method,
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = ada.options(route.url(**owned), headers=asked)
        assert allowed_origin(preflight) == [], route
        assert preflight.status_code in (401, 404, 405), route
        if route.method == "GET":
            answer = ada.get(route.url(**owned), headers={"Origin": origin})
            assert allowed_origin(answer) == [], route


def test_H9_no_proxy_of_ours_lets_other_origins_in() -> None:
    files = [
        path
        for folder in ("deploy", "k8s")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".conf", ".yaml", ".yml", ".json", ".tpl", ".sh")
    ]
    assert len(files) > 10
    for path in files:
        said = path.read_text(encoding="utf-8").lower()
        assert "access-control-" not in said, path
        assert "enable-cors" not in said, path


def test_F13_what_queries_say_never_becomes_a_statement(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str]
) -> None:
    named = queries(app)
    tried = 0
    for route in reads(app):
        for name in named.get(route.key, ()):
            for number, text in enumerate(INJECTIONS):
                if number and route.path.endswith(("/preview", "/link")):
                    continue  # asks others, or plans: once is enough
                with counted_queries() as statements:
                    answer = ada.get(route.url(**owned), params={name: text})
                assert answer.status_code in (200, 303, 307, 400, 401, 403, 404, 422), (route, name)
                assert not [each for each in statements if MARK in each], (route, name, text)
                tried += 1
    assert tried > 200


def test_F13_lists_are_sorted_by_names_of_ours(app: FastAPI) -> None:
    """No route takes the name of a column, or an order, as free text."""
    for path, methods in app.openapi()["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                if re.search(r"sort|order|column|field", parameter["name"]):
                    assert "enum" in str(parameter["schema"]), (path, parameter["name"])


def test_pages_hold_nothing_of_other_hosts_and_no_notes(pages: list) -> None:
    for place, answer, tree in pages:
        assert not TELLING.search(answer.text), place
        assert tree.xpath("//comment()") == [], place
        for address in tree.xpath("//script/@src | //link/@href | //img/@src | //iframe/@src"):
            assert address.startswith("/"), (place, address)
        for form in tree.xpath("//form"):
            assert form.get("action", "/").startswith(("/", "?")), place
        for link in tree.xpath("//a[@target='_blank']"):
            # The latter says the former as well.
            assert {"noopener", "noreferrer"} & set(link.get("rel", "").split()), place
        assert "server" not in answer.headers, place
        assert "x-powered-by" not in answer.headers, place


def test_forms_carry_their_token_and_passwords_say_which_they_are(pages: list) -> None:
    forms, passwords = 0, 0
    for place, _, tree in pages:
        for form in tree.xpath("//form[translate(@method, 'POST', 'post')='post']"):
            forms += 1
            assert form.xpath(".//input[@name='csrf_token']/@value | ./@hx-headers"), place
        for field in tree.xpath("//input[@type='password']"):
            passwords += 1
            assert field.get("autocomplete") in ("current-password", "new-password"), place
    assert forms > 20
    assert passwords > 2


def cookies_of(answer: httpx2.Response) -> Iterator[str]:
    yield from answer.headers.get_list("set-cookie")


def test_cookies_are_out_of_reach_of_scripts_and_of_other_sites(app: FastAPI, pages: list) -> None:
    answers = [answer for _, answer, _ in pages]
    answers.append(Browser(app).get("/sign-in"))
    cookies = [cookie for answer in answers for cookie in cookies_of(answer)]
    assert cookies
    for cookie in cookies:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "path=/"} <= attributes, cookie.partition("=")[0]
        assert attributes & {"samesite=lax", "samesite=strict"}, cookie.partition("=")[0]
        assert not [each for each in attributes if each.startswith("domain=")]
