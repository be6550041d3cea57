"""Cookies that say who asks, and the proof that a page of ours sent the request.

Every unsafe request that a browser's cookie authorises needs two things: it comes from our own
origin, and it carries a token bound to the cookie, in `X-CSRF-Token` or the form field
`csrf_token`. Requests that name their own authority (a bearer token, a signed webhook, a
password in the body of the API's login) cannot be forged by another site.
"""

import datetime as dt
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from app.core import clock, security, web
from app.core.config import settings
from app.core.errors import ForbiddenError

SESSION_COOKIE = "__Host-fintech_session" if settings.is_https else "fintech_session"
VISITOR_COOKIE = "__Host-fintech_visitor" if settings.is_https else "fintech_visitor"
HEADER = "X-CSRF-Token"
FIELD = "csrf_token"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
_PROVES_ITSELF = ("/api/v1/auth/login", "/api/v1/auth/register", "/api/v1/auth/refresh")
"""Routes that look at what the body proves and never at a cookie."""
_TOKEN_LENGTH_MAX = 200
_COOKIE_LENGTH_MAX = 200

AnyResponse = TypeVar("AnyResponse", bound=Response)


async def check_csrf(request: Request) -> None:
    """Refuse an unsafe request that another site may have made the browser send.

    A dependency of the whole application, so that no route can forget it.

    Raises:
        ForbiddenError: It comes from elsewhere, or its token is missing or not of this session.
    """
    if request.method in SAFE_METHODS or _needs_no_proof(request):
        return
    if not _is_from_us(request):
        raise ForbiddenError(
            "This request did not come from a page of this server.", code="wrong_origin"
        )
    cookie = browser_cookie(request)
    token = request.headers.get(HEADER) or await _form_token(request)
    if not cookie or not token or not security.is_csrf_token(token[:_TOKEN_LENGTH_MAX], cookie):
        raise ForbiddenError(
            "This form has expired. Reload the page and try again.", code="csrf_token"
        )


def session_cookie(request: Request) -> str | None:
    """Return the browser's session cookie, if it has the form of one."""
    return _cookie(request, SESSION_COOKIE)


def visitor_cookie(request: Request) -> str | None:
    """Return the cookie of a browser that is not signed in."""
    return _cookie(request, VISITOR_COOKIE)


def browser_cookie(request: Request) -> str | None:
    """Return what we know a browser by; every unsafe request of a page has it."""
    return session_cookie(request) or visitor_cookie(request)


def bearer_token(request: Request) -> str | None:
    """Return the access token of an API request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer" and request.scope["path"].startswith("/api/")
    return token.strip() if is_bearer else None


def token_for_visitor(request: Request) -> str:
    """Return the CSRF token for a page shown to a stranger, whose browser gets a cookie."""
    cookie = browser_cookie(request)
    if cookie is None:
        cookie = security.new_token()
        holder = Response()
        _set(holder, VISITOR_COOKIE, cookie)
        web.add_cookie(request.scope, holder)
        request.cookies[VISITOR_COOKIE] = cookie
    return security.csrf_token(cookie)


def set_session_cookie(response: AnyResponse, cookie: str, expires_at: dt.datetime) -> AnyResponse:
    """Give the browser its session; the visitor's cookie goes."""
    _set(response, SESSION_COOKIE, cookie, int((expires_at - clock.now()).total_seconds()))
    response.delete_cookie(VISITOR_COOKIE, secure=settings.is_https, httponly=True, samesite="lax")
    return response


def delete_session_cookie(response: AnyResponse) -> AnyResponse:
    """Take the session from the browser, and what the site may have stored there."""
    response.delete_cookie(SESSION_COOKIE, secure=settings.is_https, httponly=True, samesite="lax")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _set(response: Response, name: str, value: str, seconds: int | None = None) -> None:
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=settings.is_https, httponly=True,
        samesite="lax",
    )  # fmt: skip


def _cookie(request: Request, name: str) -> str | None:
    value = request.cookies.get(name)
    return value if value and len(value) <= _COOKIE_LENGTH_MAX else None


def _needs_no_proof(request: Request) -> bool:
    path = request.scope["path"]
    if path.startswith("/webhooks/") or bearer_token(request) is not None:
        return True
    # Without a cookie nobody is signed in, and the route will say so.
    is_api = path.startswith("/api/")
    return is_api and (path.rstrip("/") in _PROVES_ITSELF or session_cookie(request) is None)


def _is_from_us(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = urlsplit(request.headers.get("origin", ""))
    public = urlsplit(settings.PUBLIC_URL)
    if (origin.scheme, origin.netloc) == (public.scheme, public.netloc):
        return True
    # The Host header was checked against the names we answer for.
    return origin.scheme in ("http", "https") and origin.netloc == request.headers.get("host")


async def _form_token(request: Request) -> str | None:
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return None
    value = (await request.form()).get(FIELD)
    return value if isinstance(value, str) else None
