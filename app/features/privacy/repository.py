"""SQL inside one household: which connections are to end, and whole tables out and in."""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, func, insert, select, text, update
from sqlalchemy.orm import Session

from app.models import Category, Import, Item, LinkSession


def list_linked(session: Session, household_id: UUID) -> list[tuple[UUID, str]]:
    """Return id, and provider with its own id, of each Item that is not unlinked."""
    rows = session.execute(
        select(Item.id, Item.provider, Item.item_source_id).where(
            Item.household_id == household_id, Item.unlinked_at.is_(None)
        )
    )
    return [(row[0], f"{row[1]}:{row[2]}") for row in rows]


def find_institutions(
    session: Session, household_id: UUID
) -> dict[str, tuple[str, dt.datetime | None]]:
    """Return the name of each Item's institution, and when it was unlinked, by the Item's id."""
    rows = session.execute(
        select(Item.id, Item.institution_name, Item.unlinked_at).where(
            Item.household_id == household_id
        )
    )
    return {str(row[0]): (row[1], row[2]) for row in rows}


def is_syncing(session: Session, household_id: UUID) -> bool:
    """Tell whether a worker has the turn of one of the household's Items."""
    leased = select(func.count()).where(
        Item.household_id == household_id, Item.lease_until > func.now()
    )
    return session.scalars(leased).one() > 0


def is_exchanging(session: Session, household_id: UUID) -> bool:
    """Tell whether somebody exchanges a one-time token at a provider, or died while they did."""
    exchanging = select(func.count()).where(
        LinkSession.household_id == household_id, LinkSession.state == "exchanging"
    )
    return session.scalars(exchanging).one() > 0


def may_read(session: Session, table: Table) -> bool:
    """Tell whether the household's role may read a table."""
    allowed = text("SELECT has_table_privilege(current_user, :name, 'SELECT')")
    return bool(session.scalar(allowed, {"name": table.name}))


def may_insert(session: Session, table: Table) -> bool:
    """Tell whether the household's role may write rows of a table."""
    allowed = text("SELECT has_table_privilege(current_user, :name, 'INSERT')")
    return bool(session.scalar(allowed, {"name": table.name}))


def iterate(
    session: Session,
    household_id: UUID,
    table: Table,
    columns: Sequence[Any],
    owner: Any,  # noqa: ANN401  # a column of the table
    *,
    at_a_time: int,
) -> Iterator[Row[Any]]:
    """Yield the household's rows of a table in the order of its key; a cursor keeps them."""
    statement = select(*columns).where(owner == household_id).order_by(*table.primary_key)
    yield from session.execute(statement.execution_options(yield_per=at_a_time))


def list_bank_files(
    session: Session, household_id: UUID, *, limit: int
) -> Sequence[tuple[UUID, str, UUID]]:
    """Return id, name and journal page of each imported file."""
    rows = session.execute(
        select(Import.id, Import.file_name, Import.journal_page_id)
        .where(Import.household_id == household_id)
        .order_by(Import.id)
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def insert_rows(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    """Write rows as they are."""
    session.execute(insert(table), rows)


def set_parents(session: Session, household_id: UUID, parents: dict[UUID, UUID]) -> None:
    """Hang categories below others, once all of them are there."""
    for category_id, parent_id in parents.items():
        session.execute(
            update(Category)
            .where(Category.household_id == household_id, Category.id == category_id)
            .values(parent_id=parent_id)
        )


def fire_triggers(session: Session) -> None:
    """Let what waits for the commit happen now, as the links of the audit trail do."""
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
