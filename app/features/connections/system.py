"""SQL that crosses households: webhooks and the schedule, in a system transaction."""

import datetime as dt
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Double, Row, and_, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import Item, LinkSession, SyncRun, TieOut, Webhook


def find_item(session: Session, provider: str, item_source_id: str) -> Row[UUID, UUID] | None:
    """Return household and id of the linked Item that a provider speaks of."""
    return session.execute(
        select(Item.household_id, Item.id)
        .where(
            Item.provider == provider,
            Item.item_source_id == item_source_id,
            Item.unlinked_at.is_(None),
        )
        .order_by(Item.id.desc())
        .limit(1)
    ).one_or_none()


def find_link_session(session: Session, link_token: str) -> Row[UUID, UUID] | None:
    """Return household and id of the link session of a link token."""
    return session.execute(
        select(LinkSession.household_id, LinkSession.id)
        .where(LinkSession.link_token == link_token)
        .limit(1)
    ).one_or_none()


def insert_webhook(session: Session, values: Mapping[str, object]) -> bool:
    """Note a webhook; False if the very same delivery was noted before."""
    statement = insert(Webhook).values(values)
    statement = statement.on_conflict_do_nothing(index_elements=["signature_hash"])
    return session.execute(statement.returning(Webhook.id)).one_or_none() is not None


