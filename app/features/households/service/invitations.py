"""Letting people in: an owner hands out a link, and who brings it first comes in.

The link carries 256 random bits, of which only a hash is stored. An invitation that was used, taken
back, has expired, or never existed answers alike.
"""

import datetime as dt
from dataclasses import asdict, dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database, security
from app.core.config import settings
from app.core.errors import ConflictError, InvalidInputError, NotFoundError
from app.core.ids import uuid7
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.households import repository
from app.features.households.repository import OfferRow
from app.features.households.service import members
from app.features.users import service as users
from app.features.users.sessions import Client
from app.models import Invitation

VALID_FOR = timedelta(days=7)
OPEN_MAX = 20
LABEL_LENGTH_MAX = 100
TOKEN_LENGTH_MAX = 100


@dataclass(frozen=True, slots=True)
class Invited:
    """An invitation that was just made; nobody can read its link again."""

    invitation_id: UUID
    link: str
    token: str
    role: str
    expires_at: dt.datetime


def invite(session: Session, household_id: UUID, role: str, label: str, *, actor: Actor) -> Invited:
    """Make an invitation, good for seven days and for one person.

    Raises:
        ForbiddenError: Who asks is no owner.
        InvalidInputError: There is no such role, or the label is too long.
        ConflictError: Too many invitations are open.
    """
    members.check_role(role)
    label = " ".join(label.split())
    if len(label) > LABEL_LENGTH_MAX or not label.isprintable():
        raise InvalidInputError(
            f"Say in up to {LABEL_LENGTH_MAX} characters whom it is for.", field="label"
        )
    members.lock_as_owner(session, household_id, actor)
    now = clock.now()
    if repository.count_invitations(session, household_id, now) >= OPEN_MAX:
        raise ConflictError(
            f"{OPEN_MAX} invitations are open. Take one back first.", code="too_many_invitations"
        )
    token, invitation_id = security.new_token(), uuid7()
    made = Invited(
        invitation_id,
        f"{settings.PUBLIC_URL.rstrip('/')}/join?invitation={token}",
        token,
        role,
        now + VALID_FOR,
    )
    repository.insert_invitation(
        session,
        {
            "household_id": household_id,
            "id": invitation_id,
            "token_hash": security.hash_token(token),
            "role": role,
            "label": label,
            "invited_by": actor.user_id,
            "created_at": now,
            "expires_at": made.expires_at,
        },
    )
    details = {"role": role}
    audit.record(
        session,
        household_id,
        "invitation.made",
        actor=actor,
        object_id=invitation_id,
        details=details,
    )
    return made


def list_open(session: Session, household_id: UUID) -> list[Invitation]:
    """Return the invitations that may still be used, newest first."""
    return repository.list_invitations(session, household_id, now=clock.now(), limit=OPEN_MAX)


def revoke(session: Session, household_id: UUID, invitation_id: UUID, *, actor: Actor) -> None:
    """Take an invitation back.

    Raises:
        ForbiddenError: Who asks is no owner.
        NotFoundError: There is none of this id that may still be used.
    """
    members.lock_as_owner(session, household_id, actor)
    if not repository.revoke_invitation(session, household_id, invitation_id, clock.now()):
        raise NotFoundError("There is no such invitation, or it was used or has expired.")
    audit.record(session, household_id, "invitation.revoked", actor=actor, object_id=invitation_id)


def read(session: Session, token: str) -> OfferRow:
    """Return what an invitation offers.

    Raises:
        NotFoundError: It does not exist, was used or taken back, or has expired.
    """
    offer = repository.find_offer(session, _hash(token), clock.now())
    if offer is None:
        raise _not_valid()
    return offer


def accept(session: Session, token: str, *, actor: Actor) -> OfferRow:
    """Let who brings the token into the household it is for, and use it up.

    Raises:
        NotFoundError: As `read`.
        ConflictError: They belong to it already, or it is full.
    """
    assert actor.user_id is not None
    offer = read(session, token)
    # The household before the invitation, as owners lock them who take invitations back.
    roles = repository.lock_roles(session, offer.household_id)
    if actor.user_id in roles:
        raise ConflictError("You belong to this household already.", code="already_member")
    if len(roles) >= members.MEMBERS_MAX:
        raise ConflictError(
            f"This household has {members.MEMBERS_MAX} members, and takes no more.",
            code="household_full",
        )
    used = repository.use_invitation(session, _hash(token), actor.user_id, clock.now())
    if used is None:
        raise _not_valid()
    repository.insert_member(session, offer.household_id, actor.user_id, used.role)
    audit.record(
        session,
        offer.household_id,
        "member.joined",
        actor=actor,
        object_id=actor.user_id,
        details={"role": used.role, "invitation_id": str(used.id)},
    )
    return offer


def register(token: str, email: str, password: str, name: str, client: Client) -> UUID:
    """Create a person who belongs to the household that invites them.

    Also where registration is closed: an owner answers for them.
    Opens its own transactions, so that none is held while the password is hashed. Person and
    membership come together or not at all.

    Returns:
        The person's id.

    Raises:
        NotFoundError: As `read`.
        RateLimitedError: Too many registrations from this network address.
        InvalidInputError: The address, the name or the password will not do.
        ConflictError: The address has an account, or the household is full.
    """
    with database.system_transaction() as session:
        read(session, token)
    new = users.check_new_person(email, password, name, address=client.address)
    with database.system_transaction() as session:
        user_id = users.create_person(session, **asdict(new))
        actor = Actor(user_id, None, client.address)
        offer = accept(session, token, actor=actor)
        audit.record(session, offer.household_id, "user.registered", actor=actor)
    return user_id


def _hash(token: str) -> bytes:
    return security.hash_token(token[:TOKEN_LENGTH_MAX])


def _not_valid() -> NotFoundError:
    return NotFoundError(
        "This invitation is not valid any more. Ask for a new one.", code="invitation_not_valid"
    )
