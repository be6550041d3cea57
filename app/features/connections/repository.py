"""SQL of Items, link sessions and sync runs within one household."""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    false,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session, aliased, defer

from app.models import (
    Item,
    JournalPage,
    LinkSession,
    RejectedRow,
    SourceAccount,
    SyncRun,
    Transaction,
)


def insert_item(session: Session, values: Mapping[str, object]) -> None:
    """Store an Item."""
    session.execute(insert(Item).values(values))


def find_item(
    session: Session, household_id: UUID, item_id: UUID, *, lock: bool = False
) -> Item | None:
    """Return an Item that is still linked; with `lock`, nobody else may change it meanwhile."""
    statement = select(Item).where(
        Item.household_id == household_id, Item.id == item_id, Item.unlinked_at.is_(None)
    )
    if lock:
        statement = statement.with_for_update(key_share=True)
    return session.scalars(statement).one_or_none()


def list_items(session: Session, household_id: UUID, *, limit: int) -> Sequence[Item]:
    """Return the linked Items, oldest first."""
    return session.scalars(
        select(Item)
        .where(Item.household_id == household_id, Item.unlinked_at.is_(None))
        .order_by(Item.id)
        .limit(limit)
    ).all()


def update_item(
    session: Session, household_id: UUID, item_id: UUID, values: Mapping[str, object]
) -> None:
    """Overwrite columns of an Item."""
    session.execute(
        update(Item).where(Item.household_id == household_id, Item.id == item_id).values(values)
    )


def unless_all_is_wanted(wants: Sequence[str], trigger: str) -> ColumnElement[str]:
    """Return who wants a sync: `trigger`, unless one of `wants` asked before and wants more."""
    return case((Item.sync_wanted_by.in_(wants), Item.sync_wanted_by), else_=trigger)


