"""/api/v1/matches: what may be told twice, and what a person says of it."""

import datetime as dt
from decimal import Decimal
from uuid import UUID

from fastapi import APIRouter, status
from pydantic import BaseModel

from app.core import scopes
from app.features.matching.service import questions
from app.features.matching.service.questions import Side
from app.features.users.current import CurrentEditor, CurrentUser, HouseholdSession
from app.features.users.once import OnceRoute

router = APIRouter(prefix="/api/v1/matches", tags=["matches"], route_class=OnceRoute)


class MatchSideOut(BaseModel):
    """One of two transactions that may be one."""

    transaction_id: UUID
    account_id: UUID
    source: str
    date: dt.date
    amount: Decimal
    currency: str
    pending: bool
    description: str


class MatchOut(BaseModel):
    """Two transactions that may be one; merging lets `left` stay."""

    id: UUID
    kind: str
    confidence: Decimal
    reason: str
    left: MatchSideOut
    right: MatchSideOut


class AccountMatchOut(BaseModel):
    """Two accounts that may be one; merging lets `left_account_id` stay."""

    id: UUID
    confidence: Decimal
    reason: str
    left_account_id: UUID
    right_account_id: UUID


class MatchesOut(BaseModel):
    """What waits for an answer, the surest first."""

    transactions: list[MatchOut]
    accounts: list[AccountMatchOut]


class MergedOut(BaseModel):
    """The change set that merged the two."""

    change_set_id: UUID


@router.get("/")
def list_matches(session: HouseholdSession, current: CurrentUser) -> MatchesOut:
    """List what may be told twice."""
    rows = questions.list_rows(session, current.household_id)
    accounts = questions.list_accounts(session, current.household_id)
    return MatchesOut(
        transactions=[
            MatchOut(
                id=each.id,
                kind=each.kind,
                confidence=each.confidence,
                reason=each.reason,
                left=_side(each.left),
                right=_side(each.right),
            )
            for each in rows
        ],
        accounts=[
            AccountMatchOut(
                id=each.id,
                confidence=each.confidence,
                reason=each.reason,
                left_account_id=each.left.id,
                right_account_id=each.right.id,
            )
            for each in accounts
        ],
    )


@router.post("/{match_id}/merge", openapi_extra=scopes.needs(scopes.EDIT))
def merge_match(match_id: UUID, session: HouseholdSession, current: CurrentEditor) -> MergedOut:
    """Let the two of a question be one; to undo the change set takes it back."""
    change_set_id = questions.merge(session, current.household_id, current.user_id, match_id)
    return MergedOut(change_set_id=change_set_id)


@router.post(
    "/{match_id}/reject",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def reject_match(match_id: UUID, session: HouseholdSession, current: CurrentEditor) -> None:
    """Remember that the two of a question are two."""
    questions.reject(session, current.household_id, current.user_id, match_id)


def _side(side: Side) -> MatchSideOut:
    row = side.row
    return MatchSideOut(
        transaction_id=row.id,
        account_id=row.account_id,
        source=side.source,
        date=row.date,
        amount=row.amount,
        currency=row.currency,
        pending=row.pending,
        description=row.description,
    )
