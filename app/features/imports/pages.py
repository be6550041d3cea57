"""Pages of imports: choose a file, check its rows, see what it did."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, File, Request, UploadFile
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.database import household_transaction
from app.core.errors import AppError
from app.features.imports import views
from app.features.imports.service import book as booking
from app.features.imports.service import look as looking
from app.features.imports.service import upload
from app.features.users.current import CurrentEditor, CurrentUser, SignedIn
from app.features.users.once import OnceRoute
from app.importers.base import FILE_BYTES_MAX
from app.ui import flashes
from app.ui.templating import is_fragment_request, render

router = APIRouter(include_in_schema=False, route_class=OnceRoute)

_SEE_OTHER = 303
HISTORY_SHOWN = 20
FIELDS_MAX = 600


async def read_fields(request: Request) -> dict[str, str]:
    """Return the texts of a form whose fields depend on the file."""
    form = await request.form(max_fields=FIELDS_MAX)
    return {name: value for name, value in form.items() if isinstance(value, str)}


Fields = Annotated[dict[str, str], Depends(read_fields)]


@router.get("/imports")
def start(request: Request, current: CurrentUser) -> HTMLResponse:
    """Show where to drop a file, and the imports of the past."""
    return _start(request, current)


@router.post("/imports")
def import_file(
    request: Request, current: CurrentEditor, file: Annotated[UploadFile | None, File()] = None
) -> Response:
    """Take a file and go on to its rows; one that cannot be read says why."""
    data = file.file.read(FILE_BYTES_MAX + 1) if file else b""
    name = (file.filename if file else "") or ""
    try:
        import_id = upload.preview(current.household_id, current.user_id, name, data)
        looking.look(current.household_id, import_id)
    except AppError as error:
        return _start(request, current, error)
    return RedirectResponse(f"/imports/{import_id}", _SEE_OTHER)


@router.get("/imports/{import_id}")
def show_import(request: Request, import_id: UUID, current: CurrentUser) -> HTMLResponse:
    """Show the rows before booking, or what the import did."""
    result = booking.get_result(current.household_id, import_id)
    if result.state in ("booked", "undone"):
        return render(request, page="imports/result.html", view=views.result_view(result))
    try:
        return _preview(request, looking.look(current.household_id, import_id))
    except AppError as error:
        return _start(request, current, error)


@router.post("/imports/{import_id}/layout")
def set_layout(
    request: Request, import_id: UUID, current: CurrentEditor, fields: Fields
) -> Response:
    """Read the file as the form says, and show its rows again."""
    shown = looking.look(current.household_id, import_id)
    try:
        choices = views.read_choices(shown.layout, fields)
        shown = looking.set_layout(current.household_id, import_id, choices)
    except AppError as error:
        return _preview(request, shown, error)
    if is_fragment_request(request):
        return _preview(request, shown)
    return RedirectResponse(f"/imports/{import_id}", _SEE_OTHER)


@router.post("/imports/{import_id}/book")
def book_import(request: Request, import_id: UUID, current: CurrentEditor) -> Response:
    """Add what is new to the ledger."""
    try:
        booking.book(current.household_id, current.user_id, import_id)
    except AppError as error:
        if error.status == 404:
            raise
        return _preview(request, looking.look(current.household_id, import_id), error)
    return RedirectResponse(f"/imports/{import_id}", _SEE_OTHER)


@router.post("/imports/{import_id}/discard")
def discard_import(import_id: UUID, current: CurrentEditor) -> Response:
    """Forget a file that was not booked."""
    upload.discard(current.household_id, import_id)
    return flashes.add(RedirectResponse("/imports", _SEE_OTHER), "The file was discarded.")


def _start(request: Request, current: SignedIn, error: AppError | None = None) -> HTMLResponse:
    with household_transaction(current.household_id) as session:
        history = booking.list_imports(session, current.household_id, limit=HISTORY_SHOWN)
    view = views.start_view(history, error.message if error else "")
    status = error.status if error else 200
    return render(request, page="imports/start.html", status=status, view=view)


def _preview(
    request: Request, shown: looking.PreviewData, error: AppError | None = None
) -> HTMLResponse:
    return render(
        request,
        page="imports/preview.html",
        fragment="imports/_preview.html",
        status=error.status if error else 200,
        view=views.preview_view(shown, error.message if error else ""),
    )
