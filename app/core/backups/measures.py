"""What a database holds, in figures that can be compared: rows, digests, and its walls."""

from typing import Any

from psycopg import Connection, sql

from app.core.backups import BackupError

ROLES = ("fintech_tenant", "fintech_system", "fintech_guest")

# How a row reads as text depends on these; the digests of two databases must not.
_SESSION = """
    SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres';
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = 0
"""
_OWN = """
    relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND left(relnamespace::regnamespace::text, 3) <> 'pg_' AND relpersistence = 'p'
"""
# Tables of which the policies may show the login a part: none of them lets it see every row, or a
# restrictive one takes some away.
_SEEN_IN_PART = f"""
    SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relrowsecurity AND {_OWN}
    AND (SELECT bool_or(polpermissive AND pg_get_expr(polqual, polrelid) = 'true')
            AND bool_and(polpermissive)
         FROM pg_policy WHERE polrelid = pg_class.oid AND polcmd IN ('r', '*') AND EXISTS (
            SELECT FROM unnest(polroles) AS role WHERE role = 0 OR pg_has_role(role, 'USAGE'))
        ) IS NOT TRUE
"""
_TABLES = f"""
    SELECT relnamespace::regnamespace::text, relname FROM pg_class
    WHERE relkind = 'r' AND {_OWN} ORDER BY 1, 2
"""
_OBJECTS = f"SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND {_OWN}"
# A sum does not ask for an order, so the largest table is read once and kept nowhere.
_DIGEST = """
    SELECT count(*), coalesce(sum(('x' || left(digest, 16))::bit(64)::bigint), 0)::text
        || ':' || coalesce(sum(('x' || right(digest, 16))::bit(64)::bigint), 0)::text
    FROM (SELECT md5(each_row::text) AS digest FROM ONLY {} AS each_row) AS digests
"""
_WALLS = f"""
    SELECT 'security of ' || relname, 'enabled ' || relrowsecurity || ', forced '
        || relforcerowsecurity FROM pg_class WHERE relkind IN ('r', 'p') AND {_OWN}
    UNION ALL
    SELECT 'policy ' || policyname || ' of ' || tablename,
        concat_ws(' | ', permissive, roles::text, cmd, qual, with_check) FROM pg_policies
    UNION ALL
    SELECT 'grants on ' || relname || ' to ' || grantee::regrole,
        string_agg(privilege_type, ', ' ORDER BY privilege_type)
    FROM pg_class, aclexplode(relacl)
    WHERE {_OWN} AND grantee <> 0 AND grantee::regrole::text = ANY (%(roles)s)
    GROUP BY relname, grantee
    UNION ALL
    SELECT 'grants on ' || relname || '.' || attname || ' to ' || grantee::regrole,
        string_agg(privilege_type, ', ' ORDER BY privilege_type)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid, aclexplode(attacl)
    WHERE {_OWN} AND grantee <> 0 AND grantee::regrole::text = ANY (%(roles)s)
    GROUP BY relname, attname, grantee
    UNION ALL
    SELECT 'trigger ' || tgname || ' of ' || relname,
        tgenabled::text || ' ' || pg_get_triggerdef(t.oid)
    FROM pg_trigger AS t JOIN pg_class ON pg_class.oid = tgrelid
    WHERE NOT tgisinternal AND {_OWN}
    UNION ALL
    SELECT 'role ' || rolname, concat_ws(' ', 'superuser', rolsuper, 'bypasses', rolbypassrls,
        'logs in', rolcanlogin) FROM pg_roles
        WHERE rolname IN (SELECT unnest(roles) FROM pg_policies)
"""


def prepare(connection: Connection[Any]) -> bool:
    """Make this session see every row, and read each the same way everywhere.

    Returns:
        Whether row-level security still holds, and its policies show the login every row: managed
        services let no login pass it by, and there one is a member of `fintech_system`.

    Raises:
        BackupError: Row-level security binds the login; it would see a part and call it all.
    """
    row = connection.execute(
        "SELECT rolsuper OR rolbypassrls, rolname FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    assert row is not None
    passes_by, name = row
    if not passes_by and scalar(connection, _SEEN_IN_PART):
        raise BackupError(
            f"Row-level security binds the role {name}: it would not see every household. Run as a "
            f"superuser, as the owner of the database, or have a superuser say: ALTER ROLE {name} "
            "BYPASSRLS"
        )
    walls = "off" if passes_by else "on"
    connection.execute(f"{_SESSION}; SET row_security = {walls}")  # rule: one of two words
    return not passes_by


def tables(connection: Connection[Any]) -> dict[str, list[Any]]:
    """Return rows and digest of each table, partitions by themselves."""
    found = {}
    for schema, name in connection.execute(_TABLES).fetchall():
        statement = sql.SQL(_DIGEST).format(sql.Identifier(schema, name))
        row = connection.execute(statement).fetchone()
        assert row is not None
        found[name if schema == "public" else f"{schema}.{name}"] = list(row)
    return found


def walls(connection: Connection[Any]) -> dict[str, str]:
    """Return what keeps households apart, by name: flags, policies, grants, triggers, roles."""
    rows = connection.execute(_WALLS, {"roles": list(ROLES)}).fetchall()
    return {str(name): str(text) for name, text in rows}


def schema_revision(connection: Connection[Any]) -> str:
    """Return the migration the database is at.

    Raises:
        BackupError: It never was migrated, so there is nothing to keep.
    """
    known = connection.execute("SELECT to_regclass('public.alembic_version')").fetchone()
    if known is None or known[0] is None:
        raise BackupError("The database was never migrated: there is nothing to back up.")
    rows = connection.execute("SELECT version_num FROM alembic_version ORDER BY 1").fetchall()
    return ",".join(str(row[0]) for row in rows)


def scalar(connection: Connection[Any], statement: str) -> Any:  # noqa: ANN401 - any column
    """Return the only value of a statement of ours."""
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def objects(connection: Connection[Any]) -> list[str]:
    """Return the names of tables, views and sequences; empty for an empty database."""
    return [str(name) for (name,) in connection.execute(_OBJECTS).fetchall()]


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Name what is missing, added or different, the way a manifest tells it."""
    return [
        f"{name}: {found.get(name, 'missing')}, in the backup {expected.get(name, 'not there')}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]
