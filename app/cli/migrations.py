"""Brings the database to the newest migration, and knows when there is nothing to do."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import app
from app.core.embedded import EmbeddedError, PostgreSQLServer, processes

SECONDS_MAX = 3600.0
ROOT = Path(app.__file__).resolve().parent.parent
_REASON = re.compile(
    r"^(?:psycopg\.errors|sqlalchemy\.exc)\.(\w+): (?:\(psycopg\.\w+\) )?(.+)$", re.MULTILINE
)
_REMEDIES = {
    "InsufficientPrivilege": "The user of DATABASE_URL may not do that. docs/guides/run.md, 'With "
    "your own PostgreSQL', has what an administrator runs once.",
    "LockNotAvailable": "Somebody uses a table that is to change. Nothing of that step was "
    "changed: try again, or stop the other program first.",
    "OperationalError": "Start PostgreSQL, or correct DATABASE_URL.",
}
_VERSION = "SELECT string_agg(version_num, ',' ORDER BY version_num) FROM alembic_version"


class MigrationError(Exception):
    """The database could not be brought to the newest migration; the message holds the log."""


def migrate(home: Path, environment: Mapping[str, str], database: PostgreSQLServer | None) -> None:
    """Run `alembic upgrade head`, unless the embedded database is known to be there.

    Loading the models and Alembic takes longer than PostgreSQL takes to start. The home
    remembers which version the migration files of now led to; if the database says that it is
    of that version and no file changed, nothing is loaded.

    Args:
        home: Where the log and the memory are kept.
        environment: With DATABASE_URL, for Alembic.
        database: The embedded server; None when DATABASE_URL is the operator's, which others
            may change and which is therefore always asked.

    Raises:
        MigrationError: A migration failed; what it began was rolled back.
    """
    memory = home / "migrated"
    files = _fingerprint()
    if database is not None:
        name = environment["DATABASE_URL"].rpartition("/")[2]
        if _remembered(memory, files) == (_version(database, name) or "none"):
            return
    _upgrade(home, environment)
    if database is not None:
        memory.write_text(json.dumps({"files": files, "version": _version(database, name)}))


def _upgrade(home: Path, environment: Mapping[str, str]) -> None:
    if not (ROOT / "alembic.ini").is_file():
        raise MigrationError(f"{ROOT} holds no alembic.ini: run from a checkout of the project.")
    child = processes.start(
        "migration",
        [sys.executable, "-m", "alembic", "-c", ROOT / "alembic.ini", "upgrade", "head"],
        home / "logs" / "migrations.log",
        environment=environment,
        folder=Path.cwd(),
    )
    try:
        code = child.process.wait(timeout=SECONDS_MAX)
    finally:
        child.stop()
    if code != 0:
        raise MigrationError(explain(child.last_words(), home / "logs" / "migrations.log"))


def explain(last_words: str, log: Path) -> str:
    """Return what a person is told of a migration that failed, by the end of its log."""
    reasons = _REASON.findall(last_words)
    if not reasons:
        return f"alembic upgrade head failed:\n{last_words}"
    name, text = reasons[-1]
    remedy = _REMEDIES.get(name, "What it began was rolled back.")
    return f"alembic upgrade head failed: {text}\n{remedy}\nThe log is {log}."


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "migrations").rglob("*")):
        if path.suffix in (".py", ".sql"):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _remembered(memory: Path, files: str) -> str | None:
    try:
        known = json.loads(memory.read_text())
        return str(known["version"]) if known["files"] == files else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _version(database: PostgreSQLServer, name: str) -> str:
    try:
        return database.query(_VERSION, database=name)
    except EmbeddedError:  # no such table: nothing was ever migrated
        return ""
