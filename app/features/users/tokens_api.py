"""/api/v1/auth/tokens: make, list and revoke API tokens; no API token may."""

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy.orm import Session

from app.core import scopes
from app.features.users import api_tokens, service
from app.features.users.api_tokens import ListedToken
from app.features.users.current import CurrentPerson, CurrentProven, CurrentUser, system_session
from app.features.users.once import OnceRoute

router = APIRouter(prefix="/api/v1/auth/tokens", tags=["auth"], route_class=OnceRoute)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]


class TokenBody(BaseModel):
    """What a new token may do, and for how long."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=service.NAME_LENGTH_MAX)]
    scopes: Annotated[
        list[Literal["read", "edit", "connect", "export"]],
        Field(min_length=1, max_length=len(scopes.SCOPES)),
    ]
    expires_in_days: Annotated[StrictInt, Field(ge=1, le=api_tokens.DAYS_MAX)] = (
        api_tokens.DAYS_DEFAULT
    )


class TokenOut(BaseModel):
    """A token, without what it is as text."""

    id: UUID
    name: str
    hint: str
    """Its last characters."""
    scopes: list[str]
    household_name: str
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None
    """When it was used last, to the minute."""
    used_from: str | None


class NewTokenOut(TokenOut):
    """A token that was just made."""

    token: str
    """Keep it: it is shown once."""


class TokensOut(BaseModel):
    """Your tokens that work."""

    data: list[TokenOut]


@router.get("", openapi_extra=scopes.takes_no_token())
def list_tokens(current: CurrentUser, session: SystemSession) -> TokensOut:
    """List your API tokens that work, the newest first."""
    listed = api_tokens.list_own(session, actor=current.actor)
    return TokensOut(data=[TokenOut(**_fields(token)) for token in listed])


@router.post("", status_code=201, openapi_extra=scopes.takes_no_token())
def create_token(body: TokenBody, current: CurrentProven, session: SystemSession) -> NewTokenOut:
    """Make an API token, which acts for you in this household; the answer alone shows it."""
    made = api_tokens.create(
        session,
        current.household_id,
        name=body.name,
        scopes=body.scopes,
        days=body.expires_in_days,
        actor=current.actor,
    )
    return NewTokenOut(token=made.token, **_fields(made.listed))


@router.delete("/{token_id}", status_code=204, openapi_extra=scopes.takes_no_token())
def revoke_token(token_id: UUID, current: CurrentPerson, session: SystemSession) -> None:
    """Let an API token of yours work no more."""
    api_tokens.revoke(session, current.household_id, token_id, actor=current.actor)


def _fields(token: ListedToken) -> dict[str, object]:
    return {name: getattr(token, name) for name in TokenOut.model_fields}
