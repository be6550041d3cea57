"""One way to tell errors: RFC 9457 problem documents to programs, pages to people."""

import contextlib
import errno
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

import psycopg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Route

from app.core import database
from app.core.errors import (
    AppError,
    InvalidInputError,
    NoRoomError,
    RecentSignInNeededError,
    UnauthorizedError,
    UnavailableError,
    not_shared,
)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
_NO_ROOM_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
_ERRORS_MAX = 20
_PLACE_LENGTH_MAX = 100
_FOR_PROGRAMS = ("/api/", "/webhooks/", "/health", "/metrics", "/openapi.json")
_UNEXPECTED = "Something went wrong on our side. It has been logged; please try again."
log = structlog.get_logger(__name__)


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str
    """The status in words."""
    status: int
    detail: str
    """What happened and what to do next, in words for people."""
    code: str
    """For programs; does not change."""
    request_id: str
    """Finds the request in the server's logs."""
    field: str | None = None
    """The field that is to blame, if it is one."""
    errors: list[dict[str, str]] | None = None
    """Place, code and message for each value that has the wrong shape."""


RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"model": Problem, "description": "A problem."}
}
"""What the API's description says of every route besides its success; see `describe`."""

PageRenderer = Callable[[Request, AppError, str], Response]
"""Makes a page of an error; the text is the request's id."""

Recogniser = Callable[[Request], Awaitable[object]]
"""Finds out who asks, and sets up the shell of their pages."""


class Problems:
    """Makes the answer to every request that failed."""

    def __init__(self, render_page: PageRenderer, recognise: Recogniser) -> None:
        self._render_page = render_page
        self._recognise = recognise

    def install(self, app: FastAPI) -> None:
        """Answer what the application's routes raise."""
        # Asynchronous, so that Starlette does not look for a thread to make it in.
        for kind in (
            AppError,
            HTTPException,
            RequestValidationError,
            DBAPIError,
            PoolTimeoutError,
            psycopg.OperationalError,
            OSError,
            UnicodeEncodeError,
        ):
            app.add_exception_handler(kind, self._answer)

    async def _answer(self, request: Request, error: Exception) -> Response:
        if isinstance(error, (AppError, HTTPException)) and not is_for_programs(request):
            # The page of an error has the reader's own shell, if we can tell who they are.
            with contextlib.suppress(AppError, SQLAlchemyError):
                await self._recognise(request)
        return self.respond(request, error)

    def respond(self, request: Request, error: Exception) -> Response:
        """Return the answer to a request that failed with `error`.

        Raises:
            Exception: `error` itself, if it is a fault of the database that is no outage, or of
                the operating system that is no lack of room: the edge logs it and answers.
        """
        if _is_for_another_route(request, error):
            error = HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        told = _as_app_error(error)
        if told is None:
            if isinstance(error, (DBAPIError, OSError, UnicodeEncodeError)):
                raise error
            told = _unexpected()
        return self._tell(request, told, error)

    def respond_unexpected(self, request: Request, _error: Exception) -> Response:
        """Return the answer to a request that failed with what nobody expected."""
        return self._tell(request, _unexpected(), None)

    def _tell(self, request: Request, told: AppError, error: Exception | None) -> Response:
        if is_for_programs(request):
            response: Response = _problem_document(request, told, error)
        elif isinstance(told, UnauthorizedError):
            response = _to_sign_in(request)
        elif isinstance(told, RecentSignInNeededError):
            response = _to_confirm(request)
        else:
            response = self._render_page(request, told, request_id(request))
        if told.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(told.retry_after_seconds)
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        if told.status == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = _allowed_methods(request)
        return response


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Say in an API's description by which type problems are sent: FastAPI takes them for JSON."""
    for methods in document["paths"].values():
        for operation in methods.values():
            problem = operation["responses"]["default"]
            [schema] = problem["content"].values()
            problem["content"] = {MEDIA_TYPE: schema}
    return document


