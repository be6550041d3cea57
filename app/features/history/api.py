"""/api/v1/history: change sets, what undoing one would do, undo and redo; undo of an import."""

from uuid import UUID

from fastapi import APIRouter

from app.core.json import JsonResponse
from app.features.history.service import undo as undoing
from app.features.imports.service import book as booking
from app.features.users.current import CurrentEditor

router = APIRouter(prefix="/api/v1", tags=["history"])


@router.post("/imports/{import_id}/undo", tags=["imports"])
def undo_import(import_id: UUID, current: CurrentEditor) -> JsonResponse:
    """Take back what an import added and changed; the file stays in the journal."""
    undoing.undo_import(current.household_id, current.user_id, import_id)
    return JsonResponse(booking.get_result(current.household_id, import_id))
