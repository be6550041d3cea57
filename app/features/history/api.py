"""/api/v1/history: change sets, what undoing one would do, undo and redo; undo of an import."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.core import scopes
from app.core.json import JsonResponse
from app.core.pagination import PAGE_SIZE
from app.features.changes import service as changes
from app.features.history import views
from app.features.history.answers import PreviewOut, RedoneOut, SetDetailOut, SetsOut, UndoneOut
from app.features.history.repository.sets import RowChange, SetRow
from app.features.history.service import around, listing
from app.features.history.service import undo as undoing
from app.features.history.service.listing import LIMIT_MAX, Wanted
from app.features.imports.service import book as booking
from app.features.imports.service.book import Result
from app.features.users.current import CurrentEditor, CurrentUser, HouseholdSession
from app.features.users.once import OnceRoute

router = APIRouter(prefix="/api/v1", tags=["history"], route_class=OnceRoute)


@router.get("/history/", response_model=SetsOut)
def list_change_sets(
    session: HouseholdSession,
    current: CurrentUser,
    kind: Annotated[str | None, Query(pattern="^[a-z]{2,20}$")] = None,
    account: UUID | None = None,
    before: Annotated[int | None, Query(ge=1)] = None,
    limit: Annotated[int, Query(ge=1, le=LIMIT_MAX)] = PAGE_SIZE,
    *,
    quiet: bool = False,
) -> JsonResponse:
    """List change sets, the newest first; `next_before` asks for the page that follows.

    Syncs that found nothing new are listed with `quiet` alone.
    """
    wanted = Wanted(kind, account, quiet)
    page = listing.list_sets(session, current.household_id, wanted, before=before, limit=limit)
    return JsonResponse(
        {
            "data": [
                _set(row, views.words_of(row, page.others, current.user_id)) for row in page.sets
            ],
            "next_before": page.next_before,
        }
    )


@router.get("/history/{change_set_id}", response_model=SetDetailOut)
def get_change_set(
    change_set_id: UUID, session: HouseholdSession, current: CurrentUser
) -> JsonResponse:
    """Return one change set, the newest transactions it brought, and fields that it changed."""
    detail = listing.get_set(session, current.household_id, change_set_id)
    row = detail.change_set
    return JsonResponse(
        _set(row, views.words_of(row, detail.others, current.user_id))
        | {
            "brought": [each.transaction_id for each in detail.brought],
            "changed": [_change(each) for each in detail.changed],
        }
    )


@router.get("/history/{change_set_id}/preview", response_model=PreviewOut)
def preview_change_set(
    change_set_id: UUID, session: HouseholdSession, current: CurrentEditor
) -> JsonResponse:
    """Return what undoing a change set would do, or redoing it if it is undone; writes nothing."""
    found = undoing.preview(session, current.household_id, change_set_id)
    refusal = found.refusal
    return JsonResponse(
        {
            "verb": found.verb,
            "removed": found.removed,
            "restored": found.restored,
            "changed": found.changed,
            "effects": [{"currency": e.currency, "amount": e.amount} for e in found.effects],
            "rows": [{"before": before, "after": after} for before, after in found.rows],
            "balances": found.balances,
            "source_accounts": found.source_accounts,
            "refusal": {"message": refusal.message, "change_set_id": refusal.change_set_id}
            if refusal
            else None,
        }
    )


@router.post(
    "/history/{change_set_id}/undo",
    response_model=UndoneOut,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def undo_change_set(change_set_id: UUID, current: CurrentEditor) -> JsonResponse:
    """Take a change set back; 409 if a later one in force needs it."""
    done = undoing.undo(current.household_id, current.user_id, change_set_id)
    return JsonResponse({"change_set_id": done, "undone": change_set_id})


@router.post(
    "/history/{change_set_id}/redo",
    response_model=RedoneOut,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def redo_change_set(change_set_id: UUID, current: CurrentEditor) -> JsonResponse:
    """Put a change set in force again."""
    done = undoing.redo(current.household_id, current.user_id, change_set_id)
    return JsonResponse({"change_set_id": done, "redone": change_set_id})


@router.post(
    "/imports/{import_id}/undo",
    tags=["imports"],
    response_model=Result,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def undo_import(import_id: UUID, current: CurrentEditor) -> JsonResponse:
    """Take back what an import added and changed; the file stays in the journal."""
    undoing.undo_import(current.household_id, current.user_id, import_id)
    return JsonResponse(booking.get_result(current.household_id, import_id))


def _set(row: SetRow, words: str) -> dict[str, object]:
    hidden = (
        around.BALANCES, changes.ACCEPTED, changes.AS_OF_ROWS, changes.MOVED, changes.REPEATED,
    )  # fmt: skip
    counts = {name: count for name, count in row.counts.items() if name not in hidden}
    return {
        "id": row.id,
        "sequence": row.sequence,
        "kind": row.kind,
        "words": words,
        "actor_user_id": row.actor_user_id,
        "created_at": row.created_at,
        "counts": counts,
        "accepted_difference": row.counts.get(changes.ACCEPTED),
        "reason": row.reason,
        "target_id": row.target_id,
        "undone_by": row.undone_by,
        "import_id": row.import_id,
        "item_id": row.item_id,
    }


def _change(change: RowChange) -> dict[str, object]:
    names = ("transaction_id", "field", "before", "after", "reason", "confidence")
    return {name: getattr(change, name) for name in names}
