"""Messages shown once, on the page that follows a redirect; carried by a signed cookie."""

import base64
import hashlib
import hmac
import json
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from app.core import encryption, web
from app.core.config import settings
from app.ui.templating import Flash, is_fragment_request

COOKIE = "__Host-fintech_flash" if settings.is_https else "fintech_flash"
KINDS = ("info", "success", "warning", "danger")
_SECONDS_MAX = 60
_LENGTH_MAX = 1_000

AnyResponse = TypeVar("AnyResponse", bound=Response)


def add(response: AnyResponse, message: str, kind: str = "success") -> AnyResponse:
    """Show `message` on the next page that this browser opens."""
    assert kind in KINDS
    body = base64.urlsafe_b64encode(json.dumps([message[:300], kind]).encode()).decode()
    response.set_cookie(
        COOKIE, f"{body}.{_sign(body)}", max_age=_SECONDS_MAX, path="/",
        secure=settings.is_https, httponly=True, samesite="lax",
    )  # fmt: skip
    return response


def take(request: Request) -> tuple[Flash, ...]:
    """Return the messages for the page that is being made, and forget them.

    Only whole pages show messages; a fragment or a program leaves them for the next page.
    """
    cookie = request.cookies.get(COOKIE, "")
    wants_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not cookie or not wants_page or is_fragment_request(request):
        return ()
    holder = Response()
    holder.delete_cookie(COOKIE, secure=settings.is_https, httponly=True, samesite="lax")
    web.add_cookie(request.scope, holder)
    body, _, signature = cookie[:_LENGTH_MAX].partition(".")
    if not hmac.compare_digest(signature.encode(), _sign(body).encode()):
        return ()
    message, kind = json.loads(base64.urlsafe_b64decode(body))
    return (Flash(message, kind),)


def _sign(body: str) -> str:
    key = encryption.derive_key("flash messages")
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
