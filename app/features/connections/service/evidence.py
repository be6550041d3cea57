"""What a connection's page shows beside its runs: rows set aside, and notices received."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from app.features.connections import repository
from app.features.journal import service as journal

REJECTED_MAX = 20
NOTICES_MAX = 10


@dataclass(frozen=True, slots=True)
class SetAside:
    """A row that the source sent and that could not be booked."""

    reason: str
    place: str
    """The field or id it is about."""
    source_id: str | None
    page: int
    """The page of its run that it came on, from 1."""
    received_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Notice:
    """A webhook about this connection: a hint that something happened."""

    code: str
    received_at: dt.datetime


class _Body(msgspec.Struct):
    webhook_code: str = ""


def list_set_aside(session: Session, household_id: UUID, item_id: UUID) -> list[SetAside]:
    """Return the rows that were set aside last."""
    rows = repository.latest_rejected(session, household_id, item_id, limit=REJECTED_MAX)
    return [
        SetAside(row.reason, row.place, row.source_id, page.sequence + 1, page.received_at)
        for row, page in rows
    ]


def list_notices(session: Session, household_id: UUID, item_id: UUID) -> list[Notice]:
    """Return the webhooks received last."""
    ids = repository.latest_webhook_pages(session, household_id, item_id, limit=NOTICES_MAX)
    return [
        Notice(msgspec.json.decode(entry.payload, type=_Body).webhook_code, entry.received_at)
        for entry in journal.read_each(session, household_id, ids)
    ]
