"""The page of what people agree to who link a bank, and of who did."""

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from app.core.database import household_transaction
from app.features.connections import consent
from app.features.privacy.service import consents, trail
from app.features.privacy.service.consents import Consent
from app.features.users.current import CurrentUser
from app.ui.templating import render
from app.ui.views.privacy import ConsentRow, ConsentsView

router = APIRouter(include_in_schema=False)


@router.get("/settings/privacy/consents")
def show_consents(request: Request, current: CurrentUser) -> HTMLResponse:
    """Show the texts, the newest first, and who agreed to which."""
    with household_transaction(current.household_id) as session:
        found = consents.list_consents(
            session, current.household_id, reader_id=current.user_id, role=current.role
        )
    names = trail.names(current.household_id)
    view = ConsentsView(
        texts=tuple(reversed(consent.TEXTS.items())),
        rows=tuple(_row(each, names) for each in found),
    )
    return render(request, page="privacy/consents.html", view=view, section="settings")


def _row(given: Consent, names: dict[UUID, str]) -> ConsentRow:
    who = names.get(given.user_id, "Somebody who has left") if given.user_id else "The program"
    return ConsentRow(given.institution_name, who, given.given_at, given.version, given.ended_at)
