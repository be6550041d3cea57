"""S1, S3, S4, S5, S6: sessions and tokens from opening to end."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule
from sqlalchemy import select, update

from app.core import clock as core_clock
from app.core import csrf, database
from app.core.config import settings as app_settings
from app.features.audit import service as audit
from app.features.users import session_cache
from app.models import RefreshToken, UserSession
from tests import effort
from tests.cast import Browser, Clock, SignedInBrowser, sign_in
from tests.factories import people
from tests.factories.people import PASSWORD, person


def me(browser: Browser, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return browser.get("/api/v1/auth/me", headers=headers).status_code


def refresh(browser: Browser, token: str) -> tuple[int, dict[str, str]]:
    answer = browser.post("/api/v1/auth/refresh", json={"refresh_token": token})
    return answer.status_code, answer.json()


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/settings").status_code == 200


def test_S1_the_cookie_is_bound_hidden_and_only_its_hash_is_stored(client: Browser) -> None:
    ada = person("Ada")
    client.greet()

    answer = client.post("/sign-in", data={"email": ada.email, "password": PASSWORD})

    [cookie] = [
        line for line in answer.headers.get_list("set-cookie") if csrf.SESSION_COOKIE in line
    ]
    parts = [part.strip().lower() for part in cookie.split(";")]
    assert {"httponly", "samesite=lax", "path=/"} <= set(parts)
    assert not any(part.startswith("domain") for part in parts)
    value = client.cookies[csrf.SESSION_COOKIE]
    assert len(value) >= 43
    with database.system_transaction() as session:
        hashes = session.scalars(
            select(UserSession.token_hash).where(UserSession.user_id == ada.user_id)
        ).all()
    assert len(hashes) == 1
    assert value.encode() not in hashes


def test_S1_signing_in_always_opens_a_new_session(client: Browser) -> None:
    ada = person("Ada")
    client.greet()
    planted = "p" * 43
    client.cookies.set(csrf.SESSION_COOKIE, planted)
    client.greet()

    client.post("/sign-in", data={"email": ada.email, "password": PASSWORD})

    values = {c.value for c in client.cookies.jar if c.name == csrf.SESSION_COOKIE}
    assert len(values - {planted}) == 1


def test_S3_signing_out_ends_the_session_on_the_server(app: FastAPI, ada: SignedInBrowser) -> None:
    cookie = ada.cookies[csrf.SESSION_COOKIE]

    answer = ada.post("/sign-out")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    thief = Browser(app)
    thief.cookies.set(csrf.SESSION_COOKIE, cookie)
    assert not is_signed_in(thief)


def test_S3_logging_out_ends_access_and_refresh_tokens(
    client: Browser, ada: SignedInBrowser
) -> None:
    tokens = people.api_session(ada.person)
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    assert me(client, tokens.access_token) == 200

    assert client.post("/api/v1/auth/logout", headers=headers).status_code == 204

    assert me(client, tokens.access_token) == 401
    assert refresh(client, tokens.refresh_token)[0] == 401
    assert is_signed_in(ada)


def test_S3_a_session_ended_elsewhere_is_believed_for_a_second_at_most(
    ada: SignedInBrowser, clock: Clock
) -> None:
    assert is_signed_in(ada)
    with database.system_transaction() as session:  # as another server would
        session.execute(
            update(UserSession)
            .where(UserSession.id == ada.session_id)
            .values(ended_at=core_clock.now())
        )

    clock.shift(1)
    assert not is_signed_in(ada)
    assert session_cache.KEPT_SECONDS_MAX <= 1


def test_S3_changing_the_password_ends_every_other_session(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    other = sign_in(app, ada.person)
    tokens = people.api_session(ada.person)
    assert is_signed_in(other)

    answer = ada.post(
        "/settings/password",
        data={"current_password": PASSWORD, "new_password": "quiet-meadow-copper-12"},
    )

    assert answer.status_code == 303
    assert is_signed_in(ada)
    assert not is_signed_in(other)
    assert me(Browser(app), tokens.access_token) == 401
    assert refresh(Browser(app), tokens.refresh_token)[0] == 401


def test_the_password_changes_only_with_the_right_old_and_a_good_new_one(
    ada: SignedInBrowser,
) -> None:
    def change(current: str, new: str) -> tuple[int, str]:
        answer = ada.post(
            "/api/v1/auth/password", json={"current_password": current, "new_password": new}
        )
        return answer.status_code, answer.json().get("code", "")

    assert change("wrong-lantern-007", "quiet-meadow-copper-12") == (422, "wrong_password")
    assert change(PASSWORD, "passwordpassword") == (422, "password_too_common")
    assert change(PASSWORD, "short") == (422, "password_too_short")
    assert change(PASSWORD, "quiet-meadow-copper-12") == (200, "")
    assert change(PASSWORD, "another-meadow-copper-12") == (422, "wrong_password")


def test_S4_a_refresh_token_serves_once_and_its_successor_serves_on(client: Browser) -> None:
    first = people.api_session(person("Ada"))

    status, second = refresh(client, first.refresh_token)
    assert status == 200
    assert me(client, second["access_token"]) == 200
    assert refresh(client, second["refresh_token"])[0] == 200


def test_S4_a_refresh_token_that_comes_twice_ends_the_family_and_is_written_down(
    client: Browser,
) -> None:
    ada = person("Ada")
    first = people.api_session(ada)
    _, second = refresh(client, first.refresh_token)

    assert refresh(client, first.refresh_token)[0] == 401

    assert me(client, second["access_token"]) == 401
    assert me(client, first.access_token) == 401
    assert refresh(client, second["refresh_token"])[0] == 401
    with database.household_transaction(ada.household_id) as session:
        events = audit.list_events(session, ada.household_id, action="user.refresh_token_reused")
    assert len(events) == 1


def test_S4_of_two_refreshes_at_once_one_at_most_succeeds(app: FastAPI) -> None:
    for _ in range(3):
        token = people.api_session(person("Ada")).refresh_token
        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(lambda t: refresh(Browser(app), t)[0], [token, token]))

        assert sorted(statuses) == [200, 401]


def test_S4_refresh_tokens_are_stored_hashed_and_expire(client: Browser, clock: Clock) -> None:
    tokens = people.api_session(person("Ada"))
    with database.system_transaction() as session:
        stored = session.scalars(select(RefreshToken.token_hash)).all()
    assert tokens.refresh_token.encode() not in stored

    clock.shift(dt.timedelta(days=app_settings.REFRESH_TOKEN_EXPIRE_DAYS, seconds=1))
    assert refresh(client, tokens.refresh_token)[0] == 401


def test_S5_a_browser_session_ends_after_a_day_without_use(
    ada: SignedInBrowser, clock: Clock
) -> None:
    for _ in range(3):
        clock.shift(dt.timedelta(hours=app_settings.SESSION_IDLE_HOURS - 1))
        assert is_signed_in(ada)

    clock.shift(dt.timedelta(hours=app_settings.SESSION_IDLE_HOURS, seconds=1))
    assert not is_signed_in(ada)


def test_S5_a_browser_session_ends_after_thirty_days_of_use(
    ada: SignedInBrowser, clock: Clock
) -> None:
    hours = 0
    while hours + 20 < app_settings.SESSION_DAYS_MAX * 24:
        clock.shift(dt.timedelta(hours=20))
        hours += 20
        assert is_signed_in(ada)

    clock.shift(dt.timedelta(hours=20))
    assert not is_signed_in(ada)


def test_S6_people_see_their_sessions_and_end_them(app: FastAPI, ada: SignedInBrowser) -> None:
    other = sign_in(app, ada.person)
    page = ada.get("/settings").text
    assert str(other.session_id) in page
    assert "This browser" in page

    answer = ada.post("/settings/sessions/end", data={"session_id": str(other.session_id)})

    assert answer.status_code == 303
    assert not is_signed_in(other)
    assert is_signed_in(ada)


def test_S6_all_other_sessions_end_at_once(app: FastAPI, ada: SignedInBrowser) -> None:
    others = [sign_in(app, ada.person) for _ in range(3)]

    ada.post("/settings/sessions/end", data={"session_id": "others"})

    assert [is_signed_in(other) for other in others] == [False] * 3
    assert is_signed_in(ada)


def test_S6_nobody_ends_the_session_of_another_not_even_in_the_household(
    ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    for other in (ben, cleo):
        answer = other.post("/settings/sessions/end", data={"session_id": str(ada.session_id)})
        assert answer.status_code == 404
    assert is_signed_in(ada)
    assert ada.post("/settings/sessions/end", data={"session_id": "x"}).status_code == 404


def test_a_message_is_shown_once(ada: SignedInBrowser) -> None:
    answer = ada.post("/settings/appearance", data={"theme": "dark"})
    assert answer.status_code == 303
    assert ada.cookies["theme"] == "dark"

    assert "Your choice was saved." in ada.get("/settings").text
    assert "Your choice was saved." not in ada.get("/settings").text


class Logins(RuleBasedStateMachine):
    """S3: whatever the order of opening, refreshing and ending, only live sessions answer."""

    refresh_tokens: Bundle[tuple[int, str]] = Bundle("refresh_tokens")
    app: FastAPI

    def __init__(self) -> None:
        super().__init__()
        self.browser = Browser(self.app)
        self.person = person("Ada")
        self.live: dict[int, str] = {}
        self.used: set[str] = set()
        self.count = 0

    @rule(target=refresh_tokens)
    def log_in(self) -> tuple[int, str]:
        pair = people.api_session(self.person)
        self.count += 1
        self.live[self.count] = pair.access_token
        return self.count, pair.refresh_token

    @rule(target=refresh_tokens, token=refresh_tokens)
    def refresh(self, token: tuple[int, str]) -> object:
        family, text = token
        status, content = refresh(self.browser, text)
        if family in self.live and text not in self.used:
            assert status == 200
            self.used.add(text)
            self.live[family] = content["access_token"]
            return family, content["refresh_token"]
        assert status == 401
        self.live.pop(family, None)
        return multiple()

    @rule(token=refresh_tokens)
    def log_out(self, token: tuple[int, str]) -> None:
        access = self.live.pop(token[0], None)
        if access is not None:
            headers = {"Authorization": f"Bearer {access}"}
            assert self.browser.post("/api/v1/auth/logout", headers=headers).status_code == 204
            assert me(self.browser, access) == 401

    @rule(target=refresh_tokens)
    def change_password(self) -> object:
        if not self.live:
            return multiple()
        answer = self.browser.post(
            "/api/v1/auth/password",
            json={"current_password": PASSWORD, "new_password": PASSWORD},
            headers={"Authorization": f"Bearer {next(iter(self.live.values()))}"},
        )
        assert answer.status_code == 200
        pair = answer.json()["tokens"]
        self.count += 1
        self.live = {self.count: pair["access_token"]}
        return self.count, pair["refresh_token"]

    def teardown(self) -> None:
        for access in self.live.values():
            assert me(self.browser, access) == 200


def test_S3_no_order_of_events_keeps_an_ended_session_alive(app: FastAPI) -> None:
    Logins.app = app
    machine = Logins.TestCase
    machine.settings = settings(
        max_examples=effort.examples(30),
        stateful_step_count=10,
        suppress_health_check=list(HealthCheck),
    )
    machine().runTest()