def take_due(
    session: Session, *, hint_timeout: dt.timedelta, limit: int
) -> Sequence[Row[UUID, UUID]]:
    """Mark the Items that are due as hinted, and return household and id of each.

    Due is what its time has come for or somebody asked for, that nobody works on, and that no
    worker was told of lately.
    """
    idle = or_(Item.lease_until.is_(None), Item.lease_until < func.now())
    untold = or_(Item.hinted_at.is_(None), Item.hinted_at < func.now() - hint_timeout)
    due = (
        select(Item.household_id, Item.id)
        .where(
            Item.unlinked_at.is_(None),
            Item.parked_at.is_(None),
            Item.next_sync_at <= func.now(),
            idle,
            untold,
        )
        .order_by(Item.next_sync_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return session.execute(
        update(Item)
        .where(Item.household_id == due.c.household_id, Item.id == due.c.id)
        .values(hinted_at=func.now(), sync_wanted_by=func.coalesce(Item.sync_wanted_by, "schedule"))
        .returning(Item.household_id, Item.id)
    ).all()


def settle_lost_exchanges(session: Session, before: dt.datetime) -> int:
    """Say so where we died in a one-time exchange: nobody knows its outcome."""
    rows = session.execute(
        update(LinkSession)
        .where(LinkSession.state == "exchanging", LinkSession.created_at < before)
        .values(state="unknown")
        .returning(LinkSession.id)
    )
    return len(rows.all())


def count_items(session: Session) -> Sequence[Row[str, int]]:
    """Return how many linked Items there are, by state; one that is set aside is `parked`."""
    state = case((Item.parked_at.is_not(None), "parked"), else_=Item.state)
    return session.execute(
        select(state, func.count()).where(Item.unlinked_at.is_(None)).group_by(state)
    ).all()


def count_by_provider(session: Session) -> Sequence[Row[str, int, float, int, int]]:
    """Return, by provider, Items, the longest seconds since a sync, how many fail, are set aside.

    The age is of those that are read without their person: not of those that wait for somebody.
    """
    age = func.extract("epoch", func.now() - func.coalesce(Item.synced_at, Item.created_at))
    is_read = and_(Item.parked_at.is_(None), Item.state.in_(("good", "expiring")))
    return session.execute(
        select(
            Item.provider,
            func.count(),
            func.coalesce(func.max(age).filter(is_read), 0.0),
            func.count().filter(Item.failures > 0),
            func.count().filter(Item.parked_at.is_not(None)),
        )
        .where(Item.unlinked_at.is_(None))
        .group_by(Item.provider)
        .order_by(Item.provider)
    ).all()


def count_errors(
    session: Session, span: dt.timedelta
) -> Sequence[Row[str | None, int, dt.datetime]]:
    """Return the codes of syncs that failed in the last while: how many, and when the last."""
    count = func.count()
    return session.execute(
        select(SyncRun.error_code, count, func.max(SyncRun.started_at))
        .where(SyncRun.started_at > func.now() - span, SyncRun.error_code.is_not(None))
        .group_by(SyncRun.error_code)
        .order_by(count.desc())
        .limit(20)
    ).all()


def bring_all_back(session: Session) -> int:
    """Let all Items that were set aside be synced again, once each; return how many."""
    found = session.scalars(
        update(Item)
        .where(Item.parked_at.is_not(None), Item.unlinked_at.is_(None))
        .values(parked_at=None, lost_runs=1, next_sync_at=func.now())
        .returning(Item.id)
    )
    return len(found.all())


def count_proofs(session: Session) -> Sequence[Row[str, int]]:
    """Return how many accounts there are, by how far they tie out."""
    proof = case((TieOut.accepted_by.is_not(None), "accepted"), else_=TieOut.state)
    return session.execute(select(proof, func.count()).group_by(proof)).all()


def measure_queue(session: Session) -> Row[int, float, int]:
    """Return how many Items wait for their turn, for how many seconds the first, and how many run.

    Waiting is what is due and nobody works on.
    """
    waits = and_(
        Item.next_sync_at <= func.now(),
        Item.parked_at.is_(None),
        or_(Item.lease_until.is_(None), Item.lease_until < func.now()),
    )
    age = func.extract("epoch", func.now() - func.min(Item.next_sync_at).filter(waits))
    return session.execute(
        select(
            func.count().filter(waits),
            func.coalesce(age, 0.0),
            func.count().filter(Item.lease_until >= func.now()),
        ).where(Item.unlinked_at.is_(None))
    ).one()


def measure_lag(
    session: Session, due_after: dt.timedelta, shares: Sequence[float]
) -> Sequence[Row[str, list[float]]]:
    """Return, by provider, how many seconds its Items are behind what is due.

    An Item is behind by what has passed since its last success beyond `due_after`, and by nothing
    before that. Left out are those that only their person can help.

    Args:
        session: Of the system.
        due_after: How long after a success the next one is due.
        shares: Percentiles to return, in this order, each from 0 to 1.
    """
    age = func.now() - func.coalesce(Item.synced_at, Item.created_at)
    behind = func.greatest(0.0, func.extract("epoch", age - due_after).cast(Double))
    percentiles = func.percentile_cont(literal(list(shares), ARRAY(Double)))
    return session.execute(
        select(Item.provider, percentiles.within_group(behind))
        .where(Item.unlinked_at.is_(None), Item.state.in_(("good", "expiring")))
        .group_by(Item.provider)
    ).all()


def count_runs(session: Session, span: dt.timedelta) -> Sequence[Row[str, str, int]]:
    """Return, by provider and outcome, how many runs began in the last while."""
    is_its = and_(Item.household_id == SyncRun.household_id, Item.id == SyncRun.item_id)
    return session.execute(
        select(Item.provider, SyncRun.state, func.count())
        .join(Item, is_its)
        .where(SyncRun.started_at > func.now() - span)
        .group_by(Item.provider, SyncRun.state)
    ).all()


def measure_runs(session: Session, span: dt.timedelta) -> Row[float, float]:
    """Return the 95th percentiles of the seconds that runs of the last while read and booked."""
    ended = func.coalesce(SyncRun.finished_at, func.now())
    reading = func.extract("epoch", SyncRun.read_at - SyncRun.started_at)
    booking = func.extract("epoch", ended - SyncRun.read_at)
    return session.execute(
        select(
            func.coalesce(func.percentile_cont(0.95).within_group(reading), 0.0),
            func.coalesce(func.percentile_cont(0.95).within_group(booking), 0.0),
        ).where(SyncRun.started_at > func.now() - span, SyncRun.state == "done")
    ).one()
