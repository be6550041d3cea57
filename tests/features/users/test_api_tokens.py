"""S7: API tokens: every route with every scope, hashed, shown once, expiring, revocable."""

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import select, update

from app.core import api_token, database, scopes
from app.core.config import settings
from app.features.users import api_tokens, service
from app.models import ApiToken, Membership, User
from tests.cast import ADDRESS, Browser, Clock, SignedInBrowser
from tests.database import digest
from tests.factories import ledger
from tests.features.users.phones import actions
from tests.routes import FOR_STRANGERS, NOBODY, Route, every_route

ME = "/api/v1/auth/me"
TOKENS = "/api/v1/auth/tokens"
BODY = {"name": "Spreadsheet", "scopes": ["read"], "expires_in_days": 30}

NEVER = ("/api/v1/auth/",)
"""Under these addresses no token changes anything, and reads nothing but who it is."""
CONNECT = {
    ("DELETE", "/api/v1/connections/{item_id}"),
    ("POST", "/api/v1/plaid/exchange-token"),
    ("POST", "/api/v1/plaid/link-token"),
    ("POST", "/api/v1/simplefin/claim-token"),
}
EDIT = re.compile(r"/api/v1/(accounts|transactions|imports|matches|history|connections|plaid)(/|$)")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token_of(who: SignedInBrowser, *held: str) -> str:
    return ledger.api_token(who.household_id, who.user_id, *held).token


def ask(app: FastAPI, token: str, path: str = ME) -> tuple[int, str]:
    answer = Browser(app).get(path, headers=bearer(token))
    return answer.status_code, answer.json().get("code", "")


def api_routes(app: FastAPI) -> list[Route]:
    routes = [route for route in every_route(app) if route.is_api]
    assert len(routes) > 30
    return [route for route in routes if route.key not in FOR_STRANGERS]


def declared_scopes(app: FastAPI) -> dict[tuple[str, str], str | None]:
    return {
        (method, context.path): scopes.needed(context.original_route.openapi_extra, method)
        for context in iter_route_contexts(app.routes)
        if isinstance(context.original_route, APIRoute) and context.path is not None
        for method in context.methods or ()
    }


# --- Scope by route -------------------------------------------------------------------------------