def who_wants_sync(session: Session, household_id: UUID, item_id: UUID) -> tuple[str | None, bool]:
    """Return who asked for a sync that has not started, and whether the Item is due.

    Nobody may change it meanwhile.
    """
    is_due = or_(Item.sync_wanted_by.is_not(None), Item.next_sync_at <= func.now())
    row = session.execute(
        select(Item.sync_wanted_by, func.coalesce(is_due, false()))
        .where(Item.household_id == household_id, Item.id == item_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    return (row[0], row[1]) if row is not None else (None, False)


def take_lease(
    session: Session, household_id: UUID, item_id: UUID, lease_id: UUID, seconds: float
) -> Item | None:
    """Take the turn to sync, unless somebody else has it; return the Item if it is ours now.

    Time is PostgreSQL's, so that workers whose clocks differ agree. From now on the Item is due,
    so that the schedule finds it if we die.
    """
    return session.scalars(
        update(Item)
        .where(
            Item.household_id == household_id,
            Item.id == item_id,
            Item.unlinked_at.is_(None),
            Item.parked_at.is_(None),
            or_(Item.lease_until.is_(None), Item.lease_until < func.now()),
        )
        .values(
            lease_id=lease_id,
            lease_until=func.now() + dt.timedelta(seconds=seconds),
            next_sync_at=func.now(),
            sync_wanted_by=None,
            hinted_at=None,
        )
        .returning(Item)
    ).one_or_none()


def extend_lease(
    session: Session, household_id: UUID, item_id: UUID, lease_id: UUID, seconds: float
) -> bool:
    """Keep the turn for longer; False if it was lost to somebody else."""
    rows = session.execute(
        update(Item)
        .where(Item.household_id == household_id, Item.id == item_id, Item.lease_id == lease_id)
        .values(lease_until=func.now() + dt.timedelta(seconds=seconds))
        .returning(Item.id)
    )
    return rows.one_or_none() is not None


def release_lease(
    session: Session, household_id: UUID, item_id: UUID, lease_id: UUID, wanted_by: str
) -> bool:
    """Give the turn back before the work is done; False if it was lost to somebody else."""
    rows = session.execute(
        update(Item)
        .where(Item.household_id == household_id, Item.id == item_id, Item.lease_id == lease_id)
        .values(
            lease_id=None,
            lease_until=None,
            hinted_at=None,
            sync_wanted_by=func.coalesce(Item.sync_wanted_by, wanted_by),
        )
        .returning(Item.id)
    )
    return rows.one_or_none() is not None


def died_in_last_run(session: Session, household_id: UUID, item_id: UUID) -> bool:
    """Tell whether the Item's last worker died: of it, or of something else."""
    return (
        session.scalars(
            select(
                or_(Item.lost_runs > 0, func.coalesce(Item.lease_until < func.now(), false()))
            ).where(Item.household_id == household_id, Item.id == item_id)
        ).one_or_none()
        or False
    )


def bring_back(session: Session, household_id: UUID, item_id: UUID) -> None:
    """Let an Item that was set aside be synced again, by a worker of its own."""
    session.execute(
        update(Item)
        .where(Item.household_id == household_id, Item.id == item_id, Item.parked_at.is_not(None))
        .values(parked_at=None, lost_runs=1)
    )


def items_at_institution(
    session: Session, household_id: UUID, provider: str, institution_source_id: str
) -> Sequence[Item]:
    """Return the linked Items at one institution."""
    return session.scalars(
        select(Item).where(
            Item.household_id == household_id,
            Item.provider == provider,
            Item.institution_source_id == institution_source_id,
            Item.unlinked_at.is_(None),
        )
    ).all()


def accounts_of_items(
    session: Session, household_id: UUID, *, limit: int
) -> Sequence[SourceAccount]:
    """Return the source accounts of all linked Items, by name."""
    return session.scalars(
        select(SourceAccount)
        .where(SourceAccount.household_id == household_id, SourceAccount.item_id.is_not(None))
        .order_by(SourceAccount.name, SourceAccount.id)
        .limit(limit)
    ).all()


def insert_sync_run(session: Session, values: Mapping[str, object]) -> None:
    """Store a sync run."""
    session.execute(insert(SyncRun).values(values))


def update_sync_run(
    session: Session, household_id: UUID, sync_run_id: UUID, values: Mapping[str, object]
) -> None:
    """Overwrite columns of a sync run."""
    session.execute(
        update(SyncRun)
        .where(SyncRun.household_id == household_id, SyncRun.id == sync_run_id)
        .values(values)
    )


def count_rows_read(session: Session, household_id: UUID, sync_run_id: UUID, rows: int) -> None:
    """Add to what a run has read so far."""
    session.execute(
        update(SyncRun)
        .where(SyncRun.household_id == household_id, SyncRun.id == sync_run_id)
        .values(rows_read=SyncRun.rows_read + rows)
    )


def lose_running(session: Session, household_id: UUID, item_id: UUID) -> int:
    """Mark runs whose worker died and return how many; for the one who has the Item's turn."""
    lost = session.execute(
        update(SyncRun)
        .where(
            SyncRun.household_id == household_id,
            SyncRun.item_id == item_id,
            SyncRun.state == "running",
        )
        .values(state="lost", finished_at=func.now())
        .returning(SyncRun.id)
    )
    return len(lost.all())


def find_unbooked_run(
    session: Session, household_id: UUID, item_id: UUID, cursor: str | None
) -> SyncRun | None:
    """Return the run that read what follows `cursor` into the journal and then died."""
    return session.scalars(
        select(SyncRun)
        .where(
            SyncRun.household_id == household_id,
            SyncRun.item_id == item_id,
            SyncRun.state == "lost",
            SyncRun.cursor_before.is_not_distinct_from(cursor),
            SyncRun.cursor_after.is_not(None),
            SyncRun.cursor_after.is_distinct_from(cursor),
        )
        .order_by(SyncRun.id.desc())
        .limit(1)
    ).one_or_none()


def latest_runs(session: Session, household_id: UUID, *, per_item: int) -> Sequence[SyncRun]:
    """Return the last runs of each linked Item, newest first, in one statement."""
    runs = (
        select(SyncRun)
        .where(SyncRun.household_id == household_id, SyncRun.item_id == Item.id)
        .order_by(SyncRun.id.desc())
        .limit(per_item)
        .lateral()
    )
    latest = aliased(SyncRun, runs)
    return session.scalars(
        select(latest)
        .select_from(Item)
        .join(runs, true())
        .where(Item.household_id == household_id, Item.unlinked_at.is_(None))
        .order_by(latest.id.desc())
    ).all()


def list_runs(
    session: Session, household_id: UUID, item_id: UUID, *, before: UUID | None = None, limit: int
) -> Sequence[SyncRun]:
    """Return sync runs of an Item, newest first; those older than `before`, if given."""
    statement = select(SyncRun).where(
        SyncRun.household_id == household_id, SyncRun.item_id == item_id
    )
    if before is not None:
        statement = statement.where(SyncRun.id < before)
    return session.scalars(statement.order_by(SyncRun.id.desc()).limit(limit)).all()


def find_run(session: Session, household_id: UUID, sync_run_id: UUID) -> SyncRun | None:
    """Return a sync run."""
    return session.scalars(
        select(SyncRun).where(SyncRun.household_id == household_id, SyncRun.id == sync_run_id)
    ).one_or_none()


def latest_rejected(
    session: Session, household_id: UUID, item_id: UUID, *, limit: int
) -> Sequence[Row[RejectedRow, JournalPage]]:
    """Return rows of an Item's pages that could not be booked, newest first, with their pages."""
    return session.execute(
        select(RejectedRow, JournalPage)
        .options(defer(JournalPage.payload))
        .join(
            JournalPage,
            and_(
                JournalPage.household_id == RejectedRow.household_id,
                JournalPage.id == RejectedRow.journal_page_id,
            ),
        )
        .where(RejectedRow.household_id == household_id, JournalPage.item_id == item_id)
        .order_by(RejectedRow.id.desc())
        .limit(limit)
    ).all()


def latest_webhook_pages(
    session: Session, household_id: UUID, item_id: UUID, *, limit: int
) -> Sequence[UUID]:
    """Return the journal pages that keep the webhooks of an Item, newest first."""
    return session.scalars(
        select(JournalPage.id)
        .where(
            JournalPage.household_id == household_id,
            JournalPage.item_id == item_id,
            JournalPage.kind.like("%.webhook"),
        )
        .order_by(JournalPage.id.desc())
        .limit(limit)
    ).all()


def count_live_rows(session: Session, household_id: UUID, told_from: Mapping[UUID, dt.date]) -> int:
    """Return how many transactions were not withdrawn, by source account from a day on.

    What is pending counts whatever its day.
    """
    told = [
        and_(
            Transaction.source_account_id == source_account_id,
            or_(Transaction.pending, Transaction.date >= first),
        )
        for source_account_id, first in told_from.items()
    ]
    statement = (
        select(func.count())
        .select_from(Transaction)
        .where(
            Transaction.household_id == household_id,
            Transaction.removed_at.is_(None),
            or_(false(), *told),
        )
    )
    return session.scalars(statement).one()


def count_requests(
    session: Session, household_id: UUID, item_id: UUID, since: dt.datetime, *, not_asked: str
) -> int:
    """Return how often an Item's provider was asked for transactions since then.

    Answers are in the journal; a run that failed while reading asked once more, unless with the
    code `not_asked`.
    """
    answers = (
        select(func.count())
        .select_from(JournalPage)
        .where(
            JournalPage.household_id == household_id,
            JournalPage.item_id == item_id,
            JournalPage.received_at > since,
            JournalPage.kind.like("%.transactions_sync"),
        )
    )
    failures = (
        select(func.count())
        .select_from(SyncRun)
        .where(
            SyncRun.household_id == household_id,
            SyncRun.item_id == item_id,
            SyncRun.started_at > since,
            SyncRun.state == "failed",
            SyncRun.read_at.is_(None),
            SyncRun.error_code != not_asked,
        )
    )
    return session.scalars(answers).one() + session.scalars(failures).one()


def insert_link_session(session: Session, values: Mapping[str, object]) -> None:
    """Store a link session."""
    session.execute(insert(LinkSession).values(values))


def find_link_session(
    session: Session, household_id: UUID, link_session_id: UUID
) -> LinkSession | None:
    """Return a link session."""
    return session.scalars(
        select(LinkSession).where(
            LinkSession.household_id == household_id, LinkSession.id == link_session_id
        )
    ).one_or_none()


def find_link_session_by_token(
    session: Session, household_id: UUID, link_token: str
) -> LinkSession | None:
    """Return the link session of a link token."""
    return session.scalars(
        select(LinkSession).where(
            LinkSession.household_id == household_id, LinkSession.link_token == link_token
        )
    ).one_or_none()


def move_link_session(
    session: Session,
    household_id: UUID,
    link_session_id: UUID,
    *,
    from_state: str,
    to_state: str,
    item_id: UUID | None = None,
) -> bool:
    """Move a link session on, if it is still in `from_state`; tell whether it was."""
    values: dict[str, object] = {"state": to_state}
    if item_id is not None:
        values["item_id"] = item_id
    moved = session.execute(
        update(LinkSession)
        .where(
            LinkSession.household_id == household_id,
            LinkSession.id == link_session_id,
            LinkSession.state == from_state,
        )
        .values(values)
        .returning(LinkSession.id)
    )
    return moved.one_or_none() is not None
