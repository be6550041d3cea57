"""The page behind the link that confirms an address, and asking for another link."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core import database
from app.core.errors import AppError
from app.features.users import addresses
from app.features.users.current import CurrentPerson, RequestClient, Visitor
from app.features.users.pages import SystemSession
from app.ui import flashes
from app.ui.forms import form_page
from app.ui.views.users import ConfirmAddressView

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303


@router.get("/confirm-address")
def show_link(request: Request, _visitor: Visitor, token: str = "") -> HTMLResponse:
    """Ask for the press of a button: programs that look into mail follow links, and press none."""
    return form_page(request, "users/confirm_address.html", ConfirmAddressView(token[:2_000]), None)


@router.post("/confirm-address")
def confirm_address(
    request: Request,
    visitor: Visitor,
    client: RequestClient,
    token: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Note that the address is the person's, whoever is signed in here or not."""
    try:
        with database.system_transaction() as session:
            addresses.confirm(session, token, address=client.address)
    except AppError as error:
        view = ConfirmAddressView(token, error.message)
        return form_page(request, "users/confirm_address.html", view, error)
    response = RedirectResponse("/" if visitor else "/sign-in", _SEE_OTHER)
    return flashes.add(response, "Thank you. Your e-mail address is confirmed.")


@router.post("/settings/address")
def ask_again(current: CurrentPerson, session: SystemSession) -> Response:
    """Mail another link."""
    addresses.ask_again(session, current.user_id)
    response = RedirectResponse("/settings", _SEE_OTHER)
    return flashes.add(response, f"A message to {current.email} is on its way.")
