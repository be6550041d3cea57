"""Pages of households: members, invitations, joining, switching."""

from collections.abc import Collection, Sequence
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import csrf, database
from app.core.config import settings
from app.core.errors import AppError, NotFoundError
from app.features.households.repository import ShareableAccount
from app.features.households.service import invitations, members, sharing
from app.features.users import sessions
from app.features.users.current import (
    GUEST,
    CurrentPerson,
    CurrentProven,
    CurrentUser,
    RequestClient,
    SignedIn,
    Visitor,
    system_session,
)
from app.features.users.once import OnceRoute
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.households import (
    HouseholdRow,
    HouseholdView,
    InvitationRow,
    JoinView,
    MemberRow,
    SharedRow,
)

router = APIRouter(include_in_schema=False, route_class=OnceRoute)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Text = Annotated[str, Form(max_length=1_000)]
_SEE_OTHER = 303
_WHAT_ROLES_MAY = {
    "owner": "You will see and change everything, and decide who else does.",
    "member": "You will see and change everything.",
    "viewer": "You will see everything and change nothing.",
    "guest": "You will see the accounts that are shared with you, and change nothing.",
}


@router.get("/household")
def show_household(request: Request, current: CurrentUser, session: SystemSession) -> HTMLResponse:
    """Show the household's people and invitations, and the reader's other households."""
    return _page(request, current, session)


@router.post("/household/invitations")
def invite(
    request: Request,
    current: CurrentProven,
    session: SystemSession,
    role: Text = "member",
    label: Text = "",
) -> HTMLResponse:
    """Make an invitation and show its link, this once."""
    try:
        made = invitations.invite(session, current.household_id, role, label, actor=current.actor)
    except AppError as error:
        return _page_again(request, current, session, error, role=role, label=label)
    return _page(request, current, session, link=made.link)


@router.post("/household/invitations/{invitation_id}/revoke")
def revoke(invitation_id: UUID, current: CurrentUser, session: SystemSession) -> Response:
    """Take an invitation back."""
    invitations.revoke(session, current.household_id, invitation_id, actor=current.actor)
    return _done("The invitation was taken back.")


@router.post("/household/members/{user_id}/role")
def change_role(
    request: Request,
    user_id: UUID,
    current: CurrentProven,
    session: SystemSession,
    role: Text = "",
) -> Response:
    """Give a member another role."""
    try:
        members.change_role(session, current.household_id, user_id, role, actor=current.actor)
    except AppError as error:
        return _refused(request, current, session, error)
    return _done("The role was changed.")


@router.post("/household/members/{user_id}/accounts")
def share_accounts(
    request: Request,
    user_id: UUID,
    current: CurrentProven,
    session: SystemSession,
    account_ids: Annotated[list[UUID] | None, Form(max_length=sharing.ACCOUNTS_MAX)] = None,
) -> Response:
    """Let a guest see the accounts that are ticked, and no others."""
    try:
        sharing.share(
            session, current.household_id, user_id, account_ids or (), actor=current.actor
        )
    except AppError as error:
        return _refused(request, current, session, error)
    return _done("Saved. It holds from their next look on.")


@router.post("/household/members/{user_id}/remove")
def remove(
    request: Request, user_id: UUID, current: CurrentUser, session: SystemSession
) -> Response:
    """Take a member out."""
    try:
        members.remove(session, current.household_id, user_id, actor=current.actor)
    except AppError as error:
        return _refused(request, current, session, error)
    return _done("The member was removed, and signed out of this household.")


@router.post("/household/members/{user_id}/transfer")
def transfer(
    request: Request, user_id: UUID, current: CurrentProven, session: SystemSession
) -> Response:
    """Make somebody else the owner and yourself a member."""
    try:
        members.transfer(session, current.household_id, user_id, actor=current.actor)
    except AppError as error:
        return _refused(request, current, session, error)
    return _done("The household was handed over. You are a member now.")


@router.post("/household/leave")
def leave(request: Request, current: CurrentPerson, session: SystemSession) -> Response:
    """Leave the household, and go on in another one."""
    try:
        members.leave(session, current.household_id, actor=current.actor)
    except AppError as error:
        return _refused(request, current, session, error)
    return _done(f"You left {current.household_name}.", "/")


@router.post("/household/open")
def open_household(
    current: CurrentPerson, session: SystemSession, household_id: Text = ""
) -> Response:
    """Go on in another household."""
    found = members.switch(session, _read_id(household_id), actor=current.actor)
    return _done(f"You are in {found.name} now.", "/")


@router.get("/join")
def show_invitation(request: Request, visitor: Visitor, invitation: str = "") -> HTMLResponse:
    """Show what an invitation offers, to whoever brings it."""
    return _join_page(request, visitor, invitation)


@router.post("/join")
def join(
    request: Request, current: CurrentPerson, session: SystemSession, invitation: Text = ""
) -> Response:
    """Join the household, and go on in it."""
    try:
        joined = invitations.accept(session, invitation, actor=current.actor)
    except NotFoundError:
        raise
    except AppError as error:
        session.rollback()
        return _join_page(request, current, invitation, error=error)
    members.switch(session, joined.household_id, actor=current.actor)
    return _done(f"Welcome to {joined.household_name}.", "/")


