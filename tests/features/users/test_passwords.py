"""A7: passwords that are changed, and passwords that are set anew by a link."""

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from sqlalchemy import select, update

from app.cli.user import command as user_command
from app.core import csrf, database, security
from app.core.errors import AppError
from app.features.users import operator, passwords, sessions
from app.models import PasswordReset, User
from tests.cast import Browser, Clock, SignedInBrowser, sign_in
from tests.factories import ledger, people
from tests.factories.people import PASSWORD
from tests.features.users.phones import HERE, NEW_PASSWORD, Phone, actions, log_in

ME = "/api/v1/auth/me"


def change(browser: SignedInBrowser, **fields: str) -> tuple[int, str]:
    data = {"current_password": PASSWORD, "new_password": NEW_PASSWORD, **fields}
    answer = browser.post("/settings/password", data=data)
    return answer.status_code, answer.text


def link_for(who: SignedInBrowser) -> str:
    """Let the operator make a link; return what it carries."""
    done = CliRunner().invoke(user_command, ["reset-link", who.person.email.upper()])
    assert done.exit_code == 0, done.output
    url = urlsplit(done.output.strip())
    assert (url.netloc, url.path) == ("localhost:8000", "/reset-password")
    return parse_qs(url.query)["token"][0]


def reset(app: FastAPI, token: str, password: str = NEW_PASSWORD) -> tuple[int, str]:
    browser = Browser(app)
    browser.greet("/reset-password")
    data = {"token": token, "new_password": password}
    answer = browser.post("/reset-password", data=data)
    return answer.status_code, answer.headers.get("location", answer.text)


def code_of(token: str, password: str = NEW_PASSWORD) -> str:
    try:
        passwords.reset(token, password, HERE)
    except AppError as error:
        return error.code
    return "set"


# --- Changing -------------------------------------------------------------------------------------


