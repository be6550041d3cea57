"""H1 to H4, F1, F2, P8: what the edge does to every request and every answer."""

import asyncio
import gc
import json
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.core import web
from app.core.web import BodyLimit, ForwardedHeaders
from app.main import create_app
from tests.cast import Browser, SignedInBrowser
from tests.expectations import OPERATORS_ONLY
from tests.factories.people import PASSWORD
from tests.routes import FOR_STRANGERS, NOBODY, every_route

WANTED = {
    "content-security-policy": web.CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


@pytest.mark.parametrize("signed_in", [True, False])
def test_H1_H2_P8_every_answer_carries_the_headers(
    app: FastAPI, client: Browser, ada: SignedInBrowser, signed_in: bool
) -> None:
    browser = ada if signed_in else client
    answers = [
        browser.request(route.method, route.url())
        for route in every_route(app)
        if "events" not in route.path and route.path != "/sign-out"
    ]
    answers += [
        browser.get("/nowhere"),
        browser.get("/api/v1/nowhere"),
        browser.delete("/settings"),
        browser.get("/health", headers={"Host": "evil.example"}),
        browser.post("/sign-in", content=b"x" * (web.BODY_BYTES_MAX + 1)),
    ]

    for answer in answers:
        place = f"{answer.request.method} {answer.request.url.path}"
        for name, value in WANTED.items():
            if name == "content-security-policy" and answer.request.url.path == "/docs":
                continue
            assert answer.headers.get(name) == value, place
        assert "permissions-policy" in answer.headers, place
        assert len(answer.headers["x-request-id"]) == 32, place


def test_H1_no_page_allows_scripts_of_its_own_text(ada: SignedInBrowser) -> None:
    for path in ("/docs", "/redoc", "/settings", "/"):
        answer = ada.get(path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert scripts == "script-src 'self'"
        assert "<script>" not in answer.text
        assert " onclick=" not in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("evil.example", 400),
        ("localhost.evil.example", 400),
        ("localhost@evil.example", 400),
        ("localhost/evil", 400),
        ("localhost:8000:1", 400),
        ("localhost:port", 400),
        ("", 400),
        ("[::1]", 400),
    ],
)
def test_H3_only_our_own_host_names_are_answered(client: Browser, host: str, status: int) -> None:
    assert client.get("/health?live=1", headers={"Host": host}).status_code == status


def seen_client(peer: str, *forwarded_for: str) -> str:
    """Return whom the application sees when `peer` connects and sends these headers."""
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    async def run() -> None:
        headers = [(b"x-forwarded-for", value.encode()) for value in forwarded_for]
        scope = {"type": "http", "client": (peer, 1), "headers": headers, "path": "/"}
        await ForwardedHeaders(application)(scope, None, None)  # type: ignore[arg-type]

    asyncio.run(run())
    return seen[0]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", ["10.0.0.1"], "203.0.113.9"),
        ("192.0.2.10", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.10", ["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        ("192.0.2.10", ["10.9.9.9", "203.0.113.9"], "203.0.113.9"),
        ("192.0.2.10", ["203.0.113.9, 192.0.2.11"], "203.0.113.9"),
        ("192.0.2.10", ["203.0.113.9, nonsense"], "192.0.2.10"),
        ("192.0.2.10", [], "192.0.2.10"),
        ("192.0.2.10", ["2001:db8::7"], "2001:db8::7"),
        ("testclient", ["203.0.113.9"], "testclient"),
    ],
)
def test_H4_only_our_proxies_may_say_who_asks(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert seen_client(peer, *forwarded_for) == client


def test_what_stays_is_spared_the_search_for_garbage(app: FastAPI) -> None:
    with TestClient(app):
        assert gc.get_freeze_count() > 100_000


def test_F1_a_body_that_says_it_is_too_large_is_not_read(client: Browser) -> None:
    answer = client.post("/api/v1/auth/login", headers={"Content-Length": str(50 * 1024 * 1024)})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/sign-in", web.BODY_BYTES_MAX), ("/imports", web.UPLOAD_BYTES_MAX)],
)
def test_F1_a_body_that_hides_its_length_is_cut_off(path: str, limit: int) -> None:
    chunk = b"x" * 65_536
    read, sent = 0, []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            assert message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def receive() -> Any:
        nonlocal read
        read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    def refuse(request: object, error: Exception) -> Any:
        return PlainTextResponse(str(error), error.status)  # type: ignore[attr-defined]

    scope = {"type": "http", "path": path, "headers": [], "method": "POST"}
    asyncio.run(BodyLimit(application, refuse)(scope, receive, send))

    assert sent[0]["status"] == 413
    assert len(sent) == 2
    assert read <= limit + len(chunk)


