"""How secrets look, and where in a database some stand unsealed (K4)."""

import re

import psycopg
from psycopg import sql

_FORMS = {
    "a bank's token": re.compile(r"\b(?:access|public)-(?:sandbox|production)-[0-9a-f]{8}-[\w-]+"),
    "an access token": re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "an API token": re.compile(r"\bfta_[0-9A-Za-z]{38}\b"),
    "an address with a login": re.compile(r"://[^/\s:@\"']*:[^/\s@\"']+@[\w\[]"),
}
_BYTES = re.compile(rb"\\\\x([0-9a-f]{40,})")
"""As COPY writes a value of type bytea."""


def found_in(text: str) -> set[str]:
    """Return what kinds of secrets stand in a text, by their form."""
    return {kind for kind, form in _FORMS.items() if form.search(text)}


def dump(connection: psycopg.Connection) -> dict[str, bytes]:
    """Return what each table holds, as `pg_dump` writes it, and after it the binary values."""
    tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name: _table(connection, name) for (name,) in tables.fetchall()}


def found_in_database(connection: psycopg.Connection) -> dict[str, set[str]]:
    """Return what kinds of secrets stand in which table."""
    tables = dump(connection).items()
    found = {name: found_in(data.decode("utf-8", "replace")) for name, data in tables}
    return {name: kinds for name, kinds in found.items() if kinds}


def _table(connection: psycopg.Connection, name: str) -> bytes:
    statement = sql.SQL("COPY (TABLE {}) TO STDOUT").format(sql.Identifier(name))
    with connection.cursor() as cursor, cursor.copy(statement) as rows:
        text = b"".join(map(bytes, rows))
    return b"\n".join((text, *(bytes.fromhex(m[1].decode()) for m in _BYTES.finditer(text))))
