"""Who asks: dependencies that give a route the signed-in person and their transaction."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import structlog
from fastapi import Depends
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from app.core import api_token, clock, csrf, database, replica, scopes, security, web
from app.core.config import settings
from app.core.errors import (
    ForbiddenError,
    RecentSignInNeededError,
    UnauthorizedError,
    not_shared,
)
from app.features.audit.service import Actor
from app.features.users import api_tokens, sessions
from app.features.users.repository import SessionRow
from app.features.users.session_cache import cache
from app.features.users.sessions import Client
from app.ui import flashes
from app.ui.filters import Formatting
from app.ui.templating import PageContext, Viewer

VIEWER = "viewer"
GUEST = "guest"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person who asks, and the household they work in."""

    user_id: UUID
    household_id: UUID
    session_id: UUID
    kind: str
    """Of the session: `browser` or `api`; `token` for an API token, whose id stands for it."""
    proven_at: dt.datetime
    """When they last signed in, or confirmed that it is them."""
    role: str
    """`owner`, `member`, `viewer` or `guest`."""
    name: str
    email: str
    household_name: str
    base_currency: str
    """Totals over several currencies are shown in this one."""
    preferences: Mapping[str, object]
    """`theme`, `locale`, `timezone`, each only if chosen."""
    csrf_token: str
    """For forms; empty for API clients, which need none."""
    address: str | None
    """Network address of the request."""
    scope: str | None = None
    """By which an API token was let in; None for sessions."""
    alerts: int = 0
    """How many connections need the user; at most a second old."""
    questions: int = 0
    """How many possible duplicates wait for the user; at most a second old."""
    notices: int = 0
    """How many notices the person has not read; at most a second old."""
    is_operator: bool = False
    """Whether pages lead to /operations, which asks again."""

    @property
    def actor(self) -> Actor:
        """Return who did it, for the audit trail."""
        return Actor(self.user_id, self.session_id, self.address)


async def find_current_user(request: Request) -> SignedIn | None:
    """Return who asks, or None; sets up the shell of the page on the way.

    A bearer token, if there is one, is the only proof looked at: a cookie beside it does not
    help a token that is not valid.

    Raises:
        UnauthorizedError: There is a bearer token and it is not valid.
        ForbiddenError: It is an API token whose scopes do not reach this route.
    """
    token = csrf.bearer_token(request)
    cookie = csrf.session_cookie(request) if token is None else None
    if token is not None:
        row: SessionRow | None = await _find_by_token(request, token)
    elif cookie is not None:
        row = cache.find(security.hash_token(cookie))
        if row is None:
            row = await run_in_threadpool(sessions.find_by_cookie, cookie)
    else:
        row = None
    if row is None:
        return None
    structlog.contextvars.bind_contextvars(user_id=str(row.user_id))
    database.only_reads.set(row.role in (VIEWER, GUEST))
    database.guest.set(row.user_id if row.role == GUEST else None)
    current = _signed_in(row, request, security.csrf_token(cookie) if cookie else "")
    if cookie is not None:
        request.state.page_context = _page_context(request, current)
    return current


class _RequirePerson(OAuth2PasswordBearer):
    """The dependency that finds out who asks, itself the scheme that the API's description names.

    One dependency instead of two: each costs a request about as much as reading its token.
    """

    async def __call__(self, request: Request) -> SignedIn:  # type: ignore[override]
        """Return who asks.

        Raises:
            UnauthorizedError: Nobody is signed in: 401 for programs, the sign-in page for people.
        """
        current = await find_current_user(request)
        if current is None:
            raise UnauthorizedError("Sign in first.")
        return current


require_person = _RequirePerson(
    tokenUrl="/api/v1/auth/login", scheme_name="OAuth2PasswordBearer", auto_error=False
)
CurrentPerson = Annotated[SignedIn, Depends(require_person)]
"""The signed-in person, whatever their role: for what is theirs and not the household's, and for
reading by POST."""


async def require_editor(current: CurrentPerson) -> SignedIn:
    """Return who asks, if they may change what the household owns.

    Raises:
        ForbiddenError: They may only look.
    """
    check_member(current)
    if current.role == VIEWER:
        raise ForbiddenError("You may look at this household, but not change it.", code="viewer")
    return current


def check_member(current: SignedIn) -> None:
    """Refuse guests what PostgreSQL does not refuse them, since it is no table of theirs.

    Raises:
        ForbiddenError: They are a guest.
    """
    if current.role == GUEST:
        raise not_shared()


async def require_member(current: CurrentPerson) -> SignedIn:
    """Return who asks, if they are more than a guest.

    Raises:
        ForbiddenError: They are a guest.
    """
    check_member(current)
    return current


CurrentMember = Annotated[SignedIn, Depends(require_member)]
"""The signed-in person, for what is about the household as a whole: a guest gets 403."""


CurrentEditor = Annotated[SignedIn, Depends(require_editor)]
"""The signed-in person, for routes that write: a viewer gets 403."""


async def require_current_user(request: Request, current: CurrentPerson) -> SignedIn:
    """Return who asks; what is not safe is refused to viewers, so that no route can forget it.

    Raises:
        UnauthorizedError: Nobody is signed in.
        ForbiddenError: They may only look.
    """
    return current if request.method in csrf.SAFE_METHODS else await require_editor(current)


CurrentUser = Annotated[SignedIn, Depends(require_current_user)]
"""The signed-in person; by cookie for pages, by bearer token or cookie for the API. A viewer gets
403 for what is not GET: see `CurrentPerson` for the exceptions."""


