"""Requests that may be sent again: a POST with an `Idempotency-Key` acts once.

A request first claims its key, in a transaction of its own, for as long as a request may last. Its
answer is kept in the transaction that acts, so that the two stand or fall together; routes that act
in several, such as those that ask a bank between them, keep it right after the last. Whoever sends
the same key again gets that answer; while it is not there yet, 409. A request that is refused, or
fails, leaves nothing. One that was killed holds its key until its claim runs out; the claim's id
keeps it from writing an answer after another one took its place.

A router opts in: `APIRouter(route_class=OnceRoute)`. Programs send the header, forms of pages a
field of theirs (`ui.once()`): a second click waits for the first, and shows what it showed.
"""

import hashlib
import hmac
import inspect
import time
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from functools import wraps
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request
from fastapi.routing import APIRoute
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response, StreamingResponse

from app.core import clock, database, encryption
from app.core.errors import ConflictError, InvalidInputError
from app.core.ids import uuid7
from app.core.jobs import after_commit
from app.features.users.current import SignedIn
from app.features.users.repository import answers
from app.features.vault import service as vault
from app.models import IdempotencyKey

HEADER = "Idempotency-Key"
FIELD = "idempotency_key"
KEY_LENGTH_MAX = 255
RUNNING_FOR = timedelta(minutes=2)
"""Longer than any request lasts."""
RETRY_SECONDS = 1
FORM_WAITS_SECONDS = 10.0
_POLL_SECONDS = 0.2
_CLAIMS_MAX = 3
"""A key that was held may be free a moment later."""
_PLACE = "idempotency_keys.answer"
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Headers = list[tuple[bytes, bytes]]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Attempt:
    """One request under a key."""

    def __init__(self, key: str, route: str, request_hash: bytes, *, is_form: bool) -> None:
        # A form that was filled in anew is another request, though its page was not loaded anew.
        self._key = f"{key} {request_hash.hex()}" if is_form else key
        self._route, self._request_hash = route, request_hash
        self._patience_seconds = FORM_WAITS_SECONDS if is_form else 0.0
        self._id = uuid7()
        self._who: SignedIn | None = None
        self._key_hash = b""
        self._session: Session | None = None
        self._is_settled = False

    @property
    def acts(self) -> bool:
        """Whether this is the request that acts, and has not been answered yet."""
        return self._who is not None and not self._is_settled

    def begin(self, who: SignedIn, session: Session | None) -> Response | None:
        """Claim the key, unless it was answered: then return that answer.

        Args:
            who: The person who asks.
            session: In which the route acts; None: it opens transactions of its own.

        Raises:
            ConflictError: The first request with this key is still running.
            InvalidInputError: The first request with this key had another body.
        """
        self._key_hash = _hash("key", f"{who.user_id} {self._route} {self._key}".encode())
        deadline = time.monotonic() + self._patience_seconds
        while (found := self._claim(who)) is not None:
            if not hmac.compare_digest(found.request_hash, self._request_hash):
                raise InvalidInputError(
                    "This Idempotency-Key was sent with another request. Make a new one for each "
                    "thing to be done.",
                    code="idempotency_key_reused",
                )
            if found.status is not None:
                return self._answer_again(who, found)
            if time.monotonic() > deadline:
                raise _still_running()
            time.sleep(_POLL_SECONDS)
        self._who, self._session = who, session
        return None

    def keep(self, response: Response) -> None:
        """Keep the answer for whoever sends the key again, with what was done.

        Raises:
            ConflictError: It took so long that another request acts in its place.
        """
        assert self._who is not None
        if self._session is not None:
            self._write(self._session, self._who, response)
            after_commit(self._session, self._settle)
            return
        with database.household_transaction(self._who.household_id, for_trail=True) as session:
            self._write(session, self._who, response)
        self._settle()

    def release(self) -> None:
        """Let the same key act at once: this request did nothing."""
        assert self._who is not None
        with database.household_transaction(self._who.household_id, for_trail=True) as session:
            answers.release(session, self._who.household_id, self._id, self._key_hash)

    def _claim(self, who: SignedIn) -> IdempotencyKey | None:
        """Return what holds the key; None: this request does now."""
        now = clock.now()
        values = {
            "household_id": who.household_id,
            "key_hash": self._key_hash,
            "user_id": who.user_id,
            "claim_id": self._id,
            "request_hash": self._request_hash,
            "created_at": now,
            "running_until": now + RUNNING_FOR,
        }
        for _ in range(_CLAIMS_MAX):
            # Who may act here may write their claim, whatever they may of the household.
            with database.household_transaction(who.household_id, for_trail=True) as session:
                if answers.claim(session, values, now=now):
                    return None
                found = answers.find(session, who.household_id, self._key_hash)
            if found is not None:
                return found
        raise _still_running()

    def _answer_again(self, who: SignedIn, found: IdempotencyKey) -> Response:
        assert found.answer is not None
        assert found.status is not None
        with database.household_transaction(who.household_id) as session:
            key = vault.get_key(session, who.household_id)
        packed = key.open(found.answer, place=_PLACE, row_id=found.claim_id)
        headers, body = msgspec.msgpack.decode(zlib.decompress(packed), type=tuple[Headers, bytes])
        response = Response(body, found.status)
        response.raw_headers = [*headers, (b"idempotent-replayed", b"true")]
        return response

    def _write(self, session: Session, who: SignedIn, response: Response) -> None:
        packed = zlib.compress(msgspec.msgpack.encode((response.raw_headers, response.body)))
        sealed = vault.get_key(session, who.household_id).seal(
            packed, place=_PLACE, row_id=self._id
        )
        is_kept = answers.keep(
            session,
            who.household_id,
            self._id,
            self._key_hash,
            status=response.status_code,
            answer=sealed,
        )
        if not is_kept:
            raise _still_running()  # this one took so long that another took its place

    def _settle(self) -> None:
        self._is_settled = True


