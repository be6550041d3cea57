"""Use cases of notices: tell somebody, list, mark as read."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.core.ids import uuid7
from app.features.notices import mailing, repository
from app.features.notices.words import TOLD
from app.models import Notice

NOTICES_MAX = 100
"""Of one page."""
KEPT_FOR = timedelta(days=400)
_DEVICE = "device"


@dataclass(frozen=True, slots=True)
class ListedNotice:
    """A notice as its person sees it."""

    id: UUID
    at: dt.datetime
    action: str
    """Of the event; for programs."""
    title: str
    advice: str
    """What to do if it was not them."""
    address: str | None
    """Network address from which it was done."""
    device: str | None
    """Browser or program, such as `Firefox on Linux`, where it is told."""
    is_read: bool


def tell(
    session: Session,
    household_id: UUID,
    action: str,
    *,
    user_id: UUID | None,
    address: str | None,
    details: Mapping[str, object],
) -> None:
    """Tell a person of an event, in its transaction; does nothing for events of no interest.

    Args:
        session: Of the household, or one that crosses households.
        household_id: In whose trail the event stands.
        action: Of the event.
        user_id: Whose account it is about; None: nobody's.
        address: Network address from which it was done.
        details: Of the event; nothing but the device is taken from them.
    """
    if user_id is None or action not in TOLD:
        return
    device, notice_id = details.get(_DEVICE), uuid7()
    values: dict[str, object] = {
        "id": notice_id,
        "user_id": user_id,
        "at": clock.now(),
        "action": action,
        "address": address,
        "device": None if device is None else str(device),
    }
    repository.insert_notice(session, household_id, values)
    mailing.want(session, household_id, notice_id)


def list_own(
    session: Session, user_id: UUID, *, before: UUID | None = None, limit: int = NOTICES_MAX
) -> list[ListedNotice]:
    """Return the person's notices, newest first, from below `before`. Crosses households."""
    limit = min(limit, NOTICES_MAX)
    return [
        _listed(row)
        for row in repository.list_notices(session, user_id, before=before, limit=limit)
    ]


def mark_read(session: Session, user_id: UUID, up_to: UUID) -> int:
    """Mark notices as read, up to one that the person saw; return how many were not."""
    return repository.mark_read(session, user_id, up_to, clock.now())


def forget_old(session: Session) -> int:
    """Delete notices of more than a year; return how many. Crosses households."""
    return repository.delete_old(session, clock.now() - KEPT_FOR)


def _listed(row: Notice) -> ListedNotice:
    told = TOLD.get(row.action)
    return ListedNotice(
        id=row.id,
        at=row.at,
        action=row.action,
        # An older version may have told of what this one does not know.
        title=told.title if told else row.action,
        advice=told.advice if told else "",
        address=row.address,
        device=row.device,
        is_read=row.read_at is not None,
    )
