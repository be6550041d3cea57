"""/api/v1/accounts/{account_id}/tie-out: every stated balance against the transactions."""

from uuid import UUID

from fastapi import APIRouter

from app.core.json import JsonResponse
from app.features.tieout import proof
from app.features.users.current import CurrentUser, HouseholdSession

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])


@router.get("/{account_id}/tie-out")
def get_tie_out(session: HouseholdSession, current: CurrentUser, account_id: UUID) -> JsonResponse:
    """Return how far an account's transactions explain the balances that were stated of it.

    `gap` is stated less computed; `explanations` are the smallest sets of transactions that
    close it exactly, the likeliest first; `days` are the stated balances, the last one first.
    """
    _, found, _ = proof.get_proof(session, current.household_id, account_id)
    return JsonResponse(found)
