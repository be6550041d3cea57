"""P5: a household goes out as a file and comes in elsewhere, and is the same."""

import base64
import hashlib
import io
import json
import time
from pathlib import Path
from uuid import UUID
from zipfile import ZipFile

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from sqlalchemy import LargeBinary
from sqlalchemy.exc import DBAPIError

from app.cli import export, import_household
from app.core import downloads
from app.core.database import household_transaction
from app.features.connections.service import sync
from app.features.privacy.service import erasing, exporting, importing, tables
from app.features.proof import service as proof
from app.models import Base
from tests.cast import Browser, SignedInBrowser
from tests.factories import ledger, people
from tests.features.connections.bank import linked, open_bank, query
from tests.features.proof import ledgers

SECRETS = {"access_token", "wrapped_key", "password_hash", "token_hash", "secret", "code_hash"}


@pytest.fixture
def household_id(ada: SignedInBrowser) -> UUID:
    """Return Ada's household, with rows in nearly every table."""
    ledgers.fill(ada)
    ledgers.fill_with_holdings(ada.household_id)
    ledger.everything(ada.household_id, ada.user_id)
    return ada.household_id


def archive(household_id: UUID) -> ZipFile:
    return ZipFile(io.BytesIO(b"".join(exporting.export(household_id))))


def digests(household_id: UUID) -> dict[str, str]:
    with household_transaction(household_id) as session:
        return exporting.digests(session, household_id)


def findings(household_id: UUID) -> dict[str, int]:
    """Count what verify finds: nothing new may come, and what the factories left out stays."""
    return {
        each.name.partition(" (")[0]: each.count
        for each in proof.verify(household_id, all_pages=True)
    }


def erase(household_id: UUID) -> None:
    """Make this the other installation."""
    with linked(household_id, open_bank()):
        erasing.begin(household_id, "owner")
        while erasing.run(household_id) != "erased":
            continue


def rows_of(file: ZipFile, table: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read(f"tables/{table}.jsonl").splitlines()]


def test_the_database_waits_for_a_reader_as_long_as_is_said_and_no_longer(
    household_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "READER_SECONDS_MAX", 1)  # others may idle for fifteen
    chunks = exporting.export(household_id)
    next(chunks)
    time.sleep(2)

    with pytest.raises(DBAPIError, match="idle-in-transaction timeout"):
        list(chunks)


def test_P5_every_owned_table_is_in_it_or_left_out_for_a_reason(household_id: UUID) -> None:
    inside = {name for name in archive(household_id).namelist() if name.startswith("tables/")}

    owned = {table.name for table in Base.metadata.sorted_tables if "household_id" in table.c}
    missing = owned - {name.removeprefix("tables/").removesuffix(".jsonl") for name in inside}
    # What the household's own role may not see: what belongs to a person, and webhooks.
    closed = {"user_sessions", "webhooks", "invitations", "api_tokens", "notices", "notice_mails"}
    closed |= {"account_shares"}
    assert missing <= set(tables.LEFT_OUT) | closed


def test_P5_it_holds_all_rows_and_its_manifest_says_how_many(household_id: UUID) -> None:
    file = archive(household_id)
    manifest = json.loads(file.read("manifest.json"))

    assert manifest["household_id"] == str(household_id)
    assert set(manifest["files"]) == set(file.namelist()) - {"manifest.json"}
    for name, entry in manifest["files"].items():
        assert entry["sha256"] == hashlib.sha256(file.read(name)).hexdigest(), name
    for table in ("transactions", "journal_pages", "field_changes", "change_sets"):
        [(count,)] = query(household_id, f"SELECT count(*) FROM {table}")
        assert manifest["files"][f"tables/{table}.jsonl"]["rows"] == count > 0
    row = rows_of(file, "transactions")[0]
    assert isinstance(row["amount"], str)


def test_P5_what_banks_and_files_said_is_in_it_as_it_came(household_id: UUID) -> None:
    file = archive(household_id)

    for page in rows_of(file, "journal_pages"):
        payload = base64.b64decode(str(page["payload"]))
        assert hashlib.sha256(payload).hexdigest() == page["sha256"]
    imports = {str(each["id"]) for each in rows_of(file, "imports")}
    files = [name for name in file.namelist() if name.startswith("files/")]
    assert {name.removeprefix("files/")[:36] for name in files} == imports
    assert any(b"OFXHEADER" in file.read(name) for name in files)
    assert file.read("transactions.csv").startswith(b"\xef\xbb\xbfdate,amount")


def test_P5_no_secret_is_in_it(ada: SignedInBrowser, household_id: UUID) -> None:
    file = archive(household_id)
    text = b"".join(file.read(name) for name in file.namelist())

    assert ada.person.email.encode() in text
    for name in SECRETS:
        assert f'"{name}"'.encode() not in text
    for table in Base.metadata.sorted_tables:
        for column in tables.columns(table):
            if isinstance(column.type, LargeBinary):
                place = (table.name, column.name)
                assert place in tables.HASHES or place == tables.PAYLOAD, place


