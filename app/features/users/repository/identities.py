"""SQL of who people are at an OpenID Connect provider; crosses households."""

import datetime as dt
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import UserIdentity


def find_user_id(session: Session, issuer: str, subject: str) -> UUID | None:
    """Return whose identity it is, or None."""
    return session.scalar(
        select(UserIdentity.user_id).where(
            UserIdentity.issuer == issuer, UserIdentity.subject == subject
        )
    )


def use_identity(session: Session, issuer: str, subject: str, now: dt.datetime) -> UUID | None:
    """Note that somebody signed in there; return who that is here, or None for nobody."""
    statement = (
        update(UserIdentity)
        .where(UserIdentity.issuer == issuer, UserIdentity.subject == subject)
        .values(used_at=now)
    )
    return session.scalar(statement.returning(UserIdentity.user_id))


def insert_identity(session: Session, issuer: str, subject: str, user_id: UUID) -> bool:
    """Link an identity to a person; False if it is somebody's already."""
    statement = (
        insert(UserIdentity)
        .values(issuer=issuer, subject=subject, user_id=user_id)
        .on_conflict_do_nothing()
        .returning(UserIdentity.user_id)
    )
    return session.scalar(statement) is not None


def has_identity(session: Session, user_id: UUID, issuer: str) -> bool:
    """Tell whether an identity of this issuer is linked to the person."""
    statement = select(
        exists().where(UserIdentity.user_id == user_id, UserIdentity.issuer == issuer)
    )
    return bool(session.scalar(statement))


def delete_identities(session: Session, user_id: UUID, issuer: str) -> bool:
    """Unlink the person's identities of this issuer; False if there was none."""
    statement = delete(UserIdentity).where(
        UserIdentity.user_id == user_id, UserIdentity.issuer == issuer
    )
    return bool(session.scalars(statement.returning(UserIdentity.subject)).all())
