"""A8, S5: what a stolen session must not do wants a recent sign-in, or the password again."""

import datetime as dt

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from app.core import csrf
from app.core.config import settings
from app.features.users.current import require_proven, require_proven_editor
from tests.cast import Browser, Clock, SignedInBrowser, sign_in
from tests.factories import people
from tests.factories.people import PASSWORD
from tests.features.users.phones import Phone, actions, session_count
from tests.routes import PROVEN, Route, every_route

LATER = dt.timedelta(minutes=settings.RECENT_SIGN_IN_MINUTES, seconds=1)
DELICATE = ("export", "unlink", "link-token", "exchange", "token", "erase", "rotate", "recovery")
"""Words in the addresses of routes that A8 speaks of."""
NOT_DELICATE = {
    ("GET", "/api/v1/auth/tokens"),
    ("DELETE", "/api/v1/auth/tokens/{token_id}"),
    ("GET", "/settings/tokens"),
    ("POST", "/settings/tokens/revoke"),
    ("GET", "/connections/link/{link_session_id}"),
    ("POST", "/connections/linked/{link_session_id}"),
}
"""They show no secret, take rights away, or go on with what was begun under a recent sign-in."""


def confirm(browser: SignedInBrowser, **fields: str) -> tuple[int, str]:
    answer = browser.confirm(**fields)
    return answer.status_code, answer.headers.get("location", "")


def proven_routes(app: FastAPI) -> list[Route]:
    return [route for route in every_route(app) if route.key in PROVEN]


def test_A8_the_list_of_such_routes_is_what_the_application_asks_of(app: FastAPI) -> None:
    asking = set()
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            calls = {dependant.call for dependant in _all_dependants(route.dependant)}
            if calls & {require_proven, require_proven_editor}:
                asking |= {(method, context.path) for method in context.methods or ()}

    assert asking == PROVEN


def test_A8_no_route_that_sounds_delicate_was_forgotten(app: FastAPI) -> None:
    delicate = {
        route.key
        for route in every_route(app)
        if any(word in route.path for word in DELICATE)
        or route.key == ("POST", "/connections/link")
    }

    assert delicate <= PROVEN | NOT_DELICATE


def test_A8_each_wants_a_recent_sign_in(app: FastAPI, ada: SignedInBrowser, clock: Clock) -> None:
    program = ada.bearer()
    clock.shift(LATER)

    for route in proven_routes(app):
        if route.is_api:
            answer = Browser(app).request(route.method, route.url(), headers=program)
            assert answer.status_code in (403, 422), (route, answer.text)
            # 422: FastAPI reads the body beside the dependencies; its shape is no secret.
            if answer.status_code == 403:
                assert answer.json()["code"] == "recent_sign_in_needed"
                assert "/api/v1/auth/confirm" in answer.json()["detail"]
        else:
            answer = ada.request(route.method, route.url())
            assert answer.status_code == 303, (route, answer.text)
            assert answer.headers["location"].startswith("/confirm?next="), route


