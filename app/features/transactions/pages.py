"""Pages of transactions: the list with its filter, the drawer, edits."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.database import household_transaction
from app.core.downloads import Download
from app.core.errors import (
    AppError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from app.core.pagination import PAGE_SIZE, PageKey, decode_key
from app.features.accounts import service as accounts
from app.features.categories import service as categories
from app.features.transactions import asking as questions
from app.features.transactions import exporting, forms, query, service, views
from app.features.transactions.detail import asking_view, detail_view, pairs
from app.features.transactions.exporting import Format
from app.features.transactions.forms import BulkForm, EditForm
from app.features.transactions.query import ListQuery
from app.features.transactions.service import Edited, TransactionPage
from app.features.transactions.views import Names
from app.features.users.current import (
    CurrentEditor,
    CurrentProven,
    CurrentUser,
    HouseholdSession,
    SignedIn,
)
from app.ui import flashes
from app.ui.templating import is_fragment_request, render
from app.ui.views.transactions import Asking

router = APIRouter(include_in_schema=False)

_SEE_OTHER = 303
_UNPROCESSABLE = 422


@router.get("/transactions")
def list_transactions(
    request: Request,
    session: HouseholdSession,
    current: CurrentUser,
    after: Annotated[str, Query(max_length=100)] = "",
) -> HTMLResponse:
    """Show the list; answer htmx with the table, or with the rows that follow a cursor."""
    asked = query.read(request.query_params.multi_items())
    key = decode_key(after)
    names = _names(session, current.household_id)
    if key is not None and is_fragment_request(request):
        page = _page(session, current, asked, names, key)
        rows = views.rows_view(page, names, asked.wanted, after=key)
        return render(request, page="transactions/_rows.html", rows=rows)
    return _list(request, session, current, asked, names, after=key)


@router.get("/transactions/totals")
def show_totals(request: Request, session: HouseholdSession, current: CurrentUser) -> HTMLResponse:
    """Answer htmx with the sums of the filter; without it, show the list with its sums."""
    asked = query.read(request.query_params.multi_items())
    names = _names(session, current.household_id)
    if not is_fragment_request(request):
        return _list(request, session, current, asked, names, after=None, with_totals=True)
    totals = service.totals(session, current.household_id, names.expand(asked.wanted))
    return render(
        request, page="transactions/_totals.html", totals=views.totals_view(totals), totals_url=""
    )


@router.get("/transactions/{transaction_id}")
def show_transaction(
    request: Request, transaction_id: UUID, session: HouseholdSession, current: CurrentUser
) -> HTMLResponse:
    """Show everything that is known of one transaction."""
    return _detail(request, session, current, transaction_id)


@router.get("/transactions/{transaction_id}/said")
def show_said(
    request: Request, transaction_id: UUID, session: HouseholdSession, current: CurrentUser
) -> HTMLResponse:
    """Answer htmx with all that the source says; without it, show the transaction with that."""
    said = service.said_by_source(session, current.household_id, transaction_id)
    if not is_fragment_request(request):
        return _detail(request, session, current, transaction_id, said=said)
    return render(request, page="transactions/_said.html", said=pairs(said))


@router.post("/transactions/edit")
def edit_transactions(
    request: Request,
    session: HouseholdSession,
    current: CurrentEditor,
    form: Annotated[BulkForm, Form()],
) -> Response:
    """Store one decision of the chosen transactions, or of all that the filter lets through."""
    asked = query.read(request.query_params.multi_items())
    names = _names(session, current.household_id)
    if form.all and asked.has_errors:
        raise InvalidInputError("This filter cannot be read.")
    edited = service.edit_transactions(
        session,
        current.household_id,
        current.user_id,
        names.expand(asked.wanted) if form.all else form.ids,
        forms.bulk_edit_of(form),
    )
    if not is_fragment_request(request):
        words = f"{edited.transactions:,} changed." if edited else "Nothing was changed."
        # nosemgrep: redirect-to-another-server - url() writes the filter behind a path of ours
        return flashes.add(RedirectResponse(query.url(asked.wanted), _SEE_OTHER), words)
    return _list(request, session, current, asked, names, after=None, edited=edited)


@router.post("/transactions/export")
def export_transactions(
    request: Request,
    current: CurrentProven,
    format: Annotated[Format, Form()] = "csv",
) -> Download:
    """Send all that the filter lets through as a file."""
    asked = query.read(request.query_params.multi_items())
    if asked.has_errors:
        raise InvalidInputError("This filter cannot be read. Mend it in the list first.")
    with household_transaction(current.household_id) as session:
        wanted = _names(session, current.household_id).expand(asked.wanted)
    return exporting.download(current.household_id, wanted, format=format, actor=current.actor)


@router.post("/transactions/{transaction_id}/ask")
def ask_what_it_is(request: Request, transaction_id: UUID, current: CurrentEditor) -> HTMLResponse:
    """Ask the language model; answer htmx with what it says, else with a form filled in with it.

    Opens its transactions itself: none may be open while the model thinks.
    """
    suggestion, error = None, None
    try:
        suggestion = questions.ask(current.household_id, transaction_id, actor=current.actor)
    except (ConflictError, RateLimitedError, UnavailableError) as failure:
        error = failure
    with household_transaction(current.household_id) as session:
        names = _names(session, current.household_id)
        view = asking_view(transaction_id, names, suggestion=suggestion, error=error)
        if view is None:
            raise error or NotFoundError("There is no language model.")
        status = error.status if error else 200
        if is_fragment_request(request):
            return render(request, page="transactions/_asking.html", status=status, asking=view)
        return _detail(request, session, current, transaction_id, asking=view, status=status)


@router.post("/transactions/{transaction_id}")
def edit_transaction(
    request: Request,
    transaction_id: UUID,
    session: HouseholdSession,
    current: CurrentEditor,
    form: Annotated[EditForm, Form()],
) -> Response:
    """Store what the user decides; the bank's own values stay beside it."""
    try:
        undo_id = service.edit_transaction(
            session, current.household_id, current.user_id, transaction_id, forms.edit_of(form)
        )
    except (InvalidInputError, ConflictError) as error:
        return _detail(request, session, current, transaction_id, typed=form, error=error)
    if is_fragment_request(request):
        return _detail(request, session, current, transaction_id, saved=True, undo_id=undo_id)
    return flashes.add(RedirectResponse(f"/transactions/{transaction_id}", _SEE_OTHER), "Saved.")


