"""Use cases of sessions: signing in and out, tokens, and who asks."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database, metrics, ratelimit, security
from app.core.config import settings
from app.core.errors import NotFoundError, RateLimitedError, UnauthorizedError
from app.core.ids import uuid7
from app.core.jobs import after_commit
from app.core.ratelimit import Limit
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.users import devices, repository, second_factor
from app.features.users.repository import SessionRow
from app.features.users.session_cache import cache
from app.models import User, UserSession

BROWSER = "browser"
API = "api"
SESSIONS_LISTED_MAX = 100
USER_AGENT_LENGTH_MAX = 300
SEEN_EVERY = timedelta(minutes=1)
"""How exactly `seen_at` is kept; a write for each request would be too much."""
KEPT_AFTER_END = timedelta(days=settings.SESSION_RETENTION_DAYS)

SIGN_IN_BY_ACCOUNT = Limit("sign-in:account", burst=10, refill_seconds=60)
SIGN_IN_BY_ADDRESS = Limit("sign-in:address", burst=10, refill_seconds=60)
_WRONG = "The e-mail address or the password is not right."


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str | None = None
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class SignedInBrowser:
    """What a browser gets: the value of its cookie, and until when it may keep it."""

    cookie: str
    session_id: UUID
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class AwaitsCode:
    """The password was right, and nothing is granted before the second factor."""

    pending_token: str


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What an API client gets."""

    session_id: UUID
    access_token: str
    refresh_token: str
    expires_in_seconds: int


@dataclass(frozen=True, slots=True)
class _Opened:
    user_id: UUID
    household_id: UUID
    session_id: UUID
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ListedSession:
    """One session as its owner sees it."""

    id: UUID
    kind: str
    created_at: dt.datetime
    seen_at: dt.datetime
    address: str | None
    user_agent: str | None
    is_current: bool


def sign_in_browser(email: str, password: str, client: Client) -> SignedInBrowser | AwaitsCode:
    """Check the password and open a session for a browser, always under a new id.

    Returns:
        No session, but what `finish_browser` takes, where there is a second factor.

    Raises:
        UnauthorizedError: Unknown address, wrong password or disabled: it does not say which.
        RateLimitedError: Too many failures for this account or from this address.
        UnavailableError: Too many passwords are being hashed right now.
    """
    user_id, password_hash = _authenticate(email, password, client)
    with database.system_transaction() as session:
        if second_factor.is_on(session, user_id):
            return AwaitsCode(security.sign_pending(user_id, password_hash))
        _hold(session, user_id, password_hash)
        return open_browser_session(session, user_id, client)


def finish_browser(pending_token: str, code: str, client: Client) -> SignedInBrowser:
    """Check the second factor and open the session that the password alone did not.

    Raises:
        UnauthorizedError: The code is wrong or was used; `sign_in_expired`: begin again.
        RateLimitedError: Too many codes of this person were wrong.
    """
    pending = security.read_pending(pending_token)
    actor = Actor(pending.user_id, None, client.address)
    with second_factor.proven(pending.user_id, code, actor) as session:
        user = repository.lock_user(session, pending.user_id)
        if user is None or user.disabled_at is not None or not pending.is_for(user.password_hash):
            raise security.pending_expired()
        return open_browser_session(session, user.id, client)


def sign_in_api(email: str, password: str, client: Client, code: str = "") -> TokenPair:
    """Check the password, and the second factor if there is one; open a session for a program.

    Raises:
        UnauthorizedError: As `sign_in_browser`; `second_factor_required`: the password is right,
            and the code is missing; `wrong_code`: it is wrong or was used.
        RateLimitedError: As `sign_in_browser`, or too many codes were wrong.
        UnavailableError: As `sign_in_browser`.
    """
    user_id, password_hash = _authenticate(email, password, client)
    with database.system_transaction() as session:
        if not second_factor.is_on(session, user_id):
            _hold(session, user_id, password_hash)
            return open_api_session(session, user_id, client)
    if not code:
        raise UnauthorizedError(
            "Send a code of your authenticator app, or a recovery code, as totp_code.",
            code="second_factor_required",
        )
    with second_factor.proven(user_id, code, Actor(user_id, None, client.address)) as session:
        _hold(session, user_id, password_hash)
        return open_api_session(session, user_id, client)


