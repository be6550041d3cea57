"""Take a backup: one snapshot, measured, dumped, sealed, and named only when it is whole."""

import datetime as dt
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from app.core import clock
from app.core.backups import BackupError, measures, programs, sealed, shelf

RESERVE_BYTES = 64_000_000
"""Left free on the disk of the backups."""


def take(url: str, folder: Path, keys: Mapping[str, bytes], keep: int) -> dict[str, Any]:
    """Back the database up into the folder and forget the oldest; return the manifest.

    Args:
        url: The database, as a login that row-level security does not bind.
        folder: Where backups lie; created if missing.
        keys: ENCRYPTION_KEYS; the first one seals.
        keep: How many backups stay, at least one.

    Raises:
        BackupError: The message says why; nothing is left behind.
    """
    started = time.monotonic()
    with shelf.alone(folder), snapshot(url) as (connection, name):
        _check_room(connection, folder)
        manifest = _measure(connection)
        file = (
            folder
            / f"fintech-{dt.datetime.fromisoformat(manifest['taken_at']):%Y%m%dT%H%M%SZ}.backup"
        )
        if file.exists():
            raise BackupError(f"{file} was made in this same second: try again.")
        tools = programs.find(connection.info.server_version)
        manifest |= _write(file, programs.dump(tools, url, name), keys)
        manifest["file"] = file.name
        shelf.write_manifest(file, manifest, keys[manifest["key_id"]])
        gone = shelf.forget(folder, keys, keep)
        seconds = round(time.monotonic() - started, 1)
        shelf.record(folder, "backup", {"file": file.name, "at": manifest["taken_at"]})
    return manifest | {"seconds": seconds, "forgotten": len(gone)}


@contextmanager
def snapshot(url: str) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """Open a transaction that sees one moment, and yield the name by which others see it too.

    Raises:
        BackupError: The database does not answer, or shows this login only a part.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise BackupError(f"The database does not answer: {error}") from None
    with connection:
        measures.prepare(connection)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection, str(measures.scalar(connection, "SELECT pg_export_snapshot()"))


def _check_room(connection: psycopg.Connection[Any], folder: Path) -> None:
    """Refuse before anything is written; a dump is compressed and has no indexes."""
    needed = measures.scalar(connection, "SELECT pg_database_size(current_database())")
    free = shutil.disk_usage(folder).free
    if free < needed + RESERVE_BYTES:
        raise BackupError(
            f"{free / 1e6:,.0f} MB are free at {folder}, the database has {needed / 1e6:,.0f} MB: "
            "make room, or name another folder."
        )


def _measure(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    taken_at = clock.now()
    wrapping = connection.execute("SELECT DISTINCT key_id FROM household_keys ORDER BY 1")
    return {
        "format": 1,
        "schema": measures.schema_revision(connection),
        "taken_at": taken_at.isoformat(timespec="seconds"),
        "postgresql": measures.scalar(connection, "SHOW server_version"),
        "households": measures.scalar(connection, "SELECT count(*) FROM households"),
        "connections": measures.scalar(connection, "SELECT count(*) FROM items"),
        "wrapping_key_ids": [str(key_id) for (key_id,) in wrapping],
        "tables": measures.tables(connection),
        "walls": measures.walls(connection),
    }


def _write(file: Path, parts: Iterator[bytes], keys: Mapping[str, bytes]) -> dict[str, Any]:
    """Write the sealed file under another name, make it durable, then give it its own."""
    key_id = next(iter(keys))
    partial = file.with_name(file.name + ".part")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            sha256 = sealed.seal(parts, target, key_id, keys[key_id])
            target.flush()
            os.fsync(target.fileno())
        partial.rename(file)
        _make_durable(file.parent)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return {"key_id": key_id, "sha256": sha256, "bytes": file.stat().st_size}


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
