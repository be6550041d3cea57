"""A6: passkeys: made here, for one person, signed here and now, by somebody who was verified."""

import json
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text, update
from sqlalchemy.exc import ProgrammingError

from app.core import csrf, database
from app.core import passkeys as webauthn
from app.core.passkeys import PasskeyError
from app.features.users import passkeys
from app.models import User
from tests.cast import Browser, Clock, SignedInBrowser
from tests.features.users.authenticators import (
    CONFIRM,
    LATER,
    MINE,
    PRESENT,
    SIGN_IN,
    Device,
    add,
    arrive,
    begin,
    bring,
    is_in,
    send,
    stored,
)
from tests.features.users.phones import Phone, actions, session_count
from tests.features.users.test_notices import told

# --- With a passkey alone -------------------------------------------------------------------------


def test_A6_a_passkey_alone_signs_in_and_leads_on(
    ada: SignedInBrowser, key: Device, phone: Phone, door: Browser
) -> None:
    """In place of the password and of the code."""
    answer = bring(door, SIGN_IN, key, next="/accounts")

    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts")
    assert door.get("/settings").status_code == 200
    assert "user.signed_in" in actions(ada.person)[:2]
    assert stored(ada)[0].used_at is not None


def test_A6_the_browser_is_asked_for_any_passkey_and_for_verification(door: Browser) -> None:
    options = begin(door, SIGN_IN)["options"]

    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"
    assert options["allowCredentials"] == []
    assert len(options["challenge"]) * 6 // 8 >= 16
    assert begin(door, SIGN_IN)["options"]["challenge"] != options["challenge"]


LIES: dict[str, Callable[[Device], None]] = {
    "another origin": lambda device: setattr(device, "origin", "http://localhost:8001"),
    "the origin over https": lambda device: setattr(device, "origin", "https://localhost:8000"),
    "another site": lambda device: setattr(device, "host", "localhost.example"),
    "a challenge of its own": lambda device: setattr(device, "challenge", secrets.token_bytes(32)),
    "nobody was there": lambda device: setattr(device, "flags", 0),
    "nobody was verified": lambda device: setattr(device, "flags", PRESENT),
    "another key": lambda device: setattr(device, "key", Device().key),
    "an unknown passkey": lambda device: setattr(device, "credential_id", secrets.token_bytes(16)),
    "no person": lambda device: setattr(device, "handle", b""),
    "a count that stands still": lambda device: setattr(device, "count", device.count - 1),
    "a count that goes back": lambda device: setattr(device, "count", 0),
}


@pytest.mark.parametrize("lie", LIES)
def test_A6_what_is_not_right_to_the_letter_is_refused(
    ada: SignedInBrowser, key: Device, door: Browser, lie: str
) -> None:
    assert bring(door, SIGN_IN, key).status_code == 303  # a first use, so that it counts from two
    before = session_count(ada.person)
    door.cookies.clear()
    door.greet()
    LIES[lie](key)

    answer = bring(door, SIGN_IN, key)

    assert answer.status_code == 401
    assert "This passkey does not work here" in answer.text
    assert not is_in(door)
    assert session_count(ada.person) == before


def test_A6_a_challenge_counts_once(ada: SignedInBrowser, key: Device, door: Browser) -> None:
    begun = begin(door, SIGN_IN)
    assert send(door, SIGN_IN, begun, key.get(begun["options"])).status_code == 303
    door.cookies.delete(csrf.SESSION_COOKIE)

    again = send(door, SIGN_IN, begun, key.get(begun["options"]))

    assert again.status_code in (403, 422)
    assert not is_in(door)


def test_A6_a_challenge_is_spent_by_a_failure_too(key: Device, door: Browser) -> None:
    begun = begin(door, SIGN_IN)
    assert send(door, SIGN_IN, begun, Device().get(begun["options"])).status_code == 401

    answer = send(door, SIGN_IN, begun, key.get(begun["options"]))

    assert answer.status_code == 422
    assert "took too long, or was done before" in answer.text
    assert not is_in(door)


def test_A6_of_many_at_once_one_gets_in(
    app: FastAPI, ada: SignedInBrowser, key: Device, door: Browser
) -> None:
    begun, before = begin(door, SIGN_IN), session_count(ada.person)
    brought = [key.get(begun["options"]) for _ in range(4)]
    cookies, headers = dict(door.cookies), dict(door.headers)

    def come(credential: str) -> int:
        browser = Browser(app, address="203.0.113.62")
        browser.cookies.update(cookies)
        browser.headers.update(headers)
        return send(browser, SIGN_IN, begun, credential).status_code

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(come, brought))

    assert statuses == [303, 422, 422, 422]
    assert session_count(ada.person) == before + 1


