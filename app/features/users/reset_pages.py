"""The page behind a link that resets a password."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.config import settings
from app.core.errors import AppError
from app.features.users import passwords
from app.features.users.current import RequestClient, Visitor
from app.features.users.passwords import Reset
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.users import ResetView

router = APIRouter(prefix="/reset-password", include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000)]
_SEE_OTHER = 303


@router.get("")
def show_reset(request: Request, _visitor: Visitor, token: str = "") -> HTMLResponse:
    """Ask for a new password; whether the link is good is told when it is used."""
    return _page(request, token)


@router.post("")
def reset_password(
    request: Request,
    _visitor: Visitor,
    client: RequestClient,
    token: Text = "",
    new_password: Text = "",
) -> Response:
    """Set the password, and lead to where the reader signs in with it."""
    try:
        done = passwords.reset(token, new_password, client)
    except AppError as error:
        return _page(request, token, error)
    response = RedirectResponse("/sign-in", _SEE_OTHER)
    return flashes.add(response, f"Your password is set. {_in_words(done)} Sign in with it.")


def _page(request: Request, token: str, error: AppError | None = None) -> HTMLResponse:
    view = ResetView(
        token[:200], errors_by_field(error), password_characters_min=settings.PASSWORD_LENGTH_MIN
    )
    return form_page(request, "users/reset.html", view, error)


def _in_words(done: Reset) -> str:
    ended = f"Signed out everywhere ({done.sessions_ended})."
    return f"{ended} API tokens revoked: {done.tokens_revoked}." if done.tokens_revoked else ended
