"""Claiming and reading over HTTP: what is sent, and what every bad answer becomes."""

import base64
import datetime as dt
import logging

import pytest
from structlog.testing import capture_logs

from app.core.http import HttpClient
from app.core.outbound import Allowance, Guard
from app.providers.base import (
    ProviderContractError,
    ProviderError,
    ProviderSetupError,
    ProviderUnavailableError,
    ReauthRequiredError,
)
from app.providers.simplefin.client import SimpleFINClient
from app.providers.simplefin.windows import Window
from tests.providers.local_server import html, raw, reset, truncated
from tests.providers.tls import make_certificate, tls_server

WINDOW = Window(dt.date(2026, 10, 1), dt.date(2026, 11, 1), dt.datetime(2026, 11, 1, tzinfo=dt.UTC))


@pytest.fixture
def port(server):
    return int(server.url.rpartition(":")[2])


@pytest.fixture
def client(port):
    return SimpleFINClient(Allowance(hosts=frozenset({("127.0.0.1", port)})))


def token(url: str, encode=base64.b64encode) -> str:
    return encode(url.encode()).decode()


def access(server) -> str:
    return server.url.replace("//", "//ada:p%40ss@") + "/simplefin"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_token_is_claimed_by_an_empty_post(server, client, encode):
    server.answers = [raw(f" {access(server)}\n".encode())]

    found = client.claim("\n" + token(server.url + "/claim/~~~???", encode).rstrip("=") + " ")

    assert found == access(server)
    [request] = server.requests
    assert (request.path, request.body) == ("/claim/~~~???", b"")
    assert request.headers["content-length"] == "0"


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_O4_a_refused_claim_says_that_the_token_may_be_compromised(server, client, status):
    server.answers = [raw(b"Forbidden <b>", status)]

    with pytest.raises(ProviderContractError, match="somebody else may have") as caught:
        client.claim(token(server.url + "/claim/secret"))

    assert caught.value.code == "TOKEN_REFUSED"
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [reset, truncated(b"x" * 99), html(502), raw(b"", 429)])
def test_a_claim_without_an_answer_is_not_repeated_by_itself(server, client, answer):
    server.answers = [answer]

    with pytest.raises(ProviderUnavailableError):
        client.claim(token(server.url + "/claim/secret"))

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"hello", b"http://no-user.example/x", b"\xff", b"https://user:pass@/x"]
)
def test_an_answer_that_is_no_access_url_is_not_kept(server, client, body):
    server.answers = [raw(body)]

    with pytest.raises(ProviderContractError, match="something that we do not understand"):
        client.claim(token(server.url + "/claim/secret"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/claim/x",
        "https://127.0.0.1/claim/x",
        "https://[::1]/claim/x",
        "https://169.254.169.254/latest/meta-data",
        "https://user:pass@bridge.example/claim/x",
        "https://localhost/claim/x",
    ],
)
def test_O2_trap_14_a_token_cannot_make_us_ask_our_own_network(server, client, url):
    with pytest.raises(ProviderSetupError) as caught:
        client.claim(token(url))

    assert caught.value.code == "UNUSABLE_SERVER"
    assert server.requests == []


def test_O2_trap_14_an_access_url_cannot_either(server, client):
    server.answers = [raw(b"https://u:p@10.0.0.1/simplefin")]
    found = client.claim(token(server.url + "/claim/x"))

    with pytest.raises(ProviderSetupError):
        client.accounts(found, WINDOW)


@pytest.mark.parametrize("text", ["", "   ", "%%%", "aGVsbG8=", "ZnRwOi8veA==", "a" * 4_001])
def test_what_is_no_token_is_refused_before_anything_is_asked(server, client, text):
    with pytest.raises(ProviderContractError) as caught:
        client.claim(text)

    assert caught.value.code == "NOT_A_TOKEN"


def test_accounts_are_asked_for_once_with_the_days_and_without_the_secret_in_the_address(
    server, client
):
    server.answers = [raw(b'{"accounts": []}')]

    assert client.accounts(access(server), WINDOW) == b'{"accounts": []}'

    [request] = server.requests
    path, _, query = request.path.partition("?")
    assert path == "/simplefin/accounts"
    assert set(query.split("&")) == {
        "version=2", "start-date=1790812800", "end-date=1793491200", "pending=1",
    }  # fmt: skip
    assert request.headers["authorization"] == "Basic " + token("ada:p@ss")


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (raw(b"", 401), ReauthRequiredError, "ACCESS_REFUSED"),
        (raw(b"", 403), ReauthRequiredError, "ACCESS_REFUSED"),
        (raw(b"", 402), ReauthRequiredError, "PAYMENT_REQUIRED"),
        (raw(b"", 429), ProviderUnavailableError, "TOO_MANY_REQUESTS"),
        (html(502), ProviderUnavailableError, "SERVER_DOWN"),
        (html(524), ProviderUnavailableError, "SERVER_DOWN"),
        (raw(b"", 302, Location="http://127.0.0.1/"), ProviderContractError, "REDIRECTED"),
        (raw(b"", 400), ProviderContractError, "UNEXPECTED_STATUS"),
        (reset, ProviderUnavailableError, "UNREACHABLE"),
        (truncated(b"x" * 99), ProviderUnavailableError, "UNREACHABLE"),
        (raw(b" " * (10 * 1024 * 1024 + 1)), ProviderSetupError, "UNUSABLE_SERVER"),
    ],
)
def test_every_bad_answer_has_a_kind_and_words(server, client, answer, kind, code):
    server.answers = [answer]

    with pytest.raises(ProviderError) as caught:
        client.accounts(access(server), WINDOW)

    assert (type(caught.value), caught.value.code) == (kind, code)
    assert len(server.requests) == 1


def test_a_server_that_is_asked_too_often_is_left_alone_for_hours(server, client):
    server.answers = [raw(b"", 429)]

    with pytest.raises(ProviderUnavailableError) as caught:
        client.accounts(access(server), WINDOW)

    assert caught.value.retry_after_seconds >= 3_600


def test_no_error_and_no_log_names_the_secret(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    server.answers = [raw(b"", 403), reset, raw(b"nonsense with p%40ss")]
    texts = []
    with capture_logs() as events:
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                client.accounts(access(server), WINDOW)
            texts.append(repr(caught.value))
        with pytest.raises(ProviderError) as caught:
            client.claim(token(server.url + "/claim/hush"))
        texts.append(repr(caught.value) + str(caught.value.__cause__))

    told = caplog.text + str(events) + "".join(texts)
    assert "p%40ss" not in told
    assert "p@ss" not in told
    assert "hush" not in told


def test_O4_a_certificate_that_nobody_trusts_is_refused(tmp_path):
    certificate = make_certificate("simplefin.home", tmp_path)
    lan = Allowance(hosts=frozenset())
    with tls_server(certificate) as port:
        allowance = Allowance(hosts=frozenset({("simplefin.home", port)}))
        guard = Guard(allowance, resolve=lambda host, number: ["127.0.0.1"])
        client = SimpleFINClient(lan, http=HttpClient(guard=guard))

        with pytest.raises(ProviderSetupError, match="certificate"):
            client.accounts(f"https://u:p@simplefin.home:{port}/simplefin", WINDOW)
