"""A provider that is down, slow, or says something odd: nobody is refused, and nobody waits."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event

import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core import database
from app.core import oidc as protocol
from app.core.turns import Turns
from app.features.users import repository
from app.features.users.repository import identities
from tests.cast import Browser, SignedInBrowser
from tests.features.users.authenticators import arrive
from tests.features.users.oidc_provider import Provider
from tests.features.users.oidc_visits import BEGIN, begun, come_back, link, sign_in


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


def hold_turns(
    monkeypatch: pytest.MonkeyPatch, *, redeemed_at_once: int, seconds: float, waiting: int = 4
) -> None:
    """Change how many may ask the provider at a time, and how long others wait."""
    made = {"waiting": waiting, "seconds": seconds}
    monkeypatch.setattr(protocol, "_redeeming", Turns(redeemed_at_once, **made))  # type: ignore[arg-type]
    monkeypatch.setattr(protocol._documents, "_looking", Turns(1, **made))  # type: ignore[arg-type]


@dataclass
class Waiting:
    """A provider that lets one path wait until `go_on`."""

    is_reached: Event = field(default_factory=Event)
    go_on: Event = field(default_factory=Event)


@pytest.fixture
def wait_at(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Waiting]:
    """Lets the provider wait from now on."""

    def change(path: str) -> Waiting:
        waiting, answer = Waiting(), provider.answer

        def hang(asked: str, *rest: object) -> tuple[int, object]:
            if asked == path:
                waiting.is_reached.set()
                waiting.go_on.wait(protocol.TIMEOUT_SECONDS)
            return answer(asked, *rest)

        monkeypatch.setattr(provider, "answer", hang)
        return waiting

    return change


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_who_comes_while_the_provider_hangs_waits_a_moment_and_no_longer(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str, path: str,
    wait_at: Callable[[str], Waiting], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(protocol, "ASKED_AGAIN_SECONDS", 0.0)
    hold_turns(monkeypatch, redeemed_at_once=1, seconds=0.1)
    link(ada, provider, subject)
    provider.rotate()
    came = [(each, begun(each, provider, subject)) for each in (arrive(app), arrive(app))]
    waiting = wait_at(path)
    if path not in ("/keys", "/token"):
        protocol._documents.forget()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(come_back, *came[0])
        assert waiting.is_reached.wait(5)
        assert come_back(*came[1]) == 503
        assert not first.done(), "it waited as well"
        waiting.go_on.set()
        assert first.result() == 303


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
def test_a_provider_that_is_well_lets_all_in_who_come_at_one_moment_after_a_start(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str, path: str,
    wait_at: Callable[[str], Waiting], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    hold_turns(monkeypatch, redeemed_at_once=2, seconds=20.0)
    link(ada, provider, subject)
    came = [(each, begun(each, provider, subject)) for each in [arrive(app) for _ in range(5)]]
    protocol._documents.forget()
    waiting = wait_at(path)

    with ThreadPoolExecutor(len(came)) as pool:
        answers = [pool.submit(come_back, *each) for each in came]
        assert waiting.is_reached.wait(5)
        waiting.go_on.set()

    assert [answer.result() for answer in answers] == [303] * len(came)


def test_more_than_may_wait_for_the_provider_are_sent_away_at_once(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str,
    wait_at: Callable[[str], Waiting], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    hold_turns(monkeypatch, redeemed_at_once=1, waiting=0, seconds=20.0)
    link(ada, provider, subject)
    came = [(each, begun(each, provider, subject)) for each in (arrive(app), arrive(app))]
    waiting = wait_at("/token")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(come_back, *came[0])
        assert waiting.is_reached.wait(5)
        assert come_back(*came[1]) == 503
        waiting.go_on.set()
        assert first.result() == 303


def test_known_keys_count_while_the_provider_is_asked_for_them_again(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str,
    wait_at: Callable[[str], Waiting], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    link(ada, provider, subject)
    monkeypatch.setattr(protocol._documents, "_keys_asked", -math.inf)
    waiting, browsers = wait_at("/keys"), (arrive(app), arrive(app))

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(sign_in, browsers[0], provider, subject)
        assert waiting.is_reached.wait(5)
        assert sign_in(browsers[1], provider, subject) == 303
        assert not first.done(), "it waited as well"
        waiting.go_on.set()
        assert first.result() == 303


@pytest.mark.parametrize("url", ["https://[", "ftp://sso.example.org/keys", "/keys", None])
def test_a_discovery_document_without_addresses_is_not_used(
    provider: Provider, door: Browser, monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    answer = provider.answer
    monkeypatch.setattr(
        provider, "answer", lambda *asked: (200, {**answer(*asked)[1], "jwks_uri": url})
    )

    assert door.get(BEGIN).status_code == 503


def test_who_signs_in_while_they_are_unlinked_waits_for_that_and_is_not_let_in(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str
) -> None:
    """Both lock the person first, so that neither holds what the other wants."""
    link(ada, provider, subject)
    visitor = arrive(app)
    came = begun(visitor, provider, subject)

    with ThreadPoolExecutor(1) as pool:
        with database.system_transaction() as session:
            repository.lock_user(session, ada.user_id, exclusively=True)
            signing_in = pool.submit(come_back, visitor, came)
            wait_until_somebody_waits_for(session)
            assert identities.delete_identities(session, ada.user_id, provider.url)
        assert signing_in.result() == 403


def wait_until_somebody_waits_for(session: Session) -> None:
    """Return once another transaction wants what this one holds."""
    wanted = text(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
    )
    deadline = time.monotonic() + 5
    while not session.execute(wanted).scalar_one():
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.01)
