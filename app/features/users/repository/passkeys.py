"""SQL of passkeys; crosses households."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import Passkey


def insert_passkey(session: Session, values: dict[str, object]) -> bool:
    """Insert a passkey; False if there is one with its credential id."""
    statement = (
        insert(Passkey)
        .values(**values)
        .on_conflict_do_nothing(index_elements=["credential_id"])
        .returning(Passkey.id)
    )
    return session.scalar(statement) is not None


def find_passkey(session: Session, credential_id: bytes) -> Passkey | None:
    """Find a passkey by the id that browsers know it by, whoever's it is."""
    return session.scalar(select(Passkey).where(Passkey.credential_id == credential_id))


def list_passkeys(session: Session, user_id: UUID, *, limit: int) -> Sequence[Passkey]:
    """Read a person's passkeys, the newest first."""
    statement = select(Passkey).where(Passkey.user_id == user_id)
    return session.scalars(statement.order_by(Passkey.id.desc()).limit(limit)).all()


def advance_counter(
    session: Session, passkey_id: UUID, sign_count: int, *, now: dt.datetime
) -> bool:
    """Note a use; False if the counter does not go up, or the passkey is gone.

    A passkey that never counts says 0 each time. One statement, so that of two uses with one count
    at once exactly one succeeds.
    """
    goes_up = Passkey.sign_count < sign_count
    never_counts = (Passkey.sign_count == 0) & (sign_count == 0)
    statement = (
        update(Passkey)
        .where(Passkey.id == passkey_id, goes_up | never_counts)
        .values(sign_count=sign_count, used_at=now)
    )
    return session.scalar(statement.returning(Passkey.id)) is not None


def rename_passkey(session: Session, user_id: UUID, passkey_id: UUID, name: str) -> bool:
    """Give a passkey of the person another name; False if they have no such."""
    statement = update(Passkey).where(Passkey.user_id == user_id, Passkey.id == passkey_id)
    return session.scalar(statement.values(name=name).returning(Passkey.id)) is not None


def delete_passkey(session: Session, user_id: UUID, passkey_id: UUID) -> bool:
    """Delete a passkey of the person; False if they have no such."""
    statement = delete(Passkey).where(Passkey.user_id == user_id, Passkey.id == passkey_id)
    return session.scalar(statement.returning(Passkey.id)) is not None
