"""Killed half-way, by SIGKILL: what is left is never taken for a backup, nor for its data."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from app.cli import backup, restore
from app.core import encryption
from app.core.backups import measures, restoring, shelf, taking
from app.core.backups.places import Folder
from app.core.config import settings
from tests.features.proof import ledgers

URL = settings.DATABASE_URL.get_secret_value()
KEYS = encryption.WRAPPING_KEYS
pytestmark = pytest.mark.usefixtures("no_households")
# Pass on a part of what comes, in small pieces, and die.
DYING = """
import os, signal
def dying(parts, share):
    content = b"".join(parts)
    for start in range(0, int(len(content) * share), 1000):
        yield content[start:start + 1000]
    os.kill(os.getpid(), signal.SIGKILL)
"""
DYING_BACKUP = f"""{DYING}
from app.cli import main
from app.core.backups import programs
dump = programs.dump
programs.dump = lambda *arguments, **options: dying(dump(*arguments, **options), SHARE)
main(["backup"])
"""
DYING_RESTORE = f"""{DYING}
from app.cli import main
from app.core.backups import programs
restore = programs.restore
programs.restore = lambda *arguments: restore(*arguments[:-1], dying(arguments[-1], SHARE))
main(ARGUMENTS)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, ada) -> Path:
    monkeypatch.setenv("BACKUPS_FOLDER", str(tmp_path / "backups"))
    ledgers.fill(ada)
    return tmp_path / "backups"


def die(script: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, **environment}, capture_output=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("share", ["0.5", "1"])
def test_a_killed_backup_leaves_nothing_that_counts(folder, share):
    assert CliRunner().invoke(backup.command).exit_code == 0
    [made] = shelf.complete(Folder(folder))

    die(DYING_BACKUP.replace("SHARE", share))

    [left] = folder.glob("*.part")
    assert [path.name for path in folder.glob("*.backup")] == [made]
    assert shelf.recorded(folder)["backup"]["file"] == made
    time.sleep(1)  # backups are named for their second
    assert CliRunner().invoke(backup.command).exit_code == 0
    assert not left.exists()
    assert len(shelf.complete(Folder(folder))) == 2


@pytest.mark.parametrize("share", ["0.3", "0.9", "1"])
def test_a_killed_restore_leaves_the_database_empty_and_the_next_one_goes_on(folder, share):
    file = folder / taking.take(URL, Folder(folder), KEYS, keep=1)["file"]
    script = DYING_RESTORE.replace("SHARE", share).replace(
        "ARGUMENTS", repr(["restore", str(file)])
    )
    with restoring.throwaway(URL) as url:
        die(script, DATABASE_URL=url)

        with psycopg.connect(url, autocommit=True) as connection:
            _wait_until_alone(connection)
            assert measures.objects(connection) == []
        done = restoring.restore(url, Folder(folder), file.name, KEYS)
        assert done.differences == []


def test_what_a_killed_check_leaves_is_dropped_by_the_next(folder):
    taking.take(URL, Folder(folder), KEYS, keep=1)
    script = DYING_RESTORE.replace("SHARE", "0.5")
    with psycopg.connect(URL, autocommit=True) as connection, restoring.throwaway(URL) as in_use:
        before = _asides(connection)
        die(script.replace("ARGUMENTS", repr(["restore", "--check"])))
        [left] = _asides(connection) - before
        assert "check" not in shelf.recorded(folder)

        checked = CliRunner().invoke(restore.command, ["--check"])

        assert "0 differences" in checked.output
        assert left not in _asides(connection)
        assert in_use.rpartition("/")[2] in _asides(connection)


def _asides(connection) -> set[str]:
    return {name for (name,) in connection.execute(restoring._ASIDE).fetchall()}


def _wait_until_alone(connection) -> None:
    """Wait for the programs that the killed one had started: they end by themselves."""
    deadline = time.monotonic() + 30
    question = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    while connection.execute(question).fetchone() != (0,):
        assert time.monotonic() < deadline
        time.sleep(0.05)