def test_A8_what_asks_for_the_password_itself_does_nothing_without_it(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    """Factors and passwords need no recent sign-in, since their own forms prove as much."""
    clock.shift(LATER)
    before = actions(ada.person)
    wrong = {"current_password": "wrong-lantern-007", "password": "wrong-lantern-007"}
    new = {"new_password": "copper-meadow-whistle-9", "code": phone.next_code(clock)}

    for path in ("/settings/two-step", "/settings/two-step/off", "/settings/password"):
        assert ada.post(path, data={**wrong, **new}).status_code == 422, path
    body = {"current_password": wrong["current_password"], "new_password": new["new_password"]}
    assert ada.post("/api/v1/auth/password", json=body).status_code == 422
    assert actions(ada.person) == before


def test_A8_a_viewer_is_refused_before_anybody_asks_for_the_password(
    app: FastAPI, ada: SignedInBrowser, clock: Clock
) -> None:
    viewer = sign_in(app, people.member(ada.person, "Vera", role="viewer"))
    clock.shift(LATER)

    assert viewer.post("/connections/link").status_code == 403


def test_A8_the_reader_confirms_and_is_back_where_they_were(
    ada: SignedInBrowser, clock: Clock
) -> None:
    clock.shift(LATER)
    asked = ada.post("/connections/link").headers["location"]
    assert asked == "/confirm?next=/connections&again=true"

    page = ada.get(asked).text
    assert 'name="next" value="/connections"' in page
    assert 'name="code"' not in page

    assert confirm(ada, next="/connections", again="true") == (303, "/connections")
    assert "fintech_flash" in ada.confirm(again="true").headers["set-cookie"]
    assert not ada.post("/connections/link").headers.get("location", "").startswith("/confirm")


def test_A8_a_wrong_password_confirms_nothing(ada: SignedInBrowser, clock: Clock) -> None:
    clock.shift(LATER)

    assert confirm(ada, password="wrong-lantern-007")[0] == 422
    assert ada.post("/connections/link").headers["location"].startswith("/confirm")


def test_A8_with_two_step_sign_in_the_password_alone_confirms_nothing(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    clock.shift(LATER)
    assert 'name="code"' in ada.get("/confirm").text

    assert confirm(ada)[0] == 422
    assert confirm(ada, code="000000")[0] == 422
    assert ada.post("/connections/link").headers["location"].startswith("/confirm")

    code = phone.next_code(clock)
    assert confirm(ada, password="wrong-lantern-007", code=code)[0] == 422
    assert confirm(ada, code=code)[0] == 303
    assert confirm(ada, code=code)[0] == 422, "a code counts once"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/confirm?next=/"])
def test_A8_confirming_leads_nowhere_else(ada: SignedInBrowser, target: str) -> None:
    assert confirm(ada, next=target) == (303, "/")


def test_A8_a_fragment_is_told_to_go_to_the_page(ada: SignedInBrowser, clock: Clock) -> None:
    clock.shift(LATER)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://localhost:8000/accounts?of=all"}

    answer = ada.post("/connections/link", headers=headers)

    assert answer.status_code == 403
    assert answer.headers["hx-redirect"] == "/confirm?next=/accounts%3Fof%3Dall&again=true"


def test_S5_confirming_changes_the_session_and_voids_the_old_cookie(
    app: FastAPI, ada: SignedInBrowser, clock: Clock
) -> None:
    thief, before = Browser(app), session_count(ada.person)
    thief.cookies.set(csrf.SESSION_COOKIE, ada.cookies[csrf.SESSION_COOKIE])
    assert thief.get("/settings").status_code == 200
    clock.shift(LATER)

    assert confirm(ada)[0] == 303

    assert ada.get("/settings").status_code == 200
    assert thief.get("/settings").status_code == 303
    assert session_count(ada.person) == before
    assert actions(ada.person)[0] == "user.confirmed"


def test_S5_confirming_does_not_prolong_a_session(ada: SignedInBrowser, clock: Clock) -> None:
    hours = 0
    while hours + 20 < settings.SESSION_DAYS_MAX * 24:
        clock.shift(dt.timedelta(hours=20))
        hours += 20
        assert confirm(ada)[0] == 303

    clock.shift(dt.timedelta(hours=20))
    assert ada.get("/settings").status_code == 303


def test_A8_a_member_goes_on_in_the_household_they_worked_in(ben: SignedInBrowser) -> None:
    assert confirm(ben)[0] == 303

    assert ben.get("/api/v1/auth/me").json()["household_id"] == str(ben.household_id)


def test_A8_a_program_confirms_and_its_old_tokens_are_void(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    client, tokens = Browser(app), people.api_session(ada.person)
    old = {"Authorization": f"Bearer {tokens.access_token}"}
    clock.shift(LATER)

    def ask(**body: str) -> tuple[int, dict[str, str]]:
        answer = client.post("/api/v1/auth/confirm", headers=old, json=body)
        return answer.status_code, answer.json()

    assert ask(password="wrong-lantern-007")[1]["code"] == "wrong_password"
    status, problem = ask(password=PASSWORD)
    assert (status, problem["code"]) == (422, "second_factor_required")
    assert problem["field"] == "totp_code"
    status, fresh = ask(password=PASSWORD, totp_code=phone.next_code(clock))
    assert status == 200

    new = {"Authorization": f"Bearer {fresh['access_token']}"}
    unlink = "/api/v1/connections/00000000-0000-7000-8000-000000000000"
    assert client.delete(unlink, headers=new).status_code == 404
    assert client.delete(unlink, headers=old).status_code == 401
    body = {"refresh_token": tokens.refresh_token}
    assert client.post("/api/v1/auth/refresh", json=body).status_code == 401


def test_A8_refreshing_tokens_proves_nothing(
    app: FastAPI, ada: SignedInBrowser, clock: Clock
) -> None:
    client, tokens = Browser(app), people.api_session(ada.person)
    clock.shift(LATER)
    body = {"refresh_token": tokens.refresh_token}
    fresh = client.post("/api/v1/auth/refresh", json=body).json()["access_token"]

    answer = client.post("/api/v1/plaid/link-token", headers={"Authorization": f"Bearer {fresh}"})

    assert (answer.status_code, answer.json()["code"]) == (403, "recent_sign_in_needed")


def test_A8_a_browser_gets_no_tokens_by_confirming(ada: SignedInBrowser) -> None:
    answer = ada.post("/api/v1/auth/confirm", json={"password": PASSWORD})

    assert answer.status_code == 409


def test_A8_guessing_the_password_is_limited(ada: SignedInBrowser) -> None:
    statuses = [confirm(ada, password=f"wrong-lantern-{n:03}")[0] for n in range(11)]

    assert statuses == [422] * 10 + [429]


def _all_dependants(dependant: object) -> list[object]:
    found = [dependant]
    for inner in dependant.dependencies:  # type: ignore[attr-defined]
        found += _all_dependants(inner)
    return found
