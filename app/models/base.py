"""What all tables share."""

import datetime as dt
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from sqlalchemy import (
    DateTime,
    Dialect,
    ForeignKeyConstraint,
    MetaData,
    Numeric,
    Text,
    TypeDecorator,
    func,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

from app.domain.money import plain

Instant = Annotated[dt.datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[
    dt.datetime, mapped_column(DateTime(timezone=True), server_default=func.now())
]


class ExactAmount(TypeDecorator[Decimal]):
    """NUMERIC(24, 8) that is read without the zeros that only fill its eight decimals."""

    impl = Numeric(24, 8)
    cache_ok = True

    def process_result_value(self, value: Decimal | None, dialect: Dialect) -> Decimal | None:
        """Return 12.87 for 12.87000000."""
        del dialect
        return None if value is None else plain(value)


Amount = Annotated[Decimal, mapped_column(ExactAmount)]
"""Major units of the currency beside it; negative is money out."""
OptionalAmount = Annotated[Decimal | None, mapped_column(ExactAmount)]
HouseholdId = Annotated[UUID, mapped_column(primary_key=True)]
"""The tenant: first column of the primary key and of every unique key."""
Id = Annotated[UUID, mapped_column(primary_key=True)]


class Base(DeclarativeBase):
    """Base of all tables; names constraints so that migrations can find them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {str: Text()}  # noqa: RUF012  # SQLAlchemy's own form


def owned_by_household() -> ForeignKeyConstraint:
    """Return the foreign key that owned tables have, totals apart: gone with the household."""
    return ForeignKeyConstraint(["household_id"], ["households.id"], ondelete="CASCADE")


def belongs_to(table: str, *columns: str, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """Return a composite foreign key, so that a row never points into another household.

    A column list after SET NULL keeps the household's own column (PostgreSQL 15).
    """
    if ondelete == "SET NULL":
        ondelete = f"SET NULL ({', '.join(columns)})"  # rule: columns of the models
    return ForeignKeyConstraint(
        ["household_id", *columns], [f"{table}.household_id", f"{table}.id"], ondelete=ondelete
    )
