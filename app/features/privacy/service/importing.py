"""A household made of the file that `exporting` made of it, on another installation.

All or nothing: the digests of the file are checked before a row is written, and those of the rows
after all are. Banks have to be linked again; their new accounts find their old ones.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID
from zipfile import BadZipFile, ZipFile

import msgspec
from sqlalchemy import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import clock
from app.core.database import household_transaction, system_transaction
from app.core.encryption import HouseholdKey
from app.core.errors import ConflictError, InvalidInputError
from app.features.audit import service as audit
from app.features.journal import service as journal
from app.features.privacy import repository, system
from app.features.privacy.service import exporting, tables
from app.features.vault import service as vault
from app.models import Base

LINE_BYTES_MAX = 2 * journal.PAYLOAD_BYTES_MAX
"""A page of the journal in Base64, and what stands around it."""
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
MADE_BY_TRIGGERS = ("audit_links", "daily_totals", "monthly_totals")
"""Tables that come by themselves with the rows they are made of."""
_ROWS_AT_A_TIME = 500


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    household_id: UUID
    name: str
    rows: int
    items: int
    """Connections that have to be linked again."""


def import_household(path: Path, owner_id: UUID) -> Imported:
    """Make a household of an export; for the operator.

    Args:
        path: The archive.
        owner_id: Who owns it here.

    Raises:
        InvalidInputError: It is no such archive, was changed, or is of a newer program.
        ConflictError: The household is there already.
    """
    try:
        with ZipFile(path) as file:
            return _import(file, owner_id)
    except (BadZipFile, KeyError, ValueError, msgspec.MsgspecError) as error:
        raise _unreadable(str(error)) from error


def _import(file: ZipFile, owner_id: UUID) -> Imported:
    manifest = _manifest(file)
    household_id = UUID(manifest["household_id"])
    _check_digests(file, manifest)
    [household] = _rows(file, Base.metadata.tables["households"])
    with system_transaction() as session:
        if system.find_name(session, household_id) is not None:
            raise ConflictError(
                "This household is on this installation already. Erase it first, or import into "
                "another one."
            )
        system.insert_household(session, household, owner_id)
        vault.create_key(session, household_id)
    try:
        return _fill(file, manifest, household_id, str(household["name"]))
    except BaseException:
        with system_transaction() as session:
            system.delete_household(session, household_id)
        raise


def _fill(file: ZipFile, manifest: dict[str, Any], household_id: UUID, name: str) -> Imported:
    rows = items = 0
    try:
        with household_transaction(household_id) as session:
            key = vault.get_key(session, household_id)
            for table in _importable(session, file):
                written = _insert(session, household_id, file, table, key)
                rows += written
                items += written if table.name == "items" else 0
            repository.fire_triggers(session)
            _compare(manifest, exporting.digests(session, household_id))
            audit.record(session, household_id, "household.imported", details={"rows": rows})
    except SQLAlchemyError as error:
        raise _unreadable(type(error).__name__) from error
    return Imported(household_id, name, rows, items)


def _manifest(file: ZipFile) -> dict[str, Any]:
    with file.open(exporting.MANIFEST) as source:
        manifest = msgspec.json.decode(source.read(MANIFEST_BYTES_MAX), type=dict[str, Any])
    if manifest["format"] != exporting.FORMAT:
        raise InvalidInputError(
            f"This export has the format {manifest['format']}; this program reads "
            f"{exporting.FORMAT}. Update the program.",
            code="unreadable_export",
        )
    return manifest


def _check_digests(file: ZipFile, manifest: dict[str, Any]) -> None:
    for name, entry in manifest["files"].items():
        digest = hashlib.sha256()
        with file.open(name) as source:
            while part := source.read(1024 * 1024):
                digest.update(part)
        if digest.hexdigest() != entry["sha256"]:
            raise _unreadable(f"{name} was changed")


def _importable(session: Session, file: ZipFile) -> list[Table]:
    """Return the tables that the archive has and that are to be written, parents first."""
    inside = set(file.namelist())
    return [
        table
        for table in Base.metadata.sorted_tables
        if f"tables/{table.name}.jsonl" in inside
        and table.name not in (*MADE_BY_TRIGGERS, "households")
        and repository.may_insert(session, table)
    ]


def _rows(file: ZipFile, table: Table) -> Iterator[dict[str, Any]]:
    """Yield what is to be written of a table; computed columns compute themselves."""
    columns = {each.name: each for each in tables.columns(table) if each.computed is None}
    with file.open(f"tables/{table.name}.jsonl") as lines:
        while line := lines.readline(LINE_BYTES_MAX):
            said = msgspec.json.decode(line, type=dict[str, Any])
            yield {
                name: tables.read(column, said[name])
                for name, column in columns.items()
                if name in said and (name, table.name) != ("payload", "journal_pages")
            } | ({"payload": said["payload"]} if table.name == "journal_pages" else {})


def _insert(
    session: Session, household_id: UUID, file: ZipFile, table: Table, key: HouseholdKey
) -> int:
    rows = _rows(file, table)
    prepare = _PREPARE.get(table.name)
    parents: dict[UUID, UUID] = {}
    count = 0
    while part := list(islice(rows, _ROWS_AT_A_TIME)):
        for row in part:
            if row["household_id"] != household_id:
                raise ValueError(f"{table.name} has a row of another household")
            if table.name == "categories" and row["parent_id"] is not None:
                parents[row["id"]] = row["parent_id"]
                row["parent_id"] = None
            if prepare is not None:
                prepare(row, key)
        repository.insert_rows(session, table, part)
        count += len(part)
    repository.set_parents(session, household_id, parents)
    return count


def _seal(row: dict[str, Any], key: HouseholdKey) -> None:
    payload = base64.b64decode(row["payload"], validate=True)
    if hashlib.sha256(payload).digest() != row["sha256"]:
        raise ValueError(f"page {row['id']} is not what came")
    row["payload"] = journal.seal_payload(key, row["id"], payload)


def _unlink(row: dict[str, Any], _: HouseholdKey) -> None:
    """Leave no hope that it syncs: access to a bank does not travel."""
    row["unlinked_at"] = row["unlinked_at"] or clock.now()
    for name in ("next_sync_at", "sync_wanted_by", "hinted_at", "lease_id", "lease_until"):
        row[name] = None


_PREPARE: dict[str, Callable[[dict[str, Any], HouseholdKey], None]] = {
    "journal_pages": _seal,
    "items": _unlink,
}


def _compare(manifest: dict[str, Any], now: dict[str, str]) -> None:
    """Refuse what came out other than it went in."""
    for name, entry in manifest["files"].items():
        table = name.removeprefix("tables/").removesuffix(".jsonl")
        if "content_sha256" in entry and now.get(table) != entry["content_sha256"]:
            raise _unreadable(f"the rows of {table} came out differently")


def _unreadable(why: str) -> InvalidInputError:
    return InvalidInputError(
        f"This is not a whole export of a household: {why[:200]}. Nothing was imported.",
        code="unreadable_export",
    )
