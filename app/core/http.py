"""The one way out: every HTTP request that we send to other people's servers."""

import logging
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import urllib3
from opentelemetry.trace import SpanKind
from urllib3.exceptions import (
    ConnectTimeoutError,
    EmptyPoolError,
    HTTPError,
    LocationValueError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from app.core import outbound, timed, tracing
from app.core.config import settings

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 30.0
TOTAL_TIMEOUT_SECONDS = 60.0
ANSWER_BYTES_MAX = 10 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_USER_AGENT = "financial-transaction-aggregator"

# Below WARNING urllib3 logs addresses, and some addresses are secrets.
logging.getLogger("urllib3").setLevel(logging.WARNING)


class HttpError(Exception):
    """There is no usable answer. Names neither the address nor the body: both may be secret.

    `temporary`: the same request may succeed later. `sent`: it may have reached the server, so
    that repeating it may do the thing twice.
    """

    def __init__(self, reason: str, *, temporary: bool, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.temporary = temporary
        self.sent = sent


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer, whatever its status; redirects are answers too."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes
    """After undoing gzip."""


class HttpClient:
    """A pool of connections; may be shared by threads.

    No proxies but OUTBOUND_PROXY, no redirects, no retries (they are the caller's policy),
    certificates verified, everything limited in time and size.
    """

    def __init__(
        self,
        *,
        pool_size: int = 10,
        connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds: float = READ_TIMEOUT_SECONDS,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
        ca_file: str | None = None,
        guard: outbound.Guard | None = None,
        gateway: str | None = None,
    ) -> None:
        """Make a client.

        Args:
            pool_size: Connections kept, and used at once, per host.
            connect_timeout_seconds: For each address that the server has, and again for TLS.
            read_timeout_seconds: The longest silence of the server.
            answer_bytes_max: Limits the body as sent and, again, decompressed.
            ca_file: Certificates to trust instead of the system's.
            guard: Decides where requests may go; None where nobody but the operator chooses.
            gateway: Proxy through which all goes, `http://host:port`; empty for none, None for
                that of the settings.
        """
        self._guard = guard
        self._connect_timeout = connect_timeout_seconds
        self._read_timeout = read_timeout_seconds
        self._answer_bytes_max = answer_bytes_max
        self._gateway = settings.OUTBOUND_PROXY if gateway is None else gateway
        make: Callable[..., urllib3.PoolManager] = urllib3.PoolManager
        if self._gateway:
            make = partial(urllib3.ProxyManager, self._gateway)
        self._pool = make(
            num_pools=20,
            maxsize=pool_size,
            block=True,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=ca_file,
        )
        # Through a gateway all connections are to it, and that one is the operator's.
        self._pool.pool_classes_by_scheme = outbound.pool_classes(None if self._gateway else guard)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = TOTAL_TIMEOUT_SECONDS,
    ) -> HttpAnswer:
        """Send one request and read the whole answer.

        Args:
            method: Of HTTP.
            url: Where to.
            headers: Besides those that every request has.
            body: As it is sent.
            timeout_seconds: For all of it: from the look-up of the name to the end of the body.

        Raises:
            HttpError: No connection, no or a broken answer, too slow, or too large; or the
                address is refused.
        """
        with tracing.span(
            method, SpanKind.CLIENT, http__request__method=method, server__address=_host(url)
        ) as span:
            self._check(url)
            with timed.deadline_in(timeout_seconds):
                answer = self._request(method, url, headers or {}, body, timeout_seconds)
            span.set_attribute("http.response.status_code", answer.status)
            return answer

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_seconds: float,
    ) -> HttpAnswer:
        try:
            response = self._pool.urlopen(
                method,
                url,
                body=body,
                headers={
                    "User-Agent": _USER_AGENT,
                    "Accept-Encoding": "gzip",
                    **headers,
                },
                redirect=False,
                preload_content=False,
                decode_content=False,
                pool_timeout=min(self._connect_timeout, timeout_seconds),
                timeout=urllib3.Timeout(
                    total=timeout_seconds,
                    connect=self._connect_timeout,
                    read=self._read_timeout,
                ),
            )
        except (HTTPError, ValueError) as error:
            raise _as_http_error(error) from None  # the cause's text holds the address
        try:
            raw = self._read(response)
        except (HTTPError, OSError, ValueError) as error:
            response.close()
            raise _as_http_error(error) from None
        except HttpError:
            response.close()
            raise
        response.release_conn()
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        return HttpAnswer(response.status, response.headers, self._decompress(raw, encoding))

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pool.clear()

    def _check(self, url: str) -> None:
        if not url.startswith(("https://", "http://")):
            raise HttpError("the address is not valid", temporary=False, sent=False)
        if self._guard is not None:
            try:
                self._guard.check_url(url)
                if self._gateway:
                    self._guard.check_by_name(url)
            except outbound.AddressRefusedError as error:
                raise _as_http_error(error) from None

    def _read(self, response: urllib3.BaseHTTPResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            chunk = response.read1(_CHUNK_BYTES)
            if not chunk:
                break
            chunks.append(chunk)
            size += len(chunk)
            if size > self._answer_bytes_max:
                raise HttpError("the answer is too large", temporary=False, sent=True)
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) != size:
            raise HttpError("the answer is incomplete", temporary=True, sent=True)
        return b"".join(chunks)

    def _decompress(self, raw: bytes, encoding: str) -> bytes:
        if encoding in ("", "identity"):
            return raw
        if encoding not in ("gzip", "x-gzip"):
            raise HttpError("the answer has an unknown encoding", temporary=False, sent=True)
        decompressor = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            body = decompressor.decompress(raw, self._answer_bytes_max + 1)
        except zlib.error:
            raise HttpError("the answer is not gzip", temporary=True, sent=True) from None
        if len(body) > self._answer_bytes_max:
            raise HttpError("the answer is too large", temporary=False, sent=True)
        if not decompressor.eof:
            raise HttpError("the answer is incomplete", temporary=True, sent=True)
        return body


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # it is no address, which the request will say
        return ""


def _as_http_error(error: Exception) -> HttpError:
    if isinstance(error, outbound.AddressRefusedError):
        return HttpError(str(error), temporary=False, sent=False)
    if isinstance(error, SSLError):
        return HttpError(
            "the server's certificate could not be verified", temporary=False, sent=False
        )
    if isinstance(error, LocationValueError):
        return HttpError("the address is not valid", temporary=False, sent=False)
    if not isinstance(error, (HTTPError, OSError)):  # such as a line feed in a header
        return HttpError("the request is not valid", temporary=False, sent=False)
    if isinstance(error, ProxyError) or "Tunnel connection failed" in str(error):
        return HttpError("the gateway let no connection through", temporary=True, sent=False)
    if isinstance(error, (ConnectTimeoutError, NewConnectionError)):
        return HttpError("no connection to the server", temporary=True, sent=False)
    if isinstance(error, EmptyPoolError):
        return HttpError("too many requests at once", temporary=True, sent=False)
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return HttpError("the server did not answer in time", temporary=True, sent=True)
    return HttpError("the connection broke", temporary=True, sent=True)
