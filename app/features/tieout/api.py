"""/api/v1/accounts/{account_id}/tie-out: every stated balance against the transactions."""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel, ConfigDict, Field

from app.core import scopes
from app.core.json import JsonResponse
from app.features.tieout import accept, proof
from app.features.tieout.proof import Proof
from app.features.users.current import CurrentEditor, CurrentUser, HouseholdSession
from app.features.users.once import OnceRoute

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"], route_class=OnceRoute)


class AcceptBody(BaseModel):
    """A difference that is accepted, and why."""

    model_config = ConfigDict(extra="forbid")

    gap: Annotated[Decimal, Field(max_digits=24, decimal_places=8, allow_inf_nan=False)]
    """The difference as it was shown: stated less computed."""
    reason: Annotated[str, Field(min_length=1, max_length=accept.REASON_CHARACTERS_MAX)]


class AcceptedOut(BaseModel):
    """The change set that accepted it; to undo it lets the account be off again."""

    change_set_id: UUID


@router.get("/{account_id}/tie-out", response_model=Proof)
def get_tie_out(session: HouseholdSession, current: CurrentUser, account_id: UUID) -> JsonResponse:
    """Return how far an account's transactions explain the balances that were stated of it.

    `gap` is stated less computed; `explanations` are the smallest sets of transactions that
    close it exactly, the likeliest first; `days` are the stated balances, the last one first;
    `accepted` says who accepted this gap, when and why, if somebody did.
    """
    _, found, _ = proof.get_proof(session, current.household_id, account_id)
    return JsonResponse(found)


@router.post(
    "/{account_id}/tie-out/accept",
    status_code=status.HTTP_201_CREATED,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def accept_difference(
    session: HouseholdSession, current: CurrentEditor, account_id: UUID, body: AcceptBody
) -> AcceptedOut:
    """Accept a difference that nothing explains; another one is an alarm again.

    Accepting it twice does it once. To undo the change set takes it back.
    """
    change_set_id = accept.accept(
        session, current.household_id, account_id, body.gap, body.reason, actor=current.actor
    )
    return AcceptedOut(change_set_id=change_set_id)
