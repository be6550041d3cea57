"""K6: what an error tracker is sent says where an error arose, and holds nobody's data."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.core.errors import NotFoundError

CANARY = "canary-7f3a"


class Tracker:
    """A server that keeps whatever it is sent."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.status, self.headers = 200, dict[str, str]()
        received, tracker = self.received, self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append(f"{self.path}\n{self.headers}\n{body.decode()}")
                self.send_response(tracker.status)
                for header in tracker.headers.items():
                    self.send_header(*header)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server.server_port}/1"

    def events(self) -> list[dict[str, Any]]:
        """Return the events, which are the last line of what each request sent."""
        from app.core import reporting

        reporting.flush(10)
        assert CANARY not in "".join(self.received)
        return [json.loads(each.strip().splitlines()[-1]) for each in self.received]


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    tracker = Tracker()
    thread = threading.Thread(target=tracker.server.serve_forever)
    thread.start()
    yield tracker
    tracker.server.shutdown()
    thread.join()
    tracker.server.server_close()


def configure(monkeypatch: pytest.MonkeyPatch, **values: object) -> Any:
    from app.core import reporting
    from app.core.config import settings

    monkeypatch.setattr(reporting, "settings", settings.model_copy(update=values))
    monkeypatch.setattr(reporting, "_sender", None)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    reporting.configure("web")
    return reporting


