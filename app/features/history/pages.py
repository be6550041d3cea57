"""Pages of the history: the list, one change set, undo and redo."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from app.features.history.service import undo as undoing
from app.features.users.current import CurrentEditor
from app.ui import flashes

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303


@router.post("/imports/{import_id}/undo")
def undo_import(import_id: UUID, current: CurrentEditor) -> Response:
    """Take an import back."""
    undoing.undo_import(current.household_id, current.user_id, import_id)
    response = RedirectResponse(f"/imports/{import_id}", _SEE_OTHER)
    return flashes.add(response, "The import was undone. The file is kept.")
