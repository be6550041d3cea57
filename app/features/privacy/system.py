"""SQL of erasures: it crosses households, and outlives them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    CursorResult,
    Delete,
    Row,
    Table,
    delete,
    exists,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from app.models import (
    AuditLink,
    Base,
    ChangeSet,
    Erasure,
    Household,
    HouseholdKey,
    IdempotencyKey,
    Invitation,
    Item,
    LinkSession,
    Membership,
    SyncRun,
    User,
    UserSession,
    Webhook,
)


def find_name(session: Session, household_id: UUID) -> str | None:
    """Return the household's name, None if there is no such household."""
    return session.scalar(select(Household.name).where(Household.id == household_id))


def insert_erasure(session: Session, household_id: UUID, asked_by: str) -> None:
    """Note that a household is to be erased; again, if it was and has come back."""
    values = {"id": household_id, "asked_by": asked_by}
    anew = {"state": "asked", "asked_by": asked_by, "due_at": func.now(), "asked_at": func.now()}
    session.execute(
        insert_or(Erasure)
        .values(values)
        .on_conflict_do_update(index_elements=["id"], set_=anew, where=Erasure.state == "erased")
    )


def close(session: Session, household_id: UUID, now: dt.datetime) -> None:
    """Let nobody in any more: end sessions, disable who belongs nowhere else, stop syncs."""
    shut_doors(session, household_id, now)
    session.execute(
        update(UserSession)
        .where(UserSession.household_id == household_id, UserSession.ended_at.is_(None))
        .values(ended_at=now)
    )
    session.execute(
        update(User).where(User.id.in_(_only_here(household_id))).values(disabled_at=now)
    )
    session.execute(
        delete(Membership).where(
            Membership.household_id == household_id,
            Membership.user_id.not_in(_only_here(household_id)),
        )
    )
    session.execute(
        update(Item)
        .where(Item.household_id == household_id)
        .values(next_sync_at=None, sync_wanted_by=None)
    )


