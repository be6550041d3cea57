"""The ASGI app of the bank simulator: `uvicorn app.simulator.main:app`."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulator import (
    control_api,
    institutions_api,  # noqa: F401 - registers its endpoints
    investments_api,  # noqa: F401 - registers its endpoints
    items_api,  # noqa: F401 - registers its endpoints
    liabilities_api,  # noqa: F401 - registers its endpoints
    link_api,  # noqa: F401 - registers its endpoints
    link_pages,
    sandbox_api,  # noqa: F401 - registers its endpoints
    simplefin,
    transactions_api,  # noqa: F401 - registers its endpoints
)
from app.simulator.bank import Simulator
from app.simulator.calls import ENDPOINTS, Call
from app.simulator.errors import PlaidError, invalid_field
from app.simulator.faults import Faults
from app.simulator.identifiers import request_id
from app.simulator.limits import limit_code
from app.simulator.requests import check_fields
from app.simulator.rows import decode, encode
from app.simulator.settings import Settings, read_settings
from app.simulator.state import ItemState

PLAID_VERSION = "2020-09-14"
BODY_BYTES_MAX = 2_000_000
GZIP_BYTES_MIN = 1_000
_READ_ONLY = ("get", "sync", "search", "get_by_id")
_ANYBODY = ("/categories/get",)
_HTML = "<html><head><title>502 Bad Gateway</title></head><body>upstream error</body></html>"


class TornResponse(Response):
    """Says it is longer than it is, so that the server cuts the connection."""

    def init_headers(self, headers: Any = None) -> None:  # noqa: ANN401 - Starlette's signature
        """Set a content length that the body does not reach."""
        super().init_headers(headers)
        self.raw_headers = [
            (name, str(len(self.body) + 100).encode() if name == b"content-length" else value)
            for name, value in self.raw_headers
        ]


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            raise PlaidError("INVALID_BODY", "the body is too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = decode(raw or b"{}")
    except msgspec.MsgspecError:
        raise PlaidError("INVALID_BODY") from None
    if not isinstance(body, dict):
        raise PlaidError("INVALID_BODY")
    return body


def _authenticate(bank: Simulator, request: Request, body: dict[str, Any]) -> str:
    client_id = request.headers.get("plaid-client-id") or body.get("client_id")
    secret = request.headers.get("plaid-secret") or body.get("secret")
    missing = [name for name, value in (("client_id", client_id), ("secret", secret)) if not value]
    if missing:
        names = ", ".join(missing)
        raise PlaidError("MISSING_FIELDS", f"the following required fields are missing: {names}")
    settings = bank.settings
    right = settings.client_id in (None, client_id) and settings.secret in (None, secret)
    if not right or not isinstance(client_id, str) or not isinstance(secret, str):
        raise PlaidError("INVALID_API_KEYS")
    return client_id


def _find_item(bank: Simulator, path: str, body: dict[str, Any]) -> ItemState | None:
    access_token = body.get("access_token")
    if path == "/link/token/create" or not isinstance(access_token, str):
        return None
    try:
        return bank.item_state(access_token)
    except PlaidError as error:
        if error.code == "ITEM_NOT_FOUND" and path == "/transactions/sync" and body.get("cursor"):
            raise PlaidError("ITEM_CONCURRENTLY_DELETED") from None
        raise


def _page_of(bank: Simulator, path: str, item: ItemState | None, body: dict[str, Any]) -> int:
    """Return which page of a sync loop is asked for; 1 for everything else."""
    if path != "/transactions/sync" or item is None:
        return 1
    with contextlib.suppress(ValueError):
        return bank.live(item).stream.pages_read(body.get("cursor"), None) + 1
    return 1


def _strike_error(faults: Faults, call: Call, page: int) -> None:
    """Raise the error that a fault asks for."""
    item_id = call.item.item_id if call.item else None
    where: dict[str, Any] = {"item_id": item_id, "path": call.path}
    if faults.strike("http_500", **where):
        raise PlaidError("INTERNAL_SERVER_ERROR")
    if faults.strike("http_503", **where):
        raise PlaidError("PLANNED_MAINTENANCE")
    if faults.strike("rate_limit", **where):
        raise PlaidError(limit_code(call.path))
    if faults.strike("concurrently_deleted", **where):
        raise PlaidError("ITEM_CONCURRENTLY_DELETED")
    fault = faults.strike("error", page=page, **where)
    if fault is not None:
        if call.item is not None and fault.code == "ITEM_LOGIN_REQUIRED":
            call.bank.break_item(call.item, fault.code)
        raise PlaidError(fault.code)


async def _torn(bank: Simulator, call: Call, body: bytes) -> Response | None:
    """Return the broken answer that a fault asks for."""
    where: dict[str, Any] = {
        "item_id": call.item.item_id if call.item else None, "path": call.path,
    }  # fmt: skip
    late = bank.faults.strike("timeout", **where)
    if late is not None:
        await asyncio.sleep(late.seconds or bank.settings.hang_seconds)
    if bank.faults.strike("html", **where):
        return Response(_HTML, 502, media_type="text/html")
    if bank.faults.strike("html_200", **where):
        return Response(_HTML, media_type="text/html")
    if bank.faults.strike("truncated_json", **where):
        return Response(body[: len(body) // 2], media_type="application/json")
    if bank.faults.strike("half_response", **where):
        return TornResponse(body[: len(body) // 2], media_type="application/json")
    return None


def _respond(request: Request, status: int, body: bytes) -> Response:
    headers = {"Plaid-Version": PLAID_VERSION, "Vary": "Accept-Encoding"}
    if len(body) >= GZIP_BYTES_MIN and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, compresslevel=1, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, media_type="application/json; charset=utf-8")


async def answer(request: Request) -> Response:
    """Answer one API call as Plaid does."""
    bank: Simulator = request.app.state.bank
    path = request.url.path
    try:
        call, body = await _read_call(bank, request, path)
        page = _page_of(bank, path, call.item, call.body)
        _strike_error(bank.faults, call, page)
        shown = ENDPOINTS[path](call)
        if path.rsplit("/", 1)[1] not in _READ_ONLY:
            bank.save()
        body = encode(shown | {"request_id": request_id()})
        torn = await _torn(bank, call, body)
        return torn if torn is not None else _respond(request, 200, body)
    except PlaidError as error:
        return _respond(request, error.status, encode(error.body() | {"request_id": request_id()}))


async def _read_call(bank: Simulator, request: Request, path: str) -> tuple[Call, bytes]:
    raw = await _body(request)
    body = _parse(raw)
    client_id = "" if path in _ANYBODY else _authenticate(bank, request, body)
    version = request.headers.get("plaid-version", PLAID_VERSION)
    if version != PLAID_VERSION:
        raise invalid_field(f"Plaid-Version must be {PLAID_VERSION}")
    check_fields(path, body)
    item = _find_item(bank, path, body)
    bank.limiter.check(path, client_id, item.item_id if item else None)
    base_url = f"{request.url.scheme}://{request.headers.get('host', request.url.netloc)}"
    options = body.get("options") or {}
    return Call(bank, path, body, client_id, base_url, item, options), raw


async def not_found(request: Request, _error: Exception) -> Response:
    """Answer an unknown path as Plaid does."""
    error = PlaidError("NOT_FOUND")
    return _respond(request, 404, encode(error.body() | {"request_id": request_id()}))


async def health(request: Request) -> Response:  # noqa: ARG001 - every route takes the request
    """Say that the simulator is up."""
    return Response(b'{"status":"ok"}', media_type="application/json")


def create_app(settings: Settings | None = None) -> Starlette:
    """Return a simulator of its own, with the environment's settings unless others are given."""
    settings = settings or read_settings()

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await app.state.bank.start()
        yield
        await app.state.bank.stop()

    routes = [
        Route("/health", health),
        *(Route(path, answer, methods=["POST"]) for path in ENDPOINTS),
        *link_pages.ROUTES,
        *simplefin.ROUTES,
        *control_api.ROUTES,
    ]
    created = Starlette(routes=routes, lifespan=lifespan, exception_handlers={404: not_found})
    created.state.bank = Simulator(settings)
    return created


app = create_app()
