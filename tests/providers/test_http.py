import ipaddress
import logging
import socket
import threading
import time

import pytest
from structlog.testing import capture_logs

from app.core.http import HttpClient, HttpError
from tests.providers.local_server import (
    DRIPS,
    as_json,
    drip,
    drip_after,
    endless,
    html,
    raw,
    reset,
    silence,
    truncated,
    zipped,
)
from tests.providers.tls import make_certificate, tls_server

TOTAL_SECONDS = 0.6
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS_OF_AN_ANSWER = [
    pytest.param(b"HTTP/1.1 200 ", b"x", id="status line"),
    pytest.param(OK + b"X: ", b"x", id="one header"),
    pytest.param(OK, b"X: y\r\n", id="headers"),
    pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="status lines"),
    pytest.param(CHUNKED, b"0", id="size of a chunk"),
    pytest.param(CHUNKED + b"0\r\n", b"X: y\r\n", id="trailers"),
    pytest.param(OK + b"Connection: close\r\n\r\n", b"x", id="body without an end"),
]


@pytest.fixture
def client():
    client = HttpClient(read_timeout_seconds=0.5, answer_bytes_max=1_000_000)
    yield client
    client.close()


def failure_of(client: HttpClient, url: str, *, body=b"{}", **arguments) -> HttpError:
    with pytest.raises(HttpError) as caught:
        client.request("POST", url, body=body, **arguments)
    return caught.value


def test_an_answer_is_status_headers_and_body(server, client):
    server.answers = [as_json({"a": 1}, 418, X_Thing="yes")]

    answer = client.request("POST", server.url + "/x", headers={"K": "v"}, body=b"{}")

    assert (answer.status, answer.headers["x-thing"], answer.body) == (418, "yes", b'{"a": 1}')
    [request] = server.requests
    assert (request.path, request.headers["k"], request.body) == ("/x", "v", b"{}")
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers["user-agent"]


def test_gzip_is_undone(server, client):
    server.answers = [zipped(b"x" * 5_000)]

    assert client.request("GET", server.url).body == b"x" * 5_000


def test_connections_are_used_again(server, client):
    seen = []

    def answer(handler):
        seen.append(handler.client_address)
        raw(b"ok")(handler)

    server.answers = [answer]
    for _ in range(3):
        client.request("GET", server.url)

    assert len(set(seen)) == 1


def test_redirects_are_not_followed(server, client):
    server.answers = [raw(b"", 302, Location="http://127.0.0.1:1/secret")]

    assert client.request("GET", server.url).status == 302
    assert len(server.requests) == 1