def is_for_programs(request: Request) -> bool:
    """Tell whether a program asks, which wants a problem document."""
    path = request.scope["path"]
    wants_events = "text/event-stream" in request.headers.get("accept", "")
    return wants_events or path.startswith(_FOR_PROGRAMS)


def request_id(request: Request) -> str:
    """Return the id under which the logs have this request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def _allowed_methods(request: Request) -> str:
    """Return what the path takes: the routes that share it each name their own methods alone."""
    found = {method for route in _routes_of(request) for method in route.methods or ()}
    if "GET" in found:
        found.add("HEAD")  # which the edge makes a GET
    return ", ".join(sorted(found))


def _is_for_another_route(request: Request, error: Exception) -> bool:
    """Tell whether a word of the path was taken for an id, since only `/{id}` has the method."""
    return (
        isinstance(error, RequestValidationError)
        and any(entry["loc"][0] == "path" for entry in error.errors())
        and not any(route.param_convertors for route in _routes_of(request))
    )


def _routes_of(request: Request) -> list[Route]:
    """Return the routes of a path, whatever the method: those that spell it out, if there are."""
    routes = (each.original_route for each in iter_route_contexts(request.app.routes))
    found = [
        route
        for route in routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    return [route for route in found if not route.param_convertors] or found


def _problem_document(request: Request, told: AppError, error: Exception | None) -> JSONResponse:
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": _phrase(told.status),
        "status": told.status,
        "detail": told.message,
        "code": told.code,
        "request_id": request_id(request),
    }
    if told.field is not None:
        content["field"] = told.field
    if isinstance(error, RequestValidationError):
        content["errors"] = _validation_errors(error)
    headers = {"WWW-Authenticate": "Bearer"} if told.status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse(content, told.status, headers=headers, media_type=MEDIA_TYPE)


def _to_sign_in(request: Request) -> Response:
    """Send a reader to the sign-in page and, if they were reading, back afterwards."""
    if request.headers.get("HX-Request") == "true":
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
        target = _sign_in_url(here.path, here.query)
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": target})
    if request.method in ("GET", "HEAD"):
        target = _sign_in_url(request.scope["path"], request.scope["query_string"].decode("ascii"))
    else:
        target = "/sign-in"
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


def _sign_in_url(path: str, query: str) -> str:
    if path in ("", "/"):
        return "/sign-in"
    return "/sign-in?next=" + quote(f"{path}?{query}" if query else path, safe="/")


def _to_confirm(request: Request) -> Response:
    """Send a reader to show that it is them, and back to where they were.

    A form that was sent is not sent again: it leads back to the page above its address, whose
    button the reader presses once more.
    """
    path, query = request.scope["path"], request.scope["query_string"].decode("ascii")
    is_reading = request.method in ("GET", "HEAD")
    is_htmx = request.headers.get("HX-Request") == "true"
    if is_htmx:
        here = urlsplit(request.headers.get("HX-Current-URL", ""))
        path, query = here.path, here.query
    elif not is_reading:
        path, query = path.rpartition("/")[0] or "/", ""
    target = "/confirm?next=" + quote(f"{path}?{query}" if query else path, safe="/")
    target += "" if is_reading else "&again=true"
    if is_htmx:
        return Response(status_code=HTTPStatus.FORBIDDEN, headers={"HX-Redirect": target})
    return RedirectResponse(target, HTTPStatus.SEE_OTHER)


def _as_app_error(error: Exception) -> AppError | None:
    """Return what the user is told; None if nobody expected the error."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, RequestValidationError):
        told = AppError("Some values are missing or not valid.", code="invalid_request")
        told.status = HTTPStatus.UNPROCESSABLE_ENTITY
        return told
    if _is_unstorable_text(error):
        return InvalidInputError(
            "A text holds a character that cannot be kept: NUL, or half of another character. "
            "Nothing was changed; take it out and send it again.",
            code="unstorable_text",
        )
    if _is_lack_of_room(error):
        log.error("no_room", error=type(error).__name__)
        return NoRoomError(
            "The server has no room left, so nothing was kept of what you sent and nothing was "
            "changed. Ask who runs it to free some disk space, then send it again."
        )
    if isinstance(error, HTTPException):
        told = AppError(_words(error.status_code), code=_code(error.status_code))
        told.status = error.status_code
        return told
    if database.guest.get() and _lacks_right(error):
        return not_shared()
    if isinstance(error, PoolTimeoutError) or _is_outage(error):
        return _unavailable(error)
    return None


