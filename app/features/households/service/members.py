"""Who belongs to a household, with which role; which household a session works in.

Whether somebody may change that is decided here, under a lock on the household, for pages, API and
command line alike: of two owners who demote each other at once, one is refused.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database
from app.core.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from app.features.audit import service as audit
from app.features.audit.service import SYSTEM, Actor
from app.features.households import repository
from app.features.households.repository import HouseholdRow, MemberRow
from app.features.users import api_tokens, sessions
from app.features.users import service as users

OWNER = "owner"
GUEST = "guest"
ROLES = {"owner": "Owner", "member": "Member", "viewer": "Viewer", "guest": "Guest"}
"""What roles are called; an owner decides on people, a member on money, a viewer looks, and a guest
looks at the accounts that are shared with them."""
MEMBERS_MAX = 50
HOUSEHOLDS_MAX = 50


def list_members(session: Session, household_id: UUID) -> list[MemberRow]:
    """Return a household's people, owners first."""
    return repository.list_members(session, household_id, limit=MEMBERS_MAX)


def names_of(household_id: UUID) -> dict[UUID, str]:
    """Return what a household's people are called, for pages that say who decided something.

    Opens a transaction of its own: hold no other one, since requests that each wait for a second
    connection could wait for each other.
    """
    with database.system_transaction() as session:
        return {each.user_id: each.name for each in list_members(session, household_id)}


def list_households(session: Session, user_id: UUID) -> list[HouseholdRow]:
    """Return the households of a person, as they joined them."""
    return repository.list_households(session, user_id, limit=HOUSEHOLDS_MAX)


def change_role(
    session: Session, household_id: UUID, user_id: UUID, role: str, *, actor: Actor
) -> None:
    """Give a member another role; what a former owner offered to others is taken back.

    Raises:
        ForbiddenError: Who asks is no owner.
        NotFoundError: There is no such member.
        InvalidInputError: There is no such role.
        ConflictError: The household would be without an owner.
    """
    roles = lock_as_owner(session, household_id, actor)
    before = role_of(roles, user_id)
    if check_role(role) == before:
        return
    _check_owner_stays(roles | {user_id: role})
    _set_role(session, household_id, user_id, role)
    audit.record(
        session,
        household_id,
        "member.role_changed",
        actor=actor,
        object_id=user_id,
        details={"role": {"before": before, "after": role}},
    )


def transfer(session: Session, household_id: UUID, user_id: UUID, *, actor: Actor) -> None:
    """Make another member an owner, and who asks a member.

    Raises:
        ForbiddenError: Who asks is no owner.
        NotFoundError: There is no such member.
        ConflictError: They want to give it to themselves.
    """
    roles = lock_as_owner(session, household_id, actor)
    before = role_of(roles, user_id)
    if actor.user_id is None or user_id == actor.user_id:
        raise ConflictError("Choose somebody else: this household is yours already.")
    _set_role(session, household_id, user_id, OWNER)
    _set_role(session, household_id, actor.user_id, "member")
    audit.record(
        session,
        household_id,
        "household.transferred",
        actor=actor,
        object_id=user_id,
        details={"role": {"before": before, "after": OWNER}},
    )


def remove(session: Session, household_id: UUID, user_id: UUID, *, actor: Actor) -> None:
    """Take a member out; their sessions in the household end.

    Raises:
        ForbiddenError: Who asks is no owner.
        NotFoundError: There is no such member.
        ConflictError: They want to remove themselves.
    """
    roles = lock_as_owner(session, household_id, actor)
    before = role_of(roles, user_id)
    if user_id == actor.user_id:
        raise ConflictError("To go yourself, leave the household.", code="leave_instead")
    _check_owner_stays({other: role for other, role in roles.items() if other != user_id})
    _take_out(session, household_id, user_id)
    ended = sessions.leave(session, user_id, household_id)
    details = {"role": before, "sessions_ended": ended}
    audit.record(
        session, household_id, "member.removed", actor=actor, object_id=user_id, details=details
    )


def leave(session: Session, household_id: UUID, *, actor: Actor) -> UUID:
    """Take who asks out of the household; their session goes on in another of theirs.

    Returns:
        The household in which the session works now.

    Raises:
        ConflictError: They are its only owner.
    """
    assert actor.user_id is not None
    assert actor.session_id is not None
    roles = repository.lock_roles(session, household_id)
    before = role_of(roles, actor.user_id)
    _check_owner_stays({other: role for other, role in roles.items() if other != actor.user_id})
    next_id = _take_out(session, household_id, actor.user_id)
    sessions.leave(session, actor.user_id, household_id, but=actor.session_id)
    sessions.move(session, actor.session_id, next_id)
    audit.record(
        session,
        household_id,
        "member.left",
        actor=actor,
        object_id=actor.user_id,
        details={"role": before},
    )
    return next_id


