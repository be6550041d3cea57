"""Use cases of API tokens: made by a person for a program, which acts for them within scopes."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import api_token, clock, database, ratelimit, security
from app.core.config import settings
from app.core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnauthorizedError,
)
from app.core.ids import uuid7
from app.core.jobs import after_commit
from app.core.ratelimit import Limit
from app.core.scopes import SCOPES
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.users import repository, service
from app.features.users.repository import SessionRow, tokens
from app.features.users.session_cache import cache
from app.models import ApiToken

TOKENS_MAX = 50
"""Of one person, at a time."""
DAYS_MAX = 366
DAYS_DEFAULT = 90
SEEN_EVERY = timedelta(minutes=1)
"""How exactly the last use is kept."""
WRONG_BY_ADDRESS = Limit("api-token:address", burst=20, refill_seconds=30)


@dataclass(frozen=True, slots=True)
class ListedToken:
    """A token as its owner sees it; what it is as text was shown once."""

    id: UUID
    name: str
    hint: str
    """Its last characters."""
    scopes: tuple[str, ...]
    household_name: str
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    """To the minute; None: never."""
    used_from: str | None
    """Network address of the last use."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made."""

    token: str
    """Shown once: only its hash is stored."""
    listed: ListedToken


def create(
    session: Session,
    household_id: UUID,
    *,
    name: str,
    scopes: Collection[str],
    days: int,
    actor: Actor,
) -> NewToken:
    """Make a token that acts for the person in this household. Crosses households.

    Args:
        session: Crosses households.
        household_id: The only one that the token sees.
        name: What the person knows it by.
        scopes: What it may do, of `scopes.SCOPES`.
        days: After how many it expires; 1 to 366.
        actor: The person, who has just shown who they are.

    Raises:
        InvalidInputError: Name, scopes or days will not do.
        ConflictError: The person has too many.
    """
    assert actor.user_id is not None
    name, kept = service.check_name(name), _check_scopes(scopes)
    if not 1 <= days <= DAYS_MAX:
        raise InvalidInputError(f"A token lasts 1 to {DAYS_MAX} days.", field="expires_in_days")
    now, text = clock.now(), api_token.new()
    # Of two requests at once, one waits: else both would count one too few.
    repository.lock_user(session, actor.user_id, exclusively=True)
    if tokens.count_tokens(session, actor.user_id, now=now) >= TOKENS_MAX:
        raise ConflictError(
            f"You have {TOKENS_MAX} tokens. Revoke one that you do not need.",
            code="too_many_tokens",
        )
    row = tokens.insert_token(
        session,
        {
            "id": uuid7(),
            "user_id": actor.user_id,
            "household_id": household_id,
            "name": name,
            "token_hash": security.hash_token(text),
            "hint": text[-api_token.HINT_LENGTH :],
            "scopes": kept,
            "created_at": now,
            "expires_at": now + timedelta(days=days),
        },
    )
    audit.record(
        session,
        household_id,
        "user.api_token_created",
        actor=actor,
        object_id=row.id,
        details={"scopes": kept, "days": days},
    )
    household = repository.get_household(session, household_id)
    return NewToken(text, _listed(row, household.name))


def list_own(session: Session, *, actor: Actor) -> list[ListedToken]:
    """Return the person's tokens that work, newest first. Crosses households."""
    assert actor.user_id is not None
    rows = tokens.list_tokens(session, actor.user_id, now=clock.now(), limit=TOKENS_MAX)
    return [_listed(row, household_name) for row, household_name in rows]


def revoke(session: Session, household_id: UUID, token_id: UUID, *, actor: Actor) -> None:
    """Let a token work no more, within a second on every server. Crosses households.

    Raises:
        NotFoundError: The person has no such token.
    """
    assert actor.user_id is not None
    if not tokens.revoke_tokens(session, actor.user_id, now=clock.now(), only=token_id):
        raise NotFoundError("There is no such token.")
    after_commit(session, partial(cache.forget_session, token_id))
    audit.record(session, household_id, "user.api_token_revoked", actor=actor, object_id=token_id)


def revoke_all(session: Session, user_id: UUID, *, household_id: UUID | None = None) -> int:
    """Let none of a person's tokens work any more, or none for a household; crosses households.

    Returns:
        How many did work.
    """
    revoked = tokens.revoke_tokens(session, user_id, now=clock.now(), household_id=household_id)
    for token_id in revoked:
        after_commit(session, partial(cache.forget_session, token_id))
    return len(revoked)


def count(session: Session, user_id: UUID) -> int:
    """Return how many tokens of the person work. Crosses households."""
    return tokens.count_tokens(session, user_id, now=clock.now())


def admit(token_id: UUID) -> None:
    """Count a request of a token against what each may make; crosses households.

    Raises:
        RateLimitedError: It has made as many as it may for now.
    """
    often = settings.API_TOKEN_REQUESTS_PER_MINUTE
    limit = Limit("api-token:requests", burst=often, refill_seconds=60 / often)
    with database.system_transaction() as session:
        wait_seconds = ratelimit.take(session, limit, str(token_id))
    if wait_seconds is not None:
        raise RateLimitedError(
            f"This API token may make {often} requests a minute. Wait as Retry-After says.",
            retry_after_seconds=wait_seconds,
        )


def find(text: str, address: str | None) -> SessionRow:
    """Return the session that a token stands for; notes the use.

    Raises:
        UnauthorizedError: It is nobody's, was revoked, or has expired.
        RateLimitedError: Too many such tokens came from this address.
    """
    key = security.hash_token(text)
    row = _find_live(key, address) if api_token.is_whole(text) else None
    if row is not None:
        cache.put(key, row)
        return row
    with database.system_transaction() as session:
        wait_seconds = ratelimit.take(session, WRONG_BY_ADDRESS, address or "")
    if wait_seconds is not None:
        raise RateLimitedError(
            "Too many tokens from this address were wrong.", retry_after_seconds=wait_seconds
        )
    raise UnauthorizedError(
        "This API token was revoked, has expired, or was mistyped. Make a new one in the settings.",
        code="invalid_token",
    )


def _find_live(key: bytes, address: str | None) -> SessionRow | None:
    now = clock.now()
    with database.system_transaction() as session:
        row = tokens.find_live_token(session, key, now=now)
        if row is not None:
            tokens.touch_token(
                session, row.session_id, now=now, if_before=now - SEEN_EVERY, address=address
            )
    return row


def _check_scopes(scopes: Collection[str]) -> list[str]:
    """Return the scopes in their usual order, each once."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise InvalidInputError(f"Choose from {', '.join(SCOPES)}.", field="scopes")
    return [scope for scope in SCOPES if scope in scopes]


def _listed(row: ApiToken, household_name: str) -> ListedToken:
    return ListedToken(
        id=row.id,
        name=row.name,
        hint=row.hint,
        scopes=tuple(row.scopes),
        household_name=household_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        used_from=row.used_from,
    )
