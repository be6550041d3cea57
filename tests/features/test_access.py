"""T1, T2, T9: every route, called by everybody who might, with ids of all kinds.

Routes are read from the application and expectations from `tests.expectations`, so that a route
written tomorrow is tested tomorrow. A new kind of id needs a thing of Ada's in
`tests.factories.ledger.Owned`.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.models import Category
from tests import database
from tests.cast import Browser, SignedInBrowser, sign_in
from tests.expectations import BODIES, IDS_ELSEWHERE, NAMED, ONES_OWN, OPERATORS_ONLY, may
from tests.factories import ledger, people
from tests.routes import FOR_STRANGERS, NOBODY, SAFE_METHODS, Route, every_route

SECRET = "CLEO MUST NOT READ THIS"
STREAMS = ("/events",)
"""Answers that do not end by themselves."""


@pytest.fixture(scope="module")
def ada(app: FastAPI) -> SignedInBrowser:
    """Ada, whose household none of the callers below may change."""
    return sign_in(app, people.person("Ada"))


@pytest.fixture(scope="module")
def owned(ada: SignedInBrowser) -> dict[str, str]:
    """Ids of what Ada owns, by the names that routes give them."""
    made = dataclasses.asdict(ledger.everything(ada.household_id, ada.user_id, description=SECRET))
    with ada.session() as session:
        made["category_id"] = session.scalars(select(Category.id).limit(1)).one()
    made |= {"household_id": ada.household_id, "session_id": ada.session_id}
    return {name: str(value) for name, value in made.items()}


@pytest.fixture
def cleo(app: FastAPI) -> SignedInBrowser:
    """A stranger who owns as much as Ada does."""
    stranger = sign_in(app, people.person("Cleo"))
    ledger.everything(stranger.household_id, stranger.user_id)
    return stranger


@pytest.fixture
def unchanged(ada: SignedInBrowser, owned: dict[str, str]) -> Callable[[object], None]:
    """Asserts that nothing of Ada's has changed since the test began."""
    before = database.household_digest(ada.household_id)

    def check(what: object) -> None:
        assert database.household_digest(ada.household_id) == before, what

    return check


def routes_of(app: FastAPI, *, with_ids: bool | None = None) -> list[Route]:
    found = [
        route
        for route in every_route(app)
        if route.path not in STREAMS and route.method != "HEAD"
        if route.key not in OPERATORS_ONLY
        if with_ids is None or bool(route.parameters) == with_ids
    ]
    assert len(found) > 20
    return found


def ask(browser: Browser, route: Route, **ids: str) -> httpx2.Response:
    return browser.request(route.method, route.url(**ids), **BODIES.get(route.key, {}))  # type: ignore[arg-type]


def comparable(answer: httpx2.Response, *asked_for: str) -> tuple[int, str]:
    """Return the answer less the ids that were sent, and what differs each time anyway."""
    text = re.sub("|".join(asked_for) or "$", "", answer.text)
    return answer.status_code, re.sub(r"[0-9a-f]{32,64}", "-", text)


def is_refused(answer: httpx2.Response) -> bool:
    """Tell whether the role was the reason: not a missing thing, not the shape of the body."""
    assert answer.status_code not in (401, 500), answer.text[:300]
    return answer.status_code == 403


def filled(values: Any, ids: dict[str, str]) -> Any:
    """Return a request with its `{name}` replaced."""
    text = json.dumps(values, default=lambda data: data.decode())
    for name, value in ids.items():
        text = text.replace("{" + name + "}", value)
    return json.loads(text)


def test_T1_the_expectations_name_routes_that_exist(app: FastAPI, owned: dict[str, str]) -> None:
    known = {route.key for route in every_route(app)}
    for table in (*NAMED, BODIES, IDS_ELSEWHERE):
        assert table.keys() <= known, table.keys() - known
    for route in every_route(app):
        assert set(route.parameters) <= owned.keys(), f"{route}: add it to tests.factories.ledger"


def test_T1_nobody_gets_anything_without_signing_in(
    app: FastAPI, client: Browser, owned: dict[str, str], unchanged: Callable[[object], None]
) -> None:
    client.greet()
    for route in routes_of(app):
        if route.key not in FOR_STRANGERS:
            answer = ask(client, route, **owned)
            assert answer.status_code == (401 if route.is_api else 303), route
            assert SECRET not in answer.text
            unchanged(route)


