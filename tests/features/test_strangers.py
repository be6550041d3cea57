"""T1, T2: every route with an id, asked by somebody whose id it is not.

Routes are read from the application, so that one written tomorrow is tested tomorrow. A new
kind of id needs a thing of Ada's in `tests.factories.ledger.Owned`; a route that refuses an
empty body needs one in `BODIES`.
"""

import dataclasses
import re

import httpx2
import pytest
from fastapi import FastAPI

from tests.cast import Browser, SignedInBrowser, sign_in
from tests.database import digest
from tests.factories import ledger, people
from tests.routes import NOBODY, Route, every_route

BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("PUT", "/api/v1/transactions/{transaction_id}"): {"json": {"note": "taken over"}},
    ("PUT", "/api/v1/imports/{import_id}/layout"): {"json": {"currency": "EUR"}},
    ("PUT", "/api/v1/members/{user_id}"): {"json": {"role": "viewer"}},
}
"""What a route needs to get past the shape of its body."""

PERSONAL = {("DELETE", "/api/v1/auth/tokens/{token_id}")}
"""Of things that each person has for themselves, whatever their role in the household."""

SECRET = "CLEO MUST NOT READ THIS"


@pytest.fixture
def owned(ada: SignedInBrowser) -> dict[str, str]:
    """Ids of what Ada owns, by the names that routes give them."""
    made = ledger.everything(ada.household_id, ada.user_id, description=SECRET)
    return {name: str(value) for name, value in dataclasses.asdict(made).items()}


def with_ids(app: FastAPI) -> list[Route]:
    routes = [route for route in every_route(app) if route.parameters]
    assert len(routes) >= 5
    return routes


def ask(browser: Browser, route: Route, **ids: str) -> httpx2.Response:
    return browser.request(route.method, route.url(**ids), **BODIES.get(route.key, {}))  # type: ignore[arg-type]


def without_reference(answer: httpx2.Response) -> str:
    """Return the answer less what differs from request to request anyway."""
    return re.sub(r"[0-9a-f]{32,64}", "-", answer.text)


def test_every_id_in_an_address_is_one_that_ada_owns(app: FastAPI, owned: dict[str, str]) -> None:
    for route in with_ids(app):
        assert set(route.parameters) <= owned.keys(), f"{route}: add it to tests.factories.ledger"


def test_T1_a_stranger_gets_404_and_changes_nothing(
    app: FastAPI, cleo: SignedInBrowser, owned: dict[str, str]
) -> None:
    cleo.get("/settings")
    before = digest()
    for route in with_ids(app):
        answer = ask(cleo, route, **owned)
        assert answer.status_code == 404, (route, answer.text[:300])
        assert SECRET not in answer.text
    assert digest() == before


def test_T2_somebody_elses_id_and_nobodys_look_the_same(
    app: FastAPI, cleo: SignedInBrowser, owned: dict[str, str]
) -> None:
    for route in with_ids(app):
        theirs = ask(cleo, route, **owned)
        nobodys = ask(cleo, route, **dict.fromkeys(owned, NOBODY))
        assert theirs.status_code == nobodys.status_code, route
        assert without_reference(theirs) == without_reference(nobodys), route


def test_T1_nobody_gets_anything_without_signing_in(
    app: FastAPI, client: Browser, owned: dict[str, str]
) -> None:
    client.greet()
    before = digest()
    for route in with_ids(app):
        answer = ask(client, route, **owned)
        assert answer.status_code == (401 if route.is_api else 303), route
    assert digest() == before


def test_T1_the_owner_gets_what_a_stranger_does_not(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser, owned: dict[str, str]
) -> None:
    """Else the tests above would pass on routes that find nothing for anybody."""
    for route in with_ids(app):
        if route.method == "GET":
            for browser in (ada, ben):
                answer = ask(browser, route, **owned)
                # 503: no provider answers in this test.
                assert answer.status_code in (200, 303, 503), (route, answer.text[:300])


def test_T1_lists_show_a_stranger_nothing(
    app: FastAPI, cleo: SignedInBrowser, owned: dict[str, str]
) -> None:
    for route in every_route(app):
        if route.method == "GET" and not route.parameters and "events" not in route.path:
            answer = cleo.get(route.path)
            assert SECRET not in answer.text, route
            assert not any(value in answer.text for value in owned.values()), route


def test_T1_a_viewer_changes_nothing(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str]
) -> None:
    viewer = sign_in(app, people.member(ada.person, "Vera", role="viewer"))
    viewer.get("/settings")
    before = digest()
    for route in with_ids(app):
        if route.key in PERSONAL:
            assert ask(viewer, route, **owned).status_code == 404, route
        elif route.method != "GET":
            assert ask(viewer, route, **owned).status_code == 403, route
    assert digest() == before
