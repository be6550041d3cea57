"""Signing in at an OpenID Connect provider: every claim counts, and nobody gets in by chance."""

import datetime as dt
import math
import re
from collections.abc import Callable, Iterator
from itertools import count

import jwt
import pytest
from fastapi import FastAPI
from pydantic import SecretStr, ValidationError
from sqlalchemy import null, select, text, update
from sqlalchemy.exc import ProgrammingError

from app.core import database, tickets
from app.core import oidc as protocol
from app.core.config import Settings, settings
from app.features.users import oidc, oidc_pages, pages
from app.models import User, UserIdentity
from tests.cast import Browser, Clock, SignedInBrowser
from tests.features.users import oidc_provider
from tests.features.users.authenticators import LATER, arrive, is_in
from tests.features.users.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, new_key
from tests.features.users.phones import Phone, actions
from tests.features.users.test_notices import told

BEGIN, BACK = "/sign-in/oidc", "/sign-in/oidc/callback"
_numbers = count(1)
Set = Callable[..., None]


@pytest.fixture
def set_oidc(monkeypatch: pytest.MonkeyPatch) -> Set:
    """Sets OIDC_… for the test."""

    def change(**values: object) -> None:
        named = {f"OIDC_{name.upper()}": value for name, value in values.items()}
        # Not `model_copy` of the last copy: what is cached in it would be copied as well.
        changed = Settings.model_construct(**{**protocol.settings.model_dump(), **named})
        for module in (protocol, oidc, oidc_pages, pages):
            monkeypatch.setattr(module, "settings", changed)

    return change


@pytest.fixture
def provider(set_oidc: Set) -> Iterator[Provider]:
    """A provider that the server knows."""
    protocol._documents.forget()
    with oidc_provider.running() as provider:
        set_oidc(
            issuer=provider.url, client_id=CLIENT_ID, client_secret=SecretStr(CLIENT_SECRET),
            name="Example SSO",
        )  # fmt: skip
        yield provider
    protocol._documents.forget()


@pytest.fixture
def subject() -> str:
    """Somebody at the provider."""
    return f"subject-{next(_numbers)}"


def sign_in(browser: Browser, provider: Provider, subject: str, **claims: object) -> int:
    """Go to the provider, sign in there, come back; return how that was answered."""
    came = provider.authorize(browser.get(BEGIN).headers["location"], subject, **claims)
    return browser.get(BACK, params=came).status_code


def link(ada: SignedInBrowser, provider: Provider, subject: str) -> None:
    page = ada.post("/settings/oidc/link").text
    [address] = re.findall(r'href="(http[^"]+/authorize[^"]+)"', page)
    came = provider.authorize(address.replace("&amp;", "&"), subject)
    assert ada.get(BACK, params=came).headers["location"] == "/settings"


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


def test_a_new_key_is_found_without_a_restart(
    ada: SignedInBrowser, provider: Provider, subject: str, app: FastAPI,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(protocol, "ASKED_AGAIN_SECONDS", 1_000.0)
    protocol._documents._keys_asked = -math.inf
    link(ada, provider, subject)
    provider.rotate()

    assert sign_in(arrive(app), provider, subject) == 401, "it was looked for a moment ago"
    monkeypatch.setattr(protocol, "ASKED_AGAIN_SECONDS", 0.0)
    assert sign_in(arrive(app), provider, subject) == 303
    assert provider.asked.count("/.well-known/openid-configuration") == 1


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


def test_a_provider_that_calls_itself_otherwise_or_is_down_is_not_asked(
    provider: Provider, door: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "ASKED_AGAIN_SECONDS", 1_000.0)
    provider.issuer = "https://sso.example.org"

    assert door.get(BEGIN).status_code == 503
    asked = len(provider.asked)
    answer = door.get(BEGIN)

    assert answer.status_code == 503
    assert "Example SSO does not answer" in answer.text
    assert len(provider.asked) == asked, "not again at once"


@pytest.mark.parametrize("path", ["/token", "/keys"])
def test_a_provider_in_trouble_refuses_nobody_and_uses_up_no_attempts(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str, path: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(protocol, "ASKED_AGAIN_SECONDS", 0.0)
    link(ada, provider, subject)
    provider.down = (path,)
    provider.rotate()
    for _ in range(11):
        assert sign_in(arrive(app, "203.0.113.92"), provider, subject) == 503

    provider.down = ()
    assert sign_in(arrive(app, "203.0.113.92"), provider, subject) == 303


def test_keys_are_not_believed_once_the_provider_could_not_be_asked_for_them(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    link(ada, provider, subject)
    monkeypatch.setattr(protocol._documents, "_keys_asked", -math.inf)
    provider.down = ("/keys",)

    assert sign_in(arrive(app), provider, subject) == 503, "an hour has passed"
    provider.down = ()
    assert sign_in(arrive(app), provider, subject) == 503, "not asked again at once"
    assert provider.asked.count("/keys") == 2


@pytest.mark.parametrize("url", ["https://[", "ftp://sso.example.org/keys", "/keys", None])
def test_a_discovery_document_without_addresses_is_not_used(
    provider: Provider, door: Browser, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    answer = provider.answer
    monkeypatch.setattr(
        provider, "answer", lambda *asked: (200, {**answer(*asked)[1], "jwks_uri": url})
    )

    assert door.get(BEGIN).status_code == 503


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
    ada: SignedInBrowser, provider: Provider, subject: str, app: FastAPI, set_oidc: Set
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


def test_people_are_made_only_where_the_operator_says_so(
    provider: Provider, subject: str, app: FastAPI, set_oidc: Set
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
    ada: SignedInBrowser, provider: Provider, subject: str, door: Browser, set_oidc: Set
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