def test_T1_T9_what_is_the_operators_is_not_there_for_an_owner(
    app: FastAPI, ada: SignedInBrowser, client: Browser
) -> None:
    client.greet()
    for route in every_route(app):
        if route.key in OPERATORS_ONLY:
            assert ask(ada, route).status_code == 404, route
            assert ask(client, route).status_code in (303, 404), route


def test_T1_a_stranger_gets_404_and_changes_nothing(
    app: FastAPI, cleo: SignedInBrowser, owned: dict[str, str], unchanged: Callable[[object], None]
) -> None:
    for route in routes_of(app, with_ids=True):
        answer = ask(cleo, route, **owned)
        assert answer.status_code == 404, (route, answer.text[:300])
        assert SECRET not in answer.text
        unchanged(route)


def test_T2_somebody_elses_id_and_nobodys_look_the_same(
    app: FastAPI, cleo: SignedInBrowser, owned: dict[str, str]
) -> None:
    nobodys = dict.fromkeys(owned, NOBODY)
    for route in routes_of(app, with_ids=True):
        theirs = comparable(ask(cleo, route, **owned))
        assert theirs == comparable(ask(cleo, route, **nobodys)), route


def test_T1_T2_an_id_of_somebody_elses_in_a_body_or_query_is_nobodys(
    cleo: SignedInBrowser, owned: dict[str, str], unchanged: Callable[[object], None]
) -> None:
    mine = ledger.everything(cleo.household_id, cleo.user_id)
    own = {name: str(value) for name, value in dataclasses.asdict(mine).items()}
    for (method, path), requests in IDS_ELSEWHERE.items():
        for request in requests:
            told = []
            for ids in (owned, dict.fromkeys(owned, NOBODY)):
                answer = cleo.request(method, path.format(**own), **filled(request, ids))
                assert SECRET not in answer.text, (method, path)
                assert answer.status_code not in (401, 403, 500), (method, path)
                unchanged((method, path))
                told.append(comparable(answer, *ids.values()))
            assert told[0] == told[1], (method, path)


def test_T1_every_id_of_a_body_or_query_of_the_api_is_swapped(app: FastAPI) -> None:
    """Else a new field with an id would go untested."""
    spec = app.openapi()
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            named = {
                str(parameter["name"])
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query" and '"uuid"' in json.dumps(parameter["schema"])
            }
            for content in operation.get("requestBody", {}).get("content", {}).values():
                name = content["schema"].get("$ref", "").rpartition("/")[2]
                schema = spec["components"]["schemas"].get(name, content["schema"])
                properties = schema.get("properties", {}).items()
                named |= {field for field, of in properties if '"uuid"' in json.dumps(of)}
            tried = json.dumps(IDS_ELSEWHERE.get((method.upper(), path), []), default=str)
            missing = {name for name in named if f'"{name}"' not in tried}
            assert not missing, (method, path, missing)


def test_T1_lists_show_a_stranger_nothing(
    app: FastAPI, cleo: SignedInBrowser, owned: dict[str, str], unchanged: Callable[[object], None]
) -> None:
    hidden = [value for name, value in owned.items() if name != "session_id"]
    for route in routes_of(app, with_ids=False):
        if route.method == "GET":
            answer = cleo.get(route.path)
            assert SECRET not in answer.text, route
            assert not any(value in answer.text for value in hidden), route
    unchanged("lists")


def test_T1_a_stranger_who_does_what_needs_no_id_does_it_at_home(
    app: FastAPI, owned: dict[str, str], unchanged: Callable[[object], None]
) -> None:
    cleo = sign_in(app, people.person("Cleo"))
    for route in routes_of(app, with_ids=False):
        if route.method not in SAFE_METHODS:
            answer = ask(cleo, route)
            if route.key in ONES_OWN:  # such as signing out
                cleo = sign_in(app, people.person("Cleo"))
            assert answer.status_code != 500, route
            assert SECRET not in answer.text, route
            unchanged(route)


def test_T9_a_viewer_reads_everything_and_changes_nothing(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str]
) -> None:
    viewer = sign_in(app, people.member(ada.person, "Vera", role="viewer"))
    before = database.household_digest(ada.household_id)
    for route in routes_of(app):
        if route.key in ONES_OWN or route.key in FOR_STRANGERS:
            continue
        answer = ask(viewer, route, **owned)
        assert is_refused(answer) != may("viewer", route), (route, answer.status_code)
        if is_refused(answer) and route.is_api:
            assert answer.json()["code"] in ("viewer", "owners_only"), route
        elif route.method == "GET":
            # 503: no provider answers in this test.
            assert answer.status_code in (200, 303, 307, 403, 503), (route, answer.text[:300])
        after = database.household_digest(ada.household_id)
        if route.method in SAFE_METHODS or not may("viewer", route):
            assert after == before, route
        else:
            assert database.without_trail(after) == database.without_trail(before), route
        before = after


