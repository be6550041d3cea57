"""SQL of people and sessions, `tokens` of API tokens; every session here crosses households."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    ScalarSelect,
    Select,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.orm import Session

from app.models import (
    Account,
    ApiToken,
    Household,
    Item,
    MatchSuggestion,
    Membership,
    Notice,
    RecoveryCode,
    RefreshToken,
    User,
    UserSession,
    UserTotp,
)

Proof = type[UserSession] | type[ApiToken]
"""What says who asks."""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session that lives, with the person and the household it works for."""

    session_id: UUID
    kind: str
    expires_at: dt.datetime
    seen_at: dt.datetime
    proven_at: dt.datetime
    user_id: UUID
    email: str
    name: str
    preferences: Mapping[str, object]
    household_id: UUID
    household_name: str
    base_currency: str
    role: str
    alerts: int
    """How many of the household's connections need the user."""
    questions: int
    """How many possible duplicates wait for the user."""
    notices: int
    """How many notices the person has not read."""
    is_operator: bool
    scopes: Sequence[str] | None = None
    """What it may do; None: all that its person may."""


def insert_user(session: Session, values: dict[str, object]) -> bool:
    """Insert a user; False if the address is taken."""
    statement = (
        insert_or(User).values(**values).on_conflict_do_nothing(index_elements=["email_key"])
    )
    return session.scalar(statement.returning(User.id)) is not None


def insert_household(session: Session, household_id: UUID, name: str, owner_id: UUID) -> None:
    """Insert a household with its first member."""
    session.execute(insert(Household).values(id=household_id, name=name))
    session.execute(
        insert(Membership).values(household_id=household_id, user_id=owner_id, role="owner")
    )


def find_user_by_email(session: Session, email_key: str) -> User | None:
    """Find a user by case-folded address."""
    return session.scalar(select(User).where(User.email_key == email_key))


def list_users(session: Session, *, limit: int) -> list[User]:
    """Return people, those who came first before the others."""
    return list(session.scalars(select(User).order_by(User.id).limit(limit)))


def find_user(session: Session, user_id: UUID) -> User | None:
    """Find a user by id."""
    return session.scalar(select(User).where(User.id == user_id))


def lock_user(session: Session, user_id: UUID, *, exclusively: bool = False) -> User | None:
    """Read a user whom nobody changes before the transaction ends; others may read meanwhile.

    `exclusively` waits for those others, and lets them wait.
    """
    statement = select(User).where(User.id == user_id)
    return session.scalar(statement.with_for_update(read=not exclusively))


def update_user(session: Session, user_id: UUID, values: Mapping[str, object]) -> None:
    """Overwrite columns of a user."""
    session.execute(update(User).where(User.id == user_id).values(**values))


def replace_hash(session: Session, user_id: UUID, old: str, new: str) -> None:
    """Store another hash of the same password, unless the password was changed meanwhile."""
    unchanged = update(User).where(User.id == user_id, User.password_hash == old)
    session.execute(unchanged.values(password_hash=new))


def delete_user(session: Session, user_id: UUID) -> None:
    """Delete a user, and with them what only they have: sessions, factors, tokens, notices."""
    session.execute(delete(User).where(User.id == user_id))


def find_first_household(session: Session, user_id: UUID) -> UUID | None:
    """Return the household the user joined first."""
    return session.scalar(
        select(Membership.household_id)
        .where(Membership.user_id == user_id)
        .order_by(Membership.created_at, Membership.household_id)
        .limit(1)
    )


def find_last_household(session: Session, user_id: UUID) -> UUID | None:
    """Return the household in which the user worked last; at first, the one joined first."""
    worked_at = (
        select(func.max(UserSession.seen_at))
        .where(UserSession.user_id == user_id, UserSession.household_id == Membership.household_id)
        .correlate(Membership)
        .scalar_subquery()
    )
    return session.scalar(
        select(Membership.household_id)
        .where(Membership.user_id == user_id)
        .order_by(worked_at.desc().nulls_last(), Membership.created_at, Membership.household_id)
        .limit(1)
    )


def get_household(session: Session, household_id: UUID) -> Household:
    """Return a household that exists."""
    return session.scalars(select(Household).where(Household.id == household_id)).one()


def update_household(session: Session, household_id: UUID, values: Mapping[str, object]) -> None:
    """Overwrite columns of a household."""
    session.execute(update(Household).where(Household.id == household_id).values(**values))


def get_role(session: Session, household_id: UUID, user_id: UUID) -> str:
    """Return the role of a member."""
    statement = select(Membership.role).where(
        Membership.household_id == household_id, Membership.user_id == user_id
    )
    return session.scalars(statement).one()


def has_account(session: Session, household_id: UUID) -> bool:
    """Tell whether the household has any account yet."""
    return bool(session.scalar(select(exists().where(Account.household_id == household_id))))


def insert_session(session: Session, values: dict[str, object]) -> None:
    """Insert a session."""
    session.execute(insert(UserSession).values(**values))