def check_proven(current: SignedIn) -> None:
    """Refuse what a session that was left open, or stolen, must not do.

    Raises:
        RecentSignInNeededError: They signed in too long ago: pages lead to /confirm.
        ForbiddenError: It is an API token that was not made for such things.
    """
    if current.scope is not None:
        if current.scope not in scopes.DELICATE:
            raise scopes.not_taken()
        return
    minutes = settings.RECENT_SIGN_IN_MINUTES
    if clock.now() - current.proven_at > dt.timedelta(minutes=minutes):
        raise RecentSignInNeededError(
            "Confirm that it is you: POST /api/v1/auth/confirm with your password, and with "
            "totp_code if two-step sign-in is on. Then come back with the new token, "
            f"within {minutes} minutes."
        )


async def require_proven(current: CurrentPerson) -> SignedIn:
    """Return who asks, if they have shown a moment ago that it is them.

    Raises:
        RecentSignInNeededError: They signed in too long ago.
    """
    check_proven(current)
    return current


async def require_proven_editor(current: CurrentEditor) -> SignedIn:
    """Return who asks, as `require_editor` and `require_proven` do."""
    check_proven(current)
    return current


CurrentProven = Annotated[SignedIn, Depends(require_proven)]
"""The signed-in person, for what a stolen session must not do: who signed in a while ago is
led to /confirm and back; programs get 403. Whatever their role, as `CurrentPerson`."""

CurrentProvenEditor = Annotated[SignedIn, Depends(require_proven_editor)]
"""The same for what changes the household: a viewer gets 403 in any case."""


async def greet_visitor(request: Request) -> SignedIn | None:
    """Prepare a page for anybody: its forms get a CSRF token. Returns who asks, if known."""
    current = await find_current_user(request)
    if current is None:
        token = csrf.token_for_visitor(request)
        request.state.page_context = PageContext(
            csrf_token=token, flashes=flashes.take(request), live=False
        )
    return current


Visitor = Annotated[SignedIn | None, Depends(greet_visitor)]
"""Whoever looks at a page that needs no signing in."""


def household_session(current: CurrentPerson) -> Iterator[Session]:
    """Give a request the one transaction of its household; committed before the answer."""
    with database.household_transaction(current.household_id) as session:
        yield session


# scope="function" commits before the answer leaves. With FastAPI's default scope the client
# would have its 200 before the commit, and would keep it if the commit failed.
HouseholdSession = Annotated[Session, Depends(household_session, scope="function")]
"""The request's transaction, which sees the current household and nothing else; a viewer's can
only read."""


def reading_session(current: CurrentPerson) -> Iterator[Session]:
    """Give a report its transaction of its household, which only reads."""
    with replica.reading_transaction(current.household_id) as session:
        yield session


ReadingSession = Annotated[Session, Depends(reading_session, scope="function")]
"""The transaction of a report or an export: it cannot write, and may run on the replica."""


def system_session(current: CurrentPerson) -> Iterator[Session]:
    """Give a request a transaction that crosses households: for a person's own record only."""
    del current  # only for those who are signed in
    with database.system_transaction() as session:
        yield session


def client_of(request: Request) -> Client:
    """Return where the request comes from."""
    return Client(web.client_address(request.scope), request.headers.get("user-agent"))


RequestClient = Annotated[Client, Depends(client_of)]


async def _find_by_token(request: Request, token: str) -> SessionRow:
    if api_token.is_meant(token):
        row = cache.find(security.hash_token(token))
        if row is None:
            address = web.client_address(request.scope)
            row = await run_in_threadpool(api_tokens.find, token, address)
        await run_in_threadpool(api_tokens.admit, row.session_id)
        return row
    claims = security.read_access_token(token)
    row = cache.find(claims.session_id)
    if row is None:
        row = await run_in_threadpool(sessions.find_by_id, claims.session_id)
    if row is None or row.user_id != claims.user_id:
        raise UnauthorizedError("This session has ended. Sign in again.", code="session_ended")
    if row.household_id != claims.household_id:
        raise UnauthorizedError(
            "This token is for the household that its session has left. Refresh it.",
            code="household_changed",
        )
    return row


def _scope(row: SessionRow, request: Request) -> str | None:
    """Return the scope by which the request is let in, where it comes with scopes."""
    if row.scopes is None:
        return None
    return scopes.check(request.scope["route"].openapi_extra, request.method, row.scopes)


def _signed_in(row: SessionRow, request: Request, csrf_token: str) -> SignedIn:
    return SignedIn(
        user_id=row.user_id,
        household_id=row.household_id,
        session_id=row.session_id,
        kind=row.kind,
        proven_at=row.proven_at,
        role=row.role,
        name=row.name,
        email=row.email,
        household_name=row.household_name,
        base_currency=row.base_currency,
        preferences=row.preferences,
        csrf_token=csrf_token,
        address=web.client_address(request.scope),
        scope=_scope(row, request),
        alerts=row.alerts,
        questions=row.questions,
        notices=row.notices,
        is_operator=row.is_operator,
    )


def _page_context(request: Request, current: SignedIn) -> PageContext:
    preferences = current.preferences
    default, is_guest = Formatting(), current.role == GUEST
    return PageContext(
        viewer=Viewer(current.name, current.email, current.household_name),
        csrf_token=current.csrf_token,
        formatting=Formatting(
            locale=str(preferences.get("locale") or default.locale),
            timezone=str(preferences.get("timezone") or default.timezone),
        ),
        flashes=flashes.take(request),
        may_edit=current.role not in (VIEWER, GUEST),
        is_guest=is_guest,
        alerts=0 if is_guest else current.alerts,
        questions=0 if is_guest else current.questions,
        live=not is_guest,
        notices=current.notices,
        is_operator=current.is_operator,
    )
