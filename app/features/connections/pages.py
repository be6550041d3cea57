"""Pages of connections: link a bank, see how each is, sync, repair, unlink."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.config import settings
from app.core.database import household_transaction
from app.core.errors import ConflictError, UnavailableError
from app.features.connections import views
from app.features.connections.service import evidence, link, overview, rereading, setup_tokens
from app.features.connections.service.link import LinkFlow, LinkOutcome
from app.features.transactions import service as transactions
from app.features.users.current import (
    CurrentEditor,
    CurrentProvenEditor,
    CurrentUser,
    HouseholdSession,
)
from app.features.users.once import OnceRoute
from app.ui import flashes
from app.ui.templating import is_fragment_request, render
from app.ui.views.connections import ReturnView

router = APIRouter(include_in_schema=False, route_class=OnceRoute)

_SEE_OTHER = 303
_LIST = "/connections"
RUNS_PER_PAGE = 20


@router.get("/connections")
def list_connections(
    request: Request, session: HouseholdSession, current: CurrentUser
) -> HTMLResponse:
    """Show every connection, how it is and what to do."""
    view = views.connections_view(
        overview.list_connections(session, current.household_id),
        transactions.spans(session, current.household_id),
        practice_banks=settings.has_practice_banks,
        has_flow=link.has_flow(),
    )
    return render(request, page="connections/list.html", view=view)


@router.post("/connections/link")
def start_link(request: Request, current: CurrentProvenEditor) -> Response:
    """Open a link flow and lead the reader to it, or to the only other way there is."""
    if not link.has_flow():
        return _lead_to(request, f"{_LIST}/simplefin")
    return _lead_on(request, link.start_link(current.household_id, current.user_id))


@router.get("/connections/simplefin")
def ask_for_setup_token(
    request: Request,
    session: HouseholdSession,
    current: CurrentProvenEditor,
    item: UUID | None = None,
) -> HTMLResponse:
    """Show the form for a SimpleFIN setup token; with `item`, what that connection needs."""
    connection = overview.get_connection(session, current.household_id, item) if item else None
    return render(
        request,
        page="connections/simplefin.html",
        view=views.setup_token(connection, practice_url=_practice_url()),
    )


@router.post("/connections/simplefin")
def connect_by_setup_token(
    request: Request,
    current: CurrentProvenEditor,
    setup_token: Annotated[str, Form(max_length=setup_tokens.CHARACTERS_MAX)] = "",
    item: Annotated[UUID | None, Form()] = None,
) -> Response:
    """Connect with a setup token, or say under it what is wrong."""
    try:
        item_id = setup_tokens.connect(
            current.household_id, current.user_id, setup_token, item_id=item
        )
    except (ConflictError, UnavailableError) as error:
        connection = None
        if item is not None:
            with household_transaction(current.household_id) as session:
                connection = overview.get_connection(session, current.household_id, item)
        view = views.setup_token(connection, practice_url=_practice_url(), error=error.message)
        return render(request, page="connections/simplefin.html", view=view, status=error.status)
    if item is not None:
        return flashes.add(_lead_to(request, _LIST), "Thank you. We are reading what you missed.")
    return _lead_to(request, f"{_LIST}/{item_id}/progress")


@router.get("/connections/link/{link_session_id}")
def go_on(
    request: Request, link_session_id: UUID, session: HouseholdSession, current: CurrentEditor
) -> Response:
    """Lead on to the provider's page, or to the outcome if the flow is over."""
    url = link.find_link_url(session, current.household_id, link_session_id)
    if url is None:
        return RedirectResponse(f"/connections/linked/{link_session_id}", _SEE_OTHER)
    return render(request, page="connections/link.html", view=views.go_on(url))


@router.get("/connections/linked/{link_session_id}")
def return_from_bank(
    request: Request, link_session_id: UUID, session: HouseholdSession, current: CurrentEditor
) -> Response:
    """Take the reader back from the provider, to a page that then asks how the flow ended.

    Reading it changes nothing, whoever sends a reader here: the page itself posts.
    """
    outcome = link.find_outcome(session, current.household_id, link_session_id)
    if outcome.item_ids:
        return RedirectResponse(f"{_LIST}/{outcome.item_ids[0]}/progress", _SEE_OTHER)
    view = ReturnView("finishing", f"{_LIST}/linked/{link_session_id}")
    return render(request, page="connections/returned.html", view=view)


@router.post("/connections/linked/{link_session_id}")
def finish_link(request: Request, link_session_id: UUID, current: CurrentEditor) -> Response:
    """Connect what the reader agreed to at the bank: lead to the first sync, or say what misses."""
    outcome = link.finish_link(current.household_id, link_session_id)
    if outcome.state == "repaired":
        response = _lead_to(request, _LIST)
        return flashes.add(response, "Thank you. We are reading what you missed.")
    if outcome.item_ids:
        return _lead_to(request, f"{_LIST}/{outcome.item_ids[0]}/progress")
    return _returned(request, current.household_id, link_session_id, outcome)


@router.get("/connections/{item_id}")
def show_connection(
    request: Request,
    item_id: UUID,
    session: HouseholdSession,
    current: CurrentUser,
    before: UUID | None = None,
) -> Response:
    """Show one connection with all its syncs; answer htmx with its card."""
    household_id = current.household_id
    connection = overview.get_connection(session, household_id, item_id)
    card = views.card(
        connection,
        transactions.spans(session, household_id),
        practice_banks=settings.has_practice_banks,
    )
    if is_fragment_request(request):
        return render(request, page="connections/_connection.html", connection=card)
    view = views.page(
        card,
        overview.list_runs(session, household_id, item_id, before=before, limit=RUNS_PER_PAGE + 1),
        before=before,
        size=RUNS_PER_PAGE,
        set_aside=evidence.list_set_aside(session, household_id, item_id),
        notices=evidence.list_notices(session, household_id, item_id),
    )
    return render(request, page="connections/connection.html", view=view)


