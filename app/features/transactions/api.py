"""/api/v1/transactions: list with filters, analytics, one transaction, edit."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.core import clock, database, scopes
from app.core.downloads import Download
from app.core.errors import InvalidInputError
from app.core.json import JsonResponse
from app.core.pagination import PAGE_SIZE, PAGE_SIZE_MAX, PageKey, decode_key
from app.domain import filters
from app.domain.filters import FilterError, TransactionFilter
from app.features.transactions import exporting, service
from app.features.transactions.answers import (
    AnalyticsOut,
    EditedOut,
    TotalsOut,
    TransactionDetailOut,
)
from app.features.transactions.edits import ROWS_MAX
from app.features.transactions.exporting import Format
from app.features.transactions.service import Edit
from app.features.users.current import (
    CurrentEditor,
    CurrentPerson,
    CurrentProven,
    CurrentUser,
    HouseholdSession,
    SignedIn,
)

router = APIRouter(prefix="/api/v1/transactions", tags=["transactions"])

PERIOD_DAYS_MAX = 3660


class EditBody(BaseModel):
    """What the user decides; fields left out stay, null takes a decision back."""

    model_config = ConfigDict(extra="forbid")

    category_id: UUID | None = None
    counterparty: Annotated[str | None, Field(max_length=200)] = None
    note: Annotated[str | None, Field(max_length=2_000)] = None
    reviewed: StrictBool | None = None

    def edit(self, expected: Mapping[str, object] | None = None) -> Edit:
        """Return what the service takes."""
        names = ("category_id", "counterparty", "note", "reviewed")
        given = frozenset(self.model_fields_set) & frozenset(names)
        values = {name: getattr(self, name) for name in names}
        return Edit(given=given, expected=expected or {}, **values)


class SingleEditBody(EditBody):
    """One decision, unless somebody decided otherwise meanwhile."""

    expected: EditBody | None = None
    """The user's own values as the caller knows them: where one has changed, 409."""


class BulkEditBody(EditBody):
    """One decision for many transactions: for those of `ids`, or for all of the filter."""

    ids: Annotated[list[UUID] | None, Field(max_length=ROWS_MAX)] = None
    all: StrictBool = False
    """All that the filter in the query lets through; without a filter, the whole ledger."""


class TransactionOut(BaseModel):
    """One transaction; amounts are decimal strings, negative for money out."""

    id: UUID
    date: dt.date
    amount: str
    currency: str
    pending: bool
    description: str
    counterparty: str | None
    account_id: UUID
    category_id: UUID | None
    note: str | None
    reviewed_at: dt.datetime | None


class TransactionsOut(BaseModel):
    """One page, newest first."""

    data: list[TransactionOut]
    next_cursor: str | None


_SEARCH = (
    "Found in description, counterparty or note: anywhere, but one or two Latin letters or digits"
    " only where a word begins with them."
)
_EMPTY = {"type": "string", "maxLength": 0}
_IDS = {"type": "array", "items": {"anyOf": [{"type": "string", "format": "uuid"}, _EMPTY]}}
_DAY = {"anyOf": [{"type": "string", "format": "date"}, _EMPTY]}
_DIRECTION = {"anyOf": [{"type": "string", "enum": list(filters.DIRECTIONS)}, _EMPTY]}
_FILTER_PARAMETERS = {
    # What is empty, as a form sends it, filters nothing.
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": schema, "description": text}
        for name, schema, text in (
            ("search", {"type": "string"}, _SEARCH),
            ("account", _IDS, "Account ids."),
            ("category", _IDS, "Category ids."),
            ("date_from", _DAY, "First day."),
            ("date_to", _DAY, "Last day."),
            ("amount_min", {"type": "string"}, "Smallest size, whichever way the money went."),
            ("amount_max", {"type": "string"}, "Largest size."),
            ("direction", _DIRECTION, "Money in or out."),
            ("pending", {"anyOf": [{"type": "boolean"}, _EMPTY]}, "Only pending, or only posted."),
        )
    ]
}


def read_filter(request: Request) -> TransactionFilter:
    """Return the filter of a request's query.

    Raises:
        InvalidInputError: A value cannot be read.
    """
    try:
        return filters.parse(request.query_params.multi_items())
    except FilterError as error:
        raise InvalidInputError(str(error), field=error.field) from error


@router.get("/", response_model=TransactionsOut, openapi_extra=_FILTER_PARAMETERS)
async def list_transactions(
    request: Request,
    current: CurrentPerson,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX)] = PAGE_SIZE,
) -> Response:
    """List transactions, newest first; `next_cursor` asks for the page that follows."""
    wanted, after = read_filter(request), decode_key(cursor)
    if wanted.is_span:
        # What programs ask for most, and over and over: it needs no thread.
        page = await service.encode_span(current.household_id, wanted, after=after, limit=limit)
        return Response(page, media_type=JsonResponse.media_type)
    return await run_in_threadpool(_list_filtered, current.household_id, wanted, after, limit)


def _list_filtered(
    household_id: UUID, wanted: TransactionFilter, after: PageKey | None, limit: int
) -> JsonResponse:
    with database.household_transaction(household_id) as session:
        page = service.list_transactions(session, household_id, wanted, after=after, limit=limit)
    return JsonResponse(
        {
            "data": page.rows,
            "next_cursor": page.next_key.encode() if page.next_key else None,
        }
    )


