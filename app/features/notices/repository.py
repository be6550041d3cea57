"""SQL of notices: written in a household's transaction, read across households by their person."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.models import Notice, NoticeMail, User


def insert_notice(session: Session, household_id: UUID, values: dict[str, object]) -> None:
    """Insert a notice."""
    session.execute(insert(Notice).values(household_id=household_id, **values))


def list_notices(
    session: Session, user_id: UUID, *, before: UUID | None, limit: int
) -> Sequence[Notice]:
    """Read the person's notices, newest first, from below `before`."""
    statement = select(Notice).where(Notice.user_id == user_id)
    if before is not None:
        statement = statement.where(Notice.id < before)
    return session.scalars(statement.order_by(Notice.id.desc()).limit(limit)).all()


def mark_read(session: Session, user_id: UUID, up_to: UUID, now: dt.datetime) -> int:
    """Mark the person's notices as read, up to one; return how many were not."""
    statement = (
        update(Notice)
        .where(Notice.user_id == user_id, Notice.id <= up_to, Notice.read_at.is_(None))
        .values(read_at=now)
    )
    return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount


def delete_old(session: Session, before: dt.datetime) -> int:
    """Delete notices of before."""
    result = session.execute(delete(Notice).where(Notice.at < before))
    return cast("CursorResult[tuple[()]]", result).rowcount


@dataclass(frozen=True, slots=True)
class DueMail:
    """A notice that is being sent, and to whom."""

    household_id: UUID
    notice_id: UUID
    attempts: int
    """With this one."""
    user_id: UUID
    email: str
    is_disabled: bool
    is_confirmed: bool
    """Somebody who reads the address's mail said that it is theirs."""
    action: str
    at: dt.datetime
    address: str | None
    device: str | None


def insert_mail(session: Session, household_id: UUID, notice_id: UUID, due_at: dt.datetime) -> None:
    """Note that a notice is to be sent by mail."""
    values = {"household_id": household_id, "notice_id": notice_id, "due_at": due_at}
    session.execute(insert(NoticeMail).values(**values))


def claim_mail(
    session: Session,
    household_id: UUID,
    notice_id: UUID,
    *,
    now: dt.datetime,
    waits: Sequence[dt.timedelta],
) -> DueMail | None:
    """Count an attempt and put the next one off; None if none is due, or somebody is at it.

    Args:
        session: Crosses households.
        household_id: In whose trail the notice's event stands.
        notice_id: The notice.
        now: When.
        waits: How long to wait after each attempt.
    """
    statement = (
        select(NoticeMail, Notice, User.email, User.disabled_at, User.email_confirmed_at)
        .join(
            Notice,
            (Notice.household_id == NoticeMail.household_id) & (Notice.id == NoticeMail.notice_id),
        )
        .join(User, User.id == Notice.user_id)
        .where(
            NoticeMail.household_id == household_id,
            NoticeMail.notice_id == notice_id,
            NoticeMail.due_at <= now,
        )
        .with_for_update(of=NoticeMail, skip_locked=True)
    )
    found = session.execute(statement).one_or_none()
    if found is None:
        return None
    mail, notice, email, disabled_at, confirmed_at = found
    wait = waits[min(mail.attempts, len(waits) - 1)]
    mail.attempts += 1
    mail.due_at = now + wait
    return DueMail(
        household_id, notice_id, mail.attempts, notice.user_id, email, disabled_at is not None,
        confirmed_at is not None, notice.action, notice.at,
        notice.address, notice.device,
    )  # fmt: skip


def list_due_mails(
    session: Session, *, now: dt.datetime, limit: int
) -> Sequence[tuple[UUID, UUID]]:
    """Return household and notice of mail that is due, the oldest first."""
    statement = (
        select(NoticeMail.household_id, NoticeMail.notice_id)
        .where(NoticeMail.due_at <= now)
        .order_by(NoticeMail.due_at)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in session.execute(statement)]


def count_mailed(session: Session, user_id: UUID, *, since: dt.datetime) -> int:
    """Count what was mailed to a person."""
    statement = select(func.count()).where(Notice.user_id == user_id, Notice.mailed_at > since)
    return session.scalars(statement).one()


def delete_mail(
    session: Session, household_id: UUID, notice_id: UUID, *, mailed_at: dt.datetime | None = None
) -> None:
    """Forget that a notice is to be sent, since it was (then with the time), or never will be."""
    session.execute(
        delete(NoticeMail).where(
            NoticeMail.household_id == household_id, NoticeMail.notice_id == notice_id
        )
    )
    if mailed_at is not None:
        statement = update(Notice).where(
            Notice.household_id == household_id, Notice.id == notice_id
        )
        session.execute(statement.values(mailed_at=mailed_at))
