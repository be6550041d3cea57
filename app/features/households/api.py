"""/api/v1/households, /members, /invitations: who belongs where, with which role."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.core import security
from app.features.households.repository import MemberRow
from app.features.households.service import invitations, members, sharing
from app.features.users import service as users
from app.features.users.current import (
    CurrentMember,
    CurrentPerson,
    CurrentProven,
    CurrentUser,
    RequestClient,
    SignedIn,
    system_session,
)
from app.features.users.once import OnceRoute

router = APIRouter(prefix="/api/v1", tags=["households"], route_class=OnceRoute)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Token = Annotated[str, Field(min_length=1, max_length=invitations.TOKEN_LENGTH_MAX)]
Role = Annotated[str, Field(max_length=20)]


class Body(BaseModel):
    """What a client sends; fields that nobody declared are refused."""

    model_config = ConfigDict(extra="forbid")


class HouseholdBody(Body):
    """A household of the person."""

    household_id: UUID


class RoleBody(Body):
    """`owner`, `member`, `viewer` or `guest`."""

    role: Role


class EmailBody(Body):
    """Your own e-mail address, so that nothing is deleted by mistake."""

    email: Annotated[str, Field(max_length=users.EMAIL_LENGTH_MAX)]


class SharesBody(Body):
    """All accounts that a guest is to see; those that are left out are taken back."""

    account_ids: Annotated[list[UUID], Field(max_length=sharing.ACCOUNTS_MAX)]


class SharesOut(BaseModel):
    """The accounts that a guest sees."""

    account_ids: list[UUID]


class InvitationBody(Body):
    """What whoever brings the link becomes, and whom it is for."""

    role: Role = "member"
    label: Annotated[str, Field(max_length=invitations.LABEL_LENGTH_MAX)] = ""


class AcceptBody(Body):
    """What the link carries after `invitation=`."""

    invitation: Token


class RegisterBody(AcceptBody):
    """A new person, let in by an invitation."""

    email: Annotated[str, Field(max_length=users.EMAIL_LENGTH_MAX)]
    password: Annotated[str, Field(min_length=1, max_length=1_000)]
    name: Annotated[str, Field(max_length=users.NAME_LENGTH_MAX)] = ""


class HouseholdOut(BaseModel):
    """A household of the person, and their role in it."""

    household_id: UUID
    name: str
    role: str
    is_current: bool
    """Whether this session works in it."""


class OpenedOut(BaseModel):
    """The household in which the session works from now on."""

    household_id: UUID
    name: str
    role: str
    access_token: str | None
    """For a program: the token from before opens the household from before, and no other."""


class MemberOut(BaseModel):
    """Somebody who belongs to the household."""

    user_id: UUID
    name: str
    email: str
    role: str
    joined_at: dt.datetime


class InvitationOut(BaseModel):
    """An invitation that may still be used."""

    id: UUID
    role: str
    label: str
    created_at: dt.datetime
    expires_at: dt.datetime


class MadeOut(BaseModel):
    """An invitation that was just made; its link is shown this once."""

    id: UUID
    role: str
    link: str
    expires_at: dt.datetime


class JoinedOut(BaseModel):
    """The household that was joined; open it with `POST /households/current`."""

    household_id: UUID
    name: str
    role: str


class PersonOut(BaseModel):
    """The person who was created; they may log in."""

    user_id: UUID


@router.get("/households")
def list_households(current: CurrentUser, session: SystemSession) -> list[HouseholdOut]:
    """Return the households of the person, as they joined them."""
    return [
        HouseholdOut(
            household_id=row.household_id,
            name=row.name,
            role=row.role,
            is_current=row.household_id == current.household_id,
        )
        for row in members.list_households(session, current.user_id)
    ]


@router.post("/households/current")
def open_household(
    body: HouseholdBody, current: CurrentPerson, session: SystemSession
) -> OpenedOut:
    """Let this session work in another household; a program goes on with the token it gets."""
    found = members.switch(session, body.household_id, actor=current.actor)
    return OpenedOut(
        household_id=found.household_id,
        name=found.name,
        role=found.role,
        access_token=_token_for(current, found.household_id),
    )


@router.get("/members")
def list_members(current: CurrentMember, session: SystemSession) -> list[MemberOut]:
    """Return the household's people, owners first."""
    return [_member(row) for row in members.list_members(session, current.household_id)]


