"""Several database servers by household: what sharding asks of a schema, asked of ours.

Citus, which no package of PyPI's or Debian's brings, wants of a table that it spreads by a column:
the column in every unique key, and at the same place on both ends of a foreign key between two
such tables; no table that stays whole may point to one that is spread. `docs/scaling.md` says
what else would have to change.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from app.core.config import settings

WHOLE = {"api_tokens", "user_sessions", "webhooks"}
"""Found by a secret or a provider's word before anybody knows whose household it is."""

_SPREAD = """
    SELECT table_.oid, table_.relname AS name
    FROM pg_class AS table_
    JOIN pg_attribute AS column_
        ON column_.attrelid = table_.oid AND column_.attname = 'household_id'
    WHERE table_.relkind IN ('r', 'p') AND NOT table_.relispartition
        AND table_.relnamespace = 'public'::regnamespace AND table_.relname <> ALL (%(whole)s)
"""


@pytest.fixture
def ask():
    """A question to the catalogue: SQL that may read `spread`, to its rows."""
    with psycopg.connect(settings.DATABASE_URL.get_secret_value()) as connection:

        def rows(statement: str) -> Sequence[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(f"WITH spread AS ({_SPREAD}) {statement}", {"whole": list(WHOLE)})
                return cursor.fetchall()

        yield rows


def test_most_of_the_tables_are_spread(ask):
    names = {name for (name,) in ask("SELECT name FROM spread")}

    assert {"transactions", "journal_pages", "daily_totals", "audit_events", "items"} <= names
    assert len(names) >= 25


def test_every_unique_key_of_a_table_that_is_spread_holds_the_household(ask):
    without = """
        SELECT spread.name, key.indexrelid::regclass::text FROM spread
        JOIN pg_index AS key ON key.indrelid = spread.oid AND key.indisunique
        JOIN pg_attribute AS column_
            ON column_.attrelid = spread.oid AND column_.attname = 'household_id'
        WHERE column_.attnum <> ALL (key.indkey)
    """

    assert ask(without) == []


def test_foreign_keys_among_them_carry_the_household_at_the_same_place(ask):
    keys = """
        SELECT key.conname, here.attname, there.attname
        FROM pg_constraint AS key
        JOIN spread AS from_ ON from_.oid = key.conrelid
        JOIN spread AS to_ ON to_.oid = key.confrelid
        JOIN pg_attribute AS here ON here.attrelid = key.conrelid AND here.attnum = key.conkey[1]
        JOIN pg_attribute AS there
            ON there.attrelid = key.confrelid AND there.attnum = key.confkey[1]
        WHERE key.contype = 'f' AND key.conparentid = 0
    """

    found = ask(keys)

    assert len(found) >= 15
    assert {(here, there) for _, here, there in found} == {("household_id", "household_id")}


def test_no_table_that_stays_whole_points_to_one_that_is_spread(ask):
    backwards = """
        SELECT key.conname FROM pg_constraint AS key
        JOIN spread ON spread.oid = key.confrelid
        WHERE key.contype = 'f' AND key.conparentid = 0
            AND key.conrelid NOT IN (SELECT oid FROM spread)
    """

    assert ask(backwards) == []
