"""Connections that end by the deadline of their request, however the other side spends the time.

The timeout of a socket is that of one call, which a server that sends a byte now and then never
meets. So each call gets what is left for the request, in whichever step that is.
"""

import io
import math
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import connection

_PIECE_BYTES = 16 * 1024
"""What TLS sends as one record."""
# urllib3 opens connections and answers itself, and hands nothing through to them.
_deadline: ContextVar[float] = ContextVar("deadline", default=math.inf)


@contextmanager
def deadline_in(seconds: float) -> Iterator[None]:
    """Give all that this thread asks of others in the block so many seconds together."""
    before = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(before)


def at_most(seconds: float | None) -> float:
    """Return the timeout of one call: so many seconds, or the fewer that are left.

    Raises:
        TimeoutError: None are.
    """
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time of the request is over")
    return left if seconds is None else min(seconds, left)


class _Reader(io.RawIOBase):
    """What a server sends, through every layer that reads of it: status, headers, chunks, body."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock, self._raw = sock, raw
        self._silence_seconds = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401 - whatever holds bytes
        self._sock.settimeout(at_most(self._silence_seconds))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_Reader(sock, self.fp.detach()))


class Connection(HTTPConnection):
    """A connection to the first address that answers, of those that `find_addresses` returns."""

    response_class = _Answer

    def find_addresses(self) -> Sequence[str]:
        """Return where the connection may go.

        Raises:
            OSError: The name has no address.
        """
        raise NotImplementedError

    def connect(self) -> None:
        """Open the connection, with TLS and through the gateway where there are such.

        Raises:
            ConnectTimeoutError: It took too long, and the request is surely not on its way.
        """
        try:
            super().connect()
        except TimeoutError:
            raise ConnectTimeoutError(self, "the server did not answer") from None

    def send(self, data: Any) -> None:  # noqa: ANN401 - bytes, for which the library has no word
        """Send it record by record: TLS would give each of them the whole timeout again."""
        if self.sock is None:
            self.connect()
        view = memoryview(data)
        for start in range(0, len(view), _PIECE_BYTES):
            self.sock.settimeout(at_most(self.timeout))
            super().send(view[start : start + _PIECE_BYTES])

    def _new_conn(self) -> socket.socket:
        try:
            addresses = self.find_addresses()
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from None
        failure: OSError | None = None
        for waiting, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                return self._open(address, at_most(None) / waiting)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "the server did not answer")
        raise NewConnectionError(self, "no connection to the server")

    def _open(self, address: str, share_seconds: float) -> socket.socket:
        """Connect in a fair share of the time, so that a dead address leaves some to the next."""
        seconds = share_seconds if self.timeout is None else min(self.timeout, share_seconds)
        sock = connection.create_connection(
            (address, self.port), seconds, socket_options=self.socket_options
        )
        try:
            sock.settimeout(at_most(self.timeout))  # of the handshake, as a whole
        except TimeoutError:
            sock.close()
            raise
        return sock

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(at_most(self.timeout))  # again that of the handshake


class SecureConnection(Connection, HTTPSConnection):
    """The same over TLS."""