@router.get("/connections/{item_id}/progress")
def show_progress(
    request: Request, item_id: UUID, session: HouseholdSession, current: CurrentUser
) -> HTMLResponse:
    """Show how far the first sync is."""
    return _progress(request, session, current.household_id, item_id)


@router.post("/connections/{item_id}/sync")
def sync_now(
    request: Request, item_id: UUID, session: HouseholdSession, current: CurrentEditor
) -> Response:
    """Ask for a sync; answer htmx with the card, which then follows it."""
    link.get_item(session, current.household_id, item_id)
    link.want_sync(session, current.household_id, item_id, "button")
    session.expire_all()
    if is_fragment_request(request):
        return _card(request, session, current.household_id, item_id)
    return RedirectResponse(f"{_LIST}/{item_id}", _SEE_OTHER)


@router.post("/connections/{item_id}/repair")
def repair(request: Request, item_id: UUID, current: CurrentEditor) -> Response:
    """Open a link flow in which the reader signs in again, or shares more accounts."""
    with household_transaction(current.household_id) as session:
        connection = overview.get_connection(session, current.household_id, item_id)
    if connection.provider == setup_tokens.PROVIDER:
        return _lead_to(request, f"{_LIST}/simplefin?item={item_id}")
    flow = link.start_link(
        current.household_id,
        current.user_id,
        provider_name=connection.provider,
        item_id=item_id,
        select_accounts=connection.wants_accounts,
    )
    return _lead_on(request, flow)


@router.post("/connections/{item_id}/settled")
def try_again(item_id: UUID, session: HouseholdSession, current: CurrentEditor) -> Response:
    """Ask again where the reader says that it was settled elsewhere."""
    setup_tokens.settle(session, current.household_id, item_id)
    return flashes.add(RedirectResponse(_LIST, _SEE_OTHER), "We are trying again.")


@router.post("/connections/{item_id}/reread")
def read_again(item_id: UUID, session: HouseholdSession, current: CurrentEditor) -> Response:
    """Ask for a sync that reads everything from the beginning."""
    rereading.ask(session, current.household_id, item_id)
    response = RedirectResponse(f"{_LIST}/{item_id}", _SEE_OTHER)
    return flashes.add(response, "We are reading everything again.")


@router.post("/connections/{item_id}/accept")
def accept_reading(item_id: UUID, session: HouseholdSession, current: CurrentEditor) -> Response:
    """Let the next sync withdraw all that the bank does not tell any more."""
    rereading.accept(session, current.household_id, current.user_id, item_id)
    response = RedirectResponse(f"{_LIST}/{item_id}", _SEE_OTHER)
    return flashes.add(response, "We are reading everything again, and believe it.")


@router.post("/connections/{item_id}/unlink")
def unlink(item_id: UUID, current: CurrentProvenEditor) -> Response:
    """End a connection; accounts and history stay."""
    link.unlink(current.household_id, current.user_id, item_id)
    response = RedirectResponse(_LIST, _SEE_OTHER)
    return flashes.add(response, "The bank is disconnected. Your history stays.")


def _practice_url() -> str:
    return f"{settings.PLAID_BASE_URL}/simplefin/create" if settings.has_practice_banks else ""


def _lead_on(request: Request, flow: LinkFlow) -> Response:
    return _lead_to(request, f"/connections/link/{flow.link_session_id}")


def _lead_to(request: Request, target: str) -> Response:
    if request.headers.get("HX-Request") == "true":
        return Response(headers={"HX-Redirect": target})
    # nosemgrep: redirect-to-another-server - its callers' own paths
    return RedirectResponse(target, _SEE_OTHER)


def _card(request: Request, session: Session, household_id: UUID, item_id: UUID) -> HTMLResponse:
    connection = views.card(
        overview.get_connection(session, household_id, item_id),
        transactions.spans(session, household_id),
        practice_banks=settings.has_practice_banks,
    )
    return render(request, page="connections/_connection.html", connection=connection)


def _progress(
    request: Request, session: Session, household_id: UUID, item_id: UUID
) -> HTMLResponse:
    view = views.progress(
        overview.get_connection(session, household_id, item_id),
        transactions.spans(session, household_id),
    )
    return render(
        request, page="connections/linked.html", fragment="connections/_progress.html", view=view
    )


def _returned(
    request: Request, household_id: UUID, link_session_id: UUID, outcome: LinkOutcome
) -> HTMLResponse:
    """Say that nothing is connected, and how to go on."""
    with household_transaction(household_id) as session:
        url = link.find_link_url(session, household_id, link_session_id)
    # `linked` without an Item: somebody else is just exchanging the token.
    is_finishing = outcome.state in ("exchanging", "linked")
    state = "finishing" if is_finishing else "open" if url else "ended"
    view = ReturnView(
        state,
        finish_url=f"{_LIST}/linked/{link_session_id}",
        is_waiting=is_finishing,
        message=outcome.message or "",
        continue_url=f"/connections/link/{link_session_id}" if state == "open" else "",
    )
    return render(
        request, page="connections/returned.html", fragment="connections/_returned.html", view=view
    )
