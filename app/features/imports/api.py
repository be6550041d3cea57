"""/api/v1/imports: bring a file, look at it, say how it is read, book it, undo it."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, File, Form, Query, UploadFile, status
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from app.core import scopes
from app.core.errors import InvalidInputError
from app.core.json import JsonResponse, Listed
from app.features.imports.service import book as booking
from app.features.imports.service import look as looking
from app.features.imports.service import upload
from app.features.imports.service.book import Result
from app.features.imports.service.look import Choices, PreviewData
from app.features.users.current import CurrentEditor, CurrentUser, HouseholdSession
from app.features.users.once import OnceRoute
from app.importers.base import FILE_BYTES_MAX

router = APIRouter(prefix="/api/v1/imports", tags=["imports"], route_class=OnceRoute)

IMPORTS_MAX = 200
LAYOUT_CHARACTERS_MAX = 100_000
Currency = Annotated[str | None, Field(min_length=3, max_length=12)]


@dataclass(frozen=True, slots=True)
class FilePreview(PreviewData):
    """A file that was looked at and not booked."""

    state: str = "previewed"


class ChoicesBody(BaseModel):
    """What a person decides of a file; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    layout: dict[str, Any] | None = None
    """Fields of the layout, such as `roles`, `date_order`, `decimal_mark`, `sign`."""
    accounts: Annotated[dict[str, str], Field(max_length=200)] | None = None
    """By the file's account: the id of an account, or `new`."""
    currency: Currency = None
    """For rows of which the file does not say it."""
    add_matches: StrictBool | None = None
    """Also add rows that another source of the same account seems to have reported."""

    def choices(self) -> Choices:
        """Return what the service takes."""
        return Choices(
            layout=self.layout,
            targets=self.accounts,
            currency=self.currency,
            add_matches=self.add_matches,
        )


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    include_in_schema=False,
    openapi_extra=scopes.needs(scopes.EDIT),
)
@router.post(
    "/",
    response_model=FilePreview | Result,
    status_code=status.HTTP_201_CREATED,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def import_file(
    current: CurrentEditor,
    file: Annotated[UploadFile, File(description="OFX, QFX, CAMT, MT940 or CSV; at most 20 MiB.")],
    account_id: Annotated[UUID | None, Form()] = None,
    layout: Annotated[str | None, Form(max_length=LAYOUT_CHARACTERS_MAX)] = None,
    currency: Annotated[str | None, Form(max_length=12)] = None,
    *,
    add_matches: Annotated[bool, Form()] = False,
    book: Annotated[bool, Form()] = False,
) -> JsonResponse:
    """Bring a file; with `book`, add what is new in it at once, else show what that would do.

    `layout` is a JSON object with the fields of a CSV file's layout that our guess got wrong.
    """
    how = _read_layout(layout)
    data = file.file.read(FILE_BYTES_MAX + 1)
    import_id = upload.preview(current.household_id, current.user_id, file.filename or "", data)
    shown = looking.look(current.household_id, import_id)
    choices = Choices(layout=how, currency=currency, add_matches=add_matches or None)
    keys = [account.key for account in shown.accounts]
    choices = looking.with_target(choices, keys, account_id)
    if choices != Choices():
        shown = looking.set_layout(current.household_id, import_id, choices)
    if book:
        result = booking.book(current.household_id, current.user_id, import_id)
        return JsonResponse(result, status_code=status.HTTP_201_CREATED)
    return JsonResponse(_preview(shown), status_code=status.HTTP_201_CREATED)


@router.get("", include_in_schema=False)
@router.get("/", response_model=Listed[Result])
def list_imports(
    session: HouseholdSession,
    current: CurrentUser,
    limit: Annotated[int, Query(ge=1, le=IMPORTS_MAX)] = 50,
) -> JsonResponse:
    """List imports, the newest first."""
    return JsonResponse({"data": booking.list_imports(session, current.household_id, limit=limit)})


@router.get("/{import_id}", response_model=FilePreview | Result)
def get_import(import_id: UUID, current: CurrentUser) -> JsonResponse:
    """Return what an import did or, before it is booked, what booking it would do."""
    result = booking.get_result(current.household_id, import_id)
    if result.state != "previewed":
        return JsonResponse(result)
    return JsonResponse(_preview(looking.look(current.household_id, import_id)))


@router.put(
    "/{import_id}/layout", response_model=FilePreview, openapi_extra=scopes.needs(scopes.EDIT)
)
def set_layout(import_id: UUID, body: ChoicesBody, current: CurrentEditor) -> JsonResponse:
    """Say how a file is read and where its rows go; return what booking it would do then."""
    return JsonResponse(
        _preview(looking.set_layout(current.household_id, import_id, body.choices()))
    )


@router.post("/{import_id}/book", response_model=Result, openapi_extra=scopes.needs(scopes.EDIT))
def book_import(import_id: UUID, current: CurrentEditor) -> JsonResponse:
    """Add what is new in the file to the ledger; doing it twice does it once."""
    return JsonResponse(booking.book(current.household_id, current.user_id, import_id))


@router.delete(
    "/{import_id}", status_code=status.HTTP_204_NO_CONTENT, openapi_extra=scopes.needs(scopes.EDIT)
)
def discard_import(import_id: UUID, current: CurrentEditor) -> None:
    """Forget a file that was not booked."""
    upload.discard(current.household_id, import_id)


def _preview(shown: looking.PreviewData) -> dict[str, object]:
    return {"state": "previewed", **{name: getattr(shown, name) for name in shown.__slots__}}


def _read_layout(text: str | None) -> dict[str, object] | None:
    """Return a layout that was sent as a field of a form.

    Raises:
        InvalidInputError: It is not a JSON object.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidInputError("The layout is not a JSON object.", field="layout") from error