def find_live_session(
    session: Session,
    *,
    token_hash: bytes | None = None,
    session_id: UUID | None = None,
    now: dt.datetime,
    browser_seen_after: dt.datetime,
) -> SessionRow | None:
    """Find a session that has neither ended nor expired nor idled out, by cookie or by id."""
    key = (
        UserSession.id == session_id if token_hash is None else UserSession.token_hash == token_hash
    )
    statement = person_joined(
        select(
            UserSession.id,
            UserSession.kind,
            UserSession.expires_at,
            UserSession.seen_at,
            func.coalesce(UserSession.proven_at, UserSession.created_at),
            *person_columns(UserSession),
        ),
        UserSession,
    ).where(
        key,
        UserSession.ended_at.is_(None),
        UserSession.expires_at > now,
        (UserSession.kind == "api") | (UserSession.seen_at > browser_seen_after),
    )
    row = session.execute(statement).one_or_none()
    return SessionRow(*tuple(row)) if row is not None else None


def person_columns(proof: Proof) -> tuple[ColumnElement[Any], ...]:
    """Return what a `SessionRow` says of person and household, of `user_id` on."""
    return (
        User.id.expression,
        User.email.expression,
        User.name.expression,
        User.preferences.expression,
        Household.id.expression,
        Household.name.expression,
        Household.base_currency.expression,
        Membership.role.expression,
        _connections_in_trouble(proof),
        _open_questions(proof),
        _unread_notices(proof),
        User.is_operator.expression,
    )


def person_joined(statement: Select[Any], proof: Proof) -> Select[Any]:
    """Join what `person_columns` names: a person who may sign in, and still is a member."""
    return (
        statement.join(User, User.id == proof.user_id)
        .join(Household, Household.id == proof.household_id)
        .join(
            Membership,
            (Membership.household_id == proof.household_id) & (Membership.user_id == proof.user_id),
        )
        .where(User.disabled_at.is_(None))
    )


def _open_questions(proof: Proof) -> ScalarSelect[int]:
    return (
        select(func.count())
        .where(
            MatchSuggestion.household_id == proof.household_id,
            MatchSuggestion.state == "open",
        )
        .correlate(proof)
        .scalar_subquery()
    )


def _unread_notices(proof: Proof) -> ScalarSelect[int]:
    return (
        select(func.count())
        .where(Notice.user_id == proof.user_id, Notice.read_at.is_(None))
        .correlate(proof)
        .scalar_subquery()
    )


def _connections_in_trouble(proof: Proof) -> ScalarSelect[int]:
    """Count what every page tells of, in the one statement that every page needs anyway."""
    return (
        select(func.count())
        .where(
            Item.household_id == proof.household_id,
            Item.unlinked_at.is_(None),
            Item.state != "good",
        )
        .correlate(proof)
        .scalar_subquery()
    )


def touch_session(session: Session, session_id: UUID, now: dt.datetime) -> None:
    """Note that the session was used."""
    session.execute(update(UserSession).where(UserSession.id == session_id).values(seen_at=now))


def move_session(session: Session, session_id: UUID, household_id: UUID) -> None:
    """Let a session work in another household."""
    session.execute(
        update(UserSession).where(UserSession.id == session_id).values(household_id=household_id)
    )


def list_live_sessions(
    session: Session, user_id: UUID, *, now: dt.datetime, limit: int
) -> Sequence[UserSession]:
    """Read the user's sessions that have not ended, last used first."""
    statement = (
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.ended_at.is_(None),
            UserSession.expires_at > now,
        )
        .order_by(UserSession.seen_at.desc(), UserSession.id)
        .limit(limit)
    )
    return session.scalars(statement).all()


def end_sessions(
    session: Session,
    *,
    now: dt.datetime,
    user_id: UUID | None = None,
    household_id: UUID | None = None,
    only: UUID | None = None,
    all_but: UUID | None = None,
) -> Sequence[UUID]:
    """End the sessions that fit; return the ids of those that had not ended before."""
    statement = update(UserSession).where(UserSession.ended_at.is_(None)).values(ended_at=now)
    if user_id is not None:
        statement = statement.where(UserSession.user_id == user_id)
    if household_id is not None:
        statement = statement.where(UserSession.household_id == household_id)
    if only is not None:
        statement = statement.where(UserSession.id == only)
    if all_but is not None:
        statement = statement.where(UserSession.id != all_but)
    assert user_id is not None or only is not None, "would end everybody's sessions"
    return session.scalars(statement.returning(UserSession.id)).all()


def replace_session(
    session: Session, old_id: UUID, user_id: UUID, *, now: dt.datetime, values: dict[str, object]
) -> UserSession | None:
    """End a session and go on with it under other values, not a day longer.

    Returns:
        The new session; None if the old one is not the person's, or has ended before.
    """
    ended = (
        update(UserSession)
        .where(
            UserSession.id == old_id, UserSession.user_id == user_id, UserSession.ended_at.is_(None)
        )
        .values(ended_at=now)
        .returning(
            UserSession.user_id, UserSession.household_id, UserSession.kind,
            UserSession.created_at, UserSession.expires_at,
        )
    )  # fmt: skip
    kept = session.execute(ended).mappings().one_or_none()
    if kept is None:
        return None
    statement = insert(UserSession).values(**kept, **values, seen_at=now, proven_at=now)
    return session.scalars(statement.returning(UserSession)).one()


