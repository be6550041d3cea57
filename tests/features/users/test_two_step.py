"""The settings of the second factor: turned on and off, and what a new password leaves (A7)."""

import re

from click.testing import CliRunner
from fastapi import FastAPI

from app.cli.user import command as user_command
from app.features.users import operator, passwords, sessions
from tests.cast import Browser, Clock, SignedInBrowser, sign_in
from tests.factories.people import PASSWORD
from tests.features.users.phones import (
    HERE,
    NEW_PASSWORD,
    Phone,
    actions,
    ada_actor,
    in_parallel,
    log_in,
    pending_token,
    secret_in,
    set_up,
)  # fmt: skip


def test_turning_on_wants_the_password_and_a_code_of_the_app(ada: SignedInBrowser) -> None:
    wrong = ada.post("/settings/two-step", data={"password": "wrong-lantern-007"})
    assert wrong.status_code == 422
    assert "otpauth" not in wrong.text

    page = ada.post("/settings/two-step", data={"password": PASSWORD})
    assert "otpauth://totp/Fintech" in page.text
    assert '<svg class="qr-code"' in page.text
    assert page.headers["cache-control"] == "no-store"

    refused = ada.post("/settings/two-step/confirm", data={"code": "000000"})
    assert refused.status_code == 422
    assert "otpauth" not in refused.text, "a stolen session must not read the secret"
    assert isinstance(
        sessions.sign_in_browser(ada.person.email, PASSWORD, HERE), sessions.SignedInBrowser
    )


def test_the_picture_is_a_qr_code_with_its_quiet_zone(ada: SignedInBrowser) -> None:
    page = ada.post("/settings/two-step", data={"password": PASSWORD}).text
    [(size, path)] = re.findall(r'viewBox="0 0 (\d+) .*?class="qr-ink" d="([^"]+)"', page)
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", path)}
    first, last = 4, int(size) - 5

    assert {min(x for x, _ in dark), min(y for _, y in dark)} == {first}
    assert {max(x for x, _ in dark), max(y for _, y in dark)} == {last}
    for left, top in ((first, first), (last - 6, first), (first, last - 6)):  # the finders
        rings = {(x, y): max(abs(x - 3), abs(y - 3)) for x in range(7) for y in range(7)}
        drawn = {(x, y) for x, y in rings if (left + x, top + y) in dark}
        assert drawn == {place for place, ring in rings.items() if ring != 2}


def test_a_secret_that_was_replaced_cannot_be_confirmed(ada: SignedInBrowser) -> None:
    old = Phone(secret_in(ada.post("/settings/two-step", data={"password": PASSWORD}).text), [])
    ada.post("/settings/two-step", data={"password": PASSWORD})

    assert ada.post("/settings/two-step/confirm", data={"code": old.code()}).status_code == 422


def test_turning_on_ends_the_other_sessions_and_is_written_down(
    app: FastAPI, ada: SignedInBrowser
) -> None:
    other, program = sign_in(app, ada.person), ada.bearer()

    set_up(ada)

    assert ada.get("/settings").status_code == 200
    assert other.get("/settings").status_code == 303
    assert Browser(app).get("/api/v1/auth/me", headers=program).status_code == 401
    assert actions(ada.person)[0] == "user.second_factor_turned_on"


def test_it_cannot_be_set_up_over_the_one_that_is_on(ada: SignedInBrowser, phone: Phone) -> None:
    answer = ada.post("/settings/two-step", data={"password": PASSWORD})

    assert answer.status_code == 409
    assert "otpauth" not in answer.text
    assert ada.post("/settings/two-step/confirm", data={"code": phone.code()}).status_code == 409


def test_turning_off_wants_password_and_code(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    def turn_off(password: str, code: str) -> int:
        data = {"password": password, "code": code}
        return ada.post("/settings/two-step/off", data=data).status_code

    code = phone.next_code(clock)
    assert turn_off("wrong-lantern-007", code) == 422
    assert turn_off(PASSWORD, "000000") == 422
    assert log_in(Browser(app), ada.person) == (401, "second_factor_required")

    assert turn_off(PASSWORD, code) == 303
    assert log_in(Browser(app), ada.person) == (200, "")
    assert "user.second_factor_turned_off" in actions(ada.person)


def test_turning_off_takes_a_recovery_code_and_all_of_them_are_gone(
    ada: SignedInBrowser, phone: Phone
) -> None:
    data = {"password": PASSWORD, "code": phone.recovery_codes[0]}
    assert ada.post("/settings/two-step/off", data=data).status_code == 303

    set_up(ada)

    assert in_parallel(pending_token(ada.person), phone.recovery_codes[1], 1) == ["wrong_code"]


def test_A7_neither_a_changed_nor_a_reset_password_switches_it_off(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    code = phone.next_code(clock)
    passwords.change_in_browser(ada_actor(ada), PASSWORD, NEW_PASSWORD, code, HERE)
    changed = log_in(Browser(app), ada.person, password=NEW_PASSWORD)
    operator.set_password(ada.person.email, PASSWORD)
    reset = log_in(Browser(app), ada.person)

    assert changed == reset == (401, "second_factor_required")
    assert log_in(Browser(app), ada.person, totp_code=phone.next_code(clock)) == (200, "")


def test_refreshing_asks_for_no_code(
    app: FastAPI, ada: SignedInBrowser, phone: Phone, clock: Clock
) -> None:
    tokens = sessions.sign_in_api(ada.person.email, PASSWORD, HERE, phone.next_code(clock))

    answer = Browser(app).post("/api/v1/auth/refresh", json={"refresh_token": tokens.refresh_token})

    assert answer.status_code == 200


def test_the_operator_turns_it_off_for_who_lost_everything(
    app: FastAPI, ada: SignedInBrowser, phone: Phone
) -> None:
    command = ["second-factor-off", ada.person.email.upper()]

    done = CliRunner().invoke(user_command, command)
    assert done.exit_code == 0, done.output
    assert log_in(Browser(app), ada.person) == (200, "")
    assert "user.second_factor_turned_off_by_operator" in actions(ada.person)

    again = CliRunner().invoke(user_command, command)
    assert (again.exit_code, "not on" in again.output) == (1, True)


def test_what_happens_at_the_door_is_written_down(ada: SignedInBrowser, phone: Phone) -> None:
    in_parallel(pending_token(ada.person), "000000", 1)
    in_parallel(pending_token(ada.person), phone.recovery_codes[0], 1)

    assert actions(ada.person)[:3] == [
        "user.signed_in",
        "user.recovery_code_used",
        "user.second_factor_failed",
    ]
