"""The way back: a backup into an empty database, and the proof that it is what was kept."""

import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from app.core.backups import BackupError, measures, programs, sealed, shelf
from app.core.backups.places import Place

_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"
# Those of checks of this database: a lock is seen in the database that it was taken in alone.
_TAIL = "SELECT '_' || left(md5(current_database()), 8)"
_ASIDE = r"""
    SELECT datname FROM pg_database WHERE datname ~ '^fintech_check_\d+_[0-9a-f]+_[0-9a-f]+$'
    AND right(datname, 9) = '_' || left(md5(current_database()), 8)
"""
_MAKE_ROLE = """
    DO $$ BEGIN
    IF to_regrole({name}) IS NULL THEN CREATE ROLE {role} NOLOGIN; END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$
"""
# A dump names no owners. What looks behind the wall gets back the one who may do only that.
_GIVE_BACK = """
    DO $$ DECLARE behind_the_wall regprocedure; BEGIN
    GRANT CREATE ON SCHEMA public TO fintech_system;
    FOR behind_the_wall IN SELECT oid FROM pg_proc
        WHERE prosecdef AND pronamespace = 'public'::regnamespace
    LOOP EXECUTE format('ALTER FUNCTION %s OWNER TO fintech_system', behind_the_wall); END LOOP;
    REVOKE CREATE ON SCHEMA public FROM fintech_system;
    END $$
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of a restore."""

    manifest: dict[str, Any]
    seconds: float
    """Until the database was there and compared."""
    differences: list[str]
    """Tables, flags, policies, grants, triggers and roles that are not as they were."""


def restore(url: str, place: Place, name: str, keys: Mapping[str, bytes]) -> Restored:
    """Bring a backup into an empty database, and compare all of it with the manifest.

    The whole file is authenticated before PostgreSQL sees a byte of it.

    Raises:
        BackupError: The file is not what was written, or the database is not empty; nothing
            was changed then.
    """
    started = time.monotonic()
    manifest = shelf.read_manifest(place, name, keys)
    shelf.check_file(place, name, manifest, keys)
    with _connected(url) as connection:
        measures.prepare(connection)
        if found := measures.objects(connection):
            raise BackupError(
                f"The database is not empty (it has {len(found)} tables and views). Create an "
                "empty one, and let DATABASE_URL name it: createdb fintech_restored"
            )
        for role in measures.ROLES:
            _prepare_role(connection, role)
        tools = programs.find(connection.info.server_version)
        with place.open(name) as source:
            parts = sealed.opened(source, keys)
            programs.restore(tools, url, connection.info.server_version, parts)
        connection.execute(_GIVE_BACK)
        differences = measures.differences(manifest["tables"], measures.tables(connection))
        differences += measures.differences(manifest["walls"], measures.walls(connection))
        connection.execute("ANALYZE")
    return Restored(manifest, time.monotonic() - started, differences)


@contextmanager
def throwaway(url: str) -> Iterator[str]:
    """Yield the URL of a new, empty database on the same server; dropped at the end.

    Raises:
        BackupError: The login may not create databases.
    """
    with _connected(url) as connection:
        tail = measures.scalar(connection, _TAIL)
        name = f"fintech_check_{os.getpid()}_{secrets.token_hex(4)}{tail}"
        _drop_abandoned(connection)
        # Says to others that it is in use, as long as this process lives.
        connection.execute(_LOCK, [name])
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name))
            )
        except psycopg.errors.InsufficientPrivilege:
            raise BackupError(
                "This login may not create the database for the check. Have a superuser say: "
                f"ALTER ROLE {connection.info.user} CREATEDB"
            ) from None
        try:
            yield urlsplit(url)._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


def _drop_abandoned(connection: psycopg.Connection[Any]) -> None:
    """Drop what a check left that was killed."""
    for (name,) in connection.execute(_ASIDE).fetchall():
        row = connection.execute(_TRY_LOCK, [name]).fetchone()
        if row is not None and row[0]:
            drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)
            connection.execute(_UNLOCK, [name])


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection[Any]]:
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        raise BackupError(f"The database does not answer: {error}") from None
    with connection:
        yield connection


def _prepare_role(connection: psycopg.Connection[Any], role: str) -> None:
    """Make one of the program's roles if the server has none: a dump holds no roles."""
    name = sql.Identifier(role)
    connection.execute(sql.SQL(_MAKE_ROLE).format(role=name, name=sql.Literal(role)))
    assumes = "SET" if connection.info.server_version >= 160_000 else "MEMBER"
    row = connection.execute("SELECT pg_has_role(%s, %s)", [role, assumes]).fetchone()
    if row is None or not row[0]:
        connection.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(name))
