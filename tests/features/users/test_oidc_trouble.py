"""A provider that is down, slow, or says something odd: nobody is refused, and nobody waits."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event

import pytest
from fastapi import FastAPI

from app.core import oidc as protocol
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
def test_who_comes_while_another_waits_for_the_provider_is_answered_at_once(
    app: FastAPI, ada: SignedInBrowser, provider: Provider, subject: str, path: str,
    wait_at: Callable[[str], Waiting], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(protocol, "ASKED_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(protocol, "_redeeming", BoundedSemaphore(1))
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
