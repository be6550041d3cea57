"""A real HTTP server on a free local port that answers as it is told, also badly."""

import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]
DRIPS = 1_000


@dataclass
class Request:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)


@dataclass
class LocalServer:
    """Gives the answers in order and repeats the last; `routes` answer first, by path."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    routes: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def next_answer(self, path: str) -> Answer:
        if path in self.routes:
            return self.routes[path]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """The client hung up: that is what many of these tests want."""


@contextmanager
def local_server() -> Iterator[LocalServer]:
    state = LocalServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.requests.append(Request(self.path, headers, body))
            state.next_answer(self.path)(self)

        def log_message(self, *args):
            pass

    server = _QuietServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def raw(body: bytes, status: int = 200, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        given = {"Content_Type": "application/json", "Content_Length": str(len(body)), **headers}
        for name, value in given.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def as_json(value: object, status: int = 200, **headers: str) -> Answer:
    return raw(json.dumps(value).encode(), status, **headers)


def zipped(body: bytes) -> Answer:
    return raw(gzip.compress(body), Content_Encoding="gzip")


def plaid_error(error_type: str, error_code: str, status: int = 400, **headers: str) -> Answer:
    return as_json(
        {
            "error_type": error_type,
            "error_code": error_code,
            "error_message": "words for developers",
            "display_message": None,
            "request_id": "HNTDNrA8F1shFEW",
        },
        status,
        **headers,
    )


def html(status: int) -> Answer:
    return raw(b"<html><h1>Bad Gateway</h1></html>", status, Content_Type="text/html")


def truncated(body: bytes) -> Answer:
    """Announces the whole body and hangs up in the middle of it."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        raw(body[: len(body) // 2], Content_Length=str(len(body)))(handler)
        handler.close_connection = True

    return answer


def reset(handler: BaseHTTPRequestHandler) -> None:
    """Sends RST instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def drip(pause_seconds: float, dripped: list[bytes]) -> Answer:
    """Sends a byte at a time, each soon enough for a timeout that looks at one read."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for _ in range(DRIPS):
            handler.wfile.write(b" ")
            dripped.append(b" ")
            time.sleep(pause_seconds)

    return answer


def drip_after(start: bytes, drop: bytes, pause_seconds: float, dripped: list[bytes]) -> Answer:
    """Sends the start of an answer at once, and then one more drop of it at a time."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(start)
        for _ in range(DRIPS):
            handler.wfile.write(drop)
            dripped.append(drop)
            time.sleep(pause_seconds)

    return answer


def silence(seconds: float) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        handler.close_connection = True

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Sends chunks until the client has enough."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(100_000):
        handler.wfile.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
