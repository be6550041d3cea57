"""Signing in at an OpenID Connect provider: every claim counts, and nobody gets in by chance."""

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import jwt
import pytest
from fastapi import FastAPI
from pydantic import ValidationError
from sqlalchemy import null, select, text, update
from sqlalchemy.exc import ProgrammingError

from app.core import database, tickets
from app.core.config import Settings, settings
from app.features.users import oidc
from app.models import User, UserIdentity
from tests.cast import Browser, Clock, SignedInBrowser
from tests.features.users.authenticators import LATER, arrive, is_in
from tests.features.users.conftest import SetOidc
from tests.features.users.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, new_key
from tests.features.users.oidc_visits import BACK, BEGIN, link, sign_in
from tests.features.users.phones import Phone, actions
from tests.features.users.test_notices import told


def linked(who: SignedInBrowser) -> list[str]:
    with database.system_transaction() as session:
        statement = select(UserIdentity.subject).where(UserIdentity.user_id == who.user_id)
        return list(session.scalars(statement))


def confirm_address(who: SignedInBrowser, at: object) -> None:
    with database.system_transaction() as session:
        session.execute(update(User).where(User.id == who.user_id).values(email_confirmed_at=at))


# --- There and back -------------------------------------------------------------------------------


def test_who_is_linked_signs_in_without_password_and_code(
    ada: SignedInBrowser, phone: Phone, provider: Provider, subject: str, door: Browser
) -> None:
    link(ada, provider, subject)
    assert linked(ada) == [subject]
    assert told(ada)[0] == actions(ada.person)[0] == "user.identity_linked"

    assert "Sign in with Example SSO" in door.get("/sign-in").text
    assert sign_in(door, provider, subject) == 303
    assert door.get("/settings").status_code == 200
    assert "user.signed_in" in actions(ada.person)[:2]


def test_nothing_leads_to_a_provider_that_is_not_there(door: Browser, ada: SignedInBrowser) -> None:
    assert BEGIN not in door.get("/sign-in").text
    assert "/settings/oidc" not in ada.get("/settings").text
    assert door.get(BEGIN).status_code == 404
    assert ada.post("/settings/oidc/link").status_code == 404


def test_who_is_not_linked_is_told_how_to_be(
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser
) -> None:
    """The address alone opens nothing, verified or not."""
    email = {"email": ada.person.email, "email_verified": True}

    assert sign_in(door, provider, subject, **email) == 403
    assert not is_in(door)
    assert linked(ada) == []


