"""Where requests may go when a person chose the address: to public ones, over https, and no other.

Otherwise anybody who may type an address makes this server ask the machines around it, which
answer it and nobody else. What the operator allows by name or network is let through besides.

A name is looked up once for each connection, every address that it has must pass, and the
connection goes to one of those: a name that answers otherwise the next time gains nothing.
With OUTBOUND_PROXY set the gateway looks up and decides; what needs no look-up is refused here.
"""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from app.core import timed

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
"""From a name and a port to addresses; raises OSError where there are none."""

HTTPS_PORT = 443
_ADDRESSES_MAX = 20
LOOK_UP_SECONDS_MAX = 5.0
LOOK_UPS_MAX = 20
"""At a time in one process."""
_may_look_up = threading.BoundedSemaphore(LOOK_UPS_MAX)
# Else whoever chooses a name whose server is silent keeps us from the operator's servers as well.
_operator_may_look_up = threading.BoundedSemaphore(LOOK_UPS_MAX)

# Ports, user names and addresses are all in here; nothing that parsers are known to differ about.
_PLAIN_URL = re.compile(r"https?://[\x21-\x5b\x5d-\x7e]+\Z", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.IGNORECASE)
# What resolvers take for an IPv4 address: its last part is a number, in whichever base.
_NUMBER = re.compile(r"(^|\.)(\d+|0x[0-9a-f]*)\Z", re.IGNORECASE)

# What Python 3.11 takes for global, or is global and still nobody's to ask.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.64.0.0/10",  # inside providers; also where Alibaba keeps its metadata
        "168.63.129.16/32",  # Azure's own services on the machine
        "192.0.0.0/24",
        "192.88.99.0/24",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE = ipaddress.ip_network("::/96")
_IPV4_MASK = 0xFFFF_FFFF


class AddressRefusedError(HTTPError):
    """The address is not one that people may choose; the text does not name it."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the operator lets people choose besides public addresses."""

    hosts: frozenset[tuple[str, int]] = frozenset()
    """Names with their ports; over http as well."""
    networks: tuple[IPNetwork, ...] = ()
    """Private networks; any port, over https."""


def is_public(address: IPAddress) -> bool:
    """Tell whether an address, and any IPv4 address wrapped in it, is on the public internet."""
    if isinstance(address, ipaddress.IPv6Address) and (inner := _unwrapped(address)):
        return all(map(is_public, inner))
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or any(address in network for network in _NOT_PUBLIC)
    )