def test_A7_with_two_step_sign_in_a_change_takes_a_code_as_well(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    assert 'id="code"' in ada.get("/settings").text
    code = phone.next_code(clock)

    status, page = change(ada)
    assert status == 422
    assert 'id="code-error"' in page
    assert change(ada, code="000000")[0] == 422
    assert change(ada, code=code, current_password="wrong-lantern-007")[0] == 422
    assert change(ada, code=code, new_password="short")[0] == 422
    assert log_in(Browser(app), ada.person) == (401, "second_factor_required"), "still the old one"

    assert change(ada, code=code)[0] == 303
    assert log_in(Browser(app), ada.person, password=NEW_PASSWORD)[1] == "second_factor_required"


def test_A7_a_change_says_what_it_ended_and_what_goes_on(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    sign_in(app, ada.person)
    tokens = people.api_session(ada.person)
    api_token = ledger.api_token(ada.household_id, ada.user_id).token

    answer = Browser(app).post(
        "/api/v1/auth/password",
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers={"Authorization": f"Bearer {tokens.access_token}"},
    )

    assert answer.status_code == 200
    done = answer.json()
    assert (done["sessions_ended"], done["api_tokens_left"]) == (2, 1)
    for token, status in (
        (done["tokens"]["access_token"], 200),
        (api_token, 200),
        (tokens.access_token, 401),
    ):
        headers = {"Authorization": f"Bearer {token}"}
        assert Browser(app).get(ME, headers=headers).status_code == status
    assert actions(ada.person)[0] == "user.password_changed"


def test_S5_a_change_voids_a_copy_of_the_cookie_that_made_it(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    thief = Browser(app)
    thief.cookies.set(csrf.SESSION_COOKIE, ada.cookies[csrf.SESSION_COOKIE])
    assert thief.get("/settings").status_code == 200

    assert change(ada)[0] == 303

    assert ada.get("/settings").status_code == 200
    assert thief.get("/settings").status_code == 303


def test_A7_in_a_browser_the_api_gives_no_tokens(ada: SignedInBrowser) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}

    answer = ada.post("/api/v1/auth/password", json=body)

    assert (answer.status_code, answer.json()["tokens"]) == (200, None)
    assert ada.get(ME).status_code == 200


# --- Setting anew ---------------------------------------------------------------------------------


def test_A7_a_link_sets_the_password_once_and_ends_everything(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    program = ada.bearer()
    api_token = ledger.api_token(ada.household_id, ada.user_id).token
    token = link_for(ada)
    assert ada.get("/settings").status_code == 200, "a link alone ends nothing"

    assert reset(app, token) == (303, "/sign-in")

    assert ada.get("/settings").status_code == 303
    for headers in (program, {"Authorization": f"Bearer {api_token}"}):
        assert Browser(app).get(ME, headers=headers).status_code == 401
    assert log_in(Browser(app), ada.person) == (401, "wrong_credentials")
    assert log_in(Browser(app), ada.person, password=NEW_PASSWORD) == (200, "")
    status, page = reset(app, token)
    assert status == 422
    assert "Ask for another one" in page
    assert {"user.reset_link_made", "user.password_reset"} <= set(actions(ada.person))


def test_A7_a_reset_skips_no_second_factor(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    assert reset(app, link_for(ada)) == (303, "/sign-in")

    refused = log_in(Browser(app), ada.person, password=NEW_PASSWORD)
    assert refused == (401, "second_factor_required")
    code = phone.next_code(clock)
    assert log_in(Browser(app), ada.person, password=NEW_PASSWORD, totp_code=code) == (200, "")


@pytest.mark.parametrize("sign_in_by", ["sign_in_browser", "sign_in_api"])
@pytest.mark.parametrize("is_rehashed", [False, True])
def test_A7_a_sign_in_that_was_under_way_does_not_outlive_a_reset(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch, sign_in_by: str, is_rehashed: bool
) -> None:
    verify = security.verify_password

    def verify_and_be_late(*given: str) -> bool:
        is_right = verify(*given)
        monkeypatch.setattr(security, "verify_password", verify)
        operator.set_password(ada.person.email, NEW_PASSWORD)
        return is_right

    monkeypatch.setattr(security, "verify_password", verify_and_be_late)
    monkeypatch.setattr(security, "needs_rehash", lambda _: is_rehashed)
    with pytest.raises(AppError) as caught:
        getattr(sessions, sign_in_by)(ada.person.email, PASSWORD, HERE)

    assert caught.value.code == "wrong_credentials"
    assert sessions.sign_in_api(ada.person.email, NEW_PASSWORD, HERE).access_token


def test_A7_a_link_is_good_for_fifteen_minutes(ada: SignedInBrowser, clock: Clock) -> None:
    token = link_for(ada)
    clock.shift(dt.timedelta(minutes=passwords.RESET_MINUTES, seconds=1))

    assert code_of(token) == "reset_link_void"


def test_A7_a_later_link_voids_the_earlier(ada: SignedInBrowser) -> None:
    first, second = link_for(ada), link_for(ada)

    assert code_of(first) == "reset_link_void"
    assert code_of(second) == "set"


def test_A7_a_changed_password_voids_the_link(ada: SignedInBrowser) -> None:
    token = link_for(ada)
    assert change(ada)[0] == 303

    assert code_of(token) == "reset_link_void"


def test_A7_a_password_that_will_not_do_leaves_the_link_good(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    token = link_for(ada)

    status, page = reset(app, token, "passwordpassword")
    assert status == 422
    assert 'id="new_password-error"' in page
    assert re.search(rf'name="token" value="{re.escape(token)}"', page)
    assert code_of(token) == "set"


def test_A7_of_two_that_use_a_link_at_once_one_succeeds(ada: SignedInBrowser) -> None:
    token = link_for(ada)

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda _: code_of(token), range(3)))

    assert sorted(outcomes) == ["reset_link_void", "reset_link_void", "set"]


def test_A7_a_disabled_persons_link_sets_nothing(ada: SignedInBrowser) -> None:
    token = link_for(ada)
    with database.system_transaction() as session:
        session.execute(
            update(User).where(User.id == ada.user_id).values(disabled_at=dt.datetime.now(dt.UTC))
        )

    assert code_of(token) == "reset_link_void"


def test_A7_only_the_hash_of_a_link_is_stored(ada: SignedInBrowser) -> None:
    token = link_for(ada)

    with database.system_transaction() as session:
        row = session.scalars(
            select(PasswordReset).where(PasswordReset.user_id == ada.user_id)
        ).one()
    assert len(row.token_hash) == 32
    assert token.encode() not in row.token_hash
    assert len(token) >= 43, "256 bits"


def test_A7_guessing_links_is_limited(ada: SignedInBrowser) -> None:
    here = passwords.Client("203.0.113.91")
    outcomes = []
    for number in range(11):
        with pytest.raises(AppError) as raised:
            passwords.reset(f"guess-{number}", NEW_PASSWORD, here)
        outcomes.append(raised.value.status)

    assert outcomes == [422] * 10 + [429]


def test_A7_the_operator_hears_what_setting_a_password_ended(ada: SignedInBrowser) -> None:
    ledger.api_token(ada.household_id, ada.user_id)

    done = operator.set_password(ada.person.email, NEW_PASSWORD)

    assert (done.sessions_ended, done.tokens_revoked) == (1, 1)
