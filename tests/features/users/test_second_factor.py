"""A5, A7 and trap 14: nothing is issued before the second factor, and a code counts once."""

import re

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text, update
from sqlalchemy.exc import ProgrammingError

from app.core import csrf, database, encryption, security, totp
from app.core.errors import AppError
from app.features.users import operator, second_factor, sessions
from app.models import RecoveryCode, User, UserTotp
from tests.cast import Browser, Clock, SignedInBrowser
from tests.factories.people import PASSWORD, Person
from tests.features.users.phones import (
    HERE,
    NEW_PASSWORD,
    Phone,
    in_parallel,
    log_in,
    pending_token,
    session_count,
    set_up,
)  # fmt: skip


def password_page(browser: Browser, who: Person, password: str = PASSWORD, next: str = "") -> str:
    """Do the first step on the pages; return the token that the second page carries."""
    browser.greet()
    answer = browser.post("/sign-in", data={"email": who.email, "password": password, "next": next})
    assert answer.status_code == 200, answer.text
    [token] = re.findall(r'name="pending" value="([^"]+)"', answer.text)
    return token


# --- Trap 14: nothing before the second factor ---------------------------------------------------


def test_trap_14_a_password_alone_opens_no_session_on_the_pages(
    app: FastAPI, ada: SignedInBrowser, phone: Phone
) -> None:
    browser, before = Browser(app), session_count(ada.person)

    token = password_page(browser, ada.person)

    assert csrf.SESSION_COOKIE not in browser.cookies
    assert session_count(ada.person) == before
    assert browser.get("/settings").status_code == 303
    for proof in (
        {"Authorization": f"Bearer {token}"},
        {"Cookie": f"{csrf.SESSION_COOKIE}={token}"},
    ):
        assert Browser(app).get("/api/v1/auth/me", headers=proof).status_code == 401


def test_trap_14_a_password_alone_gets_no_token(
    app: FastAPI, ada: SignedInBrowser, phone: Phone
) -> None:
    before = session_count(ada.person)
    answer = Browser(app).post(
        "/api/v1/auth/login", data={"username": ada.person.email, "password": PASSWORD}
    )

    assert (answer.status_code, answer.json()["code"]) == (401, "second_factor_required")
    assert "token" not in answer.json()
    assert session_count(ada.person) == before