def test_P5_it_is_made_of_itself_elsewhere_and_is_the_same(
    ada: SignedInBrowser, household_id: UUID, tmp_path: Path
) -> None:
    path = tmp_path / "household.zip"
    done = CliRunner().invoke(export.command, [str(path), "--household", str(household_id)])
    assert done.exit_code == 0, done.output
    assert path.stat().st_mode & 0o777 == 0o600
    before, sound = digests(household_id), findings(household_id)
    erase(household_id)
    eve = people.person("Eve")

    made = CliRunner().invoke(import_household.command, [str(path), "--owner", eve.email])

    assert made.exit_code == 0, made.output
    assert "Household of Ada is here" in made.output
    assert "3 connections have to be linked again" in made.output
    after = digests(household_id)
    # The trail has one event more: that it was imported.
    assert {name for name in after if after[name] != before[name]} == {
        "audit_events",
        "audit_links",
    }
    assert findings(household_id) == sound


def test_P5_an_imported_household_is_not_erased_by_the_list_of_before(
    ada: SignedInBrowser, household_id: UUID, tmp_path: Path
) -> None:
    path = tmp_path / "household.zip"
    path.write_bytes(b"".join(exporting.export(household_id)))
    erase(household_id)
    erased_at = erasing.find(household_id).key_destroyed_at
    importing.import_household(path, people.person("Eve").user_id)

    assert erasing.erase_again({household_id: erased_at}) == []
    assert query(household_id, "SELECT count(*) FROM accounts")[0][0] > 0


def test_P5_a_connection_that_was_imported_never_syncs(household_id: UUID, tmp_path: Path) -> None:
    path = tmp_path / "household.zip"
    path.write_bytes(b"".join(exporting.export(household_id)))
    erase(household_id)
    importing.import_household(path, people.person("Eve").user_id)

    for item_id, unlinked_at, token in query(
        household_id, "SELECT id, unlinked_at, access_token FROM items"
    ):
        assert unlinked_at is not None
        assert token is None
        assert sync.sync_item(household_id, item_id, "button").state == "busy"


def test_P5_a_household_that_is_there_is_left_alone(household_id: UUID, tmp_path: Path) -> None:
    path = tmp_path / "household.zip"
    path.write_bytes(b"".join(exporting.export(household_id)))
    before = digests(household_id)

    done = CliRunner().invoke(
        import_household.command, [str(path), "--owner", people.person("Eve").email]
    )

    assert done.exit_code == 1
    assert "is on this installation already" in done.output
    assert digests(household_id) == before


def _with(path: Path, name: str, data: bytes) -> None:
    with ZipFile(path) as file:
        parts = {each: file.read(each) for each in file.namelist()}
    with ZipFile(path, "w") as file:
        for each, content in (parts | {name: data}).items():
            file.writestr(each, content)


@pytest.mark.parametrize("is_disguised", [False, True])
def test_P5_a_file_that_was_changed_is_refused_and_leaves_nothing(
    household_id: UUID, tmp_path: Path, is_disguised: bool
) -> None:
    path = tmp_path / "household.zip"
    path.write_bytes(b"".join(exporting.export(household_id)))
    erase(household_id)
    name = "tables/journal_pages.jsonl"
    with ZipFile(path) as file:
        pages = [json.loads(line) for line in file.read(name).splitlines()]
        manifest = json.loads(file.read("manifest.json"))
    pages[0]["payload"] = base64.b64encode(b"forged").decode()
    forged = b"".join(json.dumps(page).encode() + b"\n" for page in pages)
    _with(path, name, forged)
    if is_disguised:
        manifest["files"][name]["sha256"] = hashlib.sha256(forged).hexdigest()
        _with(path, "manifest.json", json.dumps(manifest).encode())

    done = CliRunner().invoke(
        import_household.command, [str(path), "--owner", people.person("Eve").email]
    )

    assert done.exit_code == 1
    assert ("is not what came" if is_disguised else "was changed") in done.output
    assert query(household_id, "SELECT count(*) FROM households") == [(0,)]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and so on", b"not a zip"])
def test_P5_what_is_no_archive_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "household.zip"
    path.write_bytes(content)

    done = CliRunner().invoke(
        import_household.command, [str(path), "--owner", people.person("Eve").email]
    )

    assert done.exit_code == 1
    assert "not a whole export of a household" in done.output


def test_P5_page_and_program_get_the_same(
    app: FastAPI, ada: SignedInBrowser, household_id: UUID
) -> None:
    page = ada.post("/settings/privacy/export")
    program = Browser(app).post("/api/v1/household/export", headers=ada.bearer())

    for answer in (page, program):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        file = ZipFile(io.BytesIO(answer.content))
        assert file.testzip() is None
        actions = {row["action"] for row in rows_of(file, "audit_events")}
        assert "household.exported" in actions
