"""T7, T8: what the catalogue says of the ways past the wall between households.

Read from the migrated database, so that a table, a key or a function of tomorrow is tested
tomorrow.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.core import database
from tests.cast import SignedInBrowser
from tests.factories import ledger

OF_MEMBERS = {"search_transactions", "match_transactions"}
DEFINERS = OF_MEMBERS | {"search_shared_transactions"}
"""Functions that run with their owner's rights: each compares the household itself."""
POINTS_AT_PEOPLE = {"users"}
"""Tables that belong to no household, at which one's rows may point."""
SQL_OF_OWNED = """
SELECT c.oid, c.relname AS name FROM pg_class AS c
JOIN pg_policy AS p ON p.polrelid = c.oid AND p.polname = 'tenant'
WHERE c.relnamespace = 'public'::regnamespace
"""


def ask(statement: str) -> list[Mapping[str, Any]]:
    with database.engine.connect() as connection:
        return [dict(row) for row in connection.execute(text(statement)).mappings()]


@pytest.fixture(scope="module")
def owned() -> dict[int, str]:
    """Names of the tables behind the wall, by their number."""
    found = {row["oid"]: row["name"] for row in ask(SQL_OF_OWNED)}
    assert {"transactions", "accounts", "audit_events", "households"} <= set(found.values())
    assert len(found) > 20
    return found


def keys_between(owned: Mapping[int, str]) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """Yield name, target and columns on both sides of each foreign key of an owned table."""
    for row in ask("""
        SELECT conname AS name, conrelid, confrelid, confrelid::regclass::text AS target,
               ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS k (n, at)
                     JOIN pg_attribute ON attrelid = conrelid AND attnum = n ORDER BY at) AS own,
               ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY AS k (n, at)
                     JOIN pg_attribute ON attrelid = confrelid AND attnum = n ORDER BY at) AS other
        FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
    """):
        if row["conrelid"] in owned:
            yield row["name"], row["target"], row["own"], row["other"]


def test_T7_every_foreign_key_between_owned_tables_carries_the_household(
    owned: dict[int, str],
) -> None:
    names = set(owned.values())
    seen = 0
    for name, target, own, other in keys_between(owned):
        if target == "households":
            assert (own, other) == (["household_id"], ["id"]), name
        elif target in names:
            assert (own[0], other[0]) == ("household_id", "household_id"), name
            seen += 1
        else:
            assert target in POINTS_AT_PEOPLE, f"{name}: {target} is outside the wall"
    assert seen > 10


def test_T7_every_unique_key_of_an_owned_table_starts_with_the_household(
    owned: dict[int, str],
) -> None:
    """Else a value that is taken elsewhere would answer a question about another household."""
    found = ask("""
        SELECT i.indrelid AS relation, i.indexrelid::regclass::text AS name,
               (SELECT attname::text FROM pg_attribute
                WHERE attrelid = i.indrelid AND attnum = i.indkey[0]) AS first
        FROM pg_index AS i WHERE i.indisunique
    """)
    mine = [row for row in found if row["relation"] in owned]
    assert len(mine) >= len(owned)
    for row in mine:
        wanted = "id" if owned[row["relation"]] == "households" else "household_id"
        assert row["first"] == wanted, row["name"]


def test_T7_a_row_cannot_point_at_another_households(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    theirs = ledger.everything(ada.household_id, ada.user_id)
    mine = ledger.everything(cleo.household_id, cleo.user_id)
    move = text("UPDATE source_accounts SET account_id = :account_id RETURNING id")

    with cleo.session() as session:
        assert session.execute(move, {"account_id": mine.account_id}).all()
    with pytest.raises(DBAPIError) as raised, cleo.session() as session:
        session.execute(move, {"account_id": theirs.account_id})
    assert getattr(raised.value.orig, "sqlstate", None) == "23503"


def test_T8_no_view_passes_the_wall() -> None:
    found = ask("""
        SELECT c.relname AS name, c.relkind AS kind, c.reloptions AS options
        FROM pg_class AS c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm')
    """)
    passing = [
        row["name"]
        for row in found
        if row["kind"] == "m" or "security_invoker=true" not in (row["options"] or [])
    ]
    assert not passing


def test_T8_functions_with_their_owners_rights_are_listed_and_fixed_to_our_schema() -> None:
    found = ask("""
        SELECT p.proname AS name, p.prosrc AS source, p.proconfig AS settings,
               p.proowner::regrole::text AS owner,
               has_function_privilege('public', p.oid, 'EXECUTE') AS for_everybody
        FROM pg_proc AS p
        WHERE p.prosecdef AND p.pronamespace NOT IN
              ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    """)
    assert {row["name"] for row in found} == DEFINERS
    for row in found:
        assert "search_path=pg_catalog, public" in row["settings"], row["name"]
        assert row["owner"] == database.SYSTEM_ROLE, row["name"]
        assert not row["for_everybody"], row["name"]
        assert "household_id = current_setting('app.household_id')::uuid" in row["source"]


@pytest.mark.parametrize("function", sorted(OF_MEMBERS))
def test_T8_what_runs_with_its_owners_rights_finds_ones_own_and_nothing_else(
    ada: SignedInBrowser, cleo: SignedInBrowser, function: str
) -> None:
    ledger.everything(ada.household_id, ada.user_id, description="HARBOUR CAFE ADA")
    ledger.everything(cleo.household_id, cleo.user_id, description="HARBOUR CAFE CLEO")
    search = text(f"SELECT count(*) FROM {function}('harbour cafe')")

    with cleo.session() as session:
        assert session.scalar(search) == 1
    with ada.session() as session:
        assert session.scalar(search) == 1
    with pytest.raises(DBAPIError), database.system_transaction() as session:
        session.scalar(search)


def test_T8_triggers_run_with_the_rights_of_who_writes() -> None:
    definers = ask("""
        SELECT p.proname AS name FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE NOT t.tgisinternal AND p.prosecdef
    """)
    assert not definers