def shut_doors(session: Session, household_id: UUID, now: dt.datetime) -> None:
    """Let no invitation and no link flow be used any more, but those that are used right now."""
    session.execute(
        update(Invitation)
        .where(
            Invitation.household_id == household_id,
            Invitation.used_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    session.execute(
        update(LinkSession)
        .where(LinkSession.household_id == household_id, LinkSession.state == "open")
        .values(state="abandoned")
    )


def take(session: Session, household_id: UUID, lease: dt.timedelta) -> Erasure | None:
    """Take an erasure that is due, for as long as `lease`; None if another worker has it."""
    taken = (
        update(Erasure)
        .where(Erasure.id == household_id, Erasure.state == "asked", Erasure.due_at <= func.now())
        .values(due_at=func.now() + lease, attempts=Erasure.attempts + 1)
        .returning(Erasure)
    )
    return session.scalar(taken)


def list_due(session: Session, *, limit: int) -> Sequence[UUID]:
    """Return the households whose erasure is due, the oldest first."""
    return session.scalars(
        select(Erasure.id)
        .where(Erasure.state == "asked", Erasure.due_at <= func.now())
        .order_by(Erasure.asked_at)
        .limit(limit)
    ).all()


def find_erasure(session: Session, household_id: UUID) -> Erasure | None:
    """Return what is known of a household's erasure."""
    return session.scalar(select(Erasure).where(Erasure.id == household_id))


def update_erasure(session: Session, household_id: UUID, values: dict[str, object]) -> None:
    """Overwrite columns of an erasure."""
    session.execute(update(Erasure).where(Erasure.id == household_id).values(values))


def put_off(session: Session, household_id: UUID, pause: dt.timedelta) -> None:
    """Let the erasure be due again after a pause."""
    update_erasure(session, household_id, {"due_at": func.now() + pause})


def add_rows(session: Session, household_id: UUID, rows: int) -> None:
    """Count rows that were deleted."""
    update_erasure(session, household_id, {"rows": Erasure.rows + rows})


def deletable_tables(session: Session) -> list[Table]:
    """Return the owned tables whose rows this role may delete, children before their parents.

    What it may not delete, such as the audit trail, goes with the household's own row.
    """
    owned = [
        table
        for table in reversed(Base.metadata.sorted_tables)
        if "household_id" in table.c and table.name not in _LAST
    ]
    allowed = text("SELECT has_table_privilege(current_user, :name, 'DELETE')")
    return [table for table in owned if session.scalar(allowed, {"name": table.name})]


_LAST = ("audit_events", "memberships", "transactions", "user_sessions")
"""Memberships and sessions say whose the household was; rows of the ledger have their triggers, and
the trail goes as a whole."""


def delete_some(session: Session, table: Table, household_id: UUID, *, limit: int) -> int:
    """Delete some of a household's rows; return how many."""
    key = tuple_(*table.primary_key)
    mine = select(*table.primary_key).where(table.c.household_id == household_id).limit(limit)
    return _count(session, delete(table).where(table.c.household_id == household_id, key.in_(mine)))


def last_link(session: Session, household_id: UUID) -> tuple[int, bytes] | None:
    """Return number and hash of the last link of a household's audit trail."""
    row = session.execute(
        select(AuditLink.sequence, AuditLink.hash)
        .where(AuditLink.household_id == household_id)
        .order_by(AuditLink.sequence.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def delete_household(session: Session, household_id: UUID) -> None:
    """Delete the household with all that still hangs on it, and the people of no other one."""
    people = session.scalars(_only_here(household_id)).all()
    session.execute(delete(Webhook).where(Webhook.household_id == household_id))
    session.execute(delete(UserSession).where(UserSession.household_id == household_id))
    session.execute(delete(Household).where(Household.id == household_id))
    session.execute(delete(User).where(User.id.in_(people)))


def _only_here(household_id: UUID) -> Any:  # noqa: ANN401  # a statement whose type is a mouthful
    others = exists().where(Membership.user_id == User.id, Membership.household_id != household_id)
    mine = exists().where(Membership.user_id == User.id, Membership.household_id == household_id)
    return select(User.id).where(mine, ~others)


def list_people(
    session: Session, household_id: UUID
) -> Sequence[Row[UUID, str, str, dict[str, object], str, dt.datetime]]:
    """Return the household's people and their roles."""
    return session.execute(
        select(
            Membership.user_id,
            User.email,
            User.name,
            User.preferences,
            Membership.role,
            Membership.created_at,
        )
        .join(User, User.id == Membership.user_id)
        .where(Membership.household_id == household_id)
        .order_by(Membership.created_at, Membership.user_id)
    ).all()


def insert_household(session: Session, values: dict[str, Any], owner_id: UUID) -> None:
    """Make a household as it was elsewhere, with its first owner here."""
    session.execute(insert(Household).values(values))
    session.execute(
        insert(Membership).values(household_id=values["id"], user_id=owner_id, role="owner")
    )


def find_key_time(session: Session, household_id: UUID) -> dt.datetime | None:
    """Return when the household's key was made, None if it has none."""
    return session.scalar(
        select(HouseholdKey.created_at).where(HouseholdKey.household_id == household_id)
    )


def delete_webhooks(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete webhooks that came before."""
    old = select(Webhook.id).where(Webhook.received_at < before).limit(limit)
    return _count(session, delete(Webhook).where(Webhook.id.in_(old)))


def delete_sessions(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete sessions that ended or expired before, and with them their refresh tokens."""
    end = func.least(UserSession.ended_at, UserSession.expires_at)
    old = select(UserSession.id).where(end < before).limit(limit)
    return _count(session, delete(UserSession).where(UserSession.id.in_(old)))


def delete_invitations(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete invitations that were used, taken back or over before."""
    end = func.least(Invitation.used_at, Invitation.revoked_at, Invitation.expires_at)
    old = select(Invitation.household_id, Invitation.id).where(end < before).limit(limit)
    key = tuple_(Invitation.household_id, Invitation.id)
    return _count(session, delete(Invitation).where(key.in_(old)))


def delete_link_sessions(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete link flows that were over before."""
    old = select(LinkSession.household_id, LinkSession.id).where(LinkSession.expires_at < before)
    key = tuple_(LinkSession.household_id, LinkSession.id)
    return _count(session, delete(LinkSession).where(key.in_(old.limit(limit))))


def delete_idempotency_keys(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete keys that were first sent before, with their answers."""
    key = tuple_(IdempotencyKey.household_id, IdempotencyKey.key_hash)
    old = select(IdempotencyKey.household_id, IdempotencyKey.key_hash).where(
        IdempotencyKey.created_at < before
    )
    return _count(session, delete(IdempotencyKey).where(key.in_(old.limit(limit))))


def delete_sync_runs(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete runs of before that booked nothing; the others are part of the ledger's history."""
    booked = exists().where(
        ChangeSet.household_id == SyncRun.household_id, ChangeSet.sync_run_id == SyncRun.id
    )
    old = select(SyncRun.household_id, SyncRun.id).where(
        SyncRun.started_at < before, SyncRun.state != "running", ~booked
    )
    key = tuple_(SyncRun.household_id, SyncRun.id)
    return _count(session, delete(SyncRun).where(key.in_(old.limit(limit))))


def _count(session: Session, statement: Delete) -> int:
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
