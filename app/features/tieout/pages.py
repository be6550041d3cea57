"""The page of one account: its balance, and how far it is proven."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.features.tieout import proof, views
from app.features.users.current import CurrentUser, HouseholdSession
from app.ui.templating import render

router = APIRouter(include_in_schema=False)


@router.get("/accounts/{account_id}")
def show_account(
    request: Request, session: HouseholdSession, current: CurrentUser, account_id: UUID
) -> HTMLResponse:
    """Show an account; answer htmx with what changes alone."""
    account, found, balances = proof.get_proof(session, current.household_id, account_id)
    return render(
        request,
        page="tieout/account.html",
        fragment="tieout/_account.html",
        view=views.account_view(account, found, balances),
    )