@pytest.fixture
def reporting(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> Any:
    return configure(monkeypatch, SENTRY_DSN=tracker.dsn)


def fail(secret: str) -> None:
    try:
        {}[secret]
    except KeyError as error:
        raise RuntimeError(f"cannot pay {secret}") from error


def test_K6_a_failed_request_is_reported_without_its_data(reporting: Any, tracker: Tracker) -> None:
    from app.core import web

    async def crash(scope: Any, receive: Any, send: Any) -> None:
        fail((await Request(scope, receive).body()).decode())

    edge = web.RequestEdge(crash, lambda *_: PlainTextResponse("sorry", 500))
    answer = TestClient(edge).post(
        f"/{CANARY}?token={CANARY}",
        content=CANARY,
        headers={
            "Authorization": f"Bearer {CANARY}",
            "Cookie": f"a={CANARY}",
            "User-Agent": CANARY,
        },
    )

    [event] = tracker.events()
    assert answer.status_code == 500
    assert event["tags"] == {
        "process": "web",
        "method": "POST",
        "route": "none",
        "request_id": answer.headers["x-request-id"],
    }
    assert [error["type"] for error in event["exception"]["values"]] == ["KeyError", "RuntimeError"]
    last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert (last["function"], last["module"]) == ("fail", __name__)
    assert last.keys() == {"filename", "module", "function", "lineno", "in_app"}


def test_K6_only_listed_tags_leave(reporting: Any, tracker: Tracker) -> None:
    reporting.report(ValueError(CANARY), route="/accounts", payee=CANARY)

    [event] = tracker.events()
    assert event["tags"] == {"process": "web", "route": "/accounts"}


def test_what_the_user_is_told_is_not_reported(reporting: Any, tracker: Tracker) -> None:
    reporting.report(NotFoundError("No such account."))
    reporting.report(KeyboardInterrupt())
    reporting.report(ValueError("the only one"))

    [event] = tracker.events()
    assert event["exception"]["values"][0]["type"] == "ValueError"


def test_K6_a_failed_task_is_reported_without_its_arguments(
    reporting: Any, tracker: Tracker
) -> None:
    from app import tasks

    crash = tasks.app.task(name="tests.crash")(fail)
    try:
        result = crash.apply(args=(CANARY,))
    finally:
        del tasks.app.tasks["tests.crash"]

    [event] = tracker.events()
    assert result.failed()
    assert (event["tags"]["task"], event["tags"]["task_id"]) == ("tests.crash", result.id)


def run(code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "SECRET_KEY": "q8vN3xTz6LkW1rYb9HsJ4mPd7GcF2aEu",
        "PYTHONPATH": ":".join(sys.path),
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        **settings,
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60
    )


def test_K6_a_command_that_dies_says_so_before_it_ends(tracker: Tracker) -> None:
    code = "from app.cli import main; main(['verify'])"

    done = run(code, SENTRY_DSN=tracker.dsn, FINTECH_HOME="/nonexistent")

    [event] = tracker.events()
    assert "OperationalError" in done.stderr
    assert event["tags"] == {"process": "command"}
    assert event["exception"]["values"][-1]["type"] == "OperationalError"


def test_without_a_tracker_nothing_of_it_is_loaded() -> None:
    done = run("import sys, app.main; print('app.core.reporting.sending' in sys.modules)")

    assert done.stdout.split()[-1] == "False", done.stderr


def test_K6_rollbar_is_told_as_it_wants_it(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{tracker.server.server_port}/api/1/item/"
    reporting = configure(monkeypatch, ROLLBAR_URL=url, ROLLBAR_ACCESS_TOKEN="token-of-rollbar")

    reporting.report(failure(), route="/accounts", payee=CANARY)

    [item] = tracker.events()
    assert "X-Rollbar-Access-Token: token-of-rollbar" in tracker.received[0]
    data = item["data"]
    assert (data["level"], data["environment"]) == ("error", "production")
    assert data["custom"] == {"process": "web", "route": "/accounts"}
    # The one that was raised last comes first, its innermost call last.
    chain = data["body"]["trace_chain"]
    assert [each["exception"] for each in chain] == [
        {"class": "RuntimeError"},
        {"class": "KeyError"},
    ]
    last = chain[0]["frames"][-1]
    assert (last["filename"], last["method"]) == ("tests/core/test_reporting.py", "fail")


def test_K6_bugsnag_is_told_as_it_wants_it(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{tracker.server.server_port}/"
    reporting = configure(monkeypatch, BUGSNAG_URL=url, BUGSNAG_API_KEY="key-of-bugsnag")

    reporting.report(failure(), route="/accounts", payee=CANARY)

    [report] = tracker.events()
    assert "Bugsnag-Api-Key: key-of-bugsnag" in tracker.received[0]
    [event] = report["events"]
    assert event["metaData"] == {"ids": {"process": "web", "route": "/accounts"}}
    assert [each["errorClass"] for each in event["exceptions"]] == ["RuntimeError", "KeyError"]
    assert {each["message"] for each in event["exceptions"]} == {""}
    first = event["exceptions"][0]["stacktrace"][0]
    assert (first["file"], first["method"]) == ("tests/core/test_reporting.py", "fail")


def failure() -> Exception:
    try:
        fail(CANARY)
    except RuntimeError as error:
        return error
    raise AssertionError("fail did not fail")


def test_a_tracker_that_wants_no_more_gets_no_more_for_a_while(
    reporting: Any, tracker: Tracker
) -> None:
    tracker.status, tracker.headers = 429, {"Retry-After": "120"}

    for _ in range(3):
        reporting.report(ValueError("again"))

    assert len(tracker.events()) == 1


def test_a_tracker_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    reporting = configure(monkeypatch, SENTRY_DSN="http://key@127.0.0.1:9/1")

    for _ in range(1_000):
        reporting.report(ValueError("again"))

    reporting.flush(10)
    assert reporting._sender._waiting.unfinished_tasks == 0


def test_endless_recursion_is_told_by_its_last_calls(reporting: Any, tracker: Tracker) -> None:
    def again() -> None:
        again()

    try:
        again()
    except RecursionError as error:
        reporting.report(error)

    [event] = tracker.events()
    assert len(event["exception"]["values"][0]["stacktrace"]["frames"]) == 100


@pytest.mark.parametrize("dsn", ["sentry", "https://host/1", "https://key@host/", "ftp://key@h/1"])
def test_an_address_that_is_none_is_refused_at_the_start(dsn: str) -> None:
    done = run("import app.core.config", SENTRY_DSN=dsn)

    assert done.returncode != 0
    assert "must look like" in done.stderr