def _is_unstorable_text(error: Exception) -> bool:
    """Tell whether PostgreSQL, or the way to it, refused a character of what was sent."""
    if isinstance(error, DBAPIError):
        said = str(error.orig) if isinstance(error.orig, psycopg.DataError) else ""
        return any(sign in said for sign in ("NUL", r"\u0000", "surrogate"))
    return isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed"


def _lacks_right(error: Exception) -> bool:
    """Tell whether PostgreSQL refused the role of a transaction what it asked for."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return isinstance(cause, psycopg.errors.InsufficientPrivilege)


def _is_lack_of_room(error: Exception) -> bool:
    """Tell whether the program's temporary folder, or the database, has no room left."""
    if isinstance(error, HTTPException) and isinstance(error.__cause__, OSError):
        # A body that could not be read, since its file did not fit into the temporary folder.
        error = error.__cause__
    if isinstance(error, DBAPIError):
        return isinstance(error.orig, psycopg.errors.DiskFull)
    if isinstance(error, FileNotFoundError):
        # Python tries each temporary folder by writing to it; this says that none took it.
        return error.filename is None and "temporary directory" in str(error)
    return isinstance(error, psycopg.errors.DiskFull) or (
        isinstance(error, OSError) and error.errno in _NO_ROOM_ERRNOS
    )


_TOO_SLOW = (
    "This took longer than a request may, and was stopped. Nothing was changed. "
    "Ask for less at a time, such as fewer days, or try again later."
)
_IN_USE = (
    "Something else is changing the same records, such as a sync or a large file. "
    "Nothing was changed; try again shortly."
)
_OUT_OF_REACH = "The database cannot be reached right now. Nothing was changed; try again shortly."


def _unavailable(error: Exception) -> UnavailableError:
    """Return what is told of a database that is away, or that stopped what took too long."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    log.warning("database_unavailable", error=type(error).__name__, cause=type(cause).__name__)
    match cause:
        case psycopg.errors.QueryCanceled():
            told = UnavailableError(_TOO_SLOW, code="too_slow")
        case psycopg.errors.LockNotAvailable():
            told = UnavailableError(_IN_USE, code="in_use")
        case _:
            told = UnavailableError(_OUT_OF_REACH, code="database_unavailable")
    told.retry_after_seconds = RETRY_AFTER_SECONDS
    return told


def _is_outage(error: Exception) -> bool:
    """Tell whether the database was unreachable or busy, rather than misused."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    return isinstance(error, psycopg.OperationalError)


def _unexpected() -> AppError:
    return AppError(_UNEXPECTED, code="internal_error")


def _validation_errors(error: RequestValidationError) -> list[dict[str, str]]:
    """Return place and reason of each error, never the input (it may hold a password)."""
    return [
        {
            "field": ".".join(str(part)[:40] for part in entry["loc"])[:_PLACE_LENGTH_MAX],
            "code": str(entry["type"])[:60],
            "message": _fixed_message(entry),
        }
        for entry in error.errors()[:_ERRORS_MAX]
    ]


def _fixed_message(entry: dict[str, Any]) -> str:
    kind, message = str(entry["type"]), str(entry["msg"])
    if kind in ("value_error", "assertion_error", "json_invalid"):
        return "This is not valid JSON." if kind == "json_invalid" else "This value is not valid."
    if kind.endswith("_parsing"):
        # What follows the comma may quote the input.
        message = message.partition(",")[0]
    return message[:200]


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _code(status: int) -> str:
    return _phrase(status).lower().replace(" ", "_").replace("-", "_")


def _words(status: int) -> str:
    words = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
        HTTPStatus.BAD_REQUEST: "The request could not be read.",
    }
    return words.get(HTTPStatus(status), f"{_phrase(status)}.")
