"""XM1: old programs go on with a new schema: migrations only add, and keep nobody waiting.

While a deployment rolls, programs of the release before read and write today's schema. Each
migration after the first is read, statement by statement, and what the release wrote into each of
its tables is written again into today's, with its columns, as its role, under today's triggers.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from psycopg import sql
from psycopg.types.json import Jsonb

from app.core import embedded
from tests import servers
from tests.migrations.record import RELEASED

ROOT = Path(__file__).parents[2]
RECORDS = sorted(RELEASED.glob("*.sql"))
_INSERT = re.compile(r"^INSERT INTO public\.(\w+) \(([^)]*)\) VALUES ", re.MULTILINE)

RULES = {
    "takes a table away": r"\bDROP TABLE (?:IF EXISTS )?(?P<table>\w+)",
    "takes a column away": r"\bALTER TABLE (?P<table>\w+) DROP COLUMN",
    "gives another name": r"\bALTER TABLE (?P<table>\w+) RENAME",
    "changes a type, which writes the table anew": r"\bALTER TABLE (?P<table>\w+) .*\bTYPE\b",
    "wants a value that old programs do not write": (
        r"\bALTER TABLE (?P<table>\w+) (?:ADD COLUMN (?!.*\bDEFAULT\b).*|.*\bSET )NOT NULL"
    ),
    "takes a default away": r"\bALTER TABLE (?P<table>\w+) .*\bDROP DEFAULT",
    "looks at all rows under a lock": (
        r"\bALTER TABLE (?P<table>\w+) ADD (?:CONSTRAINT \w+ )?(?:CHECK|FOREIGN KEY)"
        r"(?!.*\bNOT VALID)"
    ),
    "builds an index under a lock": (
        r"\bCREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)(?:IF NOT EXISTS )?\w+"
        r" ON (?:ONLY )?(?P<table>\w+)"
        r"|\bALTER TABLE (?P<other>\w+) ADD (?:CONSTRAINT \w+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)"
        r"(?!.*\bUSING INDEX)"
    ),
    "takes a right away": r"\bREVOKE .*\bON (?:TABLE )?(?P<table>\w+)",
    "shuts others out": r"\bLOCK TABLE (?P<table>\w+)",
    "changes rows": r"^(?:UPDATE|DELETE FROM) (?P<table>\w+)",
}
"""What must not be done to a table that a release has."""
ALLOWED: dict[tuple[str, str, str], str] = {
    ("0022", "builds an index under a lock", "transactions"): (
        "of the parent alone, which has no rows; those of its parts are built beside"
    ),
}
"""Revision, rule and table, and why it is no harm."""


class Statement(NamedTuple):
    """One statement of a migration, on one line."""

    revision: str
    text: str


def statements() -> list[Statement]:
    """Return what the migrations after the first release would run."""
    written = io.StringIO()
    config = Config(ROOT / "alembic.ini", output_buffer=written)
    command.upgrade(config, f"{RECORDS[0].stem}:head", sql=True)
    return list(split(written.getvalue()))


def split(text: str) -> Iterator[Statement]:
    """Yield the statements of a script; bodies of functions are parts of theirs."""
    revision = ""
    for part in re.split(r"^-- Running upgrade \w+ -> (\w+)$", text, flags=re.MULTILINE)[1:]:
        if re.fullmatch(r"\w+", part):
            revision = part
            continue
        without_words = re.sub(r"^\s*--.*$", "", part, flags=re.MULTILINE)
        quoted = re.split(r"(\$\$.*?\$\$)", without_words, flags=re.DOTALL)
        marked = "".join(
            each.replace(";", "\0") if number % 2 == 0 else each
            for number, each in enumerate(quoted)
        )
        for each in marked.split("\0"):
            if each.strip():
                yield Statement(revision, " ".join(each.split()))


def broken(found: list[Statement], tables: set[str]) -> set[tuple[str, str, str]]:
    """Return revision, rule and table of what breaks a rule for tables that a release has."""
    return {
        (each.revision, rule, table)
        for each in found
        for rule, pattern in RULES.items()
        for match in re.finditer(pattern, each.text)
        for table in match.groupdict().values()
        if table in tables
    }


def tables_of(record: Path) -> dict[str, tuple[str, ...]]:
    """Return the columns that a release writes, by table."""
    return {
        table: tuple(columns.replace('"', "").split(", "))
        for table, columns in _INSERT.findall(record.read_text(encoding="utf-8"))
    }


def test_XM1_each_migration_only_adds_and_keeps_nobody_waiting():
    tables = {table for record in RECORDS for table in tables_of(record)}

    found = broken(statements(), tables)

    assert found - set(ALLOWED) == set(), "split it: expand now, contract in a later release"
    assert set(ALLOWED) - found == set(), "allowed, and not there any more"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("DROP TABLE users", "takes a table away"),
        ("ALTER TABLE users DROP COLUMN name", "takes a column away"),
        ("ALTER TABLE users RENAME name TO title", "gives another name"),
        ("ALTER TABLE users RENAME TO people", "gives another name"),
        ("ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(9)",
         "changes a type, which writes the table anew"),
        ("ALTER TABLE users ADD COLUMN age INTEGER NOT NULL",
         "wants a value that old programs do not write"),
        ("ALTER TABLE users ALTER COLUMN name SET NOT NULL",
         "wants a value that old programs do not write"),
        ("ALTER TABLE users ALTER COLUMN name DROP DEFAULT", "takes a default away"),
        ("ALTER TABLE users ADD CONSTRAINT x CHECK (name <> '')", "looks at all rows under a lock"),
        ("ALTER TABLE users ADD FOREIGN KEY(a) REFERENCES b (id)",
         "looks at all rows under a lock"),
        ("CREATE INDEX x ON users (name)", "builds an index under a lock"),
        ("CREATE UNIQUE INDEX IF NOT EXISTS x ON users (name)", "builds an index under a lock"),
        ("ALTER TABLE users ADD CONSTRAINT x UNIQUE (name)", "builds an index under a lock"),
        ("REVOKE UPDATE ON users FROM fintech_tenant", "takes a right away"),
        ("LOCK TABLE users", "shuts others out"),
        ("UPDATE users SET name = ''", "changes rows"),
    ],
)  # fmt: skip
def test_XM1_the_rules_notice(text, rule):
    assert broken([Statement("9999", text)], {"users"}) == {("9999", rule, "users")}
    assert broken([Statement("9999", text)], {"others"}) == set()


@pytest.mark.parametrize(
    "text",
    [
        "ALTER TABLE users ADD COLUMN age INTEGER",
        "ALTER TABLE users ADD COLUMN age INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT x CHECK (name <> '') NOT VALID",
        "ALTER TABLE users VALIDATE CONSTRAINT x",
        "CREATE UNIQUE INDEX CONCURRENTLY x ON users (name)",
        "ALTER TABLE users ADD CONSTRAINT x UNIQUE USING INDEX y",
        "CREATE TABLE more (id UUID NOT NULL, FOREIGN KEY(id) REFERENCES users (id))",
    ],
)
def test_XM1_the_rules_let_pass_what_only_adds(text):
    assert broken([Statement("9999", text)], {"users", "more"}) == set()


@pytest.fixture(scope="module")
def head():
    """A connection to an empty database of today's schema."""
    with embedded.temporary_home() as home, embedded.postgres(home, durable=False) as server:
        url = server.url("expanded")
        servers.migrate(url)
        with psycopg.connect(url) as connection:
            yield connection


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_XM1_what_a_release_writes_and_reads_today_takes_and_gives(head, record):
    """Row by row, as the old program's role, with all checks, policies and triggers of today."""
    head.rollback()
    head.execute("SET session_replication_role = replica")  # as in test_upgrade.py
    head.execute(record.read_text(encoding="utf-8").encode())
    head.execute("SET CONSTRAINTS ALL DEFERRED")
    written = set()
    for table, columns in tables_of(record).items():
        for role in roles_that_write(head, table, columns):
            assert write_again(head, table, columns, role), (table, role)
            written.add(table)
    head.rollback()

    assert written == set(tables_of(record)), "a table that nobody of the old program could write"


