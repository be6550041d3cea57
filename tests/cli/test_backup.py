"""`fintech backup` and `fintech restore`: what comes back is what was kept, or it is refused."""

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from click.testing import CliRunner, Result
from pydantic import SecretStr
from sqlalchemy import text

from app.cli import backup, doctor, restore
from app.core import database, encryption
from app.core.backups import BackupError, places, restoring, sealed, shelf, taking
from app.core.backups.places import Folder
from app.core.config import settings
from app.core.database import household_transaction
from app.core.embedded import ports
from app.features.connections.service import sync
from app.features.proof import service as proof
from app.features.vault import service as vault
from tests.features.connections.bank import linked, open_bank, query, row
from tests.features.proof import ledgers

URL = settings.DATABASE_URL.get_secret_value()
KEYS = encryption.WRAPPING_KEYS
pytestmark = pytest.mark.usefixtures("no_households")
LIVE = "SELECT source_id, amount FROM transactions WHERE removed_at IS NULL ORDER BY 1"
NOTED = "SELECT source_id FROM transactions WHERE note <> ''"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("BACKUPS_FOLDER", str(tmp_path / "backups"))
    return tmp_path / "backups"


@pytest.fixture
def kept(folder, ada, cleo) -> Path:
    """A backup of two households with sealed data."""
    ledgers.fill(ada)
    ledgers.fill(cleo)
    made = taking.take(URL, Folder(folder), KEYS, keep=14)
    return folder / made["file"]


def run(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


def restore_file(url: str, file: Path, keys=KEYS):
    return restoring.restore(url, Folder(file.parent), file.name, keys)


def manifest_of(file: Path) -> Path:
    return file.with_name(shelf.manifest_of(file.name))


@contextmanager
def empty_database():
    with restoring.throwaway(URL) as url:
        yield url


@contextmanager
def program_on(url: str, monkeypatch):
    """Let the program in this process work on another database."""
    engine = database.create_engine(
        f"postgresql+psycopg://{url.partition('://')[2]}", pool_size=2, max_overflow=0
    )
    before = database.engine
    with monkeypatch.context() as patch:
        patch.setattr(database, "engine", engine)
        database._sessions.configure(bind=engine)
        try:
            yield
        finally:
            database._sessions.configure(bind=before)
            engine.dispose()


def test_the_drill_backup_restore_compare_and_verify(folder, ada, cleo, capsys):
    ledgers.fill(ada)
    ledgers.fill(cleo)

    made = run(backup.command)
    assert made.exit_code == 0, made.output
    checked = run(restore.command, "--check")

    assert checked.exit_code == 0, checked.output
    assert "0 differences" in checked.output
    assert "0 with findings" in checked.output
    figures = re.search(r"RPO \d+ s, RTO [\d.]+ s", checked.output)
    assert figures
    with capsys.disabled():
        print(f"\nRestore drill: {figures[0]}")  # noqa: T201 - the drill's figures
    assert shelf.recorded(folder)["check"]["is_ok"]
    with psycopg.connect(URL) as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_database WHERE datname LIKE %s",
            [f"fintech_check_{os.getpid()}_%"],
        ).fetchone()
    assert left == (0,)


def test_two_households_come_back_with_what_is_sealed_and_with_their_walls(
    kept, ada, cleo, monkeypatch
):
    before = {each: query(each, LIVE) for each in (ada.household_id, cleo.household_id)}
    with empty_database() as url:
        done = restore_file(url, kept)
        assert done.differences == []
        with program_on(url, monkeypatch):
            for household_id, rows in before.items():
                assert query(household_id, LIVE) == rows
                replayed = proof.replay(household_id)  # opens every page of the journal
                assert replayed.is_same
                assert replayed.pages > 0


def test_a_file_that_was_tampered_with_is_named_for_what_it_is(kept, tmp_path):
    whole = kept.read_bytes()
    manifest = manifest_of(kept).read_text()
    for content, words in (
        (whole[:-100], "cut off"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "was changed"),
    ):
        copy = tmp_path / kept.name
        copy.write_bytes(content)
        manifest_of(copy).write_text(manifest)
        with empty_database() as url:
            with pytest.raises(BackupError, match=words):
                restore_file(url, copy)
            with psycopg.connect(url) as connection:
                assert restoring.measures.objects(connection) == []


