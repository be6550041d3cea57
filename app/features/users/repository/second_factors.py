"""SQL of authenticator secrets when the operator's key is rotated; crosses households."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.orm import Session

from app.models import UserTotp

BATCH = 200


def count_totp_by_key(session: Session) -> Sequence[Row[str, int]]:
    """Count secrets by the id of the key that seals them."""
    statement = select(UserTotp.key_id, func.count()).group_by(UserTotp.key_id)
    return session.execute(statement.order_by(UserTotp.key_id)).all()


def lock_totp_of_others(
    session: Session, current: str, after: UUID | None
) -> Sequence[Row[UUID, bytes, str]]:
    """Return the next secrets that another than the current key seals, and nobody holds."""
    statement = (
        select(UserTotp.user_id, UserTotp.secret, UserTotp.key_id)
        .where(UserTotp.key_id != current)
        .order_by(UserTotp.user_id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    if after is not None:
        statement = statement.where(UserTotp.user_id > after)
    return session.execute(statement).all()


def replace_totp(session: Session, user_id: UUID, secret: bytes, key_id: str) -> None:
    """Store the same secret, sealed under another key."""
    session.execute(
        update(UserTotp).where(UserTotp.user_id == user_id).values(secret=secret, key_id=key_id)
    )
