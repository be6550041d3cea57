"""SQL of memberships and invitations; every session here crosses households."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from app.models import Account, AccountShare, Household, Invitation, Membership, User


@dataclass(frozen=True, slots=True)
class MemberRow:
    """Somebody who belongs to a household."""

    user_id: UUID
    name: str
    email: str
    role: str
    joined_at: dt.datetime


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    """A household, as one of its people sees it."""

    household_id: UUID
    name: str
    role: str


@dataclass(frozen=True, slots=True)
class OfferRow:
    """What an invitation that may still be used says."""

    household_id: UUID
    household_name: str
    invited_by: str
    role: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ShareableAccount:
    """An account, as an owner chooses whom to show it."""

    account_id: UUID
    name: str
    mask: str | None
    institution_name: str | None


def list_accounts(session: Session, household_id: UUID, *, limit: int) -> list[ShareableAccount]:
    """Return a household's accounts by name."""
    name = func.coalesce(Account.name_user, Account.name)
    statement = (
        select(Account.id, name, Account.mask, Account.institution_name)
        .where(Account.household_id == household_id)
        .order_by(name, Account.id)
        .limit(limit)
    )
    return [ShareableAccount(*row) for row in session.execute(statement)]


def list_shares(session: Session, household_id: UUID) -> dict[UUID, set[UUID]]:
    """Return the accounts that are shared with each guest."""
    statement = select(AccountShare.user_id, func.array_agg(AccountShare.account_id)).where(
        AccountShare.household_id == household_id
    )
    rows = session.execute(statement.group_by(AccountShare.user_id))
    return {user_id: set(account_ids) for user_id, account_ids in rows}


def replace_shares(
    session: Session, household_id: UUID, user_id: UUID, account_ids: Collection[UUID]
) -> None:
    """Share these accounts with a guest, and no others; what is shared already stays as it is."""
    session.execute(
        delete(AccountShare).where(
            AccountShare.household_id == household_id,
            AccountShare.user_id == user_id,
            AccountShare.account_id.not_in(account_ids),
        )
    )
    if account_ids:
        owner = {"household_id": household_id, "user_id": user_id}
        values = [{**owner, "account_id": each} for each in account_ids]
        session.execute(postgresql.insert(AccountShare).on_conflict_do_nothing(), values)


def list_members(session: Session, household_id: UUID, *, limit: int) -> list[MemberRow]:
    """Return a household's people, owners first, then as they came."""
    statement = (
        select(User.id, User.name, User.email, Membership.role, Membership.created_at)
        .join(User, User.id == Membership.user_id)
        .where(Membership.household_id == household_id)
        .order_by(Membership.role != "owner", Membership.created_at, User.id)
        .limit(limit)
    )
    return [MemberRow(*row) for row in session.execute(statement)]


def list_households(session: Session, user_id: UUID, *, limit: int) -> list[HouseholdRow]:
    """Return the households of a person, as they joined them."""
    statement = (
        select(Household.id, Household.name, Membership.role)
        .join(Membership, Membership.household_id == Household.id)
        .where(Membership.user_id == user_id)
        .order_by(Membership.created_at, Household.id)
        .limit(limit)
    )
    return [HouseholdRow(*row) for row in session.execute(statement)]


def lock_roles(session: Session, household_id: UUID) -> dict[UUID, str]:
    """Return who has which role, while nobody else changes that."""
    # No key of it changes, so that rows which point at the household may still be written.
    lock = select(Household.id).where(Household.id == household_id)
    session.execute(lock.with_for_update(key_share=True))
    statement = select(Membership.user_id, Membership.role).where(
        Membership.household_id == household_id
    )
    return {row.user_id: row.role for row in session.execute(statement)}


def insert_member(session: Session, household_id: UUID, user_id: UUID, role: str) -> None:
    """Insert a member."""
    session.execute(
        insert(Membership).values(household_id=household_id, user_id=user_id, role=role)
    )


def update_role(session: Session, household_id: UUID, user_id: UUID, role: str) -> None:
    """Overwrite a member's role."""
    session.execute(update(Membership).where(*_member(household_id, user_id)).values(role=role))


def delete_member(session: Session, household_id: UUID, user_id: UUID) -> None:
    """Delete a membership."""
    session.execute(delete(Membership).where(*_member(household_id, user_id)))


def insert_invitation(session: Session, values: dict[str, object]) -> None:
    """Insert an invitation."""
    session.execute(insert(Invitation).values(**values))


def list_invitations(
    session: Session, household_id: UUID, *, now: dt.datetime, limit: int
) -> list[Invitation]:
    """Return the invitations that may still be used, newest first."""
    statement = (
        select(Invitation)
        .where(Invitation.household_id == household_id, *_is_open(now))
        .order_by(Invitation.created_at.desc(), Invitation.id)
        .limit(limit)
    )
    return list(session.scalars(statement))


def find_offer(session: Session, token_hash: bytes, now: dt.datetime) -> OfferRow | None:
    """Find the invitation of a token, if it may still be used."""
    statement = (
        select(Household.id, Household.name, User.name, Invitation.role, Invitation.expires_at)
        .join(Household, Household.id == Invitation.household_id)
        .join(User, User.id == Invitation.invited_by)
        .where(Invitation.token_hash == token_hash, *_is_open(now))
    )
    row = session.execute(statement).one_or_none()
    return OfferRow(*row) if row is not None else None


def use_invitation(
    session: Session, token_hash: bytes, user_id: UUID, now: dt.datetime
) -> Invitation | None:
    """Use an invitation up; None if it is not there to be used.

    One statement, so that of two that come at once exactly one succeeds.
    """
    statement = (
        update(Invitation)
        .where(Invitation.token_hash == token_hash, *_is_open(now))
        .values(used_at=now, used_by=user_id)
        .returning(Invitation)
    )
    return session.scalar(statement)


def revoke_invitation(
    session: Session, household_id: UUID, invitation_id: UUID, now: dt.datetime
) -> bool:
    """Take an invitation back; False if there is none that may still be used."""
    statement = (
        update(Invitation)
        .where(
            Invitation.household_id == household_id,
            Invitation.id == invitation_id,
            *_is_open(now),
        )
        .values(revoked_at=now)
    )
    return session.scalar(statement.returning(Invitation.id)) is not None


def revoke_invitations_of(
    session: Session, household_id: UUID, user_id: UUID, now: dt.datetime
) -> int:
    """Take back what a person offered in a household; return how many invitations."""
    statement = (
        update(Invitation)
        .where(
            Invitation.household_id == household_id,
            Invitation.invited_by == user_id,
            *_is_open(now),
        )
        .values(revoked_at=now)
    )
    return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount


def count_invitations(session: Session, household_id: UUID, now: dt.datetime) -> int:
    """Count the invitations that may still be used."""
    statement = (
        select(func.count())
        .select_from(Invitation)
        .where(Invitation.household_id == household_id, *_is_open(now))
    )
    return session.scalars(statement).one()


def _member(household_id: UUID, user_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (Membership.household_id == household_id, Membership.user_id == user_id)


def _is_open(now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Invitation.used_at.is_(None),
        Invitation.revoked_at.is_(None),
        Invitation.expires_at > now,
    )
