"""The page of accounts: balances by kind, and net worth."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.features.accounts import service, views
from app.features.users.current import CurrentUser, HouseholdSession
from app.ui.templating import page_context, render

router = APIRouter(include_in_schema=False)


@router.get("/accounts")
def list_accounts(
    request: Request, session: HouseholdSession, current: CurrentUser
) -> HTMLResponse:
    """Show the accounts; answer htmx with the groups alone."""
    accounts = service.list_accounts(session, current.household_id)
    return render(
        request,
        page="accounts/list.html",
        fragment="accounts/_groups.html",
        view=views.accounts_view(
            accounts, base_currency=current.base_currency, in_trouble=page_context(request).alerts
        ),
    )
