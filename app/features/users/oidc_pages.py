"""Pages of signing in at an OpenID Connect provider: there and back, linked and unlinked."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import oidc as provider
from app.core.config import settings
from app.core.errors import AppError, NotFoundError
from app.core.tickets import TEXT_LENGTH_MAX
from app.features.users import oidc
from app.features.users.current import (
    CurrentProven,
    RequestClient,
    SignedIn,
    Visitor,
    system_session,
)
from app.features.users.pages import enter, sign_in_form
from app.features.users.passkey_pages import Cookie, browser_cookie
from app.features.users.sessions import Client
from app.ui import flashes
from app.ui.forms import form_page
from app.ui.views.users import ProviderView

router = APIRouter(include_in_schema=False)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
State = Annotated[str, Query(max_length=TEXT_LENGTH_MAX)]
Code = Annotated[str, Query(max_length=2_000)]
_SEE_OTHER = 303


@router.get("/sign-in/oidc")
def go_to_provider(request: Request, visitor: Visitor) -> Response:
    """Lead to the provider; whoever is signed in here already goes on here."""
    if visitor is not None:
        return RedirectResponse("/", _SEE_OTHER)
    try:
        # The visitor has a cookie only now, if this is the first page they see.
        url = oidc.begin(browser_cookie(request))
    except NotFoundError:
        raise
    except AppError as error:
        return sign_in_form(request, next_url="", error=error)
    # nosemgrep: redirect-to-another-server - the provider is the operator's choice
    return RedirectResponse(url, _SEE_OTHER)


@router.get(provider.CALLBACK_PATH)
def return_from_provider(
    request: Request,
    visitor: Visitor,
    client: RequestClient,
    state: State = "",
    code: Code = "",
) -> Response:
    """Take the reader back: signed in, or with one more way to sign in.

    A reader who was sent here without having begun in this browser brings no state that counts.
    """
    cookie = browser_cookie(request)
    if visitor is not None:
        return _link(state, code, cookie, client, visitor)
    try:
        return enter("/", oidc.sign_in(state, code, cookie, client))
    except AppError as error:
        return sign_in_form(request, next_url="", error=error)


@router.post("/settings/oidc/link")
def begin_link(request: Request, current: CurrentProven, cookie: Cookie) -> HTMLResponse:
    """Lead to the provider from a page of ours: forms may not lead elsewhere."""
    view = ProviderView(settings.OIDC_NAME, oidc.begin(cookie, current.user_id))
    return form_page(request, "users/provider.html", view, None, section="settings")


@router.post("/settings/oidc/unlink")
def unlink(current: CurrentProven, session: SystemSession) -> Response:
    """Let the person sign in at the provider no more."""
    oidc.unlink(session, actor=current.actor)
    words = f"{settings.OIDC_NAME} was unlinked. It signs you in no more."
    return flashes.add(RedirectResponse("/settings", _SEE_OTHER), words)


def _link(state: str, code: str, cookie: str, client: Client, current: SignedIn) -> Response:
    response = RedirectResponse("/settings", _SEE_OTHER)
    try:
        oidc.link(state, code, cookie, client, actor=current.actor)
    except AppError as error:
        # Whatever it is: they are signed in here, and what was refused is the other account.
        return flashes.add(response, error.message, "danger")
    return flashes.add(response, f"You can sign in with {settings.OIDC_NAME} from now on.")
