"""P5, P6, P7: what the guide says of each table is what the schema and the code do."""

import re
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary

from app.core.database import household_transaction
from app.features.privacy.service import retention, tables
from app.models import Base
from tests.cast import SignedInBrowser

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "compliance.md"
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
NAMES = sorted(Base.metadata.tables)
HASHED = {
    "token_hash", "code_hash", "key_hash", "signature_hash", "audit_hash", "request_hash",
    "ticket_hash",
}  # fmt: skip
"""Columns of bytes that are hashes, and not sealed."""
PUBLIC = {"credential_id", "public_key"}
"""Columns of bytes that sign nobody in: what a passkey shows to everybody."""


def said() -> dict[str, tuple[str, ...]]:
    """Return what the guide says: has, kept, sealed, exported, erased; by table."""
    found = ROW.findall(GUIDE.read_text(encoding="utf-8"))
    assert len({name for name, *_ in found}) == len(found), "a table stands there twice"
    return {name: tuple(cells) for name, *cells in found}


def test_the_data_map_has_every_table_and_no_other() -> None:
    assert sorted(said()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_data_map_names_what_is_sealed(name: str) -> None:
    sealed = {
        column.name
        for column in Base.metadata.tables[name].columns
        if isinstance(column.type, LargeBinary)
        and column.name not in HASHED | PUBLIC
        and (name, column.name) not in tables.HASHES
    }

    assert set(re.findall(r"`(\w+)`", said()[name][2])) == sealed


def test_P5_the_data_map_says_what_is_exported(ada: SignedInBrowser) -> None:
    with household_transaction(ada.household_id) as session:
        exported = {table.name for table in tables.exported(session)}

    assert {name for name, cells in said().items() if cells[3] == "yes"} == exported


@pytest.mark.parametrize("name", NAMES)
def test_P6_the_data_map_says_with_what_a_table_is_erased(name: str) -> None:
    owned = name == "households" or "household_id" in Base.metadata.tables[name].c

    assert (said()[name][4] == "with the household") == owned


def test_P7_the_data_map_names_the_term_of_each_class() -> None:
    for term in retention.TERMS:
        table = {"sessions": "user_sessions"}.get(term.name, term.name)
        assert f"`{term.setting}`" in said()[table][1]
