"""/api/v1/household: what one may ask of one's own data."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.core import scopes
from app.core.downloads import Download
from app.features.privacy.service import erasing, exporting
from app.features.users.current import CurrentProven, check_member

router = APIRouter(prefix="/api/v1/household", tags=["household"])


class EraseBody(BaseModel):
    """The household's name, so that nothing is erased by mistake."""

    model_config = ConfigDict(extra="forbid")

    household_name: Annotated[str, Field(max_length=1_000)]


@router.post("/export", response_class=Response, openapi_extra=scopes.needs(scopes.EXPORT))
def export_household(current: CurrentProven) -> Download:
    """Return everything that the household owns, as a ZIP archive of JSON lines and files."""
    check_member(current)
    return exporting.download(current.household_id, actor=current.actor)


@router.post("/erase", status_code=202)
def erase_household(body: EraseBody, current: CurrentProven) -> None:
    """Close the household at once, and erase it within a day: banks, key, rows and people."""
    erasing.ask(current.household_id, body.household_name, role=current.role, actor=current.actor)
