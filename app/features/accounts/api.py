"""/api/v1/accounts: list, overview."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.core.json import JsonResponse, Listed
from app.features.accounts import service
from app.features.accounts.service import AccountView, Group, Worth
from app.features.users.current import CurrentUser, HouseholdSession

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


class OverviewOut(BaseModel):
    """What a household owns and owes."""

    accounts: int
    worth: list[Worth]
    """One entry for each currency, the most used first."""
    groups: list[Group]


@router.get("/", response_model=Listed[AccountView])
def list_accounts(session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """List accounts with their last stated balances; what is owed is negative."""
    return JsonResponse({"data": service.list_accounts(session, current.household_id)})


@router.get("/summary/overview", response_model=OverviewOut)
def get_overview(session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """Return net worth, assets and debts per currency, and the number of accounts."""
    rows = service.list_accounts(session, current.household_id)
    return JsonResponse(
        {"accounts": len(rows), "worth": service.worth(rows), "groups": service.group(rows)}
    )
