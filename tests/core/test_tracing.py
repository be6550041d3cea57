"""Traces: one from the request over the task to the bank and the SQL, and nothing secret in it."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from celery.contrib.testing.worker import start_worker
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy import text
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient

CANARY = "canary-51c9"


class Collector:
    """A server that takes traces and keeps them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[str] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_packed = self.headers.get("Content-Encoding") == "gzip"
                if self.path == "/v1/traces":
                    collector.bodies.append(gzip.decompress(body) if is_packed else body)
                    collector.headers.append(str(self.headers))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def spans(self) -> dict[str, dict[str, Any]]:
        """Return what came, by name: ids, parent, status and attributes."""
        from app.core import tracing

        tracing.flush()
        assert not any(CANARY.encode() in body for body in self.bodies)
        found = {}
        for body in self.bodies:
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for span in (span for scope in resource.scope_spans for span in scope.spans):
                    found[span.name] = {
                        "trace": span.trace_id.hex(),
                        "id": span.span_id,
                        "parent": span.parent_span_id,
                        "failed": span.status.code == 2,
                        **{
                            each.key: each.value.string_value or each.value.int_value
                            for each in span.attributes
                        },
                    }
        return found


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    from app.core import tracing
    from app.core.config import settings

    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever)
    thread.start()
    changed = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=of-the-collector",
        "OTEL_TRACES_PERCENT": 100,
    }
    monkeypatch.setattr(tracing, "settings", settings.model_copy(update=changed))
    monkeypatch.setattr(tracing, "_provider", None)
    monkeypatch.setattr(tracing, "_tracer", None)
    tracing.configure("web")
    yield collector
    assert tracing._provider is not None
    tracing._provider.shutdown()
    collector.server.shutdown()
    thread.join()
    collector.server.server_close()


def edge(endpoint: Any) -> TestClient:
    from app.core import web

    app = Router([Route("/accounts/{name}", endpoint, methods=["POST"])])
    return TestClient(web.RequestEdge(app, lambda *_: PlainTextResponse("sorry", 500)))


def test_a_request_its_task_its_bank_and_its_sql_are_one_trace(collector: Collector) -> None:
    from app import tasks
    from app.core import http, jobs, tracing
    from app.core.database import engine

    @tasks.app.task(name="tests.traced")
    def traced(secret: str) -> None:
        http.HttpClient().request("POST", f"{collector.url}/{secret}?token={secret}")
        with engine.connect() as connection:
            connection.execute(text("SELECT 1 FROM users WHERE email = :it"), {"it": secret})
        done.set()

    done = threading.Event()

    async def ask(request: Request) -> PlainTextResponse:
        jobs.send("tests.traced", request.path_params["name"])
        return PlainTextResponse(tracing.trace_id() or "")

    try:
        with start_worker(tasks.app, perform_ping_check=False):
            answer = edge(ask).post(f"/accounts/{CANARY}?secret={CANARY}", content=CANARY)
            assert done.wait(30)
    finally:
        del tasks.app.tasks["tests.traced"]

    spans = collector.spans()
    request, task = spans["POST /accounts/{name}"], spans["tests.traced"]
    bank, sql = spans["POST"], spans["SELECT users"]
    # Beside these are tasks that others' tests left with the broker.
    ours = (request, task, bank, sql)
    assert {span["trace"] for span in ours} == {answer.text}
    assert [span["parent"] for span in ours] == [
        b"", request["id"], task["id"], task["id"]
    ]  # fmt: skip
    assert request["http.response.status_code"] == 200
    assert request["request_id"] == answer.headers["x-request-id"]
    assert (bank["server.address"], bank["http.response.status_code"]) == ("127.0.0.1", 200)
    assert sql["db.query.summary"] == "SELECT users"
    assert "api-key: of-the-collector" in collector.headers[0]


def test_what_fails_is_marked_by_the_kind_of_error_alone(collector: Collector) -> None:
    from app.core.database import engine

    async def crash(request: Request) -> PlainTextResponse:
        with engine.connect() as connection:
            connection.execute(
                text("SELECT email::int FROM users UNION SELECT :it::int"), {"it": CANARY}
            )
        raise AssertionError("the database took it")

    answer = edge(crash).post(f"/accounts/{CANARY}")

    spans = collector.spans()
    assert answer.status_code == 500
    assert spans["POST /accounts/{name}"]["failed"]
    assert spans["SELECT users"]["failed"]
    assert spans["SELECT users"]["error.type"]


def test_strangers_do_not_choose_what_is_traced(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.core import web

    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    theirs = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    edge(answer).post("/accounts/a", headers=theirs)
    stranger = collector.spans()["POST /accounts/{name}"]["trace"]
    app = Router([Route("/accounts/{name}", answer, methods=["POST"])])
    inner = web.RequestEdge(app, lambda *_: PlainTextResponse("sorry", 500))
    TestClient(web.ForwardedHeaders(inner), client=("192.0.2.7", 1)).post(
        "/accounts/a", headers=theirs
    )

    assert stranger != "0af7651916cd43dd8448eb211c80319c"
    assert collector.spans()["POST /accounts/{name}"]["trace"] == "0af7651916cd43dd8448eb211c80319c"


def test_health_checks_and_loose_sql_make_no_traces(collector: Collector) -> None:
    from app.core import web
    from app.core.database import engine

    async def answer(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    app = Router([Route("/health", answer)])
    TestClient(web.RequestEdge(app, lambda *_: PlainTextResponse("sorry", 500))).get("/health")
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))

    assert collector.spans() == {}


@pytest.mark.parametrize(
    ("statement", "summary"),
    [
        ("SELECT a FROM ledger.rows WHERE b = 'canary-51c9'", "SELECT ledger"),
        ("  insert into items (id) values (1)", "INSERT items"),
        ("UPDATE ONLY users SET a = 1", "UPDATE users"),
        ("WITH x AS (SELECT 1 FROM a) SELECT * FROM x", "WITH a"),
        ("canary-51c9", "SQL"),
        ("", "SQL"),
    ],
)
def test_of_a_statement_its_verb_and_first_table_leave(statement: str, summary: str) -> None:
    from app.core import tracing

    assert tracing.summarize(statement) == summary


def test_headers_are_read_as_collectors_give_them_out() -> None:
    from app.core import tracing

    assert tracing.parse_headers("Api-Key=a=b, x = y ,") == {"api-key": "a=b", "x": "y"}