def roles_that_write(connection, table, columns):
    found = connection.execute(
        "SELECT role FROM unnest(ARRAY['fintech_tenant', 'fintech_system']) AS role"
        " WHERE (SELECT bool_and(has_column_privilege(role, %s, name, 'INSERT'))"
        " FROM unnest(%s::text[]) AS name)",
        (table, list(columns)),
    )
    return [role for (role,) in found]


def row_of(connection, table, columns):
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("SELECT {} FROM {} ORDER BY {} LIMIT 1")
    return connection.execute(statement.format(names, sql.Identifier(table), names)).fetchone()


def write_again(connection, table, columns, role):
    """Take one row away, write it as the role does, and tell whether it is there as it was."""
    row = row_of(connection, table, columns)
    known = dict(zip(columns, row, strict=True))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    same = sql.SQL(" AND ").join(
        sql.SQL("{0} IS NOT DISTINCT FROM {1}").format(sql.Identifier(name), sql.Placeholder(name))
        for name in columns
    )
    key = {name: wrapped(value) for name, value in known.items()}
    with connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL session_replication_role = replica")
        gone = connection.execute(
            sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), same), key
        )
        assert gone.rowcount == 1
        connection.execute("SET LOCAL session_replication_role = origin")
        connection.execute(
            "SELECT set_config('app.household_id', %s, true),"
            " set_config('app.change_set_id', %s, true), set_config('role', %s, true)",
            (str(known.get("household_id", known.get("id"))),
             str(known.get("change_set_id") or ""), role),
        )  # fmt: skip
        values = sql.SQL(", ").join(map(sql.Placeholder, columns))
        connection.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(table), names, values),
            key,
        )
        connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        return connection.execute(
            sql.SQL("SELECT count(*) FROM {} WHERE {}").format(sql.Identifier(table), same), key
        ).fetchone() == (1,)


def wrapped(value):
    return Jsonb(value) if isinstance(value, dict | list) else value
