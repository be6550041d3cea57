"""Take a backup: one snapshot, measured, dumped, sealed, and named only when it is whole."""

import datetime as dt
import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from app.core import clock
from app.core.backups import BackupError, measures, programs, sealed, shelf
from app.core.backups.places import Place


def take(url: str, place: Place, keys: Mapping[str, bytes], keep: int) -> dict[str, Any]:
    """Back the database up and forget the oldest backups; return the manifest.

    Args:
        url: The database, as a login that sees every row of it.
        place: Where backups lie.
        keys: ENCRYPTION_KEYS; the first one seals.
        keep: How many backups stay, at least one.

    Raises:
        BackupError: The message says why; nothing is left behind.
    """
    started = time.monotonic()
    with place.alone(), snapshot(url) as (connection, moment, is_bound):
        place.check_room(measures.scalar(connection, "SELECT pg_database_size(current_database())"))
        manifest = _measure(connection)
        name = f"{dt.datetime.fromisoformat(manifest['taken_at']):{shelf.NAME}}"
        if place.size(name) is not None:
            raise BackupError(f"{place.path(name)} was made in this same second: try again.")
        tools = programs.find(connection.info.server_version)
        parts = programs.dump(tools, url, moment, is_bound=is_bound)
        manifest |= _write(place, name, parts, keys)
        manifest["file"] = name
        shelf.write_manifest(place, name, manifest, keys[manifest["key_id"]])
        gone = shelf.forget(place, keys, keep)
        seconds = round(time.monotonic() - started, 1)
    return manifest | {"seconds": seconds, "forgotten": len(gone)}


@contextmanager
def snapshot(url: str) -> Iterator[tuple[psycopg.Connection[Any], str, bool]]:
    """Open a transaction that sees one moment; yield the name by which others see it too.

    With it comes whether row-level security holds for the login (`measures.prepare`).

    Raises:
        BackupError: The database does not answer, or shows this login only a part.
    """
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise BackupError(f"The database does not answer: {error}") from None
    with connection:
        is_bound = measures.prepare(connection)
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield connection, str(measures.scalar(connection, "SELECT pg_export_snapshot()")), is_bound


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


def _write(
    place: Place, name: str, parts: Iterator[bytes], keys: Mapping[str, bytes]
) -> dict[str, Any]:
    """Keep the dump sealed, and say by what, of what size and with which SHA-256."""
    key_id = next(iter(keys))
    digest, size = hashlib.sha256(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for part in sealed.seal(parts, key_id, keys[key_id]):
            digest.update(part)
            size += len(part)
            yield part

    place.write(name, counted())
    return {"key_id": key_id, "sha256": digest.hexdigest(), "bytes": size}