def delete_login(session: Session, typed_email: str, *, actor: Actor) -> None:
    """Take who asks out of every household, and delete all that is kept of them as a person.

    What they did to a household stays, under an id that nobody's name belongs to any more.

    Args:
        session: Crosses households.
        typed_email: What they typed to confirm: their address.
        actor: Who asks.

    Raises:
        InvalidInputError: The address is another one.
        ConflictError: A household would be without an owner.
    """
    assert actor.user_id is not None
    users.check_own_address(session, actor.user_id, typed_email)
    # In one order, so that two who go at once cannot wait for each other.
    mine = sorted(list_households(session, actor.user_id), key=lambda each: each.household_id)
    alone = []
    for each in mine:
        roles = repository.lock_roles(session, each.household_id)
        roles.pop(actor.user_id, None)
        if OWNER not in roles.values():
            alone.append(each.name)
    if alone:
        raise ConflictError(
            f"You are the only owner of {', '.join(alone)}. Hand it over to somebody on the page "
            "Household first, or delete the household.",
            code="last_owner",
        )
    for each in mine:
        _end_membership(session, each.household_id, actor.user_id)
        audit.record(
            session,
            each.household_id,
            "member.login_deleted",
            actor=actor,
            object_id=actor.user_id,
            details={"role": each.role},
        )
    users.delete_person(session, actor.user_id)


def switch(session: Session, household_id: UUID, *, actor: Actor) -> HouseholdRow:
    """Let the session work in another household of its person.

    Raises:
        NotFoundError: They do not belong to it, or there is none.
    """
    assert actor.user_id is not None
    assert actor.session_id is not None
    mine = list_households(session, actor.user_id)
    found = next((each for each in mine if each.household_id == household_id), None)
    if found is None:
        raise NotFoundError("There is no such household, or you do not belong to it.")
    sessions.move(session, actor.session_id, household_id)
    audit.record(session, household_id, "household.opened", actor=actor)
    return found


def lock_as_owner(session: Session, household_id: UUID, actor: Actor) -> dict[UUID, str]:
    """Return who has which role, for somebody who may change it: an owner, or the operator.

    Raises:
        ForbiddenError: They may not.
    """
    roles = repository.lock_roles(session, household_id)
    if actor != SYSTEM and (actor.user_id is None or roles.get(actor.user_id) != OWNER):
        raise ForbiddenError("Only an owner of this household may do that.", code="owners_only")
    return roles


def check_role(role: str) -> str:
    """Return the role if there is one of that name.

    Raises:
        InvalidInputError: There is none.
    """
    if role not in ROLES:
        raise InvalidInputError("Choose owner, member, viewer or guest.", field="role")
    return role


def role_of(roles: dict[UUID, str], user_id: UUID) -> str:
    """Return somebody's role.

    Raises:
        NotFoundError: They do not belong to the household.
    """
    if user_id not in roles:
        raise NotFoundError("There is no such member.")
    return roles[user_id]


def _check_owner_stays(roles: dict[UUID, str]) -> None:
    if OWNER not in roles.values():
        raise ConflictError(
            "A household needs an owner. Make somebody else an owner first.", code="last_owner"
        )


def _set_role(session: Session, household_id: UUID, user_id: UUID, role: str) -> None:
    repository.update_role(session, household_id, user_id, role)
    # What a guest saw, they would else see again after they had another role in between.
    repository.replace_shares(session, household_id, user_id, ())
    if role != OWNER:
        repository.revoke_invitations_of(session, household_id, user_id, clock.now())
    sessions.forget_household(session, household_id)


def _take_out(session: Session, household_id: UUID, user_id: UUID) -> UUID:
    """End a membership; return another household of the person, made if there is none."""
    _end_membership(session, household_id, user_id)
    return users.ensure_household(session, user_id)


def _end_membership(session: Session, household_id: UUID, user_id: UUID) -> None:
    repository.delete_member(session, household_id, user_id)
    # Else they would work again after the next invitation.
    api_tokens.revoke_all(session, user_id, household_id=household_id)
    repository.revoke_invitations_of(session, household_id, user_id, clock.now())
    sessions.forget_household(session, household_id)