def test_a_manifest_that_was_changed_is_refused(kept):
    path = manifest_of(kept)
    told = json.loads(path.read_text())
    told["tables"]["users"][0] += 1
    path.write_text(json.dumps(told))

    with pytest.raises(BackupError, match="was changed"):
        shelf.read_manifest(Folder(kept.parent), kept.name, KEYS)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"other": bytes(32)}, "ENCRYPTION_KEYS has no key"),
        ({next(iter(KEYS)): bytes(32)}, "is not the one"),
    ],
)
def test_a_wrong_key_is_said(kept, keys, words):
    with empty_database() as url, pytest.raises(BackupError, match=words):
        restore_file(url, kept, keys)


def test_a_database_that_holds_something_is_left_alone(kept):
    refused = run(restore.command, kept)

    assert refused.exit_code == 1
    assert "The database is not empty" in refused.output
    assert "createdb" in refused.output


def test_a_role_that_row_level_security_binds_is_refused(folder):
    name = f"bound_{os.getpid()}"
    with psycopg.connect(URL, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'bound'")
        try:
            parts = urlsplit(URL)
            place = parts.netloc.rpartition("@")[2]
            bound = parts._replace(netloc=f"{quote(name)}:bound@{place}").geturl()
            with pytest.raises(BackupError, match=f"ALTER ROLE {name} BYPASSRLS"):
                taking.take(bound, Folder(folder), KEYS, keep=1)
        finally:
            connection.execute(f"DROP ROLE {name}")
    assert list(folder.glob("fintech-*")) == []


def test_the_check_finds_a_row_that_was_not_in_the_backup(kept, folder, monkeypatch):
    tables = restoring.measures.tables

    def with_a_stray(connection):
        connection.execute(
            "INSERT INTO households (id, name) VALUES (gen_random_uuid(), 'A stray')"
        )
        return tables(connection)

    monkeypatch.setattr(restoring.measures, "tables", with_a_stray)
    found = run(restore.command, "--check", kept)

    assert found.exit_code == 1
    assert "households: " in found.output
    assert "What was restored is not what was backed up." in found.output
    assert shelf.recorded(folder)["check"]["is_ok"] is False


def test_old_backups_go_and_what_is_not_ours_stays(folder, ada, monkeypatch):
    folder.mkdir()
    foreign = folder / "fintech-20200101T000000Z.backup"
    foreign.write_bytes(b"somebody else's")
    clock = taking.clock.now()
    made = []
    for hours in range(3):
        at = clock + taking.dt.timedelta(hours=hours)
        monkeypatch.setattr(taking.clock, "now", lambda at=at: at)
        made.append(folder / taking.take(URL, Folder(folder), KEYS, keep=2)["file"])

    assert [each.exists() for each in made] == [False, True, True]
    assert not manifest_of(made[0]).exists()
    assert foreign.exists()


def test_a_full_disk_is_said_before_anything_is_written(folder, monkeypatch):
    monkeypatch.setattr(places, "RESERVE_BYTES", 10**18)

    refused = run(backup.command)

    assert refused.exit_code == 1
    assert "make room" in refused.output
    assert list(folder.glob("fintech-*")) == []


def test_XB8_yesterdays_backup_catches_up_without_a_duplicate(folder, ada, monkeypatch):
    household_id = ada.household_id
    bank = open_bank(rows=4)
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")
        made = taking.take(URL, Folder(folder), KEYS, keep=1)
        bank.stream.apply(ledgers.Added(row(bank, "later", "7.77")))
        bank.stream.apply(ledgers.Removed("t0"))
        bank.stream.apply(ledgers.Modified(row(bank, "t1", "2.22")))
        sync.sync_item(household_id, item_id, "button")
        ledgers.edit(ada, "later", note="after the backup")
        today = query(household_id, LIVE)
        assert len(query(household_id, NOTED)) == 1

        with empty_database() as url:
            restore_file(url, folder / made["file"])
            with program_on(url, monkeypatch):
                assert query(household_id, LIVE) != today
                outcome = sync.sync_item(household_id, item_id, "button")
                assert outcome.state == "done"
                assert query(household_id, LIVE) == today
                assert ("later", Decimal("-7.77")) in today
                assert query(household_id, NOTED) == []
                assert proof.replay(household_id).is_same
                findings = proof.verify_database() + proof.verify(household_id, all_pages=True)
                assert [each.name for each in findings if each.count] == []


def test_K8_a_household_that_was_erased_since_the_backup_is_erased_from_what_is_restored(
    kept, ada, cleo, monkeypatch, tmp_path
):
    erased = tmp_path / "erased-households.jsonl"
    now = taking.dt.datetime.now(taking.dt.UTC).isoformat()
    said = {"event": "household_erased", "household_id": str(ada.household_id), "timestamp": now}
    erased.write_text(json.dumps(said) + "\n")
    monkeypatch.setitem(settings.__dict__, "ERASED_HOUSEHOLDS_FILE", str(erased))
    theirs = query(cleo.household_id, LIVE)

    with empty_database() as url:
        monkeypatch.setitem(settings.__dict__, "DATABASE_URL", SecretStr(url))
        with program_on(url, monkeypatch):
            done = run(restore.command, kept)
            assert done.exit_code == 0, done.output
            assert "1 of them were in the database and are erased again" in done.output
            with (
                household_transaction(ada.household_id) as session,
                pytest.raises(encryption.SealError, match="it was erased"),
            ):
                vault.get_key(session, ada.household_id)
            assert query(ada.household_id, "SELECT count(*) FROM journal_pages") == [(0,)]
            assert query(cleo.household_id, LIVE) == theirs
            assert proof.replay(cleo.household_id).is_same


def test_the_doctor_warns_until_there_is_a_fresh_backup_that_was_checked(folder, ada, clock):
    def warned() -> str:
        with pytest.raises(doctor.Warned) as caught:
            doctor.check_backups(settings)
        return caught.value.text

    with database.engine.begin() as connection:
        connection.execute(text("DELETE FROM backup_records"))  # what other tests left
    assert "none was made" in warned()
    assert run(backup.command, "--keep", 1).exit_code == 0
    assert "never restored" in warned()
    assert run(restore.command, "--check").exit_code == 0
    assert "hours old" in doctor.check_backups(settings)
    (folder / shelf.RECORD).unlink()  # as in a container that does not make them
    assert "hours old" in doctor.check_backups(settings)
    clock.shift(27 * 3600)
    assert "the last one is of" in warned()


def test_a_backup_is_checked_past_a_pooler_that_knows_no_throwaway_database(folder, ada):
    assert run(backup.command).exit_code == 0
    away = f"postgresql://127.0.0.1:{ports.find_free()}"

    done = subprocess.run(
        [Path(sys.executable).with_name("fintech"), "restore", "--check"],
        env=os.environ | {"DATABASE_POOLER_URL": away},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "checks, 0 with findings" in done.stdout


def test_the_commands_are_part_of_the_program():
    listed = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "backup" in listed
    assert "restore" in listed


def test_a_sealed_file_is_read_back_or_refused_chunk_by_chunk(tmp_path):
    plain = os.urandom(3 * sealed.CHUNK_BYTES + 5)
    key = os.urandom(32)
    path = tmp_path / "sealed"
    path.write_bytes(b"".join(sealed.seal([plain], "k1", key)))
    assert b"".join(opened(path.read_bytes(), tmp_path, key)) == plain

    whole = path.read_bytes()
    start = len(whole) - sum(13 + 16 + size for size in [sealed.CHUNK_BYTES] * 3 + [5])
    record = 13 + 16 + sealed.CHUNK_BYTES
    head, first, second = whole[:start], whole[start:][:record], whole[start + record :][:record]
    rest = whole[start + 2 * record :]
    # Moved, and numbered anew to look right.
    disguised = first[:8] + second[8:] + second[:8] + first[8:]
    for content, words in (
        (head + second + first + rest, "out of order"),
        (head + disguised + rest, "does not open"),
        (head + first + rest, "out of order"),
        (head + first + second, "cut off"),
        (head + first[:8] + b"\1" + first[9:], "does not open"),
        (whole + b"x", "follows its last chunk"),
        (whole[:40] + bytes([whole[40] ^ 1]) + whole[41:], "changed|not in|is not the one"),
        (b"PGDMP" + whole, "not a backup"),
    ):
        with pytest.raises(BackupError, match=words):
            list(opened(content, tmp_path, key))
    with pytest.raises(BackupError, match="is not the one of this file"):
        list(opened(whole, tmp_path, bytes(32)))


def opened(content: bytes, folder: Path, key: bytes):
    copy = folder / "copy"
    copy.write_bytes(content)
    with copy.open("rb") as source:
        yield from sealed.opened(source, {"k1": key})
