"""SQL of API tokens and of links that reset a password; all of it crosses households."""

import datetime as dt
from collections.abc import Sequence
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, insert, literal, select, update
from sqlalchemy.orm import Session

from app.features.users.repository import SessionRow, person_columns, person_joined
from app.models import ApiToken, Household, PasswordReset, User


def insert_token(session: Session, values: dict[str, object]) -> ApiToken:
    """Insert a token; return it as it is kept."""
    statement = insert(ApiToken).values(**values)
    return session.scalars(statement.returning(ApiToken)).one()


def count_tokens(session: Session, user_id: UUID, *, now: dt.datetime) -> int:
    """Count the person's tokens that work."""
    statement = select(func.count()).where(
        ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now
    )
    return session.scalars(statement).one()


def list_tokens(
    session: Session, user_id: UUID, *, now: dt.datetime, limit: int
) -> Sequence[tuple[ApiToken, str]]:
    """Read the person's tokens that work, the newest first, with their households' names."""
    statement = (
        select(ApiToken, Household.name)
        .join(Household, Household.id == ApiToken.household_id)
        .where(
            ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now
        )
        .order_by(ApiToken.created_at.desc(), ApiToken.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def find_live_token(session: Session, token_hash: bytes, *, now: dt.datetime) -> SessionRow | None:
    """Find a token that was neither revoked nor has expired, as the session that it stands for."""
    statement = person_joined(
        select(
            ApiToken.id,
            literal("token"),
            ApiToken.expires_at,
            func.coalesce(ApiToken.used_at, ApiToken.created_at),
            ApiToken.created_at,
            *person_columns(ApiToken),
            ApiToken.scopes,
        ),
        ApiToken,
    ).where(
        ApiToken.token_hash == token_hash,
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > now,
    )
    row = session.execute(statement).one_or_none()
    return SessionRow(*tuple(row)) if row is not None else None


def touch_token(
    session: Session,
    token_id: UUID,
    *,
    now: dt.datetime,
    if_before: dt.datetime,
    address: str | None,
) -> None:
    """Note that a token was used, unless it is noted of a moment ago."""
    statement = update(ApiToken).where(
        ApiToken.id == token_id, (ApiToken.used_at.is_(None)) | (ApiToken.used_at < if_before)
    )
    session.execute(statement.values(used_at=now, used_from=address))


def revoke_tokens(
    session: Session,
    user_id: UUID,
    *,
    now: dt.datetime,
    only: UUID | None = None,
    household_id: UUID | None = None,
) -> Sequence[UUID]:
    """Revoke the person's tokens, one of them, or those of a household.

    Returns:
        The ids of those that worked.
    """
    statement = update(ApiToken).where(
        ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now
    )
    if only is not None:
        statement = statement.where(ApiToken.id == only)
    if household_id is not None:
        statement = statement.where(ApiToken.household_id == household_id)
    return session.scalars(statement.values(revoked_at=now).returning(ApiToken.id)).all()


def delete_old_tokens(session: Session, before: dt.datetime) -> int:
    """Delete tokens that were revoked or expired before."""
    ended_at = func.least(ApiToken.revoked_at, ApiToken.expires_at)
    result = session.execute(delete(ApiToken).where(ended_at < before))
    return cast("CursorResult[tuple[()]]", result).rowcount


def replace_reset(
    session: Session, token_hash: bytes, user_id: UUID, expires_at: dt.datetime
) -> None:
    """Insert a link that resets the person's password; earlier ones are gone."""
    delete_resets(session, user_id)
    values = {"token_hash": token_hash, "user_id": user_id, "expires_at": expires_at}
    session.execute(insert(PasswordReset).values(**values))


def find_reset(session: Session, token_hash: bytes, *, now: dt.datetime) -> User | None:
    """Return whose password a link resets; None if it does not any more, or never did."""
    statement = (
        select(User)
        .join(PasswordReset, PasswordReset.user_id == User.id)
        .where(
            PasswordReset.token_hash == token_hash,
            PasswordReset.expires_at > now,
            User.disabled_at.is_(None),
        )
    )
    return session.scalar(statement)


def use_reset(session: Session, token_hash: bytes, *, now: dt.datetime) -> bool:
    """Use a link up; False if it is not there to be used.

    One statement, so that of two that come at once exactly one succeeds.
    """
    statement = delete(PasswordReset).where(
        PasswordReset.token_hash == token_hash, PasswordReset.expires_at > now
    )
    return session.scalar(statement.returning(PasswordReset.user_id)) is not None


def delete_resets(session: Session, user_id: UUID) -> None:
    """Delete the links of a person."""
    session.execute(delete(PasswordReset).where(PasswordReset.user_id == user_id))


def delete_old_resets(session: Session, now: dt.datetime) -> int:
    """Delete links that are too old."""
    result = session.execute(delete(PasswordReset).where(PasswordReset.expires_at < now))
    return cast("CursorResult[tuple[()]]", result).rowcount
