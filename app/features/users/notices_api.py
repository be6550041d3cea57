"""/api/v1/notices: what happened to your account."""

import datetime as dt
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from app.features.notices import service
from app.features.notices.service import NOTICES_MAX
from app.features.users import sessions
from app.features.users.current import CurrentPerson, CurrentUser, system_session

router = APIRouter(prefix="/api/v1/notices", tags=["auth"])

SystemSession = Annotated[Session, Depends(system_session, scope="function")]


class NoticeOut(BaseModel):
    """Something that happened to your account."""

    id: UUID
    at: dt.datetime
    action: str
    title: str
    advice: str
    """What to do if it was not you."""
    address: str | None
    device: str | None
    is_read: bool


class NoticesOut(BaseModel):
    """A page of notices, newest first."""

    data: list[NoticeOut]
    next_cursor: UUID | None
    """Send it back as `cursor` for what is older; null at the end."""


class ReadBody(BaseModel):
    """Up to which notice you have read."""

    model_config = ConfigDict(extra="forbid")

    up_to: UUID


class ReadOut(BaseModel):
    """What was marked."""

    marked: int
    """How many were not read before."""


@router.get("")
def list_notices(
    current: CurrentUser,
    session: SystemSession,
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=NOTICES_MAX)] = 50,
) -> NoticesOut:
    """List what happened to your account: sign-ins, factors, tokens, banks, exports."""
    found = service.list_own(session, current.user_id, before=cursor, limit=limit)
    return NoticesOut(
        data=[NoticeOut(**{name: getattr(each, name) for name in NoticeOut.model_fields})
              for each in found],
        next_cursor=found[-1].id if len(found) == limit else None,
    )  # fmt: skip


@router.post("/read")
def mark_read(body: ReadBody, current: CurrentPerson, session: SystemSession) -> ReadOut:
    """Mark your notices as read, up to one and with it."""
    marked = service.mark_read(session, current.user_id, body.up_to)
    sessions.forget_person(session, current.user_id)
    return ReadOut(marked=marked)
