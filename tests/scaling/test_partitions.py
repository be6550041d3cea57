"""Hash partitions by household: whatever a person does looks at one part of the ledger."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import text

from app.core import database
from app.features.connections.service import sync
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from app.simulator.stream import Added
from tests.factories.files import ofx
from tests.features.connections.bank import linked, open_bank, query, row

PART = re.compile(r"transactions_part_\d+")
PARTS = 8
_EXPLAINABLE = ("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")
NEXT = ("journal_pages", "daily_totals")


@contextmanager
def noted_plans() -> Iterator[dict[str, set[str]]]:
    """Explain each statement right before it runs; yield the parts that each looks at."""
    plans: dict[str, set[str]] = {}
    execute = psycopg.Cursor.execute

    def note(self, statement, parameters=None, **more):
        words = statement.decode() if isinstance(statement, bytes) else str(statement)
        if words.lstrip().upper().startswith(_EXPLAINABLE) and "transactions" in words:
            with self.connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
                execute(cursor, f"EXPLAIN {words}", parameters)
                plan = "\n".join(line for (line,) in cursor.fetchall())
            plans.setdefault(words, set()).update(PART.findall(plan))
        return execute(self, statement, parameters, **more)

    psycopg.Cursor.execute = note
    try:
        yield plans
    finally:
        psycopg.Cursor.execute = execute


def test_every_statement_of_pages_edits_files_and_syncs_looks_at_one_part(ada):
    bank = open_bank(rows=5)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        [(transaction_id,)] = query(ada.household_id, "SELECT id FROM transactions LIMIT 1")
        bank.stream.apply(Added(row(bank, "more", "7.00")))
        with noted_plans() as plans:
            _use_everything(ada, item_id, transaction_id)

    assert len(plans) >= 10
    assert {words: parts for words, parts in plans.items() if len(parts) > 1} == {}
    assert set.union(*plans.values()) == {_part_of(ada)}


def _use_everything(ada, item_id, transaction_id) -> None:
    sync.sync_item(ada.household_id, item_id, "button")
    book(ada.household_id, ada.user_id, preview(ada.household_id, ada.user_id, "m.ofx", ofx()))
    for path in (
        "/", "/transactions", "/transactions?search=caffe&direction=out", "/accounts",
        "/history", "/api/v1/transactions/",
    ):  # fmt: skip
        assert ada.get(path).status_code == 200
    assert ada.get(f"/transactions/{transaction_id}").status_code == 200
    edited = ada.put(
        f"/api/v1/transactions/{transaction_id}", json={"note": "x"}, headers=ada.bearer()
    )
    assert edited.status_code == 200


def _part_of(ada) -> str:
    [(name,)] = query(
        ada.household_id, "SELECT DISTINCT tableoid::regclass::text FROM transactions"
    )
    return str(name)


@pytest.mark.parametrize("name", NEXT)
def test_a_partitioned_copy_of_the_next_tables_keeps_its_keys_and_is_pruned(ada, name):
    with database.engine.connect() as connection:
        connection.execute(
            text(
                f"CREATE TABLE copied (LIKE {name} INCLUDING ALL) PARTITION BY HASH (household_id)"
            )
        )
        for number in range(PARTS):
            connection.execute(
                text(
                    f"CREATE TABLE copied_{number} PARTITION OF copied"
                    f" FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {number})"
                )
            )
        plan = connection.scalars(
            text("EXPLAIN SELECT count(*) FROM copied WHERE household_id = :household_id"),
            {"household_id": ada.household_id},
        ).all()
        connection.rollback()

    assert len(set(re.findall(r"copied_\d", "\n".join(plan)))) == 1
