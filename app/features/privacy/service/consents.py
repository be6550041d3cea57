"""Who agreed that a bank is read, to which text, and since when no more: from the audit trail."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.features.audit import service as audit
from app.features.privacy import repository
from app.features.privacy.service import trail

_GIVEN = "item.linked"
"""The event by which a consent is known: it is kept, however short trails are."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's, to the reading of one bank."""

    institution_name: str
    user_id: UUID | None
    given_at: dt.datetime
    version: str
    """Of the text; empty: it was given before texts had versions."""
    ended_at: dt.datetime | None
    """When the bank was disconnected, which takes it back."""


def list_consents(
    session: Session, household_id: UUID, *, reader_id: UUID, role: str
) -> list[Consent]:
    """Return the newest consents first: an owner's household's, everybody else's own."""
    page = trail.read(
        session,
        household_id,
        reader_id=reader_id,
        role=role,
        action=_GIVEN,
        limit=audit.EVENTS_MAX - 1,
    )
    items = repository.find_institutions(session, household_id)
    found = []
    for event in page.events:
        name, ended_at = items.get(event.object_id or "", ("", None))
        found.append(
            Consent(
                institution_name=name or "A bank",
                user_id=event.actor.user_id,
                given_at=event.at,
                version=str(event.details.get("consent", "")),
                ended_at=ended_at,
            )
        )
    return found


def shorten_trail(session: Session, before: dt.datetime, limit: int) -> int:
    """Delete events of audit trails of before, but those that consents are known by."""
    return audit.shorten(session, before, (_GIVEN,), limit)