def open_browser_session(
    session: Session, user_id: UUID, client: Client, *, by: str = "password"
) -> SignedInBrowser:
    """Open a session for a person whose identity was proven; `by` what, the trail says."""
    cookie = security.new_token()
    opened = _insert(
        session,
        user_id,
        client,
        kind=BROWSER,
        by=by,
        days=settings.SESSION_DAYS_MAX,
        token_hash=security.hash_token(cookie),
    )
    return SignedInBrowser(cookie, opened.session_id, opened.expires_at)


def open_api_session(session: Session, user_id: UUID, client: Client) -> TokenPair:
    """Open a session for a program that acts for a person whose identity was proven."""
    days = settings.REFRESH_TOKEN_EXPIRE_DAYS
    return _new_pair(session, _insert(session, user_id, client, kind=API, days=days))


def renew_browser(session: Session, actor: Actor, client: Client) -> SignedInBrowser:
    """Go on under another cookie, for a person who has just shown again who they are.

    Raises:
        UnauthorizedError: The session has ended meanwhile.
    """
    cookie = security.new_token()
    row = _replace(session, actor, client, token_hash=security.hash_token(cookie))
    return SignedInBrowser(cookie, row.id, row.expires_at)


def renew_api(session: Session, actor: Actor, client: Client) -> TokenPair:
    """Go on under other tokens; otherwise as `renew_browser`."""
    row = _replace(session, actor, client, token_hash=None)
    return _new_pair(session, _Opened(row.user_id, row.household_id, row.id, row.expires_at))


def refresh(refresh_token: str, client: Client) -> TokenPair:
    """Exchange a refresh token for a new pair; the old one is used up.

    Somebody who presents a used token has stolen it or was stolen from, so the whole session
    ends and both have to sign in again.

    Raises:
        UnauthorizedError: The token is unknown, used, expired, or its session ended.
    """
    now, token_hash = clock.now(), security.hash_token(refresh_token)
    with database.system_transaction() as session:
        session_id = repository.use_refresh_token(session, token_hash, now)
        row = _find(session, session_id=session_id) if session_id is not None else None
        if row is not None:
            return _new_pair(session, row)
        if session_id is None:
            _end_if_reused(session, token_hash, client)
    # Raised after the commit: the end of a stolen session has to stand.
    raise UnauthorizedError(
        "The refresh token is not valid any more. Sign in again.", code="invalid_refresh_token"
    )


def find_by_cookie(cookie: str) -> SessionRow | None:
    """Return the live session of a browser's cookie."""
    token_hash = security.hash_token(cookie)
    return _find_cached(token_hash, lambda session: _find(session, token_hash=token_hash))


def find_by_id(session_id: UUID) -> SessionRow | None:
    """Return a live session by the id that an access token names."""
    return _find_cached(session_id, lambda session: _find(session, session_id=session_id))


def may_listen(session_id: UUID, household_id: UUID) -> bool:
    """Tell whether a session may hear of this household; asking is not using it.

    It lives and works there, and not as a guest: hints speak of all that the household owns.
    """
    with database.system_transaction() as session:
        row = _find(session, session_id=session_id)
    return row is not None and row.household_id == household_id and row.role != "guest"


def move(session: Session, session_id: UUID, household_id: UUID) -> None:
    """Let a session work in another household of its person; crosses households."""
    repository.move_session(session, session_id, household_id)
    _forget_after(session, [session_id])


def leave(session: Session, user_id: UUID, household_id: UUID, *, but: UUID | None = None) -> int:
    """End a person's sessions in a household, all or all but one; return how many ended."""
    ended = repository.end_sessions(
        session, now=clock.now(), user_id=user_id, household_id=household_id, all_but=but
    )
    _forget_after(session, ended)
    return len(ended)


def sign_out(session: Session, household_id: UUID, actor: Actor) -> None:
    """End the session that asks; for a session that crosses households."""
    assert actor.session_id is not None
    repository.end_sessions(session, now=clock.now(), only=actor.session_id)
    _forget_after(session, [actor.session_id])
    audit.record(session, household_id, "user.signed_out", actor=actor)