async def _attempt(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            min_length=1,
            max_length=KEY_LENGTH_MAX,
            description="Chosen by you: sent again, the request is answered again and acts once.",
        ),
    ] = None,
) -> AsyncIterator[Attempt | None]:
    """Give a route its attempt under the key that was sent, if one was."""
    is_form = request.headers.get("content-type", "").lower().startswith(_FORMS)
    form = await request.form() if is_form else None
    key = idempotency_key or _key_of(form)
    if key is None:
        yield None
        return
    request_hash = await _hash_request(request, form)
    route = f"{request.method} {request.scope['route'].path}"
    attempt = Attempt(key, route, request_hash, is_form=idempotency_key is None)
    request.state.attempt = attempt
    try:
        yield attempt
    finally:
        if attempt.acts:
            await run_in_threadpool(attempt.release)


class OnceRoute(APIRoute):
    """A route that acts once for each key, if it is a POST of somebody signed in."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401  # FastAPI's own
        if _may_act_twice(endpoint, options.get("methods")):
            endpoint = _once(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        """Return what handles a request: the answer is kept before the transaction commits."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            response = await handle(request)
            attempt: Attempt | None = getattr(request.state, "attempt", None)
            if attempt is not None and attempt.acts and response.status_code < 400:
                await run_in_threadpool(attempt.keep, response)
            return response

        return handle_once


def _may_act_twice(endpoint: Callable[..., Any], methods: Any) -> bool:  # noqa: ANN401  # as above
    """Tell whether a route is a POST of somebody signed in whose answer is not a stream."""
    returned = inspect.signature(endpoint).return_annotation
    is_stream = inspect.isclass(returned) and issubclass(returned, StreamingResponse)
    return "POST" in (methods or ()) and not is_stream and _has_person(endpoint)


def _has_person(endpoint: Callable[..., Any]) -> bool:
    annotations = (each.annotation for each in inspect.signature(endpoint).parameters.values())
    return any(getattr(each, "__origin__", None) is SignedIn for each in annotations)


def _once(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Return the endpoint with one more parameter, its attempt.

    It runs after everything that may refuse a request: who asks, their role, scopes, the body.
    """

    @wraps(endpoint)
    def act(*, attempt: Attempt | None, **values: Any) -> Any:  # noqa: ANN401  # any endpoint's
        if attempt is not None:
            [who] = (each for each in values.values() if isinstance(each, SignedIn))
            session = next((each for each in values.values() if isinstance(each, Session)), None)
            answer = attempt.begin(who, session)
            if answer is not None:
                return answer
        return endpoint(**values)

    signature = inspect.signature(endpoint)
    extra = inspect.Parameter(
        "attempt",
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[Attempt | None, Depends(_attempt)],
    )
    parameters = [*signature.parameters.values(), extra]
    act.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return act


def _still_running() -> ConflictError:
    return ConflictError(
        "A request with this Idempotency-Key is still running. Send it again shortly for its "
        "answer.",
        code="idempotency_key_running",
        retry_after_seconds=RETRY_SECONDS,
    )


def _key_of(form: FormData | None) -> str | None:
    value = form.get(FIELD) if form is not None else None
    is_key = isinstance(value, str) and 0 < len(value) <= KEY_LENGTH_MAX
    return str(value) if is_key else None


async def _hash_request(request: Request, form: FormData | None) -> bytes:
    """Return a keyed hash of address and body: a form's by its fields, which no boundary parts."""
    parts = [request.url.path.encode(), request.url.query.encode()]
    if form is None:
        parts.append(await request.body())
    for name, value in form.multi_items() if form is not None else ():
        parts += [name.encode(), await _bytes_of(value)]
    return await run_in_threadpool(_hash, "request", *parts)


async def _bytes_of(value: UploadFile | str) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    data = await value.read()
    await value.seek(0)
    return (value.filename or "").encode("utf-8", "surrogatepass") + b"\0" + data


def _hash(what: str, *parts: bytes) -> bytes:
    """Return a keyed hash, which says nothing of a password in a body to who reads the table."""
    made = hmac.new(encryption.derive_key(f"idempotency {what}"), digestmod=hashlib.sha256)
    for part in parts:
        made.update(len(part).to_bytes(8, "big") + part)
    return made.digest()
