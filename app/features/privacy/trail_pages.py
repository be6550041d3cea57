"""The page and the route of the API that show the audit trail."""

import datetime as dt
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import HTMLResponse

from app.core.database import household_transaction
from app.features.audit import service as audit
from app.features.audit.service import Event
from app.features.privacy.service import trail
from app.features.users.current import CurrentUser, HouseholdSession
from app.ui.templating import render
from app.ui.views.privacy import TrailRow, TrailView

router = APIRouter(include_in_schema=False)
api = APIRouter(prefix="/api/v1/audit", tags=["audit"])

PATH = "/settings/audit"
Action = Annotated[str, Query(max_length=100)]
NOT_SHOWN = ("request_id",)
"""Details that help who runs the server, not who reads."""


class EventOut(BaseModel):
    """One thing that was done."""

    id: UUID
    at: dt.datetime
    action: str
    actor_user_id: UUID | None
    """None: the schedule, a webhook or the operator."""
    address: str | None
    object_id: str | None
    details: dict[str, object]


class TrailOut(BaseModel):
    """One page, newest first."""

    data: list[EventOut]
    next_cursor: UUID | None


@api.get("/")
def list_events(
    session: HouseholdSession,
    current: CurrentUser,
    action: Action = "",
    cursor: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=audit.EVENTS_MAX - 1)] = trail.EVENTS_PER_PAGE,
) -> TrailOut:
    """List audit events, newest first: an owner's household's, everybody else's own."""
    page = trail.read(
        session,
        current.household_id,
        reader_id=current.user_id,
        role=current.role,
        action=action,
        before=cursor,
        limit=limit,
    )
    return TrailOut(data=[_event(each) for each in page.events], next_cursor=page.next_id)


@router.get(PATH)
def show_trail(
    request: Request,
    current: CurrentUser,
    action: Action = "",
    before: UUID | None = None,
) -> HTMLResponse:
    """Show who did what, newest first."""
    with household_transaction(current.household_id) as session:
        page = trail.read(
            session,
            current.household_id,
            reader_id=current.user_id,
            role=current.role,
            action=action,
            before=before,
        )
        known = audit.list_actions(session, current.household_id)
    names = trail.names(current.household_id)
    more = {"before": str(page.next_id), **({"action": action} if action else {})}
    view = TrailView(
        rows=tuple(_row(each, names) for each in page.events),
        actions=(("", "Everything"), *((each, words_of(each)) for each in known)),
        action=action,
        is_owner=current.role == "owner",
        next_url=f"{PATH}?{urlencode(more)}" if page.next_id else "",
    )
    return render(request, page="privacy/trail.html", view=view, section="settings")


def words_of(action: str) -> str:
    """Return `user.signed_in` as people read it: “User: signed in”."""
    kind, _, what = action.partition(".")
    return f"{kind.replace('_', ' ').capitalize()}: {what.replace('_', ' ')}"


def _event(event: Event) -> EventOut:
    return EventOut(
        id=event.id,
        at=event.at,
        action=event.action,
        actor_user_id=event.actor.user_id,
        address=event.actor.address,
        object_id=event.object_id,
        details=dict(event.details),
    )


def _row(event: Event, names: dict[UUID, str]) -> TrailRow:
    actor_id = event.actor.user_id
    details = {key: value for key, value in event.details.items() if key not in NOT_SHOWN}
    return TrailRow(
        at=event.at,
        what=words_of(event.action),
        who=names.get(actor_id, "Somebody who has left") if actor_id else "The program",
        address=event.actor.address or "",
        details=tuple((key.replace("_", " "), _plain(value)) for key, value in details.items()),
    )


def _plain(value: object) -> str:
    if isinstance(value, dict) and value.keys() == {"before", "after"}:
        return f"{_plain(value['before'])} → {_plain(value['after'])}"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return "nothing" if value in (None, "") else str(value)
