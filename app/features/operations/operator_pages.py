"""/operations: how the server is, for who runs it. To everybody else there is no such page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.errors import NotFoundError
from app.features.operations import overview
from app.features.users import operator
from app.features.users.current import SignedIn, find_current_user
from app.ui import flashes
from app.ui.templating import render

router = APIRouter(prefix="/operations", include_in_schema=False)

_SEE_OTHER = 303


async def require_operator(request: Request) -> SignedIn:
    """Return the operator who asks.

    Raises:
        NotFoundError: It is somebody else, or nobody: strangers do not learn of the page.
    """
    current = await find_current_user(request)
    if current is None or current.kind != "browser":
        raise NotFoundError("There is no such page.")
    if not await run_in_threadpool(operator.is_operator, current.user_id):
        raise NotFoundError("There is no such page.")
    return current


CurrentOperator = Annotated[SignedIn, Depends(require_operator)]


@router.get("")
def show_operations(request: Request, _current: CurrentOperator) -> HTMLResponse:
    """Show queues, workers, banks, the database and backups."""
    return render(request, page="operations/overview.html", view=overview.look())


@router.post("/try-again")
def try_again(_current: CurrentOperator) -> Response:
    """Sync connections once more that were set aside after their third death."""
    count = overview.try_again()
    answer = RedirectResponse("/operations", _SEE_OTHER)
    return flashes.add(answer, f"Connections that will be synced again: {count}.")