def _unwrapped(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """Return the IPv4 addresses that a gateway would reach in its place."""
    if address.ipv4_mapped:
        return (address.ipv4_mapped,)
    if address.sixtofour:
        return (address.sixtofour,)
    if address.teredo:
        return address.teredo
    if address in _NAT64 or address in _COMPATIBLE:
        return (ipaddress.IPv4Address(int(address) & _IPV4_MASK),)
    return ()


def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as the system knows them.

    Raises:
        OSError: There are none, or they did not come in time.
        UnicodeError: No name can be like this.
    """
    return _look_up_within(timed.at_most(LOOK_UP_SECONDS_MAX), host, port, _may_look_up)


def _look_up_within(
    seconds: float, host: str, port: int, slots: threading.BoundedSemaphore
) -> Sequence[str]:
    """Look a name up and wait for it only so long.

    The system's own look-up has no time limit that a program may set, so it is waited for in a
    thread, of which there are never many: whoever chose the name chose its name server as well.
    A thread that nobody waits for any more ends as /etc/resolv.conf says, after 5 s for each of
    two attempts with each of its name servers unless it says otherwise.
    """
    until = time.monotonic() + seconds
    if not slots.acquire(timeout=seconds):
        raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
    found: Future[Sequence[str]] = Future()
    threading.Thread(target=_look_up, args=(host, port, found, slots), daemon=True).start()
    try:
        return found.result(until - time.monotonic())
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "the name server does not answer") from None


def _look_up(
    host: str, port: int, found: Future[Sequence[str]], slots: threading.BoundedSemaphore
) -> None:
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result(list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in answers)))
    except (OSError, UnicodeError) as error:
        found.set_exception(error)
    finally:
        slots.release()


class Guard:
    """Decides about addresses that people chose; may be shared by threads."""

    def __init__(self, allowance: Allowance, *, resolve: Resolve = look_up) -> None:
        self._allowance = allowance
        self._resolve = resolve

    def check_url(self, url: str) -> None:
        """Refuse an address by its form; the machine behind it is checked when it is connected.

        Raises:
            AddressRefusedError: It is not plain https, or holds a user name or odd characters.
        """
        if not _PLAIN_URL.match(url):
            raise AddressRefusedError("the address is not valid")
        try:
            parts = parse_url(url)
        except LocationParseError:
            raise AddressRefusedError("the address is not valid") from None
        if parts.auth is not None or not parts.host or not _HOST.fullmatch(parts.host):
            raise AddressRefusedError("the address is not valid")
        if parts.scheme != "https" and not self._is_named(parts.host, parts.port or 80):
            raise AddressRefusedError("the address does not begin with https://")

    def addresses(self, host: str, port: int, *, is_tls: bool) -> Sequence[str]:
        """Return where a connection to a host may go: all its addresses, or it is refused.

        Raises:
            AddressRefusedError: One of them is not for people to choose.
            OSError: The name has no address.
        """
        try:
            found = self._resolve(host, port)[:_ADDRESSES_MAX]
        except UnicodeError:  # a label that no name can have
            raise AddressRefusedError("the address is not valid") from None
        if self._is_named(host, port):
            return found
        if not is_tls:
            raise AddressRefusedError("the address does not begin with https://")
        if not found or not all(self._may_reach(text, port) for text in found):
            raise AddressRefusedError("the address is not on the public internet")
        return found

    def check_by_name(self, url: str) -> None:
        """Refuse an address by what it says alone, where a gateway looks the name up.

        Whether a name leads to a private address is the gateway's to see.

        Raises:
            AddressRefusedError: It is a number that is not public, a name without a dot, or has
                another port than that of https.
        """
        parts = parse_url(url)
        host = (parts.host or "").strip("[]").rstrip(".")
        port = parts.port or HTTPS_PORT
        if self._is_named(host, parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)):
            return
        if ":" in host or _NUMBER.search(host):
            is_refused = not self._may_reach(host, port)
        else:
            is_refused = port != HTTPS_PORT or "." not in host
        if is_refused:
            raise AddressRefusedError("the address is not on the public internet")

    def _is_named(self, host: str, port: int) -> bool:
        return (host.strip("[]").rstrip(".").lower(), port) in self._allowance.hosts

    def _may_reach(self, text: str, port: int) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if any(address in network for network in self._allowance.networks):
            return True
        return port == HTTPS_PORT and is_public(address)


def pool_classes(guard: Guard | None) -> dict[str, type[HTTPConnectionPool]]:
    """Return pools whose connections go only where the guard lets them; names stay for TLS.

    Args:
        guard: None where nobody but the operator chooses.
    """

    class Connection(timed.Connection):
        def find_addresses(self) -> Sequence[str]:
            return _find_addresses(self, guard, is_tls=False)

    class SecureConnection(timed.SecureConnection):
        def find_addresses(self) -> Sequence[str]:
            return _find_addresses(self, guard, is_tls=True)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = SecureConnection

    return {"http": Pool, "https": SecurePool}


def _find_addresses(http: HTTPConnection, guard: Guard | None, *, is_tls: bool) -> Sequence[str]:
    if guard is not None:
        return guard.addresses(http.host, http.port, is_tls=is_tls)
    try:
        # The operator's name servers may be slow: the first one down costs the wait for it.
        return _look_up_within(timed.at_most(None), http.host, http.port, _operator_may_look_up)
    except UnicodeError:
        raise LocationParseError("a label that no name can have") from None