def end(session: Session, household_id: UUID, session_id: UUID, *, actor: Actor) -> None:
    """End one of the person's own sessions; for a session that crosses households.

    Raises:
        NotFoundError: They have no such session.
    """
    ended = repository.end_sessions(
        session, now=clock.now(), user_id=actor.user_id, only=session_id
    )
    if not ended or actor.user_id is None:
        raise NotFoundError("There is no such session.")
    _forget_after(session, ended)
    audit.record(session, household_id, "user.session_ended", actor=actor, object_id=session_id)


def end_all(session: Session, user_id: UUID, *, but: UUID | None = None) -> int:
    """End a person's sessions, all or all but one; return how many ended."""
    ended = repository.end_sessions(session, now=clock.now(), user_id=user_id, all_but=but)
    _forget_after(session, ended)
    return len(ended)


def end_others(session: Session, household_id: UUID, *, actor: Actor) -> None:
    """End all of the person's sessions but the one that asks; crosses households."""
    assert actor.user_id is not None
    ended = end_all(session, actor.user_id, but=actor.session_id)
    audit.record(
        session, household_id, "user.sessions_ended", actor=actor, details={"count": ended}
    )


def list_own(session: Session, *, actor: Actor) -> list[ListedSession]:
    """Return the person's live sessions, last used first."""
    assert actor.user_id is not None
    rows = repository.list_live_sessions(
        session, actor.user_id, now=clock.now(), limit=SESSIONS_LISTED_MAX
    )
    return [
        ListedSession(
            id=row.id,
            kind=row.kind,
            created_at=row.created_at,
            seen_at=row.seen_at,
            address=row.address,
            user_agent=row.user_agent,
            is_current=row.id == actor.session_id,
        )
        for row in rows
    ]


def look_anew(session_id: UUID) -> None:
    """Read the session from the database at its next use, since what it counts has changed."""
    cache.forget_session(session_id)


def forget_person(session: Session, user_id: UUID) -> None:
    """Let the person's next request read them anew, once `session` has committed."""
    after_commit(session, lambda: cache.forget_person(user_id))


def forget_household(session: Session, household_id: UUID) -> None:
    """Let the next request read the household's people anew, once `session` has committed."""
    after_commit(session, lambda: cache.forget_household(household_id))


def _authenticate(email: str, password: str, client: Client) -> tuple[UUID, str]:
    """Return whose password it is, and its hash; takes the same time whoever asks about whom.

    Every attempt is counted before the password is looked at, and given back if it was right:
    failures alone use a bucket up.
    """
    key = email.strip().casefold()[:300]
    buckets = [(SIGN_IN_BY_ACCOUNT, key)]
    if client.address is not None:
        buckets.append((SIGN_IN_BY_ADDRESS, client.address))
    with database.system_transaction() as session:
        waits = [ratelimit.take(session, limit, name) for limit, name in buckets]
        user = repository.find_user_by_email(session, key)
    if any(wait is not None for wait in waits):
        metrics.sign_ins.labels("limited").inc()
        wait_seconds = max(wait or 0 for wait in waits)
        raise RateLimitedError(
            "Too many attempts to sign in. Try again in a minute or two.",
            retry_after_seconds=wait_seconds,
        )
    is_right = security.verify_password(password, user.password_hash if user else None)
    if user is None or not is_right or user.disabled_at is not None:
        metrics.sign_ins.labels("wrong").inc()
        _record_failure(user, client)
        raise UnauthorizedError(_WRONG, code="wrong_credentials")
    rehashed = (
        security.hash_password(password) if security.needs_rehash(user.password_hash) else None
    )
    with database.system_transaction() as session:
        for limit, name in buckets:
            ratelimit.give_back(session, limit, name)
        if rehashed is not None:
            repository.replace_hash(session, user.id, user.password_hash, rehashed)
    return user.id, rehashed or user.password_hash


def _hold(session: Session, user_id: UUID, password_hash: str) -> None:
    """Let nobody change the password before the session is there for a reset to end.

    Raises UnauthorizedError if it was changed, or the person disabled, since it was checked.
    """
    user = repository.lock_user(session, user_id)
    if user is None or user.disabled_at is not None or user.password_hash != password_hash:
        raise UnauthorizedError(_WRONG, code="wrong_credentials")


