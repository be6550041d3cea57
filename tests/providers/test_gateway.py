"""O7: what goes out through a gateway, with a real one."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.core.config import Settings
from app.core.http import HttpClient, HttpError
from app.core.outbound import Allowance, Guard
from tests.providers.local_server import local_server, raw
from tests.providers.tls import make_certificate, tls_server

SECONDS_MAX = 10


class Gateway(ThreadingHTTPServer):
    """Connects to the names that it knows, and refuses all others."""

    daemon_threads = True

    def __init__(self, known: dict[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.known = known
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Tunnel(BaseHTTPRequestHandler):
    server: Gateway

    def do_CONNECT(self) -> None:
        self.server.asked.append(self.path)
        port = self.server.known.get(self.path)
        if port is None:
            self.send_error(403)
            return
        with socket.create_connection(("127.0.0.1", port), SECONDS_MAX) as upstream:
            self.send_response(200)
            self.end_headers()
            pump(self.connection, upstream)

    def log_message(self, *args: object) -> None:
        pass


def pump(one: socket.socket, other: socket.socket) -> None:
    to = {one: other, other: one}
    while ready := select.select(list(to), [], [], SECONDS_MAX)[0]:
        for side in ready:
            data = side.recv(65_536)
            if not data:
                return
            to[side].sendall(data)


@contextmanager
def gateway(known: dict[str, int]) -> Iterator[Gateway]:
    server = Gateway(known)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def look_nothing_up(host: str, port: int) -> list[str]:
    raise AssertionError(f"{host} was looked up here")


def guarded(through: Gateway, allowance: Allowance | None = None, **more: str) -> HttpClient:
    guard = Guard(allowance or Allowance(), resolve=look_nothing_up)
    return HttpClient(guard=guard, gateway=through.url, **more)


def failure_of(client: HttpClient, url: str) -> HttpError:
    with pytest.raises(HttpError) as caught:
        client.request("GET", url)
    client.close()
    return caught.value


def test_O7_https_goes_through_the_gateway_and_is_verified_under_its_own_name(tmp_path) -> None:
    certificate = make_certificate("bank.example", tmp_path)
    with tls_server(certificate) as port, gateway({"bank.example:443": port}) as through:
        trusting = guarded(through, ca_file=str(certificate))
        assert trusting.request("GET", "https://bank.example/accounts").body == b"ok"
        trusting.close()
        through.known["other.example:443"] = port
        other = guarded(through, ca_file=str(certificate))
        assert "certificate" in failure_of(other, "https://other.example/").reason
    assert through.asked == ["bank.example:443", "other.example:443"]


def test_O7_what_nobody_but_the_operator_chose_goes_through_it_as_well() -> None:
    with local_server() as server:
        server.answers = [raw(b"ok")]
        client = HttpClient(gateway=server.url)
        client.request("GET", "http://plaid.example/item")
        client.close()
    assert [request.path for request in server.requests] == ["http://plaid.example/item"]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/",
        "https://[::ffff:10.0.0.1]/", "https://2130706433/", "https://0x7f000001/", "https://127.1/",
        "https://0177.0.0.1/", "https://localhost/", "https://redis/", "https://bank.example:8443/",
        "https://8.8.8.8:22/", "http://bank.example/",
    ],
)  # fmt: skip
def test_O7_O2_the_gateway_is_not_asked_for_what_people_may_not_choose(url: str) -> None:
    with gateway({}) as through:
        failure = failure_of(guarded(through), url)
    assert (failure.temporary, failure.sent) == (False, False)
    assert through.asked == []


def test_O7_O3_what_the_operator_allows_is_left_to_the_gateway() -> None:
    allowance = Allowance(hosts=frozenset({("simplefin.home", 8443)}))
    with gateway({}) as through:
        failure_of(guarded(through, allowance), "https://simplefin.home:8443/")
    assert through.asked == ["simplefin.home:8443"]


def test_O7_a_refusal_of_the_gateway_sent_nothing_and_may_pass() -> None:
    with gateway({}) as through:
        failure = failure_of(guarded(through), "https://bank.example/")
    assert (failure.temporary, failure.sent) == (True, False)
    assert "gateway" in failure.reason


def test_O7_a_gateway_that_is_away_sent_nothing_and_may_come_back() -> None:
    with gateway({}) as through:
        pass
    failure = failure_of(guarded(through), "https://bank.example/")
    assert (failure.temporary, failure.sent) == (True, False)


@pytest.mark.parametrize(
    "value", ["gateway:3128", "https://gateway:3128", "http://a:b@gateway:3128", "http://gateway"]
)
def test_O7_a_setting_that_is_no_gateway_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="OUTBOUND_PROXY"):
        Settings(OUTBOUND_PROXY=value)