def insert_refresh_token(
    session: Session, token_hash: bytes, session_id: UUID, expires_at: dt.datetime
) -> None:
    """Insert a refresh token of a session."""
    session.execute(
        insert(RefreshToken).values(
            token_hash=token_hash, session_id=session_id, expires_at=expires_at
        )
    )


def use_refresh_token(session: Session, token_hash: bytes, now: dt.datetime) -> UUID | None:
    """Use the token up; return its session, or None if it is not there to be used.

    One statement, so that of two that come at once exactly one succeeds.
    """
    statement = (
        update(RefreshToken)
        .where(
            RefreshToken.token_hash == token_hash,
            RefreshToken.used_at.is_(None),
            RefreshToken.expires_at > now,
        )
        .values(used_at=now)
        .returning(RefreshToken.session_id)
    )
    return session.scalar(statement)


def find_used_token_session(session: Session, token_hash: bytes) -> UserSession | None:
    """Return the session of a refresh token that was used before."""
    statement = (
        select(UserSession)
        .join(RefreshToken, RefreshToken.session_id == UserSession.id)
        .where(RefreshToken.token_hash == token_hash, RefreshToken.used_at.is_not(None))
    )
    return session.scalar(statement)


def delete_ended(session: Session, before: dt.datetime) -> int:
    """Delete sessions that ended or expired before, and with them their refresh tokens."""
    statement = delete(UserSession).where(
        func.least(UserSession.ended_at, UserSession.expires_at) < before
    )
    return cast("CursorResult[tuple[()]]", session.execute(statement)).rowcount


def find_totp(session: Session, user_id: UUID, *, confirmed: bool) -> UserTotp | None:
    """Find a person's authenticator app, either one in use or one that is being set up."""
    state = UserTotp.confirmed_at.is_not(None) if confirmed else UserTotp.confirmed_at.is_(None)
    return session.scalar(select(UserTotp).where(UserTotp.user_id == user_id, state))


def put_totp(session: Session, user_id: UUID, secret: bytes, key_id: str) -> bool:
    """Store an app to be set up, in place of another such; False if there is one in use."""
    values = {"secret": secret, "key_id": key_id, "last_step": 0}
    statement = (
        insert_or(UserTotp)
        .values(user_id=user_id, **values)
        .on_conflict_do_update(
            index_elements=["user_id"],
            set_={**values, "created_at": func.now()},
            where=UserTotp.confirmed_at.is_(None),
        )
    )
    return session.scalar(statement.returning(UserTotp.user_id)) is not None


def confirm_totp(
    session: Session, user_id: UUID, secret: bytes, step: int, now: dt.datetime
) -> bool:
    """Take an app into use; False unless it is still the one with this sealed secret."""
    statement = (
        update(UserTotp)
        .where(
            UserTotp.user_id == user_id,
            UserTotp.confirmed_at.is_(None),
            UserTotp.secret == secret,
        )
        .values(confirmed_at=now, last_step=step)
    )
    return session.scalar(statement.returning(UserTotp.user_id)) is not None


def advance_step(session: Session, user_id: UUID, step: int) -> bool:
    """Use a step up; False if it, or a later one, was used before.

    One statement, so that of two that come at once exactly one succeeds.
    """
    statement = (
        update(UserTotp)
        .where(
            UserTotp.user_id == user_id,
            UserTotp.confirmed_at.is_not(None),
            UserTotp.last_step < step,
        )
        .values(last_step=step)
    )
    return session.scalar(statement.returning(UserTotp.user_id)) is not None


def insert_recovery_codes(session: Session, user_id: UUID, hashes: Iterable[bytes]) -> None:
    """Insert recovery codes that nobody used."""
    rows = [{"user_id": user_id, "code_hash": code_hash} for code_hash in hashes]
    session.execute(insert(RecoveryCode), rows)


def use_recovery_code(session: Session, user_id: UUID, code_hash: bytes, now: dt.datetime) -> bool:
    """Use a recovery code up; False if it is not there to be used. One statement, as above."""
    statement = (
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == code_hash,
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return session.scalar(statement.returning(RecoveryCode.user_id)) is not None


def count_recovery_codes(session: Session, user_id: UUID) -> int:
    """Count the recovery codes that are left."""
    statement = select(func.count()).where(
        RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    )
    return session.scalars(statement).one()


def delete_factor(session: Session, user_id: UUID) -> bool:
    """Delete a person's app and recovery codes; False if there was no app in use."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    deleted = delete(UserTotp).where(UserTotp.user_id == user_id)
    return session.scalar(deleted.returning(UserTotp.confirmed_at)) is not None