def test_F2_a_refused_body_is_never_sent_back(client: Browser) -> None:
    secret = "sesame-" * 200
    bodies: list[dict[str, Any]] = [
        {"json": {"password": secret}},
        {"json": {"email": [secret], "password": {"a": secret}}},
        {"json": {"email": "a@b.example", "password": secret * 20}},
        {"json": {"email": "a@b.example", "password": PASSWORD, secret: 1}},
        {"content": f'{{"email": "{secret}', "headers": {"Content-Type": "application/json"}},
        {"content": secret.encode(), "headers": {"Content-Type": "text/plain"}},
    ]
    for body in bodies:
        answer = client.post("/api/v1/auth/register", **body)
        assert answer.status_code == 422
        assert secret[:60] not in answer.text
        assert len(answer.content) < 4_096
        assert set(answer.json()["errors"][0]) == {"field", "code", "message"}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nowhere", 404, "not_found"),
        ("DELETE", "/api/v1/auth/me", 405, "method_not_allowed"),
        ("GET", "/api/v1/auth/me", 401, "unauthorized"),
        ("POST", "/api/v1/auth/register", 422, "invalid_request"),
    ],
)
def test_programs_get_problem_documents(
    client: Browser, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)

    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail"} <= problem.keys()
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/api/v1/auth/me", "GET, HEAD"),
        ("DELETE", "/api/v1/transactions/", "GET, HEAD, PATCH"),
        ("DELETE", f"/api/v1/transactions/{NOBODY}", "GET, HEAD, PUT"),
        ("QUERY", f"/api/v1/imports/{NOBODY}", "DELETE, GET, HEAD"),
        ("PUT", "/sign-in", "GET, HEAD, POST"),
        # Not those of /{transaction_id}, which has the same form.
        ("DELETE", "/api/v1/transactions/totals", "GET, HEAD"),
        ("PUT", "/api/v1/transactions/totals", "GET, HEAD"),
        ("GET", "/api/v1/transactions/export", "POST"),
    ],
)
def test_a_method_that_is_not_taken_is_told_all_that_are(
    ada: SignedInBrowser, method: str, path: str, allowed: str
) -> None:
    answer = ada.request(method, path, headers=ada.bearer() if "/api/" in path else {})
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_people_get_pages_for_errors(client: Browser, ada: SignedInBrowser) -> None:
    for browser in (client, ada):
        answer = browser.get("/nowhere")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["x-request-id"] in answer.text
    assert ada.person.email in answer.text  # in the reader's own shell
    assert "That did not work" in ada.delete("/settings").text


def test_htmx_is_sent_to_the_sign_in_page_and_back(client: Browser) -> None:
    answer = client.get(
        "/settings",
        headers={"HX-Request": "true", "HX-Current-URL": "http://localhost:8000/accounts?a=1"},
    )

    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in?next=/accounts%3Fa%3D1"


@pytest.fixture
def broken(app: FastAPI) -> Iterator[tuple[FastAPI, StringIO]]:
    """An application whose routes fail in several ways, and what it logs."""
    made = create_app()

    @made.get("/api/v1/broken/{how}")
    def fail(how: str) -> None:
        if how == "database":
            raise OperationalError("SELECT 1", {}, Exception("server closed the connection"))
        raise ZeroDivisionError("the secret is access-sandbox-1234-5678")

    stream = StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    previous = handler.setStream(stream)
    yield made, stream
    handler.setStream(previous)


def test_an_unexpected_error_is_logged_once_and_told_without_detail(
    broken: tuple[FastAPI, StringIO],
) -> None:
    made, stream = broken

    answer = TestClient(made, base_url="http://localhost").get("/api/v1/broken/zero")

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "access-sandbox" not in answer.text
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    failed = [line for line in lines if line["event"] == "request_failed"]
    assert len(failed) == 1
    assert "ZeroDivisionError" in failed[0]["exception"]
    assert failed[0]["request_id"] == answer.json()["request_id"]
    assert "access-sandbox" not in stream.getvalue()
    [finished] = [line for line in lines if line["event"] == "request_finished"]
    assert (finished["status"], finished["route"]) == (500, "/api/v1/broken/{how}")


def test_a_lost_database_is_503_with_retry_after(broken: tuple[FastAPI, StringIO]) -> None:
    made, stream = broken

    answer = TestClient(made, base_url="http://localhost").get("/api/v1/broken/database")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["code"] == "database_unavailable"
    assert "Traceback" not in stream.getvalue()


def test_the_access_log_names_the_route_and_leaves_the_query_out(
    broken: tuple[FastAPI, StringIO],
) -> None:
    made, stream = broken

    TestClient(made, base_url="http://localhost").get("/sign-in?next=/x&token=abc")

    [line] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert line["event"] == "request_finished"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/sign-in", 200)
    assert "abc" not in json.dumps(line)


def test_every_route_is_for_the_signed_in_unless_it_is_listed(
    app: FastAPI, client: Browser
) -> None:
    client.greet()
    for route in every_route(app):
        if route.key in FOR_STRANGERS or route.method == "HEAD":
            continue
        answer = client.request(route.method, route.url())
        if route.key in OPERATORS_ONLY:  # strangers do not learn that it is there
            assert answer.status_code == 404, route
        elif route.is_api:
            assert answer.status_code == 401, route
        else:
            assert answer.status_code in (303, 401), route
            to = answer.headers.get("location", "/sign-in")
            assert to.startswith("/sign-in"), route


@pytest.mark.parametrize("path", ["/health", "/sign-in", "/openapi.json"])
def test_asking_for_the_head_alone_is_answered_like_asking_for_all(
    client: Browser, path: str
) -> None:
    assert client.head(path).status_code == client.get(path).status_code == 200
