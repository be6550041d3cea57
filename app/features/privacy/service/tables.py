"""What of the schema is exported, and how each value is written: by the models, table by table.

A table that somebody adds with a `household_id` is exported without a line here, unless the
household's role may not read it. Bytes are left out unless they are named here, so that nothing
sealed or secret ever leaves by accident.
"""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Column, Date, DateTime, LargeBinary, Numeric, Table, Uuid
from sqlalchemy.orm import Session

from app.features.privacy import repository
from app.models import Base

LEFT_OUT = {
    "household_keys": "the household's key; everything it seals is exported opened",
    "idempotency_keys": "answers to requests of the last day, in case they are sent again",
    "link_sessions": "flows at banks that are under way, for hours",
    "memberships": "in people.jsonl, with names and roles",
}
"""Owned tables that are not exported, and why."""
HASHES = {("journal_pages", "sha256"), ("audit_links", "hash")}
"""Columns of bytes that keep nothing secret; they are written in hexadecimal digits."""
PAYLOAD = ("journal_pages", "payload")
"""Opened, and written in Base64."""
OF_THIS_PLACE = {
    "items": {
        "hinted_at", "lease_id", "lease_until", "next_sync_at", "sync_wanted_by", "unlinked_at",
    },
    "audit_links": {"linked_at"},
}  # fmt: skip
"""Columns that are another installation's to decide: a bank has to be linked again there."""


def exported(session: Session) -> list[Table]:
    """Return the tables that are exported, parents before their children."""
    household = Base.metadata.tables["households"]
    owned = [
        table
        for table in Base.metadata.sorted_tables
        if "household_id" in table.c and table.name not in LEFT_OUT
    ]
    return [household, *(each for each in owned if repository.may_read(session, each))]


def columns(table: Table) -> list[Column[Any]]:
    """Return the columns of a table that are written."""
    return [column for column in table.columns if not _is_secret(column)]


def key_column(table: Table) -> Column[Any]:
    """Return the column that says whose a row is."""
    return table.c.id if table.name == "households" else table.c.household_id


def write(value: Any) -> Any:  # noqa: ANN401  # what JSON knows
    """Return a value as JSON has it: amounts and instants as text, bytes in hexadecimal digits."""
    match value:
        case Decimal():
            return f"{value:f}"
        case dt.datetime():
            return value.astimezone(dt.UTC).isoformat()
        case dt.date():
            return value.isoformat()
        case UUID():
            return str(value)
        case bytes() | memoryview():
            return bytes(value).hex()
        case _:
            return value


def read(column: Column[Any], value: Any) -> Any:  # noqa: ANN401  # any column's
    """Return what `write` made of a value of this column.

    Raises:
        ValueError: It is none of this column's.
    """
    if value is None:
        return None
    match column.type:
        case Uuid():
            return UUID(value)
        case DateTime():
            return dt.datetime.fromisoformat(value)
        case Date():
            return dt.date.fromisoformat(value)
        case LargeBinary():
            return bytes.fromhex(value)
        case _ if isinstance(getattr(column.type, "impl_instance", column.type), Numeric):
            return Decimal(value)
        case _:
            return value


def content(table: Table, row: Mapping[str, object]) -> dict[str, object]:
    """Return the part of a written row that is the same on every installation."""
    left_out = OF_THIS_PLACE.get(table.name, set())
    return {name: value for name, value in row.items() if name not in left_out}


def _is_secret(column: Column[Any]) -> bool:
    place = (column.table.name, column.name)
    return isinstance(column.type, LargeBinary) and place not in HASHES and place != PAYLOAD
