"""/api/v1/accounts: list, overview."""

from fastapi import APIRouter

from app.core.json import JsonResponse
from app.features.accounts import service
from app.features.users.current import CurrentUser, HouseholdSession

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


@router.get("/")
def list_accounts(session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """List accounts with their last stated balances; what is owed is negative."""
    return JsonResponse({"data": service.list_accounts(session, current.household_id)})


@router.get("/summary/overview")
def get_overview(session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """Return net worth, assets and debts per currency, and the number of accounts."""
    rows = service.list_accounts(session, current.household_id)
    return JsonResponse(
        {"accounts": len(rows), "worth": service.worth(rows), "groups": service.group(rows)}
    )
