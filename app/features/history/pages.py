"""Pages of the history: the list, one change set, what undoing it would do, undo and redo."""

import re
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.database import household_transaction
from app.core.errors import ConflictError
from app.core.pagination import PAGE_SIZE
from app.features.accounts import service as accounts
from app.features.categories import service as categories
from app.features.history import views
from app.features.history.service import listing
from app.features.history.service import undo as undoing
from app.features.history.service.listing import KINDS, Wanted
from app.features.history.service.undo import DependentError
from app.features.transactions.views import Names
from app.features.users.current import CurrentEditor, CurrentUser, HouseholdSession, SignedIn
from app.ui import flashes
from app.ui.templating import is_fragment_request, render

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303
_BACK = re.compile(r"/transactions(/[0-9a-f-]{36})?(\?[\w=&%+.-]*)?")
"""Where a button beside a change may stand."""


@router.get("/history")
def list_sets(
    request: Request,
    session: HouseholdSession,
    current: CurrentUser,
    kind: Annotated[str, Query(max_length=20)] = "",
    account: Annotated[str, Query(max_length=40)] = "",
    before: Annotated[int | None, Query(ge=1)] = None,
    *,
    quiet: bool = False,
) -> HTMLResponse:
    """Show the change sets, the newest first."""
    wanted = Wanted(kind if kind in KINDS else None, _uuid(account), quiet)
    page = listing.list_sets(session, current.household_id, wanted, before=before, limit=PAGE_SIZE)
    names = _names(session, current.household_id)
    view = views.history_view(page, wanted, names, current.user_id)
    fragment = "history/_days.html" if before else "history/_list.html"
    return render(request, page="history/list.html", fragment=fragment, view=view)


@router.get("/history/{change_set_id}")
def show_set(
    request: Request, change_set_id: UUID, session: HouseholdSession, current: CurrentUser
) -> HTMLResponse:
    """Show one change set and what it changed."""
    detail = listing.get_set(session, current.household_id, change_set_id)
    names = _names(session, current.household_id)
    view = views.set_view(detail, names, current.user_id)
    return render(request, page="history/set.html", view=view)


@router.get("/history/{change_set_id}/preview")
def show_preview(
    request: Request, change_set_id: UUID, session: HouseholdSession, current: CurrentEditor
) -> HTMLResponse:
    """Show what undoing a change set, or redoing it, would do."""
    return _preview(request, session, current, change_set_id)


@router.post("/history/{change_set_id}/undo")
def undo_set(
    request: Request,
    change_set_id: UUID,
    current: CurrentEditor,
    back: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Take a change set back."""
    return _turn(request, change_set_id, current, "undo", back)


@router.post("/history/{change_set_id}/redo")
def redo_set(
    request: Request,
    change_set_id: UUID,
    current: CurrentEditor,
    back: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Put a change set in force again."""
    return _turn(request, change_set_id, current, "redo", back)


@router.post("/imports/{import_id}/undo")
def undo_import(import_id: UUID, current: CurrentEditor) -> Response:
    """Take an import back."""
    undoing.undo_import(current.household_id, current.user_id, import_id)
    response = RedirectResponse(f"/imports/{import_id}", _SEE_OTHER)
    return flashes.add(response, "The import was undone. The file is kept.")


def _turn(
    request: Request, change_set_id: UUID, current: SignedIn, verb: str, back: str
) -> Response:
    act = undoing.undo if verb == "undo" else undoing.redo
    place = back if _BACK.fullmatch(back) else ""
    try:
        act(current.household_id, current.user_id, change_set_id)
    except DependentError as error:
        if is_fragment_request(request):
            raise
        with household_transaction(current.household_id) as session:
            return _preview(request, session, current, change_set_id, error)
    if is_fragment_request(request) and place:
        return render(request, page="history/_turned.html", verb=verb, back=place)
    # nosemgrep: redirect-to-another-server - _BACK lets through pages of ours alone
    response = RedirectResponse(place or views.url_of(change_set_id), _SEE_OTHER)
    return flashes.add(response, "Undone." if verb == "undo" else "In force again.")


def _preview(
    request: Request,
    session: Session,
    current: SignedIn,
    change_set_id: UUID,
    refusal: ConflictError | None = None,
) -> HTMLResponse:
    preview = undoing.preview(session, current.household_id, change_set_id)
    found = [change_set_id, preview.change_set.undone_by]
    found += [preview.refusal.change_set_id] if preview.refusal else []
    ids = [each for each in found if each is not None]
    view = views.preview_view(
        preview,
        listing.describe(session, current.household_id, ids),
        _names(session, current.household_id),
        current.user_id,
    )
    return render(
        request,
        page="history/preview.html",
        fragment="history/_preview.html",
        status=refusal.status if refusal else 200,
        view=view,
    )


def _names(session: Session, household_id: UUID) -> Names:
    return Names(
        accounts.list_names(session, household_id),
        categories.list_categories(session, household_id),
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
