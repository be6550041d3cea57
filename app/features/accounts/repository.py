"""SQL of accounts."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, delete, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from app.models import Account, BalanceAnchor, Holding, Item, SourceAccount, TieOut


def source_accounts(
    session: Session, household_id: UUID, source: str, item_id: UUID | None
) -> Sequence[SourceAccount]:
    """Return the accounts of an Item, or those of all files of one format."""
    return session.scalars(
        select(SourceAccount).where(
            SourceAccount.household_id == household_id,
            SourceAccount.source == source,
            SourceAccount.item_id.is_not_distinct_from(item_id),
        )
    ).all()


def insert_account(session: Session, values: dict[str, object]) -> None:
    """Store a ledger account."""
    session.execute(insert(Account).values(values))


def insert_source_account(session: Session, values: dict[str, object]) -> None:
    """Store a source account."""
    session.execute(insert(SourceAccount).values(values))


def update_source_account(
    session: Session, household_id: UUID, source_account_id: UUID, values: dict[str, object]
) -> None:
    """Overwrite what the source says of an account."""
    session.execute(
        update(SourceAccount)
        .where(SourceAccount.household_id == household_id, SourceAccount.id == source_account_id)
        .values(values)
    )


def mark_missing(
    session: Session, household_id: UUID, item_id: UUID, listed: Sequence[str]
) -> None:
    """Note since when the source no longer lists accounts; clear it for those it does."""
    mine = (SourceAccount.household_id == household_id, SourceAccount.item_id == item_id)
    session.execute(
        update(SourceAccount)
        .where(*mine, SourceAccount.account_source_id.not_in(listed))
        .where(SourceAccount.missing_since.is_(None))
        .values(missing_since=func.now())
    )
    session.execute(
        update(SourceAccount)
        .where(*mine, SourceAccount.account_source_id.in_(listed))
        .where(SourceAccount.missing_since.is_not(None))
        .values(missing_since=None)
    )


def replace_holdings(
    session: Session,
    household_id: UUID,
    source_account_ids: Sequence[UUID],
    rows: Sequence[dict[str, object]],
) -> None:
    """Replace all holdings of some source accounts."""
    session.execute(
        delete(Holding).where(
            Holding.household_id == household_id,
            Holding.source_account_id.in_(source_account_ids),
        )
    )
    if rows:
        session.execute(insert(Holding), rows)


def last_anchor_of_day(
    session: Session, household_id: UUID, source_account_id: UUID, as_of: dt.datetime
) -> BalanceAnchor | None:
    """Return the newest balance that the institution stated for the day (UTC) of `as_of`."""
    midnight = as_of.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return session.scalars(
        select(BalanceAnchor)
        .where(
            BalanceAnchor.household_id == household_id,
            BalanceAnchor.source_account_id == source_account_id,
            BalanceAnchor.as_of >= midnight,
            BalanceAnchor.as_of < midnight + dt.timedelta(days=1),
        )
        .order_by(BalanceAnchor.as_of.desc(), BalanceAnchor.id.desc())
        .limit(1)
    ).one_or_none()


def set_hidden(
    session: Session, household_id: UUID, account_ids: Sequence[UUID], at: dt.datetime | None
) -> None:
    """Hide accounts, or show them again."""
    session.execute(
        update(Account)
        .where(Account.household_id == household_id, Account.id.in_(account_ids))
        .values(hidden_at=at)
    )


def insert_anchor(session: Session, values: dict[str, object]) -> None:
    """Store a stated balance."""
    session.execute(insert(BalanceAnchor).values(values))


def list_names(
    session: Session, household_id: UUID, *, limit: int
) -> Sequence[Row[UUID, str, str | None, str | None]]:
    """Return id, name, mask and institution of each account, hidden ones too, by name."""
    name = func.coalesce(Account.name_user, Account.name)
    return session.execute(
        select(Account.id, name, Account.mask, Account.institution_name)
        .where(Account.household_id == household_id)
        .order_by(name, Account.id)
        .limit(limit)
    ).all()


AccountRow = Row[Account, SourceAccount, str | None, dt.datetime | None, TieOut | None]


def list_accounts(
    session: Session, household_id: UUID, *, limit: int, account_id: UUID | None = None
) -> Sequence[AccountRow]:
    """Return each account, or one: the source that spoke last, institution, age and tie-out."""
    latest = (
        select(SourceAccount)
        .where(SourceAccount.household_id == household_id)
        .where(true() if account_id is None else SourceAccount.account_id == account_id)
        .ext(distinct_on(SourceAccount.account_id))
        .order_by(
            SourceAccount.account_id,
            SourceAccount.balance_as_of.desc().nulls_last(),
            SourceAccount.id.desc(),
        )
        .subquery()
    )
    fed_by = aliased(SourceAccount, latest)
    return session.execute(
        select(Account, fed_by, Item.institution_name, Item.institution_seen_at, TieOut)
        .join(fed_by, fed_by.account_id == Account.id)
        .outerjoin(Item, (Item.household_id == household_id) & (Item.id == fed_by.item_id))
        .outerjoin(
            TieOut, (TieOut.household_id == household_id) & (TieOut.account_id == Account.id)
        )
        .where(Account.household_id == household_id)
        .order_by(Account.kind, func.coalesce(Account.name_user, Account.name), Account.id)
        .limit(limit)
    ).all()