def test_T9_a_guest_reads_what_is_shared_with_them_and_nothing_else(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str]
) -> None:
    """Ada's ids are a guest's as little as a stranger's: nothing is shared with this one."""
    guest = sign_in(app, people.member(ada.person, "Gus", role="guest"))
    before = database.household_digest(ada.household_id)
    hidden = [value for name, value in owned.items() if name not in ("household_id", "user_id")]
    for route in routes_of(app):
        if route.key in ONES_OWN or route.key in FOR_STRANGERS:
            continue
        answer = ask(guest, route, **owned)
        assert answer.status_code != 500, (route, answer.text[:300])
        told_nothing = answer.status_code == 404 or is_refused(answer)
        assert told_nothing != may("guest", route), (route, answer.status_code, answer.text[:300])
        assert SECRET not in answer.text, route
        if route.method == "GET" and not route.parameters:
            assert not any(value in answer.text for value in hidden), route
        after = database.household_digest(ada.household_id)
        assert database.without_trail(after) == database.without_trail(before), route


@pytest.mark.parametrize("role", ["viewer", "guest"])
def test_T9_what_is_ones_own_is_a_viewers_as_well(
    app: FastAPI, ada: SignedInBrowser, role: str
) -> None:
    for route in routes_of(app):
        if route.key in ONES_OWN:
            person = sign_in(app, people.member(ada.person, "Vera", role=role))
            before = database.household_digest(ada.household_id)
            assert not is_refused(ask(person, route)), route
            after = database.household_digest(ada.household_id)
            assert database.without_trail(after) == database.without_trail(before), route


@pytest.mark.parametrize("role", ["member", "owner"])
def test_T9_the_others_are_refused_what_the_expectations_say_and_nothing_else(
    app: FastAPI, role: str
) -> None:
    """With ids that nobody has, so that whoever is let through finds nothing to change."""
    home = people.person("Ada")
    person = sign_in(app, people.member(home, "Ben", role=role))
    for route in routes_of(app):
        if route.key in ONES_OWN or route.key in FOR_STRANGERS:
            continue
        answer = ask(person, route)
        assert is_refused(answer) != may(role, route), (role, route, answer.text[:300])


def test_T9_members_read_what_a_stranger_does_not(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str]
) -> None:
    """Else the tests above would pass on routes that find nothing for anybody."""
    ben = sign_in(app, people.member(ada.person, "Ben"))
    for route in routes_of(app, with_ids=True):
        if route.method == "GET":
            for browser, role in ((ada, "owner"), (ben, "member")):
                if not may(role, route):
                    continue
                answer = ask(browser, route, **owned)
                # 503: no provider answers in this test.
                assert answer.status_code in (200, 303, 503), (route, answer.text[:300])


@pytest.mark.parametrize("role", ["viewer", "guest"])
def test_T9_pages_offer_nothing_that_would_be_refused(
    app: FastAPI, ada: SignedInBrowser, owned: dict[str, str], role: str
) -> None:
    reader = sign_in(app, people.member(ada.person, "Vera", role=role))
    if role == "guest":
        people.share(ada.household_id, reader.user_id, UUID(owned["account_id"]))
    gets, posts = (
        [route for route in every_route(app) if route.method == method]
        for method in ("GET", "POST")
    )
    seen = set()
    for route in routes_of(app):
        if route.method != "GET" or route.is_api or not may(role, route):
            continue
        text = ask(reader, route, **owned).text
        for link in set(re.findall(r'href="(/[^"?#]*)', text)):
            for led_to in [each for each in gets if is_at(link, each)][:1]:
                assert may(role, led_to), (route, link)
        forms = re.findall(r"<form\b[^>]*>", text)
        found = [re.search(r'action="([^"?]*)', form) for form in forms if 'method="post"' in form]
        targets = {match[1] for match in found if match}
        targets |= {target.partition("?")[0] for target in re.findall(r'hx-post="([^"]+)"', text)}
        for target in targets:
            [led_to] = [each for each in posts if is_at(target, each)][:1]
            assert may(role, led_to), (route, target)
        seen |= targets
    assert {"/sign-out", "/settings/profile", "/transactions/export"} <= seen


def is_at(target: str, route: Route) -> bool:
    """Tell whether an address is one of the route's."""
    return re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), target) is not None
