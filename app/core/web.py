"""The edge of every request, as pure ASGI: ids, limits, headers, logs, metrics."""

import re
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import structlog
from opentelemetry.trace import Span, SpanKind, StatusCode
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core import metrics, reporting, tracing
from app.core.config import settings
from app.core.errors import AppError, TooLargeError
from app.core.ids import uuid7

BODY_BYTES_MAX = 1024 * 1024
UPLOAD_BYTES_MAX = 20 * 1024 * 1024
UPLOAD_PATHS = ("/imports", "/api/v1/imports")
"""Where people may send files; everything else takes small bodies only."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "font-src 'self'; manifest-src 'self'"
)
_SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": (
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), "
        "magnetometer=(), microphone=(), payment=(), usb=()"
    ),
    # Every page is somebody's own; what may be kept, such as static files, says so itself.
    "Cache-Control": "no-store",
}
if settings.is_https:
    _SECURITY["Strict-Transport-Security"] = "max-age=31536000"
# As ASGI has them: lower case and bytes.
_HEADERS = tuple((name.lower().encode(), value.encode()) for name, value in _SECURITY.items())

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")
_QUIET_ROUTES = ("/health", "/health/ready", "/metrics")
log = structlog.get_logger("app.web")

ErrorRenderer = Callable[[Request, Exception], Response]
"""Makes the answer to a request that failed: a problem document or a page."""


class RequestEdge:
    """Gives each request an id, counts and logs it, and answers what nobody expected.

    An unexpected error is logged here, once, with its traceback; the answer says no more than
    the id by which the log has it.
    """

    def __init__(self, app: ASGIApp, render_error: ErrorRenderer) -> None:
        self._app = app
        self._render_error = render_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # What watches a server asks so; the server keeps the body of the answer back.
            scope = {**scope, "method": "GET"}
        is_quiet = scope["path"] in _QUIET_ROUTES or scope["path"].startswith("/static/")
        with tracing.span(
            _method(scope), SpanKind.SERVER, parent=_trace_parent(scope), is_root=not is_quiet
        ) as span:
            await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if trace_id := tracing.trace_id():
            structlog.contextvars.bind_contextvars(trace_id=trace_id)
        status = 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"], (b"x-request-id", request_id.encode())
                ]  # fmt: skip
            await send(message)

        metrics.requests_in_progress.inc()
        try:
            await self._app(scope, receive, send_counted)
        except Exception as error:  # the edge: nothing above would handle it
            log.exception("request_failed", method=scope["method"], route=_route(scope))
            reporting.report(error, method=_method(scope), route=_route(scope))
            if status:
                # Half an answer is out; cutting the connection tells the client so.
                raise
            response = self._render_error(Request(scope, receive), error)
            await response(scope, receive, send_counted)
        finally:
            metrics.requests_in_progress.dec()
            _record(scope, status, time.perf_counter() - started)
            _describe(span, scope, status)


def _describe(span: Span, scope: Scope, status: int) -> None:
    route = _route(scope)
    span.update_name(f"{_method(scope)} {route}")
    span.set_attributes(
        {
            "http.request.method": _method(scope),
            "http.route": route,
            "http.response.status_code": status,
            "request_id": scope["state"]["request_id"],
        }
    )
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = _route(scope)
    method = _method(scope)
    metrics.requests.labels(method, route, str(status)).inc()
    metrics.request_seconds.labels(method, route).observe(seconds)
    write = log.debug if route in _QUIET_ROUTES or route == "/static" else log.info
    client = scope.get("client")
    write(
        "request_finished",
        method=method,
        route=route,
        path=scope["path"],
        status=status,
        duration_ms=round(seconds * 1000, 1),
        client=client[0] if client else None,
    )


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _route(scope: Scope) -> str:
    """Return the template of the path: a closed set, unlike paths, which hold ids."""
    if scope["path"].startswith("/static/"):
        return "/static"
    return str(getattr(scope.get("route"), "path", "none"))


def _request_id(scope: Scope) -> str:
    """Return the proxy's id for the request if it sent a plain one, else a new one."""
    if scope.get("state", {}).get("from_proxy"):
        given = Headers(scope=scope).get("x-request-id", "")
        if _REQUEST_ID.fullmatch(given):
            return given
    return uuid7().hex


