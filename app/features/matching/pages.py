"""Pages of matching: possible duplicates side by side, and what sources disagree on."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.features.accounts import service as accounts
from app.features.matching import views
from app.features.matching.service import disagreements, questions
from app.features.users.current import CurrentEditor, CurrentUser, HouseholdSession
from app.ui import flashes
from app.ui.templating import render

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303
_LIST = "/matches"


@router.get("/matches")
def list_matches(request: Request, session: HouseholdSession, current: CurrentUser) -> HTMLResponse:
    """Show what may be told twice, and what sources disagree on."""
    household_id = current.household_id
    view = views.matches_view(
        questions.list_rows(session, household_id),
        questions.list_accounts(session, household_id),
        disagreements.list_disagreements(session, household_id),
        accounts.list_names(session, household_id),
    )
    return render(request, page="matching/list.html", view=view)


@router.post("/matches/{match_id}/merge")
def merge(match_id: UUID, session: HouseholdSession, current: CurrentEditor) -> Response:
    """Let the two of a question be one."""
    questions.merge(session, current.household_id, current.user_id, match_id)
    words = "Merged. The other one is kept, and counts no more."
    return flashes.add(RedirectResponse(_LIST, _SEE_OTHER), words)


@router.post("/matches/{match_id}/reject")
def reject(match_id: UUID, session: HouseholdSession, current: CurrentEditor) -> Response:
    """Remember that the two of a question are two."""
    questions.reject(session, current.household_id, current.user_id, match_id)
    return flashes.add(RedirectResponse(_LIST, _SEE_OTHER), "They stay two. We do not ask again.")


@router.post("/transactions/{transaction_id}/take-apart")
def take_apart(transaction_id: UUID, session: HouseholdSession, current: CurrentEditor) -> Response:
    """Let a duplicate be a transaction of its own."""
    questions.take_apart(session, current.household_id, current.user_id, transaction_id)
    response = RedirectResponse(f"/transactions/{transaction_id}", _SEE_OTHER)
    return flashes.add(response, "It counts on its own now.")
