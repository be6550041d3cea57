"""Pages of API tokens: see them, make one and see it once, revoke one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import AppError, NotFoundError
from app.core.scopes import SCOPES
from app.features.users import api_tokens
from app.features.users.current import (
    CurrentPerson,
    CurrentProven,
    CurrentUser,
    SignedIn,
    system_session,
)
from app.features.users.once import OnceRoute
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.users import NewTokenView, TokenRow, TokensView

router = APIRouter(prefix="/settings/tokens", include_in_schema=False, route_class=OnceRoute)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Text = Annotated[str, Form(max_length=1_000)]
_SEE_OTHER = 303
_EXPIRIES = ((7, "in a week"), (30, "in 30 days"), (90, "in 90 days"), (365, "in a year"))


@router.get("")
def list_tokens(request: Request, current: CurrentUser, session: SystemSession) -> HTMLResponse:
    """Show the tokens that work."""
    return _list(request, session, current)


@router.get("/new")
def ask_for_token(request: Request, current: CurrentProven) -> HTMLResponse:
    """Ask for what a new token may do."""
    del current  # only for those who have shown who they are
    return _form(request, NewTokenView(tuple(SCOPES.items()), _options(), chosen=("read",)))


@router.post("/new")
def create_token(
    request: Request,
    current: CurrentProven,
    session: SystemSession,
    name: Text = "",
    scopes: Annotated[list[str] | None, Form(max_length=len(SCOPES))] = None,
    days: Annotated[int, Form()] = api_tokens.DAYS_DEFAULT,
) -> HTMLResponse:
    """Make a token and show it, this once."""
    try:
        made = api_tokens.create(
            session,
            current.household_id,
            name=name,
            scopes=scopes or (),
            days=days,
            actor=current.actor,
        )
    except AppError as error:
        session.rollback()  # it ends here, with the page: what is refused leaves nothing
        view = NewTokenView(
            tuple(SCOPES.items()),
            _options(),
            name=name,
            chosen=tuple(scopes or ()),
            days=str(days),
            errors=errors_by_field(error),
        )
        return _form(request, view, error)
    return _list(request, session, current, token=made.token)


@router.post("/revoke")
def revoke_token(current: CurrentPerson, session: SystemSession, token_id: Text = "") -> Response:
    """Let a token work no more."""
    api_tokens.revoke(session, current.household_id, _read_id(token_id), actor=current.actor)
    response = RedirectResponse("/settings/tokens", _SEE_OTHER)
    return flashes.add(response, "The token was revoked. It works no more.")


def _list(
    request: Request, session: Session, current: SignedIn, *, token: str = ""
) -> HTMLResponse:
    rows = tuple(
        TokenRow(
            token_id=str(row.id),
            name=row.name,
            hint=row.hint,
            scopes=row.scopes,
            household_name=row.household_name,
            expires_at=row.expires_at,
            used_at=row.used_at,
            used_from=row.used_from or "",
        )
        for row in api_tokens.list_own(session, actor=current.actor)
    )
    view = TokensView(rows, token=token)
    return form_page(request, "users/tokens.html", view, None, section="settings")


def _form(request: Request, view: NewTokenView, error: AppError | None = None) -> HTMLResponse:
    return form_page(request, "users/new_token.html", view, error, section="settings")


def _options() -> tuple[tuple[str, str], ...]:
    return tuple((str(days), words) for days, words in _EXPIRIES)


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is no such token.") from None
