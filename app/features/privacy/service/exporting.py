"""A household as one file: everything it owns, made while it is sent.

A ZIP archive of JSON lines, one file a table, with a manifest of counts and digests at its end.
All of it is of one moment. `importing` makes the same household of it elsewhere.
"""

import base64
import hashlib
import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec
from sqlalchemy import Table
from sqlalchemy.orm import Session

from app.core import clock, downloads, replica
from app.core.database import household_transaction
from app.core.downloads import Download
from app.core.encryption import HouseholdKey
from app.domain.filters import TransactionFilter
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.categories import service as categories
from app.features.journal import service as journal
from app.features.privacy import repository
from app.features.privacy.service import people, tables
from app.features.transactions import exporting as listing
from app.features.transactions.views import Names
from app.features.vault import service as vault

FORMAT = 1
MANIFEST, README, PEOPLE, SPREADSHEET = (
    "manifest.json", "README.txt", "people.jsonl", "transactions.csv",
)  # fmt: skip
FILES_MAX = 100_000
_ROWS_AT_A_TIME = 500
_encoder = msgspec.json.Encoder(order="deterministic")
_README = """\
Everything that one household owned, as of the moment in manifest.json.

tables/NAME.jsonl   one row of the table NAME a line, as JSON. Amounts are decimal text, negative
                    for money out; instants are UTC; ids are UUIDs. docs/reference/data-model.md
                    of the program says what each column means.
                    journal_pages.jsonl has all that banks and files said, as it came: `payload`
                    is Base64 of it, `sha256` its SHA-256 in hexadecimal digits.
files/              the bank files that were imported, as they came.
people.jsonl        who belongs to the household.
transactions.csv    the list of transactions for a spreadsheet. A text that a spreadsheet would
                    compute is behind an apostrophe.
manifest.json       format, counts, and the SHA-256 of each file. `content_sha256` is of the rows
                    without what belongs to one installation; an import compares it.

Left out: access to banks, keys, passwords and sessions. Whoever imports this links banks anew:

    fintech import-household FILE --owner ADDRESS
"""


@dataclass(slots=True)
class Counted:
    """What the manifest says of one file."""

    rows: int = 0
    file: Any = None
    content: Any = None

    def __post_init__(self) -> None:
        self.file, self.content = hashlib.sha256(), hashlib.sha256()

    def entry(self) -> dict[str, object]:
        """Return the file's entry."""
        digests = {"sha256": self.file.hexdigest(), "content_sha256": self.content.hexdigest()}
        return {"rows": self.rows, **digests}


def download(household_id: UUID, *, actor: Actor) -> Download:
    """Answer with the file, and note in the audit trail who took it."""
    note(household_id, actor=actor)
    return Download(
        export(household_id),
        media_type="application/zip",
        file_name=f"household-{clock.today()}.zip",
    )


def note(household_id: UUID, *, actor: Actor = audit.SYSTEM) -> None:
    """Note in the household's audit trail that all of it is taken out."""
    with household_transaction(household_id, for_trail=True) as session:
        audit.record(session, household_id, "household.exported", actor=actor)


def export(household_id: UUID) -> Generator[bytes, None, None]:
    """Make the archive, some hundred rows at a time, on the replica where there is one.

    One transaction is open all the while.
    """
    persons = people.list_people(household_id)
    sink = _Sink()
    reading = replica.reading_transaction(household_id)
    with reading as session, ZipFile(sink, "w", ZIP_DEFLATED) as file:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        downloads.wait_for_reader(session)
        key = vault.get_key(session, household_id)
        entries: dict[str, dict[str, object]] = {}
        for name, lines in (
            (README, iter([_README.encode()])),
            (PEOPLE, (_encoder.encode(each) + b"\n" for each in persons)),
            (SPREADSHEET, _spreadsheet(session, household_id)),
        ):
            entries[name] = yield from _write(file, sink, name, lines)
        for table in tables.exported(session):
            counted = Counted()
            lines = _lines(session, household_id, table, key, counted)
            yield from _write(file, sink, f"tables/{table.name}.jsonl", lines)
            entries[f"tables/{table.name}.jsonl"] = counted.entry()
        for name, data in _bank_files(session, household_id):
            entries[name] = yield from _write(file, sink, name, iter([data]))
        manifest = {
            "format": FORMAT,
            "household_id": household_id,
            "made_at": clock.now(),
            "files": entries,
        }
        yield from _write(file, sink, MANIFEST, iter([_encoder.encode(manifest)]))
    yield sink.take()


def digests(session: Session, household_id: UUID) -> dict[str, str]:
    """Return the digest of the content of each exported table, as the session sees it."""
    found = {}
    key = vault.get_key(session, household_id)
    for table in tables.exported(session):
        counted = Counted()
        for _ in _lines(session, household_id, table, key, counted):
            continue
        found[table.name] = counted.content.hexdigest()
    return found


class _Sink(io.RawIOBase):
    """Where the archive is written: only forwards, and taken away piece by piece."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401  # a buffer, for which there is no type
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken


def _write(
    file: ZipFile, sink: _Sink, name: str, lines: Iterator[bytes]
) -> Generator[bytes, None, dict[str, object]]:
    now = clock.now()
    info = ZipInfo(name, (now.year, now.month, now.day, now.hour, now.minute, now.second))
    info.compress_type = ZIP_DEFLATED
    counted = Counted()
    with file.open(info, "w", force_zip64=True) as target:
        for line in lines:
            target.write(line)
            counted.rows += 1
            counted.file.update(line)
            if taken := sink.take():
                yield taken
    return {"sha256": counted.file.hexdigest()}


def _lines(
    session: Session, household_id: UUID, table: Table, key: HouseholdKey, counted: Counted
) -> Iterator[bytes]:
    """Yield the rows of a table as lines, in the order of its key."""
    columns = tables.columns(table)
    names = [column.name for column in columns]
    rows = repository.iterate(
        session,
        household_id,
        table,
        columns,
        tables.key_column(table),
        at_a_time=_ROWS_AT_A_TIME,
    )
    for row in rows:
        written = {name: tables.write(value) for name, value in zip(names, row, strict=True)}
        if (table.name, "payload") == tables.PAYLOAD:
            plain = journal.open_payload(key, UUID(str(written["id"])), row[names.index("payload")])
            written["payload"] = base64.b64encode(plain).decode()
        line = _encoder.encode(written) + b"\n"
        counted.rows += 1
        counted.file.update(line)
        counted.content.update(_encoder.encode(tables.content(table, written)) + b"\n")
        yield line


def _spreadsheet(session: Session, household_id: UUID) -> Iterator[bytes]:
    names = Names(
        accounts.list_names(session, household_id),
        categories.list_categories(session, household_id),
    )
    yield from listing.lines(session, household_id, TransactionFilter(), names)


def _bank_files(session: Session, household_id: UUID) -> Iterator[tuple[str, bytes]]:
    """Yield each imported file under a name that no path hides in."""
    found = repository.list_bank_files(session, household_id, limit=FILES_MAX)
    for import_id, file_name, page_id in found:
        plain = "".join(each if each.isalnum() or each in "-_." else "_" for each in file_name)
        data = journal.read(session, household_id, page_id).payload
        yield f"files/{import_id}-{plain[-100:]}", data