def test_proxies_from_the_environment_are_ignored(server, client, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    server.answers = [raw(b"direct")]

    assert client.request("GET", server.url).body == b"direct"


@pytest.mark.parametrize(
    ("answer", "temporary"),
    [
        pytest.param(reset, True, id="reset"),
        pytest.param(truncated(b"x" * 1_000), True, id="truncated"),
        pytest.param(silence(2), True, id="silence"),
        pytest.param(raw(b"not gzip", Content_Encoding="gzip"), True, id="not gzip"),
        pytest.param(raw(b"x", Content_Encoding="br"), False, id="unknown encoding"),
        pytest.param(zipped(b" " * 1_000_001), False, id="gzip bomb"),
        pytest.param(raw(b" " * 1_000_001), False, id="too large"),
        pytest.param(endless, False, id="endless"),
    ],
)
def test_a_broken_answer_is_an_error_that_says_whether_to_try_again(
    server, client, answer, temporary
):
    server.answers = [answer]

    error = failure_of(client, server.url)

    assert (error.temporary, error.sent) == (temporary, True)


def test_a_gzip_body_that_ends_early_is_not_taken_for_whole(server, client):
    whole = []
    zipped_answer = zipped(bytes(range(256)) * 100)

    def cut(handler):
        sent = handler.wfile.write
        handler.wfile.write = lambda data: whole.append(data) or sent(data)
        zipped_answer(handler)

    server.answers = [cut]
    client.request("GET", server.url)
    body = whole[-1]
    server.answers = [raw(body[:-20], Content_Encoding="gzip")]

    assert failure_of(client, server.url).reason == "the answer is incomplete"


def test_a_dripping_body_ends_at_the_total_timeout(server, client):
    dripped = []
    server.answers = [drip(0.05, dripped)]

    error = failure_of(client, server.url, timeout_seconds=0.6)

    assert error.temporary
    assert 0 < len(dripped) < DRIPS // 2


def ends_in_time(client: HttpClient, url: str, **arguments) -> HttpError:
    """Return the failure of a request whose server would keep it for ever."""
    began = time.monotonic()
    error = failure_of(client, url, timeout_seconds=TOTAL_SECONDS, **arguments)
    assert time.monotonic() - began < 10 * TOTAL_SECONDS
    assert error.temporary
    return error


@pytest.mark.parametrize(("start", "drop"), DRIPS_OF_AN_ANSWER)
def test_O1_a_dripping_answer_ends_at_the_total_timeout_wherever_it_drips(
    server, client, start, drop
):
    dripped = []
    server.answers = [drip_after(start, drop, 0.02, dripped)]

    assert ends_in_time(client, server.url).sent
    assert len(dripped) > 1


def test_a_connection_that_is_used_again_has_the_time_of_its_new_request(server, client):
    server.answers = [raw(b"ok")]
    client.request("GET", server.url, timeout_seconds=0.2)
    server.answers = [lambda handler: time.sleep(0.3) or raw(b"later")(handler)]

    assert client.request("GET", server.url).body == b"later"


def test_O1_a_server_that_takes_a_request_in_drops_ends_at_the_total_timeout(client):
    taken = []

    def take_slowly(listener: socket.socket) -> None:
        with listener.accept()[0] as peer:
            while drop := peer.recv(16 * 1024):
                taken.append(drop)
                time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=take_slowly, args=(listener,), daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        error = ends_in_time(client, url, body=bytes(30_000_000))

    assert error.sent
    assert len(taken) > 1


def test_O1_a_handshake_that_hangs_ends_at_the_total_timeout_and_is_surely_not_sent(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        error = ends_in_time(client, f"https://127.0.0.1:{listener.getsockname()[1]}/")

    assert not error.sent


def test_O1_a_name_server_that_hangs_ends_at_the_total_timeout(client, monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_named: answers.wait(30) and [])
    try:
        assert not ends_in_time(client, "https://slow.example/").sent
    finally:
        answers.set()


def test_a_closed_port_is_temporary_and_surely_not_sent(client):
    error = failure_of(client, "http://127.0.0.1:1/")

    assert (error.temporary, error.sent) == (True, False)


@pytest.mark.parametrize("url", ["http://[nonsense/", "http:///x", "gopher://x/", "x", ""])
def test_nonsense_for_an_address_is_permanent(client, url):
    assert not failure_of(client, url).temporary


def test_a_secret_that_is_no_header_is_permanent_and_not_told(server, client):
    server.answers = [raw(b"ok")]

    error = failure_of(client, server.url, headers={"K": "secret\nX: y"})

    assert (error.temporary, error.sent, server.requests) == (False, False, [])
    assert "secret" not in str(error)


def test_after_an_error_the_client_still_works(server, client):
    server.answers = [reset, truncated(b"x" * 99), html(502), raw(b"fine")]
    for _ in range(2):
        failure_of(client, server.url)

    assert client.request("GET", server.url).status == 502
    assert client.request("GET", server.url).body == b"fine"


def test_more_threads_than_connections_wait_for_their_turn(server):
    client = HttpClient(pool_size=2)
    server.answers = [raw(b"ok")]
    bodies = []
    threads = [
        threading.Thread(target=lambda: bodies.append(client.request("GET", server.url).body))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.close()

    assert bodies == [b"ok"] * 8


def test_neither_logs_nor_errors_name_the_address(server, client, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    server.answers = [raw(b"ok"), reset]
    with capture_logs() as events:
        client.request("GET", server.url + "/secret-path?token=secret-token")
        error = failure_of(client, server.url + "/secret-path?token=secret-token")

    assert error.__cause__ is None
    assert "secret" not in caplog.text + str(events) + str(error) + repr(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate("localhost", tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_port(certificate):
    with tls_server(certificate) as port:
        yield port


def test_an_unknown_certificate_is_refused(tls_port):
    client = HttpClient()
    error = failure_of(client, f"https://localhost:{tls_port}/")
    client.close()

    assert not error.temporary
    assert "certificate" in str(error)


def test_O1_a_header_that_drips_over_tls_ends_at_the_total_timeout(certificate):
    dripped = []
    with tls_server(certificate, drip_after(OK + b"X: ", b"x", 0.02, dripped)) as port:
        client = HttpClient(ca_file=str(certificate))
        error = ends_in_time(client, f"https://localhost:{port}/")
        client.close()

    assert error.sent
    assert len(dripped) > 1


def test_a_certificate_of_another_host_is_refused_even_if_trusted(tls_port, certificate):
    client = HttpClient(ca_file=str(certificate))
    assert client.request("GET", f"https://localhost:{tls_port}/").body == b"ok"

    error = failure_of(client, f"https://{ipaddress.ip_address('127.0.0.1')}:{tls_port}/")
    client.close()

    assert not error.temporary
