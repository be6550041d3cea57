"""A6: passkeys beside the password, and to confirm: one's own, and verified where it must be."""

import re

from app.features.users import operator
from tests.cast import Browser, Clock, SignedInBrowser
from tests.factories.people import PASSWORD
from tests.features.users.authenticators import (
    CODE,
    CONFIRM,
    LATER,
    PRESENT,
    SIGN_IN,
    Device,
    add,
    begin,
    bring,
    is_in,
    send,
    stored,
)
from tests.features.users.phones import NEW_PASSWORD, Phone, actions


def password_step(browser: Browser, who: SignedInBrowser) -> str:
    """Bring the password; return the token of the page that asks for the second step."""
    answer = browser.post("/sign-in", data={"email": who.person.email, "password": PASSWORD})
    [token] = set(re.findall(r'name="pending" value="([^"]+)"', answer.text))  # in each form
    return token


# --- Beside the password --------------------------------------------------------------------------


def test_A6_a_passkey_stands_in_for_the_code_and_need_not_verify(
    ada: SignedInBrowser, key: Device, phone: Phone, door: Browser
) -> None:
    pending = password_step(door, ada)
    assert CODE in door.post("/sign-in/code", data={"pending": pending, "code": "000000"}).text
    options = begin(door, CODE, pending=pending)["options"]
    assert [each["id"] for each in options["allowCredentials"]]
    key.flags = PRESENT

    answer = bring(door, CODE, key, pending=pending, next="/accounts")

    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts")
    assert is_in(door)


def test_A6_without_a_passkey_the_second_step_offers_none(
    ada: SignedInBrowser, phone: Phone, door: Browser
) -> None:
    answer = door.post("/sign-in", data={"email": ada.person.email, "password": PASSWORD})

    assert "/sign-in/code" in answer.text
    assert CODE not in answer.text


def test_A6_another_persons_passkey_is_no_second_step(
    ada: SignedInBrowser, cleo: SignedInBrowser, key: Device, phone: Phone, door: Browser
) -> None:
    stranger = add(cleo)
    pending = password_step(door, ada)

    for handle in (stranger.handle, key.handle, b""):
        stranger.handle = handle
        assert bring(door, CODE, stranger, pending=pending).status_code == 401
    assert not is_in(door)
    assert actions(ada.person)[:3] == ["user.passkey_failed"] * 3


def test_A6_the_second_step_takes_the_first(
    ada: SignedInBrowser, key: Device, phone: Phone, door: Browser
) -> None:
    pending = password_step(door, ada)
    begun = begin(door, CODE, pending=pending)
    operator.set_password(ada.person.email, NEW_PASSWORD)

    answer = send(door, CODE, begun, key.get(begun["options"]), pending=pending)

    assert answer.status_code == 401
    assert "That took too long" in answer.text
    assert not is_in(door)
    assert door.post(f"{CODE}/begin", data={"pending": "x.y.z"}).status_code in (303, 401)


def test_A6_wrong_passkeys_use_up_the_codes_bucket(
    ada: SignedInBrowser, key: Device, phone: Phone, door: Browser
) -> None:
    pending = password_step(door, ada)

    statuses = [bring(door, CODE, Device(), pending=pending).status_code for _ in range(11)]

    assert statuses == [401] * 10 + [429]


def test_A7_a_reset_password_takes_no_passkey_and_adds_none(
    ada: SignedInBrowser, key: Device, door: Browser
) -> None:
    operator.set_password(ada.person.email, NEW_PASSWORD)

    assert bring(door, SIGN_IN, key).status_code == 303
    assert len(stored(ada)) == 1


# --- Confirming -----------------------------------------------------------------------------------


def test_A6_a_passkey_confirms_in_place_of_password_and_code(
    ada: SignedInBrowser, key: Device, phone: Phone, clock: Clock
) -> None:
    clock.shift(LATER)
    assert ada.get("/settings/tokens/new").status_code == 303
    assert CONFIRM in ada.get("/confirm").text

    answer = bring(ada, CONFIRM, key, next="/settings/tokens/new")

    assert (answer.status_code, answer.headers["location"]) == (303, "/settings/tokens/new")
    assert ada.get("/settings/tokens/new").status_code == 200


def test_A6_confirming_takes_ones_own_passkey_and_verification(
    ada: SignedInBrowser, cleo: SignedInBrowser, key: Device, clock: Clock
) -> None:
    stranger = add(cleo)
    clock.shift(LATER)
    assert begin(ada, CONFIRM)["options"]["userVerification"] == "required"

    assert bring(ada, CONFIRM, stranger).status_code == 422
    key.flags = PRESENT
    assert bring(ada, CONFIRM, key).status_code == 422
    assert ada.get("/settings/tokens/new").status_code == 303, "she is not confirmed"