def test_A6_a_challenge_lasts_five_minutes(key: Device, door: Browser, clock: Clock) -> None:
    begun = begin(door, SIGN_IN)
    clock.shift(5 * 60 + 1)

    assert send(door, SIGN_IN, begun, key.get(begun["options"])).status_code == 422
    assert not is_in(door)


def test_A6_a_challenge_is_good_in_its_own_browser_alone(
    app: FastAPI, key: Device, door: Browser
) -> None:
    """Else somebody could have another person sign in as themselves."""
    begun = begin(door, SIGN_IN)
    other = arrive(app)

    assert send(other, SIGN_IN, begun, key.get(begun["options"])).status_code == 422
    assert not is_in(other)


@pytest.mark.parametrize("ticket", ["", "x.y.z", "x" * 999])
def test_A6_a_ticket_of_ones_own_making_is_void(key: Device, door: Browser, ticket: str) -> None:
    begun = begin(door, SIGN_IN)

    answer = send(door, SIGN_IN, {"ticket": ticket}, key.get(begun["options"]))

    assert answer.status_code == 422


def test_A6_a_challenge_for_something_else_is_void(ada: SignedInBrowser, key: Device) -> None:
    begun = begin(ada, MINE)

    assert send(ada, CONFIRM, begun, key.get(begun["options"])).status_code == 422


def test_A6_a_disabled_person_does_not_get_in(
    ada: SignedInBrowser, key: Device, door: Browser
) -> None:
    with database.system_transaction() as session:
        session.execute(
            update(User).where(User.id == ada.user_id).values(disabled_at=User.created_at)
        )

    assert bring(door, SIGN_IN, key).status_code == 401
    assert not is_in(door)


def test_A6_a_passkey_that_never_counts_goes_on_working(ada: SignedInBrowser, app: FastAPI) -> None:
    synced = add(ada, Device(count=-1_000))

    for _ in range(2):
        assert bring(arrive(app), SIGN_IN, synced).status_code == 303


def test_A6_a_copied_passkey_is_told_of(ada: SignedInBrowser, key: Device, door: Browser) -> None:
    bring(door, SIGN_IN, key)
    door.cookies.clear()
    door.greet()
    key.count = 0

    assert bring(door, SIGN_IN, key).status_code == 401
    assert actions(ada.person)[0] == "user.passkey_copied"
    assert told(ada)[0] == "user.passkey_copied"


def test_A6_a_removed_passkey_opens_nothing(
    ada: SignedInBrowser, key: Device, door: Browser
) -> None:
    begun = begin(door, SIGN_IN)
    [row] = stored(ada)
    assert ada.post(f"{MINE}/remove", data={"passkey_id": str(row.id)}).status_code == 303

    assert send(door, SIGN_IN, begun, key.get(begun["options"])).status_code == 401


def test_A6_ten_failures_from_an_address_are_enough_and_successes_do_not_count(
    app: FastAPI, ada: SignedInBrowser, key: Device
) -> None:
    def come(device: Device) -> int:
        return bring(arrive(app, "203.0.113.61"), SIGN_IN, device).status_code

    assert [come(key) for _ in range(12)] == [303] * 12
    assert [come(Device(handle=b"x")) for _ in range(11)] == [401] * 10 + [429]


def test_A4_guessed_passwords_do_not_lock_a_passkey_out(
    app: FastAPI, ada: SignedInBrowser, key: Device, door: Browser
) -> None:
    data = {"email": ada.person.email, "password": "wrong-lantern-007"}
    statuses = []
    for number in range(11):
        browser = arrive(app, f"203.0.113.{100 + number}")
        statuses.append(browser.post("/sign-in", data=data).status_code)
    assert statuses[-1] == 429

    assert bring(door, SIGN_IN, key).status_code == 303


# --- The settings ---------------------------------------------------------------------------------


def test_A6_a_new_passkey_wants_a_recent_sign_in(ada: SignedInBrowser, clock: Clock) -> None:
    begun = begin(ada, MINE)
    clock.shift(LATER)

    answer = send(ada, MINE, begun, Device().create(begun["options"]))

    assert answer.headers["location"].startswith("/confirm")
    assert ada.post(f"{MINE}/begin").status_code == 303
    assert stored(ada) == []


