"""The start page: the overview, or the ways to begin."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.core import web
from app.core.config import settings
from app.features.dashboard import service, views
from app.features.users import service as users
from app.features.users.current import GUEST, CurrentUser, ReadingSession
from app.ui import filters
from app.ui.templating import page_context, render
from app.ui.views.users import FirstRunView

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303


@router.get("/")
def start(request: Request, current: CurrentUser, session: ReadingSession) -> Response:
    """Show the overview, or the ways to begin while there is no account; a guest's accounts."""
    if current.role == GUEST:
        return RedirectResponse("/accounts", _SEE_OTHER)
    if not users.has_account(session, current.household_id):
        view = FirstRunView(
            practice_banks=settings.has_practice_banks, bytes_max=web.UPLOAD_BYTES_MAX
        )
        return render(request, page="users/first_run.html", view=view)
    with filters.formatting(page_context(request).formatting):
        today = filters.today()
    overview = service.get_overview(session, current.household_id, today)
    return render(
        request,
        page="dashboard/overview.html",
        fragment="dashboard/_overview.html",
        view=views.overview_view(
            overview, base_currency=current.base_currency, questions=current.questions
        ),
    )