def _trace_parent(scope: Scope) -> dict[str, str] | None:
    """Return the proxy's trace to go on with; strangers may not choose what we trace."""
    if not scope.get("state", {}).get("from_proxy"):
        return None
    return {"traceparent": Headers(scope=scope).get("traceparent", "")}


class SecurityHeaders:
    """Adds the headers that every answer carries, unless the route set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(each for each in _HEADERS if each[0] not in given),
                    *(
                        (b"set-cookie", cookie.encode("latin-1"))
                        for cookie in scope.get("state", {}).get("set_cookies", ())
                    ),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class ForwardedHeaders:
    """Takes the client's address and scheme from proxies that we trust, from nobody else.

    X-Forwarded-For is read from the right: what stands left of the first address that is not
    one of our proxies was written by the client and may say anything.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        names = (name.strip() for name in settings.TRUSTED_PROXIES.split(","))
        self._proxies = tuple(ip_network(name, strict=False) for name in names if name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        client = scope.get("client")
        if scope["type"] == "http" and client and self._is_proxy(client[0]):
            headers = Headers(scope=scope)
            scope.setdefault("state", {})["from_proxy"] = True
            forwarded = ",".join(headers.getlist("x-forwarded-for"))
            hops = [hop.strip() for hop in forwarded.split(",")] if forwarded else []
            for hop in reversed(hops[-20:]):
                if not _is_address(hop):
                    break
                scope["client"] = (hop, 0)
                if not self._is_proxy(hop):
                    break
            scheme = headers.get("x-forwarded-proto", "")
            if scheme in ("http", "https"):
                scope["scheme"] = scheme
        await self._app(scope, receive, send)

    def _is_proxy(self, address: str) -> bool:
        return bool(self._proxies) and _is_in(address, self._proxies)


@lru_cache(maxsize=1_024)
def _is_in(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class TrustedHosts:
    """Refuses requests for host names that are not ours, such as a rebound DNS name."""

    def __init__(self, app: ASGIApp, refuse: ErrorRenderer) -> None:
        self._app = app
        self._refuse = refuse
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and not self._is_ours(Headers(scope=scope).getlist("host")):
            response = self._refuse(Request(scope), UnknownHostError(_WRONG_HOST))
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, hosts: list[str]) -> bool:
        match = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        return match is not None and match[1].strip("[]").lower().rstrip(".") in self._hosts


class UnknownHostError(AppError):
    """The request names a host that we do not answer for."""

    status, code = 400, "unknown_host"


_WRONG_HOST = "This server does not answer for that host name. Add it to TRUSTED_HOSTS."


class BodyLimit:
    """Stops reading a body that is too large, whether it says its length or not."""

    def __init__(self, app: ASGIApp, refuse: ErrorRenderer) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = _body_limit(scope["path"])
        declared = Headers(scope=scope).get("content-length", "0")
        body = _CountedBody(receive, send, limit)
        if not declared.isdecimal() or int(declared[:19]) > limit:
            body.is_too_large = True
        else:
            try:
                await self._app(scope, body.receive, body.send)
            except Exception:
                if not body.is_too_large:
                    raise
        if body.is_too_large and not body.has_answered:
            words = f"A request to this address may have at most {limit // 1024:,} KiB."
            response = self._refuse(Request(scope), TooLargeError(words))
            response.headers["Connection"] = "close"
            await response(scope, receive, send)


class _CountedBody:
    """Counts what is received; once it is too much, what the application says is dropped."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive = receive
        self._send = send
        self._left = limit
        self.is_too_large = False
        self.has_answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                self.is_too_large = True
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if not self.is_too_large or self.has_answered:
            self.has_answered = True
            await self._send(message)


def _body_limit(path: str) -> int:
    is_upload = any(path == start or path.startswith(f"{start}/") for start in UPLOAD_PATHS)
    return UPLOAD_BYTES_MAX if is_upload else BODY_BYTES_MAX


def add_cookie(scope: Scope, response: Response) -> None:
    """Let the edge send the cookies set on `response` with whatever answer is sent."""
    cookies: list[str] = scope.setdefault("state", {}).setdefault("set_cookies", [])
    cookies += response.headers.getlist("set-cookie")


def client_address(scope: Scope) -> str | None:
    """Return the network address of who asks, as far as we trust what says so."""
    client: Any = scope.get("client")
    return str(client[0]) if client else None
