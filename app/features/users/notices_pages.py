"""The page of notices: what happened to the reader's account."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.features.notices import service
from app.features.users import sessions
from app.features.users.current import CurrentPerson, CurrentUser, system_session
from app.ui.forms import form_page
from app.ui.views.users import AccountNotice, NoticesView

router = APIRouter(prefix="/notices", include_in_schema=False)

SystemSession = Annotated[Session, Depends(system_session, scope="function")]
NOTICES_PER_PAGE = 30
_SEE_OTHER = 303


@router.get("")
def list_notices(
    request: Request, current: CurrentUser, session: SystemSession, before: UUID | None = None
) -> HTMLResponse:
    """Show what happened, newest first."""
    found = service.list_own(session, current.user_id, before=before, limit=NOTICES_PER_PAGE + 1)
    shown = found[:NOTICES_PER_PAGE]
    view = NoticesView(
        tuple(
            AccountNotice(
                title=notice.title,
                at=notice.at,
                place=" · ".join(filter(None, (notice.device, notice.address))),
                advice=notice.advice,
                is_new=not notice.is_read,
            )
            for notice in shown
        ),
        unread=current.notices,
        up_to=str(shown[0].id) if shown else "",
        older_url=f"/notices?before={shown[-1].id}" if len(found) > len(shown) else "",
    )
    return form_page(request, "users/notices.html", view, None, section="notices")


@router.post("/read")
def mark_read(
    current: CurrentPerson, session: SystemSession, up_to: Annotated[UUID, Form()]
) -> Response:
    """Mark as read what the reader saw; what came since stays new."""
    service.mark_read(session, current.user_id, up_to)
    sessions.forget_person(session, current.user_id)
    return RedirectResponse("/notices", _SEE_OTHER)
