"""Pages of passkeys: see, add, name and remove them; sign in and take the second step with one.

Each form of a passkey has two addresses: its script asks the one that ends in `/begin` what the
browser is to do, and sends to the other what came of it.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from app.core import csrf, database
from app.core import passkeys as webauthn
from app.core.errors import AppError, NotFoundError
from app.core.tickets import TEXT_LENGTH_MAX
from app.features.users import passkeys, preferences
from app.features.users.current import (
    CurrentPerson,
    CurrentProven,
    CurrentUser,
    RequestClient,
    SignedIn,
    Visitor,
    system_session,
)
from app.features.users.pages import code_form, enter, sign_in_form
from app.features.users.passkeys import Answer, Ceremony
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.users import PasskeyRow, PasskeysView

router = APIRouter(include_in_schema=False)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Text = Annotated[str, Form(max_length=1_000)]
Pending = Annotated[str, Form(max_length=2_000)]
_SETTINGS = "/settings/passkeys"
_SEE_OTHER = 303


def browser_cookie(request: Request) -> str:
    """Return what we know the browser by; forms without it were refused before."""
    return csrf.browser_cookie(request) or ""


Cookie = Annotated[str, Depends(browser_cookie)]


def read_answer(
    cookie: Cookie,
    ticket: Annotated[str, Form(max_length=TEXT_LENGTH_MAX)] = "",
    credential: Annotated[str, Form(max_length=webauthn.CREDENTIAL_LENGTH_MAX)] = "",
) -> Answer:
    """Return what the browser brings."""
    return Answer(ticket, credential, cookie)


PasskeyAnswer = Annotated[Answer, Depends(read_answer)]


def for_script(ceremony: Ceremony) -> JSONResponse:
    """Return what the page's script hands to the browser."""
    return JSONResponse({"options": ceremony.options, "ticket": ceremony.ticket})


@router.post("/sign-in/passkey/begin")
def begin_sign_in(_visitor: Visitor, cookie: Cookie) -> Response:
    """Tell the page's script what to ask the browser for."""
    return for_script(passkeys.begin_sign_in(cookie))


@router.post("/sign-in/passkey")
def sign_in(
    request: Request,
    _visitor: Visitor,
    client: RequestClient,
    answer: PasskeyAnswer,
    next: Text = "",
) -> Response:
    """Sign in without a password."""
    try:
        opened = passkeys.sign_in(answer, client)
    except AppError as error:
        return sign_in_form(request, next_url=next, error=error)
    return enter(next, opened)


@router.post("/sign-in/code/passkey/begin")
def begin_second_step(_visitor: Visitor, cookie: Cookie, pending: Pending = "") -> Response:
    """Tell the page's script what to ask the browser for."""
    return for_script(passkeys.begin_second_step(pending, cookie))


@router.post("/sign-in/code/passkey")
def take_second_step(
    request: Request,
    _visitor: Visitor,
    client: RequestClient,
    answer: PasskeyAnswer,
    pending: Pending = "",
    next: Text = "",
) -> Response:
    """Take the second step with a passkey in place of a code."""
    try:
        opened = passkeys.finish(pending, answer, client)
    except AppError as error:
        if error.code == "sign_in_expired":
            return sign_in_form(request, next_url=next, error=error)
        return code_form(request, pending, next_url=next, error=error)
    return enter(next, opened)


@router.get(_SETTINGS)
def list_passkeys(request: Request, current: CurrentUser, session: SystemSession) -> HTMLResponse:
    """Show the reader's passkeys, and offer another."""
    return _page(request, session, current)


@router.post(f"{_SETTINGS}/begin")
def begin_adding(current: CurrentProven, session: SystemSession, cookie: Cookie) -> Response:
    """Tell the page's script what to ask the browser for."""
    return for_script(passkeys.begin_adding(session, current.user_id, cookie))


@router.post(_SETTINGS)
def add_passkey(
    request: Request,
    current: CurrentProven,
    answer: PasskeyAnswer,
    name: Text = "",
) -> Response:
    """Keep a passkey that the browser has just made."""
    try:
        passkeys.add(answer, name or _suggest(request), actor=current.actor)
    except AppError as error:
        # It opens transactions of its own, so none of the request's is open meanwhile.
        with database.system_transaction() as session:
            return _page(request, session, current, error)
    return _back("The passkey was added. You can sign in with it.")


@router.post(f"{_SETTINGS}/rename")
def rename_passkey(
    request: Request,
    current: CurrentPerson,
    session: SystemSession,
    passkey_id: Text = "",
    name: Text = "",
) -> Response:
    """Give a passkey another name."""
    try:
        passkeys.rename(session, _read_id(passkey_id), name, actor=current.actor)
    except NotFoundError:
        raise
    except AppError as error:
        return _page(request, session, current, error)
    return _back("The passkey has another name.")


@router.post(f"{_SETTINGS}/remove")
def remove_passkey(
    current: CurrentProven, session: SystemSession, passkey_id: Text = ""
) -> Response:
    """Let a passkey open nothing any more."""
    passkeys.remove(session, _read_id(passkey_id), actor=current.actor)
    return _back("The passkey was removed. It opens nothing any more.")


def _page(
    request: Request, session: Session, current: SignedIn, error: AppError | None = None
) -> HTMLResponse:
    view = PasskeysView(
        passkeys=tuple(
            PasskeyRow(str(each.id), each.name, each.created_at, each.used_at)
            for each in passkeys.list_own(session, current.user_id)
        ),
        suggested_name=_suggest(request),
        are_possible=webauthn.are_possible(),
        errors=errors_by_field(error),
    )
    return form_page(request, "users/passkeys.html", view, error, section="settings")


def _suggest(request: Request) -> str:
    return preferences.describe_user_agent(request.headers.get("user-agent"))


def _back(message: str) -> Response:
    return flashes.add(RedirectResponse(_SETTINGS, _SEE_OTHER), message)


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFoundError("There is no such passkey.") from None
