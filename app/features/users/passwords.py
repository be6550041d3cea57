"""Use cases of passwords: change one that is known, set one that was forgotten (A7).

Neither touches the second factor, and both say what they ended.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database, ratelimit, security
from app.core.config import settings
from app.core.errors import InvalidInputError
from app.core.ratelimit import Limit
from app.features.audit.service import SYSTEM, Actor
from app.features.users import (
    api_tokens,
    confirmation,
    repository,
    second_factor,
    service,
    sessions,
)
from app.features.users.repository import tokens
from app.features.users.sessions import Client, SignedInBrowser, TokenPair
from app.models import User

RESET_MINUTES = 15
RESET_BY_ADDRESS = Limit("reset:address", burst=10, refill_seconds=60)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a new password did besides."""

    sessions_ended: int
    """Of others; the one that asked goes on under a new id."""
    tokens_left: int
    """API tokens, which go on working."""


@dataclass(frozen=True, slots=True)
class Reset:
    """What a password that was set anew did besides."""

    sessions_ended: int
    tokens_revoked: int


def change_in_browser(
    actor: Actor, current: str, new: str, code: str, client: Client
) -> tuple[SignedInBrowser, Changed]:
    """Replace the password, end all other sessions, and go on under a new cookie.

    Raises:
        InvalidInputError: The current password or the code is wrong, or the new one will not do.
        RateLimitedError: Too many wrong tries.
        UnauthorizedError: The session has ended meanwhile.
    """
    with _changing(actor, current, new, code) as session:
        opened = sessions.renew_browser(session, actor, client)
        return opened, _end_others(session, actor, opened.session_id)


def change_in_program(
    actor: Actor, current: str, new: str, code: str, client: Client
) -> tuple[TokenPair, Changed]:
    """Replace the password as `change_in_browser` does, and go on under new tokens."""
    with _changing(actor, current, new, code, code_field="totp_code") as session:
        pair = sessions.renew_api(session, actor, client)
        return pair, _end_others(session, actor, pair.session_id)


def make_reset_link(session: Session, user_id: UUID, *, actor: Actor = SYSTEM) -> str:
    """Return a link by which a password is set, once, within 15 minutes; earlier ones are void.

    For a session that crosses households.
    """
    text, now = security.new_token(), clock.now()
    expires_at = now + timedelta(minutes=RESET_MINUTES)
    tokens.replace_reset(session, security.hash_token(text), user_id, expires_at)
    second_factor.record(session, user_id, "user.reset_link_made", actor)
    return f"{settings.PUBLIC_URL.rstrip('/')}/reset-password?token={text}"


def reset(text: str, new: str, client: Client) -> Reset:
    """Set the password of whom the link is for; all their sessions and API tokens end.

    Nobody is signed in by it: that takes the new password and, where it is on, the second factor.

    Raises:
        InvalidInputError: `reset_link_void`: the link is unknown, used or too old; else the new
            password will not do, and the link remains good.
        RateLimitedError: Too many void links came from this address.
    """
    key, address = security.hash_token(text), client.address or ""
    with database.system_transaction() as session:
        service.take_attempt(session, RESET_BY_ADDRESS, address)
    with database.system_transaction() as session:
        user = tokens.find_reset(session, key, now=clock.now())
    if user is None:
        raise _void()
    _check_new(new, user)
    password_hash = security.hash_password(new)
    with database.system_transaction() as session:
        if not tokens.use_reset(session, key, now=clock.now()):
            raise _void()
        ratelimit.give_back(session, RESET_BY_ADDRESS, address)
        return set_anew(
            session, user.id, password_hash, "user.password_reset",
            actor=Actor(user.id, None, client.address),
        )  # fmt: skip


def set_anew(
    session: Session, user_id: UUID, password_hash: str, action: str, *, actor: Actor = SYSTEM
) -> Reset:
    """Store a password that was set without the old one, and end what the old one opened.

    For a session that crosses households.
    """
    repository.lock_user(session, user_id, exclusively=True)
    repository.update_user(session, user_id, {"password_hash": password_hash})
    tokens.delete_resets(session, user_id)
    done = Reset(sessions.end_all(session, user_id), api_tokens.revoke_all(session, user_id))
    second_factor.record(
        session,
        user_id,
        action,
        actor,
        sessions_ended=done.sessions_ended,
        tokens_revoked=done.tokens_revoked,
    )
    return done


@contextmanager
def _changing(
    actor: Actor, current: str, new: str, code: str, *, code_field: str = "code"
) -> Iterator[Session]:
    """Open the transaction in which a new password was stored, for what follows from it."""
    assert actor.user_id is not None
    user = service.confirm_password(actor.user_id, current, field="current_password")
    _check_new(new, user)
    password_hash = security.hash_password(new)
    with confirmation.coded(actor, code, code_field=code_field) as session:
        repository.update_user(session, user.id, {"password_hash": password_hash})
        tokens.delete_resets(session, user.id)
        yield session


def _end_others(session: Session, actor: Actor, kept: UUID) -> Changed:
    assert actor.user_id is not None
    done = Changed(
        sessions.end_all(session, actor.user_id, but=kept),
        api_tokens.count(session, actor.user_id),
    )
    second_factor.record(
        session,
        actor.user_id,
        "user.password_changed",
        Actor(actor.user_id, kept, actor.address),
        sessions_ended=done.sessions_ended,
        tokens_left=done.tokens_left,
    )
    return done


def _check_new(new: str, user: User) -> None:
    try:
        security.check_new_password(new, (user.email, user.name))
    except InvalidInputError as error:
        raise InvalidInputError(error.message, code=error.code, field="new_password") from None


def _void() -> InvalidInputError:
    return InvalidInputError(
        f"This link was used, is older than {RESET_MINUTES} minutes, or is not whole. "
        "Ask for another one.",
        code="reset_link_void",
    )