def test_trap_14_the_pages_lead_on_with_the_code(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    browser = Browser(app)
    token = password_page(browser, ada.person, next="/settings")

    data = {"pending": token, "code": phone.next_code(clock), "next": "/settings"}
    answer = browser.post("/sign-in/code", data=data)

    assert (answer.status_code, answer.headers["location"]) == (303, "/settings")
    assert browser.get("/settings").status_code == 200


@pytest.mark.parametrize("token", ["", "x.y.z", "x" * 1_999])
def test_trap_14_a_code_without_the_password_leads_back_to_the_start(
    client: Browser, token: str
) -> None:
    client.greet()

    answer = client.post("/sign-in/code", data={"pending": token, "code": "123456"})

    assert answer.status_code == 401
    assert 'name="password"' in answer.text
    assert csrf.SESSION_COOKIE not in client.cookies


def test_trap_14_an_access_token_does_not_stand_for_the_password(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    access_token = security.sign_access_token(ada.user_id, ada.session_id, ada.household_id)

    with pytest.raises(AppError) as raised:
        sessions.finish_browser(access_token, phone.next_code(clock), HERE)
    assert raised.value.code == "sign_in_expired"


def test_trap_14_the_first_step_counts_five_minutes(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    token = pending_token(ada.person)
    clock.shift(5 * 60 + 1)

    with pytest.raises(AppError) as raised:
        sessions.finish_browser(token, phone.code(), HERE)
    assert raised.value.code == "sign_in_expired"


def test_trap_14_the_first_step_does_not_outlive_its_password(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    token = pending_token(ada.person)
    operator.set_password(ada.person.email, NEW_PASSWORD)

    with pytest.raises(AppError) as raised:
        sessions.finish_browser(token, phone.next_code(clock), HERE)
    assert raised.value.code == "sign_in_expired"


def test_trap_14_a_disabled_person_does_not_finish(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    token = pending_token(ada.person)
    with database.system_transaction() as session:
        session.execute(
            update(User).where(User.id == ada.user_id).values(disabled_at=User.created_at)
        )

    with pytest.raises(AppError):
        sessions.finish_browser(token, phone.next_code(clock), HERE)


# --- A5: a code counts once ----------------------------------------------------------------------


def test_A5_the_api_takes_a_code_once(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    code = phone.next_code(clock)

    assert log_in(Browser(app), ada.person, totp_code=code) == (200, "")
    assert log_in(Browser(app), ada.person, totp_code=code) == (401, "wrong_code")


def test_A5_the_code_that_turned_it_on_does_not_sign_in(
    app: FastAPI, ada: SignedInBrowser, phone: Phone
) -> None:
    assert log_in(Browser(app), ada.person, totp_code=phone.code()) == (401, "wrong_code")


def test_A5_a_step_before_the_last_one_used_does_not_count(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    clock.shift(10 * totp.STEP_SECONDS)

    assert log_in(Browser(app), ada.person, totp_code=phone.code(off=1)) == (200, "")
    for off in (-1, 0):
        assert log_in(Browser(app), ada.person, totp_code=phone.code(off)) == (401, "wrong_code")


@pytest.mark.parametrize("off", [-2, 2, 100])
def test_A5_a_step_further_off_does_not_count(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock, off: int
) -> None:
    clock.shift(10 * totp.STEP_SECONDS)

    assert log_in(Browser(app), ada.person, totp_code=phone.code(off)) == (401, "wrong_code")


def test_A5_of_parallel_codes_exactly_one_succeeds(
    ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    before = session_count(ada.person)

    outcomes = in_parallel(pending_token(ada.person), phone.next_code(clock), 6)

    assert outcomes == ["in"] + ["wrong_code"] * 5
    assert session_count(ada.person) == before + 1


def test_A5_of_parallel_recovery_codes_exactly_one_succeeds(
    ada: SignedInBrowser, phone: Phone
) -> None:
    outcomes = in_parallel(pending_token(ada.person), phone.recovery_codes[0], 6)

    assert outcomes == ["in"] + ["wrong_code"] * 5


def test_A5_each_of_ten_recovery_codes_signs_in_once_however_it_is_typed(
    app: FastAPI, ada: SignedInBrowser, phone: Phone
) -> None:
    assert len(set(phone.recovery_codes)) == 10
    first, second = phone.recovery_codes[:2]
    spellings = [first, second.upper().replace("-", " ")]

    assert [log_in(Browser(app), ada.person, totp_code=code)[0] for code in spellings] == [200] * 2
    again = [log_in(Browser(app), ada.person, totp_code=code) for code in (first, second)]
    assert again == [(401, "wrong_code")] * 2
    assert "8 recovery codes left" in ada.get("/settings/two-step").text


def test_A5_a_recovery_code_is_of_its_person_alone(
    app: FastAPI, ada: SignedInBrowser, cleo: SignedInBrowser, phone: Phone
) -> None:
    set_up(cleo)

    outcome = log_in(Browser(app), cleo.person, totp_code=phone.recovery_codes[0])

    assert outcome == (401, "wrong_code")


def test_A4_codes_are_limited_and_a_right_one_comes_too_late(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    token = pending_token(ada.person)
    outcomes = [
        in_parallel(token, wrong, 1)[0]
        for wrong in ["000000"] * (second_factor.CODE_BY_USER.burst + 1)
    ]
    assert outcomes[-1] == "rate_limited"
    assert set(outcomes[:-1]) == {"wrong_code"}

    assert log_in(Browser(app), ada.person, totp_code=phone.next_code(clock))[0] == 429
    clock.shift(second_factor.CODE_BY_USER.refill_seconds)
    assert log_in(Browser(app), ada.person, totp_code=phone.code()) == (200, "")


def test_A3_a_wrong_password_tells_nothing_of_a_second_factor(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    outcomes = [
        log_in(
            Browser(app, address="203.0.113.81"),
            ada.person,
            password="wrong-lantern-007",
            totp_code=code,
        )
        for code in ("", phone.next_code(clock))
    ]

    assert outcomes == [(401, "wrong_credentials")] * 2
    assert log_in(Browser(app), ada.person, totp_code=phone.code()) == (200, "")


# --- A5: at rest ---------------------------------------------------------------------------------


def test_A5_the_database_shows_neither_secret_nor_recovery_codes(
    ada: SignedInBrowser, phone: Phone
) -> None:
    with database.system_transaction() as session:
        row = session.scalars(select(UserTotp).where(UserTotp.user_id == ada.user_id)).one()
        hashes = session.scalars(
            select(RecoveryCode.code_hash).where(RecoveryCode.user_id == ada.user_id)
        ).all()

    assert phone.secret not in row.secret
    assert second_factor.unseal(row.secret, row.key_id, ada.user_id) == phone.secret
    assert all(code.encode() not in stored for code in phone.recovery_codes for stored in hashes)


def test_A5_a_sealed_secret_does_not_open_for_another_person(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    sealed, key_id = second_factor.seal(b"a secret", ada.user_id)

    with pytest.raises(encryption.SealError):
        second_factor.unseal(sealed, key_id, cleo.user_id)


@pytest.mark.parametrize("table", ["user_totp", "recovery_codes"])
def test_A5_a_household_sees_no_second_factor(
    ada: SignedInBrowser, phone: Phone, table: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), ada.session() as session:
        session.execute(text(f"SELECT * FROM {table}"))