LIES: dict[str, dict[str, object]] = {
    "another nonce": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "another issuer": {"iss": "https://sso.example.org"},
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "two audiences": {"aud": [CLIENT_ID, "somebody-else"]},
    "two audiences, for the other": {"aud": [CLIENT_ID, "other"], "azp": "other"},
    "expired": {"exp": 1_700_000_000},
    "never expires": {"exp": None},
    "from the future": {"iat": 4_000_000_000},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a long subject": {"sub": "x" * 256},
    "a subject that no table takes": {"sub": "x\0"},
    "not signed": {"alg": "none", "key": None},
    "signed with our secret": {"alg": "HS256", "key": CLIENT_SECRET},
    "signed with another key": {"key": new_key()},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_is_not_right_in_every_claim_is_refused(
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser, lie: str
) -> None:
    link(ada, provider, subject)
    provider.lies = LIES[lie]

    assert sign_in(door, provider, subject) == 401
    assert not is_in(door)

    provider.lies = {}
    assert sign_in(door, provider, subject) == 303


def test_a_token_for_us_among_others_is_taken(
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser
) -> None:
    link(ada, provider, subject)
    provider.lies = {"aud": [CLIENT_ID, "reports"], "azp": CLIENT_ID}

    assert sign_in(door, provider, subject) == 303


@pytest.mark.parametrize("ways", [["client_secret_post"], ["client_secret_basic", "other"]])
def test_our_secret_goes_where_the_provider_takes_it(
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser, ways: list[str]
) -> None:
    provider.ways = ways
    link(ada, provider, subject)

    assert sign_in(door, provider, subject) == 303


def test_who_chose_not_to_sign_in_there_is_told_so_without_asking(
    provider: Provider, subject: str, door: Browser
) -> None:
    came = provider.authorize(door.get(BEGIN).headers["location"], subject)
    answer = door.get(BACK, params={"state": came["state"], "error": "access_denied"})

    assert answer.status_code == 401
    assert "did not let you in" in answer.text
    assert "/token" not in provider.asked


def test_a_browser_that_was_never_here_begins_and_brings_back_nothing(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str
) -> None:
    """Without a cookie there is nothing to bind to: one that has none yet gets its own."""
    link(ada, provider, subject)
    stranger, victim = arrive(app), arrive(app)
    for browser in (stranger, victim):
        browser.cookies.clear()
    came = provider.authorize(stranger.get(BEGIN).headers["location"], subject)

    assert victim.get(BACK, params=came).status_code == 422
    assert not is_in(victim)
    assert stranger.get(BACK, params=came).status_code == 303


@pytest.mark.parametrize("state", ["", "x.y.z"])
def test_a_state_of_ones_own_making_is_void(
    provider: Provider, subject: str, door: Browser, state: str
) -> None:
    came = provider.authorize(door.get(BEGIN).headers["location"], subject)

    assert door.get(BACK, params={**came, "state": state}).status_code == 422
    assert "/token" not in provider.asked


def test_a_state_counts_once_in_its_browser_for_five_minutes(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str, clock: Clock
) -> None:
    link(ada, provider, subject)
    door, twin, other = arrive(app), arrive(app), arrive(app)
    twin.cookies.clear()
    twin.cookies.update(dict(door.cookies))
    came = provider.authorize(door.get(BEGIN).headers["location"], subject)
    assert other.get(BACK, params=came).status_code == 422, "of another browser"
    assert door.get(BACK, params=came).status_code == 303
    assert twin.get(BACK, params=came).status_code == 422, "used"

    door = arrive(app)
    came = provider.authorize(door.get(BEGIN).headers["location"], subject)
    clock.shift(tickets.LASTS + dt.timedelta(seconds=1))
    assert door.get(BACK, params=came).status_code == 422, "too old"
    assert not is_in(door)


def test_a_replayed_code_is_refused(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str
) -> None:
    link(ada, provider, subject)
    door = arrive(app)
    came = provider.authorize(door.get(BEGIN).headers["location"], subject)
    stolen = came["code"]
    assert door.get(BACK, params=came).status_code == 303

    thief = arrive(app)
    own = provider.authorize(thief.get(BEGIN).headers["location"], "a thief")
    assert thief.get(BACK, params={**own, "code": stolen}).status_code == 401
    assert not is_in(thief)


def test_a_stolen_code_that_was_not_used_lacks_its_verifier(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str
) -> None:
    link(ada, provider, subject)
    victim, thief = arrive(app), arrive(app)
    stolen = provider.authorize(victim.get(BEGIN).headers["location"], subject)["code"]
    own = provider.authorize(thief.get(BEGIN).headers["location"], "a thief")

    assert thief.get(BACK, params={**own, "code": stolen}).status_code == 401
    assert not is_in(thief)


def test_a_disabled_person_does_not_get_in(
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser
) -> None:
    link(ada, provider, subject)
    with database.system_transaction() as session:
        session.execute(
            update(User).where(User.id == ada.user_id).values(disabled_at=User.created_at)
        )

    assert sign_in(door, provider, subject) == 401
    assert not is_in(door)


def test_failures_are_limited_by_address(app: FastAPI, provider: Provider, subject: str) -> None:
    provider.lies = {"nonce": "x"}
    statuses = [sign_in(arrive(app, "203.0.113.91"), provider, subject) for _ in range(11)]

    assert statuses == [401] * 10 + [429]


# --- Linked and unlinked --------------------------------------------------------------------------


def test_linking_wants_a_recent_sign_in(
    ada: SignedInBrowser, provider: Provider, clock: Clock
) -> None:
    clock.shift(LATER)

    for path in ("link", "unlink"):
        assert ada.post(f"/settings/oidc/{path}").headers["location"].startswith("/confirm")


def test_an_identity_opens_one_account_and_unlinked_none(
    ada: SignedInBrowser, cleo: SignedInBrowser, provider: Provider, subject: str, door: Browser
) -> None:
    link(ada, provider, subject)
    link(cleo, provider, subject)
    assert linked(cleo) == []
    assert "is linked already" in cleo.get("/settings").text

    assert ada.post("/settings/oidc/unlink").status_code == 303
    assert told(ada)[0] == "user.identity_unlinked"
    assert sign_in(door, provider, subject) == 403
    assert ada.post("/settings/oidc/unlink").status_code == 404


def test_nobody_links_their_identity_to_another_persons_account(
    ada: SignedInBrowser, cleo: SignedInBrowser, provider: Provider, subject: str, door: Browser
) -> None:
    """What a stranger began, to sign in or to link, does nothing in Ada's browser."""
    page = cleo.post("/settings/oidc/link").text
    [address] = re.findall(r'href="(http[^"]+/authorize[^"]+)"', page)
    for begun in (address.replace("&amp;", "&"), door.get(BEGIN).headers["location"]):
        came = provider.authorize(begun, subject)
        assert ada.get(BACK, params=came).headers["location"] == "/settings"
    assert linked(ada) == []


def test_an_address_links_only_where_the_operator_trusts_it_and_it_is_verified(
    ada: SignedInBrowser, provider: Provider, subject: str, app: FastAPI, set_oidc: SetOidc
) -> None:
    set_oidc(trusts_email=True)
    email = ada.person.email.upper()
    confirm_address(ada, null())

    for verified in (False, None, "true"):
        answer = sign_in(arrive(app), provider, subject, email=email, email_verified=verified)
        assert answer == 403
    who = {"email": email, "email_verified": True}
    assert sign_in(arrive(app), provider, subject, **who) == 403, "not confirmed here"
    confirm_address(ada, User.created_at)
    assert sign_in(arrive(app), provider, subject, **who) == 303
    assert linked(ada) == [subject]
    assert "user.identity_linked" in told(ada)

    assert sign_in(arrive(app), provider, f"{subject}-heir", **who) == 403, "the next owner of it"
    assert linked(ada) == [subject]


@pytest.mark.parametrize("is_linking", [False, True])
def test_of_two_who_come_at_once_for_one_address_one_is_linked(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str, set_oidc: SetOidc,
    is_linking: bool, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Ada herself, by a link or by her address, and whoever has her address there today."""
    set_oidc(trusts_email=True)
    confirm_address(ada, User.created_at)
    is_first, second_came, record = Event(), Event(), oidc.second_factor.record

    def wait_and_record(*args: object) -> None:
        if is_first.is_set():
            second_came.set()
        is_first.set()
        second_came.wait(1)
        record(*args)

    monkeypatch.setattr(oidc.second_factor, "record", wait_and_record)
    who = {"email": ada.person.email, "email_verified": True}
    heirs = arrive(app)

    with ThreadPoolExecutor(1) as pool:
        if is_linking:
            first = pool.submit(link, ada, provider, subject)
        else:
            first = pool.submit(sign_in, arrive(app), provider, subject, **who)
        assert is_first.wait(5)
        assert sign_in(heirs, provider, f"{subject}-heir", **who) == 403
        assert first.result() in (None, 303)

    assert linked(ada) == [subject]


def test_people_are_made_only_where_the_operator_says_so(
    provider: Provider, subject: str, app: FastAPI, set_oidc: SetOidc
) -> None:
    who = {"email": f"{subject}@home.example", "email_verified": True, "name": "Grace"}
    assert sign_in(arrive(app), provider, subject, **who) == 403
    set_oidc(creates_users=True, email_domains="work.example, @Home.example")
    stranger = {**who, "email": f"{subject}@evil.example"}
    assert sign_in(arrive(app), provider, "another", **stranger) == 403
    assert sign_in(arrive(app), provider, "a third", **{**who, "email_verified": False}) == 403

    door = arrive(app)
    assert sign_in(door, provider, subject, **who) == 303
    assert "Grace" in door.get("/settings").text
    assert sign_in(arrive(app), provider, subject) == 303, "known by now"


def test_nobody_is_made_over_an_account_that_is_there(
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser, set_oidc: SetOidc
) -> None:
    set_oidc(creates_users=True)
    who = {"email": ada.person.email, "email_verified": True}

    assert sign_in(door, provider, subject, **who) == 409
    assert not is_in(door)
    assert linked(ada) == []


def test_T5_a_tenant_reads_no_identities(ada: SignedInBrowser) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), ada.session() as session:
        session.execute(text("SELECT * FROM user_identities"))


# --- Settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"OIDC_ISSUER": "http://sso.example.org"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "sso.example.org"}, "OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://sso.example.org"}, "OIDC_CLIENT_ID"),
        ({"OIDC_ISSUER": "https://sso.example.org", "OIDC_CLIENT_ID": "x"}, "OIDC_CLIENT_SECRET"),
    ],
)
def test_a_provider_that_is_half_set_up_is_refused_at_start(
    values: dict[str, str], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings.model_validate({**settings.model_dump(), **values})


def test_the_provider_signs_what_a_library_can_read(provider: Provider) -> None:
    """The provider of these tests is no accomplice: its honest token verifies elsewhere too."""
    wanted = {"nonce": "n", "claims": '{"sub": "s"}'}
    token = provider._sign(wanted)

    assert jwt.decode(token, provider.key.public_key(), ["ES256"], audience=CLIENT_ID)["sub"] == "s"
