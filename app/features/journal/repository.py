"""SQL of the journal: it knows how to append and how to read."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.orm import Session

from app.models import Base, JournalPage, RejectedRow

_PAGES = Base.metadata.tables["journal_pages"]
_HEADING = (
    JournalPage.id,
    JournalPage.kind,
    JournalPage.sequence,
    JournalPage.cursor_before,
    JournalPage.sha256,
    JournalPage.received_at,
)


def insert_page(session: Session, household_id: UUID, values: dict[str, object]) -> None:
    """Append one page."""
    session.execute(insert(_PAGES), {"household_id": household_id, **values})


def find_page(session: Session, household_id: UUID, page_id: UUID) -> JournalPage | None:
    """Return one page."""
    return session.scalars(
        select(JournalPage).where(
            JournalPage.household_id == household_id, JournalPage.id == page_id
        )
    ).one_or_none()


def find_heading(
    session: Session, household_id: UUID, page_id: UUID
) -> Row[UUID, str, int, str | None, bytes, dt.datetime] | None:
    """Return what one page is, without what it says."""
    return session.execute(
        select(*_HEADING).where(JournalPage.household_id == household_id, JournalPage.id == page_id)
    ).one_or_none()


def headings_of_run(
    session: Session, household_id: UUID, sync_run_id: UUID, *, limit: int
) -> Sequence[Row[UUID, str, int, str | None, bytes, dt.datetime]]:
    """Return what the pages of a run are, without what they say."""
    return session.execute(
        select(*_HEADING)
        .where(JournalPage.household_id == household_id, JournalPage.sync_run_id == sync_run_id)
        .order_by(JournalPage.sequence, JournalPage.id)
        .limit(limit)
    ).all()


def last_page_of_run(
    session: Session, household_id: UUID, sync_run_id: UUID, kind: str
) -> JournalPage | None:
    """Return the last page of a kind in a sync run or import."""
    return session.scalars(
        select(JournalPage)
        .where(
            JournalPage.household_id == household_id,
            JournalPage.sync_run_id == sync_run_id,
            JournalPage.kind == kind,
        )
        .order_by(JournalPage.id.desc())
        .limit(1)
    ).one_or_none()


def list_rejected(
    session: Session, household_id: UUID, page_id: UUID, *, limit: int
) -> Sequence[RejectedRow]:
    """Return the rows of a page that are in quarantine."""
    return session.scalars(
        select(RejectedRow)
        .where(RejectedRow.household_id == household_id, RejectedRow.journal_page_id == page_id)
        .order_by(RejectedRow.id)
        .limit(limit)
    ).all()


def delete_rejected(session: Session, household_id: UUID, sync_run_id: UUID) -> None:
    """Empty the quarantine of the pages of a run."""
    pages = select(JournalPage.id).where(
        JournalPage.household_id == household_id, JournalPage.sync_run_id == sync_run_id
    )
    session.execute(
        delete(RejectedRow).where(
            RejectedRow.household_id == household_id, RejectedRow.journal_page_id.in_(pages)
        )
    )


def insert_rejected(session: Session, rows: Sequence[dict[str, object]]) -> None:
    """Put rows that could not be booked into quarantine."""
    session.execute(insert(RejectedRow), rows)