def _record_failure(user: User | None, client: Client) -> None:
    """Write the failure down; for an unknown address the same transaction runs without a row."""
    with database.system_transaction() as session:
        user_id = user.id if user is not None else UUID(int=0)
        household_id = repository.find_first_household(session, user_id)
        if household_id is not None:
            actor = Actor(user_id, None, client.address)
            audit.record(session, household_id, "user.sign_in_failed", actor=actor)


def _insert(
    session: Session,
    user_id: UUID,
    client: Client,
    *,
    kind: str,
    days: int,
    by: str = "password",
    token_hash: bytes | None = None,
) -> _Opened:
    now, session_id = clock.now(), uuid7()
    household_id = repository.find_last_household(session, user_id)
    if household_id is None:
        raise UnauthorizedError(_WRONG, code="wrong_credentials")
    expires_at = now + timedelta(days=days)
    is_new = devices.is_new(session, user_id, client.user_agent)
    repository.insert_session(
        session,
        {
            "id": session_id,
            "user_id": user_id,
            "household_id": household_id,
            "kind": kind,
            "token_hash": token_hash,
            "created_at": now,
            "proven_at": now,
            "seen_at": now,
            "expires_at": expires_at,
            **_place(client),
        },
    )
    actor = Actor(user_id, session_id, client.address)
    details = {"kind": kind, "by": by}
    audit.record(session, household_id, "user.signed_in", actor=actor, details=details)
    if is_new:
        devices.record_new(session, household_id, client.user_agent, actor=actor)
    after_commit(session, metrics.sign_ins.labels("ok").inc)
    return _Opened(user_id, household_id, session_id, expires_at)


def _replace(
    session: Session, actor: Actor, client: Client, *, token_hash: bytes | None
) -> UserSession:
    """Put a session of a new id in the place of the actor's; old cookies and tokens are void."""
    assert actor.user_id is not None
    assert actor.session_id is not None
    values = {"id": uuid7(), "token_hash": token_hash, **_place(client)}
    row = repository.replace_session(
        session, actor.session_id, actor.user_id, now=clock.now(), values=values
    )
    if row is None:
        raise UnauthorizedError("This session has ended. Sign in again.", code="session_ended")
    _forget_after(session, [actor.session_id])
    renewed = Actor(actor.user_id, row.id, client.address)
    audit.record(session, row.household_id, "user.confirmed", actor=renewed)
    return row


def _place(client: Client) -> dict[str, object]:
    user_agent = client.user_agent and client.user_agent[:USER_AGENT_LENGTH_MAX]
    return {"address": client.address, "user_agent": user_agent}


def _new_pair(session: Session, of: _Opened | SessionRow) -> TokenPair:
    token = security.new_token()
    token_hash = security.hash_token(token)
    repository.insert_refresh_token(session, token_hash, of.session_id, of.expires_at)
    return TokenPair(
        session_id=of.session_id,
        access_token=security.sign_access_token(of.user_id, of.session_id, of.household_id),
        refresh_token=token,
        expires_in_seconds=settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60,
    )


def _end_if_reused(session: Session, token_hash: bytes, client: Client) -> None:
    stolen = repository.find_used_token_session(session, token_hash)
    if stolen is None or stolen.ended_at is not None:
        return
    ended = repository.end_sessions(session, now=clock.now(), only=stolen.id)
    _forget_after(session, ended)
    audit.record(
        session,
        stolen.household_id,
        "user.refresh_token_reused",
        actor=Actor(stolen.user_id, stolen.id, client.address),
        object_id=stolen.id,
    )


def _find_cached(
    key: bytes | UUID, read: Callable[[Session], SessionRow | None]
) -> SessionRow | None:
    with database.system_transaction() as session:
        row = read(session)
        if row is not None and clock.now() - row.seen_at > SEEN_EVERY:
            repository.touch_session(session, row.session_id, clock.now())
    if row is not None:
        cache.put(key, row)
    return row


def _find(
    session: Session, *, token_hash: bytes | None = None, session_id: UUID | None = None
) -> SessionRow | None:
    now = clock.now()
    return repository.find_live_session(
        session,
        token_hash=token_hash,
        session_id=session_id,
        now=now,
        browser_seen_after=now - timedelta(hours=settings.SESSION_IDLE_HOURS),
    )


def _forget_after(session: Session, session_ids: Sequence[UUID]) -> None:
    def forget() -> None:
        for session_id in session_ids:
            cache.forget_session(session_id)

    after_commit(session, forget)