@pytest.mark.parametrize(
    "lie", ["another origin", "another site", "a challenge of its own", "nobody was verified"]
)
def test_A6_a_passkey_that_was_not_made_here_and_now_is_not_added(
    ada: SignedInBrowser, lie: str
) -> None:
    device = Device()
    LIES[lie](device)
    begun = begin(ada, MINE)

    answer = send(ada, MINE, begun, device.create(begun["options"]), name="Mine")

    assert answer.status_code == 422
    assert "made no passkey that works here" in answer.text
    assert stored(ada) == []


def test_A6_another_session_cannot_finish_adding(
    app: FastAPI, ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    begun = begin(ada, MINE)

    assert send(cleo, MINE, begun, Device().create(begun["options"])).status_code == 422
    assert stored(cleo) == stored(ada) == []


def test_A6_a_passkey_has_one_person(ada: SignedInBrowser, cleo: SignedInBrowser) -> None:
    device = add(ada)
    begun = begin(cleo, MINE)

    answer = send(cleo, MINE, begun, device.create(begun["options"]))

    assert answer.status_code == 409
    assert stored(cleo) == []


def test_A6_devices_are_asked_not_to_make_a_second_one(ada: SignedInBrowser, key: Device) -> None:
    options = begin(ada, MINE)["options"]

    assert len(options["excludeCredentials"]) == 1
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"


def test_A10_of_passkeys_added_and_removed(ada: SignedInBrowser, key: Device) -> None:
    [row] = stored(ada)
    ada.post(f"{MINE}/remove", data={"passkey_id": str(row.id)})

    assert told(ada) == ["user.passkey_removed", "user.passkey_added"]
    assert actions(ada.person)[:2] == told(ada)


def test_A6_they_are_listed_named_and_removed_by_their_person_alone(
    ada: SignedInBrowser, cleo: SignedInBrowser, key: Device
) -> None:
    page = ada.get(MINE).text
    assert "My key" in page
    assert "Never used" in page
    [passkey_id] = set(re.findall(r'name="passkey_id" value="([^"]+)"', page))
    new_name = {"passkey_id": passkey_id, "name": "The blue one"}

    for path in ("rename", "remove"):
        assert cleo.post(f"{MINE}/{path}", data=new_name).status_code == 404
    assert "My key" not in cleo.get(MINE).text
    assert ada.post(f"{MINE}/rename", data={**new_name, "name": " "}).status_code == 422
    assert ada.post(f"{MINE}/rename", data=new_name).status_code == 303
    assert "The blue one" in ada.get(MINE).text
    assert ada.post(f"{MINE}/remove", data={"passkey_id": "none"}).status_code == 404
    assert ada.post(f"{MINE}/remove", data=new_name).status_code == 303
    assert stored(ada) == []


def test_A6_no_more_than_twenty(ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "PASSKEYS_MAX", 2)
    add(ada)
    add(ada)
    begun = begin(ada, MINE)

    answer = send(ada, MINE, begun, Device().create(begun["options"]))

    assert answer.status_code == 409
    assert len(stored(ada)) == 2


def test_T5_a_tenant_reads_no_passkeys(ada: SignedInBrowser, key: Device) -> None:
    for table in ("passkeys", "spent_tickets"):
        with pytest.raises(ProgrammingError, match="permission denied"), ada.session() as session:
            session.execute(text(f"SELECT * FROM {table}"))


# --- Bytes of a stranger's choice -----------------------------------------------------------------


@given(data=st.data())
def test_A6_broken_bytes_are_refused_and_nothing_else_happens(data: st.DataObject) -> None:
    challenge = bytes(32)
    options = {"challenge": "A" * 43, "user": {"id": "QQ"}}
    device = Device()
    make = data.draw(st.sampled_from([device.create, device.get]))
    broken = json.loads(make(options))
    part = data.draw(st.sampled_from(sorted(k for k, v in broken["response"].items() if v)))
    text_form = broken["response"][part]
    place = data.draw(st.integers(0, 10_000)) % len(text_form)  # signatures differ in length
    letter = data.draw(st.sampled_from("AZaz09-_!"))
    cut = data.draw(st.sampled_from([len(text_form), place]))
    broken["response"][part] = (text_form[:place] + letter + text_form[place + 1 :])[:cut]

    for read in (webauthn.read_new, lambda text, _: webauthn.read(text)):
        try:
            read(json.dumps(broken), challenge)
        except PasskeyError:
            continue


@pytest.mark.parametrize("bad", ["", "null", "[]", "{}", "{" * 5_000, '"' + "x" * 30_000 + '"'])
def test_A6_what_is_no_credential_is_refused(bad: str) -> None:
    for read in (lambda text: webauthn.read_new(text, bytes(32)), webauthn.read):
        with pytest.raises(PasskeyError):
            read(bad)
