"""A receiver of webhooks that checks them as an application must, and a server to test against."""

import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import uvicorn
from starlette.types import ASGIApp


class Receiver:
    """Collects webhooks; answers with the statuses it is given, then with 200."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, str]] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((body, self.headers["Plaid-Verification"]))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/webhook"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def codes(self) -> list[str]:
        return [json.loads(body)["webhook_code"] for body, _ in self.received]

    def wait(self, code: str, count: int = 1, seconds: float = 10) -> list[dict[str, Any]]:
        """Return the webhooks of a code once there are so many."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            found = [json.loads(b) for b, _ in self.received]
            found = [each for each in found if each["webhook_code"] == code]
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"{code} did not come {count} times; came: {self.codes()}")


def verify(body: bytes, token: str, jwk: dict[str, Any], *, age_seconds: int = 300) -> None:
    """Raise unless the webhook is genuine and fresh."""
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "ES256"
    assert header["kid"] == jwk["kid"]
    assert jwk["expired_at"] is None or jwk["expired_at"] > time.time()
    claims = jwt.decode(token, jwt.PyJWK(jwk).key, algorithms=["ES256"])
    assert abs(time.time() - claims["iat"]) <= age_seconds
    assert hmac.compare_digest(sha256(body).hexdigest(), claims["request_body_sha256"])


@contextmanager
def serve(app: ASGIApp) -> Iterator[str]:
    """Serve an app on a free port of this machine; yield its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            until = time.monotonic() + 10
            while not server.started:
                assert time.monotonic() < until
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
