"""Addresses that people choose: what they may reach, tried with real sockets and names."""

import ipaddress
import socket
import threading
import time

import pytest

from app.core import outbound
from app.core.config import Settings
from app.core.http import HttpClient, HttpError
from app.core.outbound import Allowance, Guard, is_public, look_up
from tests.providers.local_server import raw
from tests.providers.tls import make_certificate, tls_server

ELSEWHERE = "::1"  # stands for an address that passes: tests may connect to this machine alone
PUBLIC = ("8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")
PRIVATE = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.9.9.9 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1
    192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
    :: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
    64:ff9b:1::1 2002:7f00:1:: 2002:a00:1::1 2001::1 2001:0:7f00:1::1 2001:db8::1 3fff::1 5f00::1
    100::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1
""".split()


def guarded(*, allowance=None, resolve=look_up, ca_file=None) -> HttpClient:
    guard = Guard(allowance or Allowance(), resolve=resolve)
    return HttpClient(guard=guard, connect_timeout_seconds=0.3, ca_file=ca_file)


def refusal_of(client: HttpClient, url: str) -> HttpError:
    with pytest.raises(HttpError) as caught:
        client.request("GET", url)
    client.close()
    assert not caught.value.temporary
    assert not caught.value.sent
    return caught.value


@pytest.mark.parametrize("address", PRIVATE)
def test_O2_no_address_of_a_private_network_counts_as_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_O2_public_addresses_do_also_when_they_are_wrapped(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "localhost.", "127.1", "0x7f000001", "2130706433", "0177.0.0.1",
        "0", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
        "169.254.169.254", "10.0.0.1",
    ],
)  # fmt: skip
def test_O2_trap_14_a_private_host_is_refused_however_it_is_written(host):
    error = refusal_of(guarded(), f"https://{host}/claim/token")

    assert error.reason == "the address is not on the public internet"


@pytest.mark.parametrize(
    "url",
    [
        "https://127。0。0。1/", "https://１２７.0.0.1/", "https://bridge.example\\@127.0.0.1/",
        "https://bridge.example:secret@127.0.0.1/", "https://user@bridge.example/",
        "https://bridge.example#@127.0.0.1:443@evil/", "https://bridge.example /x",
        "https://bridge.example/\r\nHost: x", "https:///x", "https://", "file:///etc/passwd",
        "gopher://bridge.example/", "https://bridge%2eexample/", "https://[fe80::1%25lo]/", "",
    ],
)  # fmt: skip
def test_O2_trap_14_an_address_that_parsers_differ_about_is_refused(url):
    def resolve(host, port):
        return ["127.0.0.1"]

    assert refusal_of(guarded(resolve=resolve), url).reason in (
        "the address is not valid",
        "the address is not on the public internet",
    )


def test_O2_trap_14_http_is_refused_before_anything_is_looked_up(server):
    asked = []

    error = refusal_of(
        guarded(resolve=lambda host, port: asked.append(host) or [ELSEWHERE]), server.url
    )

    assert error.reason == "the address does not begin with https://"
    assert (asked, server.requests) == ([], [])


def test_O2_other_ports_than_that_of_https_are_refused():
    client = guarded(resolve=lambda host, port: ["8.8.8.8"])

    assert "public internet" in refusal_of(client, "https://bridge.example:8443/").reason


def test_O2_one_private_address_among_public_ones_refuses_the_name():
    client = guarded(resolve=lambda host, port: ["8.8.8.8", "10.0.0.1"])

    assert "public internet" in refusal_of(client, "https://bridge.example/").reason


def test_O2_trap_14_a_name_that_answers_otherwise_the_second_time_reaches_nobody():
    """DNS rebinding: the first answer passes the check, the second is our own machine."""
    answers = [["127.0.0.1"], [ELSEWHERE]]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        guard = Guard(
            Allowance(networks=(ipaddress.ip_network(ELSEWHERE),)),
            resolve=lambda host, port: answers.pop(),
        )
        client = HttpClient(guard=guard, connect_timeout_seconds=0.3)
        url = f"https://bridge.example:{listener.getsockname()[1]}/"

        with pytest.raises(HttpError) as caught:
            client.request("GET", url)
        assert caught.value.temporary  # nobody is there, and nobody else was asked
        assert len(answers) == 1

        assert "public internet" in refusal_of(client, url).reason
        with pytest.raises(TimeoutError):
            listener.accept()


def test_O1_many_addresses_that_do_not_answer_end_at_the_total_timeout_together():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as waiting:
        waiting.connect(full.getsockname())  # what comes after it gets no answer at all
        guard = Guard(
            Allowance(networks=(ipaddress.ip_network("127.0.0.0/8"),)),
            resolve=lambda host, port: ["127.0.0.1"] * 20,
        )
        client = HttpClient(guard=guard)
        began = time.monotonic()

        with pytest.raises(HttpError) as caught:
            client.request(
                "GET", f"https://bridge.example:{full.getsockname()[1]}/", timeout_seconds=0.6
            )
        seconds = time.monotonic() - began
        client.close()

    assert (caught.value.temporary, caught.value.sent) == (True, False)
    assert seconds < 6


def has_two_loopbacks() -> bool:
    try:
        socket.create_server((ELSEWHERE, 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_two_loopbacks(), reason="this machine speaks IPv4 alone")
def test_O1_an_address_that_does_not_answer_leaves_time_to_the_next(server):
    port = int(server.url.rpartition(":")[2])
    server.answers = [raw(b"ok")]
    guard = Guard(
        Allowance(hosts=frozenset({("bridge.example", port)})),
        resolve=lambda host, port: [ELSEWHERE, "127.0.0.1"],
    )
    client = HttpClient(guard=guard)
    with (
        socket.create_server((ELSEWHERE, port), family=socket.AF_INET6, backlog=0) as full,
        socket.socket(socket.AF_INET6) as waiting,
    ):
        waiting.connect(full.getsockname())
        answer = client.request("GET", f"http://bridge.example:{port}/", timeout_seconds=1)
        client.close()

    assert answer.body == b"ok"


def test_O2_redirects_are_answers_and_are_not_followed(server):
    server.answers = [raw(b"", 302, Location="http://169.254.169.254/latest/meta-data")]
    client = guarded(allowance=allowing(server.url))

    assert client.request("GET", server.url).status == 302
    assert len(server.requests) == 1


def allowing(url: str) -> Allowance:
    host, _, port = url.partition("//")[2].rpartition(":")
    return Allowance(hosts=frozenset({(host, int(port))}))


def test_O3_a_host_that_the_operator_names_is_reached_over_http_on_that_port_only(server):
    server.answers = [raw(b"ok")]
    client = guarded(allowance=allowing(server.url))

    assert client.request("GET", server.url).body == b"ok"
    host, _, port = server.url.rpartition(":")
    other = f"{host}:{int(port) - 1}"
    assert refusal_of(client, other).reason == "the address does not begin with https://"
    assert len(server.requests) == 1


def test_O3_O4_a_network_that_the_operator_allows_is_reached_by_https_under_its_own_name(tmp_path):
    """The certificate is asked of the name, though the connection goes to the checked address."""
    certificate = make_certificate("simplefin.home", tmp_path)
    lan = Allowance(networks=(ipaddress.ip_network("127.0.0.0/8"),))

    def resolve(host, port):
        return ["127.0.0.1"]

    with tls_server(certificate) as port:
        trusting = guarded(allowance=lan, resolve=resolve, ca_file=str(certificate))
        assert trusting.request("GET", f"https://simplefin.home:{port}/").body == b"ok"
        assert "certificate" in refusal_of(trusting, f"https://other.home:{port}/").reason
        doubting = guarded(allowance=lan, resolve=resolve)
        assert "certificate" in refusal_of(doubting, f"https://simplefin.home:{port}/").reason
        strict = guarded(resolve=resolve, ca_file=str(certificate))
        assert "public internet" in refusal_of(strict, f"https://simplefin.home:{port}/").reason


def test_O3_the_settings_name_hosts_and_networks():
    made = Settings(
        OUTBOUND_ALLOWED_HOSTS="Simulator:8100, [::1]:9000",
        OUTBOUND_ALLOWED_NETWORKS="192.168.7.0/24,fd00::/8",
    )

    assert made.outbound_hosts == {("simulator", 8100), ("::1", 9000)}
    assert made.outbound_networks == (
        ipaddress.ip_network("192.168.7.0/24"),
        ipaddress.ip_network("fd00::/8"),
    )


@pytest.mark.parametrize(
    "values",
    [
        {"OUTBOUND_ALLOWED_HOSTS": "simulator"},
        {"OUTBOUND_ALLOWED_HOSTS": "simulator:0"},
        {"OUTBOUND_ALLOWED_HOSTS": "http://simulator:80"},
        {"OUTBOUND_ALLOWED_NETWORKS": "everywhere"},
        {"OUTBOUND_ALLOWED_NETWORKS": "192.168.7.1/24"},
    ],
)
def test_O3_settings_that_mean_nothing_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        Settings(**values)


def test_O3_a_name_server_that_does_not_answer_is_waited_for_only_so_long(monkeypatch):
    answers = threading.Event()
    monkeypatch.setattr(outbound, "LOOK_UP_SECONDS_MAX", 0.05)
    monkeypatch.setattr(outbound, "_may_look_up", threading.BoundedSemaphore(1))
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_arguments, **_named: answers.wait(30) and []
    )
    try:
        with pytest.raises(socket.gaierror, match="the name server does not answer"):
            outbound.look_up("slow.example", 443)
        with pytest.raises(socket.gaierror, match="too many names"):
            outbound.look_up("another.example", 443)
    finally:
        answers.set()
