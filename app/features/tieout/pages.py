"""The page of one account: its balance, and how far it is proven."""

from decimal import Decimal, InvalidOperation
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.database import household_transaction
from app.core.errors import AppError, InvalidInputError, NotFoundError
from app.features.households.service import members
from app.features.tieout import accept, proof, views
from app.features.users.current import CurrentEditor, CurrentUser, SignedIn
from app.ui import flashes
from app.ui.templating import render

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303
Text = Annotated[str, Form(max_length=1_000)]


@router.get("/accounts/{account_id}")
def show_account(request: Request, current: CurrentUser, account_id: UUID) -> HTMLResponse:
    """Show an account; answer htmx with what changes alone."""
    return _page(request, current, account_id)


@router.post("/accounts/{account_id}/accept")
def accept_difference(
    request: Request,
    current: CurrentEditor,
    account_id: UUID,
    gap: Text = "",
    reason: Text = "",
) -> Response:
    """Accept the difference that the form shows."""
    household_id = current.household_id
    try:
        with household_transaction(household_id) as session:
            accept.accept(
                session, household_id, account_id, _amount(gap), reason, actor=current.actor
            )
    except NotFoundError:
        raise
    except AppError as error:
        return _page(request, current, account_id, error, reason)
    response = RedirectResponse(f"/accounts/{account_id}", _SEE_OTHER)
    return flashes.add(response, "The difference is accepted. The history can take that back.")


def _amount(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise InvalidInputError("The difference is no amount. Reload the page.") from error


def _page(
    request: Request,
    current: SignedIn,
    account_id: UUID,
    error: AppError | None = None,
    reason: str = "",
) -> HTMLResponse:
    with household_transaction(current.household_id) as session:
        account, found, balances = proof.get_proof(session, current.household_id, account_id)
    names = members.names_of(current.household_id) if found.accepted else {}
    return render(
        request,
        page="tieout/account.html",
        fragment="tieout/_account.html",
        status=error.status if error else 200,
        view=views.account_view(
            account, found, balances, names, error=error.message if error else "", reason=reason
        ),
    )
