"""Requests to the application inside this process: server time, without a network."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from app.core import csrf
from app.core.config import settings
from app.main import app
from benchmarks import households
from benchmarks.households import Household


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    body: bytes
    seconds: float


class Client:
    """A browser and a program of one person."""

    def __init__(self, portal: BlockingPortal, household: Household) -> None:
        self._portal = portal
        cookie = f"{csrf.SESSION_COOKIE}={households.cookie(household)}"
        self._cookie = (b"cookie", cookie.encode())
        self._bearer = (b"authorization", f"Bearer {households.bearer_token(household)}".encode())

    def get(self, address: str) -> Answer:
        """Ask for a page, or for what programs get under `/api/`.

        Raises:
            AssertionError: The answer is not 200.
        """
        path, _, query = address.partition("?")
        proof = self._bearer if path.startswith("/api/") else self._cookie
        answer = self._portal.call(_get, path, query, proof)
        assert answer.status == 200, (address, answer.status)
        return answer


@contextmanager
def running() -> Iterator[Callable[[Household], Client]]:
    """Run the application on a loop of its own, as a server does; yield what makes clients."""
    with (
        start_blocking_portal(backend_options={"use_uvloop": True}) as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield lambda household: Client(portal, household)


async def _get(path: str, query: str, proof: tuple[bytes, bytes]) -> Answer:
    host = settings.PUBLIC_URL.partition("//")[2]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", host.encode()), (b"accept", b"*/*"), proof],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
        "root_path": "",
        "state": {},
    }
    status, parts = 0, []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401  # ASGI's own
        nonlocal status
        status = message.get("status", status)
        parts.append(message.get("body", b""))

    started = time.perf_counter()
    handle: Callable[..., Awaitable[None]] = app
    await handle(scope, receive, send)
    return Answer(status, b"".join(parts), time.perf_counter() - started)
