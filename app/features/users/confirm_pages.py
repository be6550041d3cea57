"""The page on which people show again that it is them, before something delicate."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, Response

from app.core import database
from app.core.errors import AppError, UnauthorizedError
from app.features.users import confirmation, passkeys
from app.features.users.current import (
    CurrentPerson,
    CurrentUser,
    RequestClient,
    SignedIn,
    system_session,
)
from app.features.users.pages import enter, local_path
from app.features.users.passkey_pages import Cookie, PasskeyAnswer, for_script
from app.features.users.second_factor import CODE_LENGTH_MAX
from app.features.users.sessions import SignedInBrowser
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.users import ConfirmView

router = APIRouter(prefix="/confirm", include_in_schema=False)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Password = Annotated[str, Form(max_length=1_000)]
Code = Annotated[str, Form(max_length=CODE_LENGTH_MAX)]
Next = Annotated[str, Form(max_length=1_000)]


@router.get("")
def show_confirm(
    request: Request,
    current: CurrentUser,
    session: SystemSession,
    next: str = "",
    again: bool = False,  # noqa: FBT001, FBT002  # a query parameter
) -> HTMLResponse:
    """Ask for the password, and for a code where the second factor is on."""
    return _page(request, session, current, local_path(next), again=again)


@router.post("")
def confirm(
    request: Request,
    current: CurrentPerson,
    client: RequestClient,
    password: Password = "",
    code: Code = "",
    next: Next = "",
    again: Annotated[bool, Form()] = False,  # noqa: FBT002  # a field of a form
) -> Response:
    """Go on under a new session, back where the reader was."""
    try:
        opened = confirmation.confirm_browser(current.actor, password, code, client)
    except UnauthorizedError:
        raise
    except AppError as error:
        return _wrong(request, current, local_path(next), error, again=again)
    return _go_on(opened, next, again=again)


@router.post("/passkey/begin")
def begin_passkey(current: CurrentPerson, session: SystemSession, cookie: Cookie) -> Response:
    """Tell the page's script what to ask the browser for."""
    return for_script(passkeys.begin_confirming(session, current.actor, cookie))


@router.post("/passkey")
def confirm_by_passkey(
    request: Request,
    current: CurrentPerson,
    client: RequestClient,
    answer: PasskeyAnswer,
    next: Next = "",
    again: Annotated[bool, Form()] = False,  # noqa: FBT002  # a field of a form
) -> Response:
    """Do the same by a passkey in place of password and code."""
    try:
        opened = passkeys.confirm(answer, client, actor=current.actor)
    except UnauthorizedError:
        raise
    except AppError as error:
        return _wrong(request, current, local_path(next), error, again=again)
    return _go_on(opened, next, again=again)


def _go_on(opened: SignedInBrowser, next_url: str, *, again: bool) -> Response:
    response = enter(next_url, opened)
    if again:
        flashes.add(response, "Thank you. Now press the button once more.", "info")
    return response


def _wrong(
    request: Request, current: SignedIn, next_url: str, error: AppError, *, again: bool
) -> HTMLResponse:
    # No transaction is open while a password is hashed, so the page opens its own.
    with database.system_transaction() as session:
        return _page(request, session, current, next_url, again=again, error=error)


def _page(
    request: Request,
    session: Session,
    current: SignedIn,
    next_url: str,
    *,
    again: bool,
    error: AppError | None = None,
) -> HTMLResponse:
    view = ConfirmView(
        email=current.email,
        wants_code=confirmation.wants_code(session, current.user_id),
        offers_passkeys=bool(passkeys.list_own(session, current.user_id)),
        next_url=next_url,
        again=again,
        errors=errors_by_field(error),
    )
    return form_page(request, "users/confirm.html", view, error)
