"""Pages of the second factor: set up, confirm, turn off."""

from typing import Annotated

import segno
from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import database
from app.core.errors import AppError
from app.features.users import two_step
from app.features.users.current import CurrentPerson, CurrentUser, SignedIn, system_session
from app.features.users.second_factor import CODE_LENGTH_MAX
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.users import QrCode, TwoStepView

router = APIRouter(prefix="/settings/two-step", include_in_schema=False)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
Password = Annotated[str, Form(max_length=1_000)]
Code = Annotated[str, Form(max_length=CODE_LENGTH_MAX)]
_SEE_OTHER = 303
_QUIET_ZONE = 4
"""Light modules around the code (ISO/IEC 18004, section 6.3.8)."""


@router.get("")
def show_two_step(request: Request, current: CurrentUser, session: SystemSession) -> HTMLResponse:
    """Offer to set it up, or to turn it off."""
    codes_left = two_step.codes_left(session, current.user_id)
    if codes_left is None:
        return _page(request, TwoStepView("off", current.email))
    return _page(request, TwoStepView("on", current.email, codes_left=codes_left))


@router.post("")
def begin_two_step(request: Request, current: CurrentPerson, password: Password = "") -> Response:
    """Make a secret and show it, this once."""
    try:
        setup = two_step.begin(current.user_id, password)
    except AppError as error:
        return _wrong(request, current, "off", error)
    qr = draw_qr(setup.uri)
    return _page(request, TwoStepView("setup", secret=setup.secret, uri=setup.uri, qr=qr))


@router.post("/confirm")
def confirm_two_step(request: Request, current: CurrentPerson, code: Code = "") -> Response:
    """Turn it on and show the recovery codes, this once."""
    try:
        codes = two_step.confirm(current.user_id, code, actor=current.actor)
    except AppError as error:
        # Without the secret: a stolen session must not get to see it.
        return _wrong(request, current, "off" if error.code == "no_setup" else "setup", error)
    return _page(request, TwoStepView("codes", codes=tuple(codes)))


@router.post("/off")
def turn_two_step_off(
    request: Request, current: CurrentPerson, password: Password = "", code: Code = ""
) -> Response:
    """Let the password suffice again."""
    try:
        two_step.turn_off(current.user_id, password, code, actor=current.actor)
    except AppError as error:
        return _wrong(request, current, "on", error)
    return flashes.add(RedirectResponse("/settings", _SEE_OTHER), "Two-step sign-in is off.")


def draw_qr(text: str) -> QrCode:
    """Return a QR code of the text."""
    rows = segno.make_qr(text).matrix
    squares = (
        f"M{x + _QUIET_ZONE} {y + _QUIET_ZONE}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return QrCode(len(rows) + 2 * _QUIET_ZONE, "".join(squares))


def _page(request: Request, view: TwoStepView, error: AppError | None = None) -> HTMLResponse:
    return form_page(request, "users/two_step.html", view, error, section="settings")


def _wrong(request: Request, current: SignedIn, state: str, error: AppError) -> HTMLResponse:
    with database.system_transaction() as session:
        codes_left = two_step.codes_left(session, current.user_id)
    view = TwoStepView(
        state if codes_left is None else "on",
        current.email,
        codes_left=codes_left or 0,
        errors=errors_by_field(error),
    )
    return _page(request, view, error)
