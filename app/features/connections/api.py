"""/api/v1/plaid, /simplefin and /connections: link, exchange, sync, list, unlink."""

import datetime as dt
import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, status
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.core import scopes
from app.core.database import household_transaction
from app.core.json import JsonResponse, Listed
from app.features.connections import repository
from app.features.connections.service import link, overview, rereading, setup_tokens
from app.features.connections.service.overview import Connection, Run
from app.features.users.current import (
    CurrentEditor,
    CurrentProvenEditor,
    CurrentUser,
    HouseholdSession,
)
from app.features.users.once import OnceRoute

router = APIRouter(prefix="/api/v1", tags=["connections"], route_class=OnceRoute)

WAIT_STEP_SECONDS = 0.2
WAIT_SECONDS_MAX = 25


class LinkTokenBody(BaseModel):
    """Which connection to repair; nothing for a new one."""

    model_config = ConfigDict(extra="forbid")

    item_id: UUID | None = None
    select_accounts: StrictBool = False


class LinkTokenOut(BaseModel):
    """A link flow: send the person to `hosted_link_url`, or give `link_token` to Plaid Link."""

    link_token: str
    hosted_link_url: str
    expiration: dt.datetime
    link_session_id: UUID


class ExchangeBody(BaseModel):
    """A public token, and the link token it came from where there is one of ours."""

    model_config = ConfigDict(extra="forbid")

    public_token: Annotated[str, Field(min_length=1, max_length=500)]
    link_token: Annotated[str | None, Field(max_length=500)] = None


class SetupTokenBody(BaseModel):
    """A SimpleFIN setup token, and the connection that it repairs; none for a new one."""

    model_config = ConfigDict(extra="forbid")

    setup_token: Annotated[str, Field(min_length=1, max_length=setup_tokens.CHARACTERS_MAX)]
    item_id: UUID | None = None


class QueuedOut(BaseModel):
    """It goes on by itself: `status` is `queued`."""

    status: str


class SyncOut(BaseModel):
    """A sync that ended."""

    status: str
    run: Run


class ExchangeOut(BaseModel):
    """The connection that was made; its first sync is under way."""

    item_id: UUID


@router.post("/plaid/link-token", openapi_extra=scopes.needs(scopes.CONNECT))
def create_link_token(
    current: CurrentProvenEditor, body: LinkTokenBody | None = None
) -> LinkTokenOut:
    """Open a link flow; with `item_id`, to repair that connection."""
    body = body or LinkTokenBody()
    flow = link.start_link(
        current.household_id,
        current.user_id,
        item_id=body.item_id,
        select_accounts=body.select_accounts,
    )
    return LinkTokenOut(
        link_token=flow.link_token,
        hosted_link_url=flow.url,
        expiration=flow.expires_at,
        link_session_id=flow.link_session_id,
    )


@router.post(
    "/plaid/exchange-token",
    status_code=status.HTTP_201_CREATED,
    openapi_extra=scopes.needs(scopes.CONNECT),
)
def exchange_token(body: ExchangeBody, current: CurrentProvenEditor) -> ExchangeOut:
    """Make a connection of a public token; works once a token."""
    outcome = link.exchange_public_token(
        current.household_id, current.user_id, body.public_token, body.link_token
    )
    return ExchangeOut(item_id=outcome.item_ids[0])


@router.post(
    "/simplefin/claim-token",
    status_code=status.HTTP_201_CREATED,
    openapi_extra=scopes.needs(scopes.CONNECT),
)
def claim_token(body: SetupTokenBody, current: CurrentProvenEditor) -> ExchangeOut:
    """Make a connection of a SimpleFIN setup token, or repair one; works once a token."""
    return ExchangeOut(
        item_id=setup_tokens.connect(
            current.household_id, current.user_id, body.setup_token, item_id=body.item_id
        )
    )


@router.post(
    "/plaid/sync-transactions/{item_id}",
    response_model=SyncOut,
    responses={status.HTTP_202_ACCEPTED: {"model": QueuedOut}},
    openapi_extra=scopes.needs(scopes.EDIT),
)
def sync_transactions(
    item_id: UUID,
    current: CurrentEditor,
    wait: Annotated[int, Query(ge=0, le=WAIT_SECONDS_MAX)] = 20,
) -> JsonResponse:
    """Ask for a sync, and wait a while for its outcome.

    200 with the counts when it ended within `wait` seconds, else 202: it goes on by itself.
    """
    asked_at = time.monotonic()
    with household_transaction(current.household_id) as session:
        link.get_item(session, current.household_id, item_id)
        last = repository.list_runs(session, current.household_id, item_id, limit=1)
        link.want_sync(session, current.household_id, item_id, "api")
    before = last[0].id if last and last[0].state != "running" else None
    while time.monotonic() - asked_at < wait:
        time.sleep(WAIT_STEP_SECONDS)
        with household_transaction(current.household_id) as session:
            runs = overview.list_runs(session, current.household_id, item_id, limit=1)
        if runs and runs[0].id != before and runs[0].state != "running":
            return JsonResponse({"status": runs[0].state, "run": runs[0]})
    return JsonResponse({"status": "queued"}, status_code=status.HTTP_202_ACCEPTED)


@router.get("/connections/", response_model=Listed[Connection])
def list_connections(session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """List connections with their state in plain words, accounts and last sync runs."""
    return JsonResponse({"data": overview.list_connections(session, current.household_id)})


@router.get("/connections/{item_id}", response_model=Connection)
def get_connection(item_id: UUID, session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """Return one connection."""
    return JsonResponse(overview.get_connection(session, current.household_id, item_id))


@router.post(
    "/connections/{item_id}/reread",
    response_model=QueuedOut,
    status_code=status.HTTP_202_ACCEPTED,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def read_again(item_id: UUID, session: HouseholdSession, current: CurrentEditor) -> JsonResponse:
    """Ask for a sync that reads everything from the beginning; what is not told any more goes.

    When that is more than a fifth of the connection's transactions, and more than ten, nothing is
    changed and the connection's status becomes `held`.
    """
    rereading.ask(session, current.household_id, item_id)
    return JsonResponse({"status": "queued"}, status_code=status.HTTP_202_ACCEPTED)


@router.post(
    "/connections/{item_id}/accept",
    response_model=QueuedOut,
    status_code=status.HTTP_202_ACCEPTED,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def accept_reading(
    item_id: UUID, session: HouseholdSession, current: CurrentEditor
) -> JsonResponse:
    """Accept what the bank says now: the next sync withdraws all that is not told any more.

    409 unless the connection's status is `held`.
    """
    rereading.accept(session, current.household_id, current.user_id, item_id)
    return JsonResponse({"status": "queued"}, status_code=status.HTTP_202_ACCEPTED)


@router.delete(
    "/connections/{item_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=scopes.needs(scopes.CONNECT),
)
def unlink(item_id: UUID, current: CurrentProvenEditor) -> None:
    """End a connection at the bank; accounts and history stay."""
    link.unlink(current.household_id, current.user_id, item_id)