@router.post("/join/register")
def register(
    request: Request,
    visitor: Visitor,
    client: RequestClient,
    invitation: Text = "",
    email: Text = "",
    password: Text = "",
    name: Text = "",
) -> Response:
    """Create the account in the household that invites, and sign in."""
    if visitor is not None:
        # nosemgrep: redirect-to-another-server - _address() quotes it behind a path of ours
        return RedirectResponse(_address(invitation), _SEE_OTHER)
    try:
        user_id = invitations.register(invitation, email, password, name, client)
    except NotFoundError:
        raise
    except AppError as error:
        return _join_page(request, None, invitation, name=name, email=email, error=error)
    with database.system_transaction() as session:
        opened = sessions.open_browser_session(session, user_id, client)
    response = RedirectResponse("/", _SEE_OTHER)
    return csrf.set_session_cookie(response, opened.cookie, opened.expires_at)


def _page(
    request: Request,
    current: SignedIn,
    session: Session,
    *,
    link: str = "",
    role: str = "member",
    label: str = "",
    error: AppError | None = None,
) -> HTMLResponse:
    view = HouseholdView(
        name=current.household_name,
        is_owner=current.role == members.OWNER,
        members=_members(session, current),
        invitations=_invitations(session, current),
        households=_households(session, current),
        roles=tuple(members.ROLES.items()),
        link=link,
        role=role,
        label=label,
        errors=errors_by_field(error),
    )
    return form_page(request, "households/household.html", view, error, section="settings")


def _invitations(session: Session, current: SignedIn) -> tuple[InvitationRow, ...]:
    if current.role == GUEST:
        return ()
    return tuple(
        InvitationRow(str(row.id), members.ROLES[row.role], row.label, row.expires_at)
        for row in invitations.list_open(session, current.household_id)
    )


def _members(session: Session, current: SignedIn) -> tuple[MemberRow, ...]:
    """Return the household's people; a guest learns of nobody but themselves."""
    found = [
        row
        for row in members.list_members(session, current.household_id)
        if current.role != GUEST or row.user_id == current.user_id
    ]
    has_guests = any(row.role == GUEST for row in found)
    if current.role == members.OWNER and has_guests:
        accounts = sharing.list_accounts(session, current.household_id)
        shares = sharing.list_shares(session, current.household_id)
    else:
        accounts, shares = (), {}
    return tuple(
        MemberRow(
            user_id=str(row.user_id),
            name=row.name,
            email=row.email,
            role=row.role,
            role_name=members.ROLES[row.role],
            is_self=row.user_id == current.user_id,
            shared=_shared(accounts, shares.get(row.user_id, ())) if row.role == GUEST else (),
        )
        for row in found
    )


def _shared(
    accounts: Sequence[ShareableAccount], shared: Collection[UUID]
) -> tuple[SharedRow, ...]:
    """Return the accounts that an owner may share with a guest, and which of them are."""
    return tuple(
        SharedRow(
            account_id=str(each.account_id),
            name=f"{each.name} ··{each.mask}" if each.mask else each.name,
            institution_name=each.institution_name or "",
            is_shared=each.account_id in shared,
        )
        for each in accounts
    )


def _households(session: Session, current: SignedIn) -> tuple[HouseholdRow, ...]:
    return tuple(
        HouseholdRow(
            household_id=str(row.household_id),
            name=row.name,
            role_name=members.ROLES[row.role],
            is_current=row.household_id == current.household_id,
        )
        for row in members.list_households(session, current.user_id)
    )


def _refused(
    request: Request, current: SignedIn, session: Session, error: AppError
) -> HTMLResponse:
    """Show the page again with the reason, unless there is nothing to show it beside."""
    if not isinstance(error, NotFoundError) and error.field is None:
        return _page_again(request, current, session, error)
    raise error


def _page_again(
    request: Request, current: SignedIn, session: Session, error: AppError, **typed: str
) -> HTMLResponse:
    """Undo whatever was done before it was refused, and show the page with the reason."""
    session.rollback()
    with database.system_transaction() as afterwards:
        return _page(request, current, afterwards, error=error, **typed)


def _join_page(
    request: Request,
    visitor: SignedIn | None,
    invitation: str,
    *,
    name: str = "",
    email: str = "",
    error: AppError | None = None,
) -> HTMLResponse:
    with database.system_transaction() as session:
        offer = invitations.read(session, invitation)
    view = JoinView(
        invitation=invitation,
        household_name=offer.household_name,
        invited_by=offer.invited_by,
        role_name=members.ROLES[offer.role],
        what_it_may=_WHAT_ROLES_MAY[offer.role],
        sign_in_url="/sign-in?next=" + quote(_address(invitation), safe=""),
        reader=visitor.name if visitor else "",
        name=name,
        email=email,
        errors=errors_by_field(error),
        password_characters_min=settings.PASSWORD_LENGTH_MIN,
    )
    return form_page(request, "households/join.html", view, error)


def _address(invitation: str) -> str:
    return "/join?invitation=" + quote(invitation, safe="")


def _done(message: str, target: str = "/household") -> RedirectResponse:
    # nosemgrep: redirect-to-another-server - its callers' own paths
    return flashes.add(RedirectResponse(target, _SEE_OTHER), message)


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is no such household, or you do not belong to it.") from None