@router.patch(
    "/", response_model=EditedOut, openapi_extra={**_FILTER_PARAMETERS, **scopes.needs(scopes.EDIT)}
)
def edit_transactions(
    request: Request, body: BulkEditBody, session: HouseholdSession, current: CurrentEditor
) -> JsonResponse:
    """Store one decision of many transactions, as one change set that can be undone."""
    if (body.ids is None) == (not body.all):
        raise InvalidInputError("Name transactions in `ids`, or say `all`.", field="ids")
    wanted = read_filter(request)  # also beside ids: what cannot be read is never passed over
    chosen = wanted if body.ids is None else body.ids
    edited = service.edit_transactions(
        session, current.household_id, current.user_id, chosen, body.edit()
    )
    return JsonResponse(
        {
            "change_set_id": edited.change_set_id if edited else None,
            "transactions": edited.transactions if edited else 0,
        }
    )


@router.get("/totals", response_model=TotalsOut, openapi_extra=_FILTER_PARAMETERS)
def get_totals(request: Request, session: HouseholdSession, current: CurrentUser) -> JsonResponse:
    """Return the sums of what the filter lets through, per currency."""
    totals = service.totals(session, current.household_id, read_filter(request))
    return JsonResponse({"data": [total._asdict() for total in totals]})


@router.post(
    "/export",
    openapi_extra={**_FILTER_PARAMETERS, **scopes.needs(scopes.EXPORT)},
    response_class=Response,
)
def export_transactions(
    request: Request,
    current: CurrentProven,
    format: Format = "json",
    raw: bool = False,  # noqa: FBT001, FBT002  # a query parameter
) -> Download:
    """Return all that the filter lets through as a file, newest first.

    In CSV, text that a spreadsheet would compute is put behind an apostrophe; `raw` leaves it.
    """
    return exporting.download(
        current.household_id,
        read_filter(request),
        format=format,
        is_raw=raw,
        actor=current.actor,
    )


@router.get("/analytics", response_model=AnalyticsOut)
def get_analytics(
    session: HouseholdSession,
    current: CurrentUser,
    period: Annotated[str, Query(pattern=r"^\d{1,4}d$")] = "30d",
) -> JsonResponse:
    """Return income and spending of the last days, by category and by day.

    Money that moves between the household's own accounts counts as neither.
    """
    days = int(period[:-1])
    if not 1 <= days <= PERIOD_DAYS_MAX:
        raise InvalidInputError(f"Ask for 1 to {PERIOD_DAYS_MAX} days.", field="period")
    last = clock.today()
    first = last - dt.timedelta(days=days - 1)
    found = service.analyse(session, current.household_id, first, last)
    return JsonResponse(
        {
            "period": {"from": found.first, "to": found.last},
            "income": found.income,
            "spending": found.spending,
            "by_category": [total._asdict() for total in found.by_category],
            "by_day": [total._asdict() for total in found.by_day],
        }
    )


@router.get("/{transaction_id}", response_model=TransactionDetailOut)
def get_transaction(
    transaction_id: UUID, session: HouseholdSession, current: CurrentUser
) -> JsonResponse:
    """Return everything that is known of one transaction, and where each value comes from."""
    return JsonResponse(_detail(session, current, transaction_id))


@router.put(
    "/{transaction_id}",
    response_model=TransactionDetailOut,
    openapi_extra=scopes.needs(scopes.EDIT),
)
def edit_transaction(
    transaction_id: UUID, body: SingleEditBody, session: HouseholdSession, current: CurrentEditor
) -> JsonResponse:
    """Store what the user decides; the source's own values stay beside it."""
    expected = body.expected.model_dump(exclude_unset=True) if body.expected else None
    edit = body.edit(expected)
    service.edit_transaction(session, current.household_id, current.user_id, transaction_id, edit)
    return JsonResponse(_detail(session, current, transaction_id))


def _detail(session: Session, current: SignedIn, transaction_id: UUID) -> dict[str, object]:
    detail = service.get_transaction(session, current.household_id, transaction_id)
    row = detail.transaction
    return {
        "id": row.id,
        "account_id": row.account_id,
        "date": row.date,
        "authorized_date": row.authorized_date,
        "amount": row.amount,
        "currency": row.currency,
        "pending": row.pending,
        "description": row.description,
        "note": row.note,
        "reviewed_at": row.reviewed_at,
        "removed_at": row.removed_at,
        "counterparty": row.counterparty,
        "category_id": row.category_id,
        "values": {
            "counterparty": {
                "user": row.counterparty_user,
                "enriched": row.counterparty_enriched,
                "source": row.counterparty_source,
            },
            "category_id": {
                "user": row.category_user,
                "enriched": row.category_enriched,
                "source": row.category_source,
            },
        },
        "source": {
            "transaction_id": row.source_id,
            "pending_transaction_id": row.pending_source_id,
            "category_code": row.category_code,
            "journal_page_id": row.journal_page_id,
            "journal_kind": detail.journal_kind,
            "received_at": detail.received_at,
            "said": service.said_by_source(session, current.household_id, transaction_id),
        },
        "history": detail.history,
    }