def _list(
    request: Request,
    session: Session,
    current: SignedIn,
    asked: ListQuery,
    names: Names,
    *,
    after: PageKey | None,
    with_totals: bool = False,
    edited: Edited | None = None,
) -> HTMLResponse:
    wanted = names.expand(asked.wanted)
    page = _page(session, current, asked, names, after)
    totals = None
    if asked.has_errors:
        totals = []
    elif with_totals or not service.totals_take_long(session, current.household_id, wanted):
        totals = service.totals(session, current.household_id, wanted)
    view = views.transactions_view(asked, page, totals, names, after=after)
    if edited is not None:
        view = replace(
            view, edited=edited.transactions, undo_url=f"/history/{edited.change_set_id}"
        )
    if request.headers.get("HX-Source", "").endswith("#filters"):
        view = replace(view, is_from_form=True)
    return render(
        request,
        page="transactions/list.html",
        fragment="transactions/_table.html",
        status=_UNPROCESSABLE if asked.has_errors else 200,
        view=view,
    )


def _page(
    session: Session, current: SignedIn, asked: ListQuery, names: Names, after: PageKey | None
) -> TransactionPage:
    """Return the rows; none while the filter cannot be read, since others would mislead."""
    if asked.has_errors:
        return TransactionPage((), None)
    wanted = names.expand(asked.wanted)
    return service.list_transactions(
        session, current.household_id, wanted, after=after, limit=PAGE_SIZE
    )


def _detail(
    request: Request,
    session: Session,
    current: SignedIn,
    transaction_id: UUID,
    *,
    said: Mapping[str, object] | None = None,
    saved: bool = False,
    undo_id: UUID | None = None,
    typed: EditForm | None = None,
    error: AppError | None = None,
    asking: Asking | None = None,
    status: int = 200,
) -> HTMLResponse:
    view = detail_view(
        service.get_transaction(session, current.household_id, transaction_id),
        _names(session, current.household_id),
        reader_id=current.user_id,
        said=said,
        saved=saved,
        undo_id=undo_id,
        typed=typed,
        error=error,
        asking=asking,
    )
    return render(
        request,
        page="transactions/detail.html",
        fragment="transactions/_drawer.html",
        status=error.status if error else status,
        view=view,
    )


def _names(session: Session, household_id: UUID) -> Names:
    return Names(
        accounts.list_names(session, household_id),
        categories.list_categories(session, household_id),
    )