@router.put("/members/{user_id}", status_code=204)
def change_role(
    user_id: UUID, body: RoleBody, current: CurrentProven, session: SystemSession
) -> None:
    """Give a member another role; for owners."""
    members.change_role(session, current.household_id, user_id, body.role, actor=current.actor)


@router.get("/members/{user_id}/accounts")
def list_shared_accounts(
    user_id: UUID, current: CurrentMember, session: SystemSession
) -> SharesOut:
    """Return the accounts that a guest sees; for owners."""
    found = sharing.list_shared(session, current.household_id, user_id, actor=current.actor)
    return SharesOut(account_ids=found)


@router.put("/members/{user_id}/accounts", status_code=204)
def share_accounts(
    user_id: UUID, body: SharesBody, current: CurrentProven, session: SystemSession
) -> None:
    """Let a guest see these accounts and no others, from their next request on; for owners."""
    sharing.share(session, current.household_id, user_id, body.account_ids, actor=current.actor)


@router.delete("/members/{user_id}", status_code=204)
def remove_member(user_id: UUID, current: CurrentUser, session: SystemSession) -> None:
    """Take a member out, and end their sessions here; for owners."""
    members.remove(session, current.household_id, user_id, actor=current.actor)


@router.post("/members/{user_id}/transfer", status_code=204)
def transfer_household(user_id: UUID, current: CurrentProven, session: SystemSession) -> None:
    """Make somebody else the owner and yourself a member."""
    members.transfer(session, current.household_id, user_id, actor=current.actor)


@router.post("/households/leave", status_code=204)
def leave_household(current: CurrentPerson, session: SystemSession) -> None:
    """Leave the household; the session goes on in another one. Its only owner cannot."""
    members.leave(session, current.household_id, actor=current.actor)


@router.delete("/me", status_code=204)
def delete_login(body: EmailBody, current: CurrentProven, session: SystemSession) -> None:
    """Delete your own login with all that is kept of you; an only owner cannot."""
    members.delete_login(session, body.email, actor=current.actor)


@router.get("/invitations")
def list_invitations(current: CurrentMember, session: SystemSession) -> list[InvitationOut]:
    """Return the invitations that may still be used, newest first."""
    return [
        InvitationOut(
            id=row.id,
            role=row.role,
            label=row.label,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in invitations.list_open(session, current.household_id)
    ]


@router.post("/invitations", status_code=201)
def invite(body: InvitationBody, current: CurrentProven, session: SystemSession) -> MadeOut:
    """Make an invitation: good for seven days and one person; for owners."""
    made = invitations.invite(
        session, current.household_id, body.role, body.label, actor=current.actor
    )
    return MadeOut(
        id=made.invitation_id, role=made.role, link=made.link, expires_at=made.expires_at
    )


@router.delete("/invitations/{invitation_id}", status_code=204)
def revoke_invitation(invitation_id: UUID, current: CurrentUser, session: SystemSession) -> None:
    """Take an invitation back; for owners."""
    invitations.revoke(session, current.household_id, invitation_id, actor=current.actor)


@router.post("/invitations/accept")
def accept_invitation(
    body: AcceptBody, current: CurrentPerson, session: SystemSession
) -> JoinedOut:
    """Join the household that invites you."""
    joined = invitations.accept(session, body.invitation, actor=current.actor)
    return JoinedOut(household_id=joined.household_id, name=joined.household_name, role=joined.role)


@router.post("/invitations/register", status_code=201)
def register_by_invitation(body: RegisterBody, client: RequestClient) -> PersonOut:
    """Create a person in the household that invites them, also where registration is closed."""
    user_id = invitations.register(body.invitation, body.email, body.password, body.name, client)
    return PersonOut(user_id=user_id)


def _member(row: MemberRow) -> MemberOut:
    return MemberOut(
        user_id=row.user_id,
        name=row.name,
        email=row.email,
        role=row.role,
        joined_at=row.joined_at,
    )


def _token_for(current: SignedIn, household_id: UUID) -> str | None:
    """Return a token for a program; a browser has its cookie, and gets none."""
    if current.csrf_token:
        return None
    return security.sign_access_token(current.user_id, current.session_id, household_id)
