"""The page of one's own data: what one may ask of it."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import csrf
from app.core.downloads import Download
from app.core.errors import AppError
from app.features.households.service import members
from app.features.privacy.service import erasing, exporting
from app.features.users.current import CurrentProven, CurrentUser, SignedIn, check_member
from app.features.users.pages import SystemSession
from app.ui import flashes
from app.ui.forms import errors_by_field, form_page
from app.ui.views.privacy import PrivacyView

router = APIRouter(prefix="/settings/privacy", include_in_schema=False)

_SEE_OTHER = 303


@router.get("")
def show_privacy(request: Request, current: CurrentUser) -> HTMLResponse:
    """Show what one may ask of one's own data."""
    return _page(request, current)


@router.post("/export")
def export_household(current: CurrentProven) -> Download:
    """Send everything that the household owns."""
    check_member(current)
    return exporting.download(current.household_id, actor=current.actor)


@router.post("/erase")
def erase_household(
    request: Request,
    current: CurrentProven,
    household_name: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Close the household and let it be erased."""
    try:
        erasing.ask(current.household_id, household_name, role=current.role, actor=current.actor)
    except AppError as error:
        return _page(request, current, error)
    response = csrf.delete_session_cookie(RedirectResponse("/sign-in", _SEE_OTHER))
    return flashes.add(response, "The household is closed, and is deleted within a day.")


@router.post("/delete-login")
def delete_login(
    request: Request,
    current: CurrentProven,
    session: SystemSession,
    email: Annotated[str, Form(max_length=1_000)] = "",
) -> Response:
    """Delete the reader's own login; the households go on without them."""
    try:
        members.delete_login(session, email, actor=current.actor)
    except AppError as error:
        session.rollback()  # it ends here, with the page: what is refused leaves nothing
        return _page(request, current, error)
    response = csrf.delete_session_cookie(RedirectResponse("/sign-in", _SEE_OTHER))
    return flashes.add(response, "Your login is deleted, with all that was kept of you.")


def _page(request: Request, current: SignedIn, error: AppError | None = None) -> HTMLResponse:
    view = PrivacyView(
        household_name=current.household_name,
        is_owner=current.role == "owner",
        email=current.email,
        errors=errors_by_field(error),
    )
    return form_page(request, "privacy/privacy.html", view, error, section="settings")