def test_S7_every_scope_at_every_route_reaches_what_it_says_and_nothing_else(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    declared = declared_scopes(app)
    holding = {scope: token_of(ada, scope) for scope in scopes.SCOPES}

    for route in api_routes(app):
        for scope, token in holding.items():
            answer = Browser(app).request(route.method, route.url(), headers=bearer(token))
            code = answer.json().get("code", "") if answer.status_code >= 400 else ""
            if declared[route.key] is None:
                # 422: FastAPI reads the body beside the dependencies; nothing is done with it.
                assert answer.status_code in (403, 422), (route, scope)
                assert code in ("token_not_taken", "invalid_request"), (route, scope)
            elif declared[route.key] == scope:
                assert code not in ("token_not_taken", "scope_needed"), (route, scope, code)
            else:
                assert answer.status_code in (403, 422), (route, scope)
                assert code in ("scope_needed", "invalid_request"), (route, scope)


def test_S7_what_routes_declare_is_what_was_decided(app: FastAPI) -> None:
    """Written anew here, so that a route that declares too little is seen."""
    declared = declared_scopes(app)
    for route in api_routes(app):
        scope = declared[route.key]
        if route.path.startswith(NEVER) and route.path != ME:
            assert scope is None, route
        elif route.key in CONNECT:
            assert scope == "connect", route
        elif scope == "edit":
            assert route.method != "GET", route
            assert EDIT.match(route.path), route
        elif scope == "read":
            assert route.method == "GET", route
            assert "export" not in route.path, route
        else:
            assert scope in (None, "export"), route


def without_counts(found: dict[str, str]) -> dict[str, str]:
    """Return a fingerprint of the database less how often tokens were used."""
    return {table: kept for table, kept in found.items() if table != "attempt_buckets"}


def test_S7_a_token_without_the_scope_changes_nothing(app: FastAPI, ada: SignedInBrowser) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    token = token_of(ada, "read", "export")
    path = f"/api/v1/transactions/{owned.transaction_id}"
    assert ask(app, token, path)[0] == 200
    before = without_counts(digest())

    answer = Browser(app).put(path, json={"note": "taken over"}, headers=bearer(token))

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_needed")
    assert "edit" in answer.json()["detail"]
    assert without_counts(digest()) == before


def test_S7_a_token_with_the_scope_edits_as_its_person(app: FastAPI, ada: SignedInBrowser) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    token = token_of(ada, "edit")
    path = f"/api/v1/transactions/{owned.transaction_id}"

    answer = Browser(app).put(path, json={"note": "by a program"}, headers=bearer(token))

    assert answer.status_code == 200
    assert ask(app, token, path) == (403, "scope_needed"), "edit alone does not read"


def test_S7_a_token_connects_without_a_recent_sign_in_and_no_other_does(
    app: FastAPI, ada: SignedInBrowser, clock: Clock
) -> None:
    connects, edits = token_of(ada, "connect"), token_of(ada, "read", "edit")
    clock.shift(dt.timedelta(days=2))
    unlink = f"/api/v1/connections/{NOBODY}"

    assert Browser(app).delete(unlink, headers=bearer(connects)).status_code == 404
    assert Browser(app).delete(unlink, headers=bearer(edits)).status_code == 403


def test_S7_a_token_exports_with_that_scope_alone(app: FastAPI, ada: SignedInBrowser) -> None:
    export = "/api/v1/transactions/export"
    exports, reads = token_of(ada, "export"), token_of(ada, "read", "edit", "connect")

    assert Browser(app).post(export, headers=bearer(exports)).status_code == 200
    assert Browser(app).post(export, headers=bearer(reads)).json()["code"] == "scope_needed"


def test_S7_a_token_makes_no_tokens_and_changes_no_password(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    headers = bearer(token_of(ada, *scopes.SCOPES))
    client = Browser(app)
    passwords = {"current_password": "violet-harbor-lantern-7", "new_password": "x" * 20}
    for path, body in (
        (TOKENS, BODY),
        ("/api/v1/auth/password", passwords),
        ("/api/v1/auth/confirm", {"password": "violet-harbor-lantern-7"}),
        ("/api/v1/auth/logout", {}),
    ):
        answer = client.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "token_not_taken"), path


def test_S7_a_token_opens_no_page(app: FastAPI, ada: SignedInBrowser) -> None:
    answer = Browser(app).get("/settings", headers=bearer(token_of(ada, *scopes.SCOPES)))

    assert answer.status_code == 303


# --- Whose it is ----------------------------------------------------------------------------------


def test_S7_a_token_sees_its_household_alone(
    app: FastAPI, ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    token = token_of(cleo, "read", "edit")

    assert ask(app, token, f"/api/v1/transactions/{owned.transaction_id}")[0] == 404
    me = Browser(app).get(ME, headers=bearer(token)).json()
    assert me["household_id"] == str(cleo.household_id)


def test_S7_a_viewers_token_edits_nothing(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    token = token_of(ben, "read", "edit")
    with database.system_transaction() as session:
        session.execute(
            update(Membership)
            .where(Membership.user_id == ben.user_id, Membership.household_id == ben.household_id)
            .values(role="viewer")
        )

    answer = Browser(app).put(
        f"/api/v1/transactions/{owned.transaction_id}", json={"note": "x"}, headers=bearer(token)
    )

    assert answer.status_code == 403


def test_S7_a_token_ends_with_its_persons_membership_or_account(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    of_ben, of_cleo = token_of(ben, "read"), token_of(cleo, "read")
    with database.system_transaction() as session:
        membership = session.scalars(
            select(Membership).where(
                Membership.user_id == ben.user_id, Membership.household_id == ben.household_id
            )
        ).one()
        session.delete(membership)
        session.execute(
            update(User).where(User.id == cleo.user_id).values(disabled_at=dt.datetime.now(dt.UTC))
        )

    assert ask(app, of_ben) == (401, "invalid_token")
    assert ask(app, of_cleo) == (401, "invalid_token")


def test_S7_nobody_revokes_or_sees_anothers_token(
    ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    made = ledger.api_token(ada.household_id, ada.user_id)

    assert ben.delete(f"{TOKENS}/{made.listed.id}").status_code == 404
    assert ben.get(TOKENS).json()["data"] == []
    assert made.listed.hint not in ben.get("/settings/tokens").text


# --- From making to end ---------------------------------------------------------------------------


def test_S7_it_is_shown_once_and_only_its_hash_is_stored(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    made = ada.post(TOKENS, json={**BODY, "scopes": ["edit", "read", "read"]})
    assert made.status_code == 201, made.text
    token = made.json()["token"]

    assert api_token.is_whole(token)
    assert ask(app, token)[0] == 200
    [listed] = ada.get(TOKENS).json()["data"]
    assert listed == {name: value for name, value in made.json().items() if name != "token"} | {
        "used_at": listed["used_at"],
        "used_from": ADDRESS,
    }
    assert listed["scopes"] == ["read", "edit"]
    with database.system_transaction() as session:
        row = session.scalars(select(ApiToken).where(ApiToken.user_id == ada.user_id)).one()
        kept = {name: getattr(row, name) for name in ApiToken.__table__.columns.keys()}  # noqa: SIM118
    assert token not in str(kept)
    assert token.encode() not in kept.values()
    assert actions(ada.person)[0] == "user.api_token_created"


def test_S7_on_the_pages_it_is_made_shown_once_and_revoked(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    assert 'value="connect"' in ada.get("/settings/tokens/new").text

    page = ada.post(
        "/settings/tokens/new", data={"name": "Robot", "scopes": ["read", "connect"], "days": "7"}
    ).text
    [token] = re.findall(r'<code class="secret">(fta_\w+)</code>', page)
    assert ask(app, token)[0] == 200

    page = ada.get("/settings/tokens").text
    assert token not in page
    assert "read, connect" in page
    [token_id] = re.findall(r'name="token_id" value="([^"]+)"', page)
    assert ada.post("/settings/tokens/revoke", data={"token_id": token_id}).status_code == 303
    assert ask(app, token) == (401, "invalid_token")
    assert actions(ada.person)[0] == "user.api_token_revoked"
    assert ada.post("/settings/tokens/revoke", data={"token_id": token_id}).status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("scopes", ["admin"]), ("scopes", []), ("days", "0"), ("days", "367")],
)
def test_S7_a_form_that_will_not_do_says_why(
    ada: SignedInBrowser, field: str, value: object
) -> None:
    data = {"name": "Robot", "scopes": ["read"], "days": "7", field: value}

    answer = ada.post("/settings/tokens/new", data=data)

    assert answer.status_code == 422
    assert "error" in answer.text
    assert ada.get(TOKENS).json()["data"] == []


@pytest.mark.parametrize(
    "more",
    [{"scopes": ["admin"]}, {"scopes": []}, {"expires_in_days": 0}, {"expires_in_days": 367},
     {"name": ""}, {"name": "\u202e"}, {"user_id": NOBODY}],
)  # fmt: skip
def test_S7_a_body_that_will_not_do_is_refused(
    ada: SignedInBrowser, more: dict[str, object]
) -> None:
    assert ada.post(TOKENS, json={**BODY, **more}).status_code == 422


def test_S7_it_expires(app: FastAPI, ada: SignedInBrowser, clock: Clock) -> None:
    token = token_of(ada, "read")
    clock.shift(dt.timedelta(days=30, seconds=-1))
    assert ask(app, token)[0] == 200

    clock.shift(1)

    assert ask(app, token) == (401, "invalid_token")
    assert ada.get("/sign-in").status_code in (200, 303)
    clock.shift(dt.timedelta(days=31))
    with database.system_transaction() as session:
        service.forget_old(session)
        left = session.scalars(select(ApiToken).where(ApiToken.user_id == ada.user_id)).all()
    assert left == []


def test_S7_the_last_use_is_kept_to_the_minute(
    app: FastAPI, ada: SignedInBrowser, clock: Clock
) -> None:
    token = token_of(ada, "read")

    def used_at() -> object:
        return ada.get(TOKENS).json()["data"][0]["used_at"]

    assert used_at() is None
    ask(app, token)
    first = used_at()
    assert first is not None
    clock.shift(30)
    ask(app, token)
    assert used_at() == first
    clock.shift(31)
    ask(app, token)
    assert used_at() != first


def test_S7_no_more_than_fifty_even_at_once(ada: SignedInBrowser) -> None:
    for _ in range(api_tokens.TOKENS_MAX - 2):
        token_of(ada, "read")

    with ThreadPoolExecutor(4) as pool:
        statuses = list(pool.map(lambda _: ada.post(TOKENS, json=BODY).status_code, range(4)))

    assert sorted(statuses) == [201, 201, 409, 409]


# --- What is no token -----------------------------------------------------------------------------


def test_S7_a_checksum_tells_a_slip_before_the_database_is_asked() -> None:
    token = api_token.new()
    assert re.fullmatch(r"fta_[0-9A-Za-z]{38}", token)
    assert api_token.is_whole(token)
    for place in range(4, len(token)):
        other = "a" if token[place] != "a" else "b"
        assert not api_token.is_whole(token[:place] + other + token[place + 1 :])
    assert not api_token.is_whole(token + "a")
    assert not api_token.is_whole(token + "\n")
    assert not api_token.is_whole(token[:-1])


def test_S7_wrong_tokens_are_limited_by_address_and_right_ones_are_not(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    address = "203.0.113.77"
    client = Browser(app, address=address)
    right = bearer(token_of(ada, "read"))

    statuses = [client.get(ME, headers=bearer(api_token.new())).status_code for _ in range(21)]

    assert statuses == [401] * 20 + [429]
    assert client.get(ME, headers=right).status_code == 200


def test_S7_each_token_makes_as_many_requests_as_it_may_and_others_go_on(
    app: FastAPI, ada: SignedInBrowser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "API_TOKEN_REQUESTS_PER_MINUTE", 3)
    busy, other = token_of(ada, "read"), token_of(ada, "read")
    clock.move_to(dt.datetime.now(dt.UTC))

    assert [ask(app, busy)[0] for _ in range(3)] == [200, 200, 200]
    refused = Browser(app).get(ME, headers=bearer(busy))
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(refused.headers["retry-after"]) <= 20
    assert "3 requests a minute" in refused.json()["detail"]
    assert ask(app, other) == (200, "")
    assert ada.get(ME).status_code == 200, "a person in a browser has no such limit"

    clock.shift(21)
    assert [ask(app, busy)[0] for _ in range(2)] == [200, 429]


def test_S7_a_token_does_not_outrun_its_limit_with_requests_at_once(
    app: FastAPI, ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "API_TOKEN_REQUESTS_PER_MINUTE", 5)
    token = token_of(ada, "read")

    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: ask(app, token)[0], range(10)))

    assert sorted(statuses) == [200] * 5 + [429] * 5


def test_S7_a_cookie_beside_a_wrong_token_does_not_help(ada: SignedInBrowser) -> None:
    assert ada.get(ME, headers=bearer(api_token.new())).status_code == 401


def test_S7_a_new_token_wants_a_recent_sign_in(ada: SignedInBrowser, clock: Clock) -> None:
    clock.shift(dt.timedelta(minutes=settings.RECENT_SIGN_IN_MINUTES, seconds=1))

    answer = ada.post(TOKENS, json=BODY)
    assert (answer.status_code, answer.json()["code"]) == (403, "recent_sign_in_needed")
    asked = ada.get("/settings/tokens/new")
    assert asked.headers["location"] == "/confirm?next=/settings/tokens/new"
    assert ada.confirm().status_code == 303
    assert ada.post(TOKENS, json=BODY).status_code == 201
