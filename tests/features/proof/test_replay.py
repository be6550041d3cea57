"""The ledger made again from the journal: the same, and any difference is named."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from app.features.changes import service as changes
from app.features.connections.service import sync
from app.features.history.service import undo as undoing
from app.features.proof import service as proof
from app.providers import registry
from app.providers.plaid import mapping
from app.simulator.stream import Removed
from tests.database import digest
from tests.factories.files import MARCH, camt, mt940
from tests.features.connections.bank import query
from tests.features.proof import ledgers
from tests.features.proof.ledgers import break_it


@pytest.fixture
def household_id(ada):
    ledgers.fill(ada)
    return ada.household_id


def test_the_journal_tells_the_same_and_nothing_is_written(household_id):
    before = digest()
    found = proof.replay(household_id)

    assert found.is_same, found
    assert (found.change_sets, found.rows) == (5, 16)
    assert digest() == before


@pytest.mark.parametrize(("statement", "name"), [(mt940, "march.sta"), (camt, "march.xml")])
def test_statements_of_both_balances_tell_the_same(ada, statement, name):
    march = statement(MARCH, opening=("20260228", "0.00"), closing=("20260331", "1671.00"))
    import_id = ledgers.bring(ada, name, march)
    later = statement(
        (*MARCH[2:], ("20260402", "-19.90", "a1", "PHONE")),
        opening=("20260309", "-9.00"),
        closing=("20260402", "1651.10"),
    )
    ledgers.bring(ada, name, later)
    undoing.undo_import(ada.household_id, ada.user_id, import_id)

    found = proof.replay(ada.household_id)

    assert found.is_same, found
    assert found.rows == 3, "what the later file tells"


MINE = "household_id = :household_id AND source_id = 't2'"


@pytest.mark.parametrize(
    ("statement", "kind", "field"),
    [
        (f"UPDATE transactions SET amount = amount - 0.01 WHERE {MINE}", "changed", "amount"),
        (f"UPDATE transactions SET amount = -amount WHERE {MINE}", "changed", "amount"),
        (f"UPDATE transactions SET description = 'X' WHERE {MINE}", "changed", "description"),
        (f"UPDATE transactions SET note = 'not mine' WHERE {MINE}", "changed", "note"),
        (f"UPDATE transactions SET category_user = id WHERE {MINE}", "changed", "category_user"),
        (
            "UPDATE transactions SET journal_page_id = (SELECT id FROM journal_pages AS other"
            " WHERE other.household_id = :household_id AND other.id <> journal_page_id LIMIT 1)"
            f" WHERE {MINE}",
            "changed",
            "journal_page_id",
        ),
        (f"UPDATE transactions SET removed_at = now() WHERE {MINE}", "hidden", None),
        (f"DELETE FROM transactions WHERE {MINE}", "missing", None),
        (
            "UPDATE transactions SET removed_at = NULL"
            " WHERE household_id = :household_id AND removed_at IS NOT NULL",
            "withdrawn",
            None,
        ),
        (
            "UPDATE transactions SET note = NULL"
            " WHERE household_id = :household_id AND note IS NOT NULL",
            "changed",
            "note",
        ),
        (
            "INSERT INTO transactions (household_id, id, account_id, source_account_id, source_id,"
            " date, amount, currency, pending, description, change_set_id, journal_page_id)"
            " SELECT household_id, gen_random_uuid(), account_id, source_account_id, 'mine', date,"
            " 1000000, currency, false, 'SALARY', change_set_id, journal_page_id"
            f" FROM transactions WHERE {MINE}",
            "invented",
            None,
        ),
    ],
)
def test_a_changed_row_is_named(household_id, statement, kind, field):
    break_it(household_id, statement)

    found = proof.replay(household_id)

    assert found.counts == {kind: 1}
    assert [(each.kind, each.field) for each in found.differences] == [(kind, field)]


@pytest.mark.parametrize("table", ["daily_totals", "monthly_totals"])
def test_a_changed_total_is_named(household_id, table):
    break_it(
        household_id,
        f"UPDATE {table} SET money_out = money_out - 1 WHERE household_id = :household_id",
    )

    found = proof.replay(household_id)

    assert {each.table for each in found.totals} == {table}
    assert found.counts == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE balance_anchors SET current = current + 1 WHERE household_id = :household_id",
        "UPDATE source_accounts SET current = current + 1"
        " WHERE household_id = :household_id AND source = 'plaid'",
        "DELETE FROM balance_anchors WHERE household_id = :household_id",
    ],
)
def test_a_changed_balance_is_named(household_id, statement):
    break_it(household_id, statement)

    assert proof.replay(household_id).standing


def test_a_journal_page_that_was_changed_is_named_and_nothing_is_compared(household_id):
    break_it(
        household_id,
        "UPDATE journal_pages SET payload = set_byte(payload, 40, get_byte(payload, 40) # 1)"
        " WHERE household_id = :household_id AND kind = 'file.ofx'",
    )

    found = proof.replay(household_id)

    assert "change set 5 (import)" in " ".join(found.unreadable)
    assert found.counts == {}


def test_what_a_better_parser_reads_is_one_change_set(household_id, monkeypatch):
    plain = mapping.transaction_record

    def better(row):
        record = plain(row)
        return replace(record, description=record.description.title())

    monkeypatch.setattr(mapping, "transaction_record", better)
    assert {each.field for each in proof.replay(household_id).differences} == {"description"}

    mended = proof.mend(household_id).mended

    assert (mended.added, mended.modified, mended.removed) == (0, 5, 0)
    assert proof.replay(household_id).is_same
    assert query(household_id, "SELECT kind, counts FROM change_sets ORDER BY sequence DESC")[
        0
    ] == ("replay", {"added": 0, "modified": 5, "removed": 0})


def test_mending_brings_back_what_was_lost_and_takes_away_what_was_invented(household_id):
    break_it(household_id, f"UPDATE transactions SET amount = 1 WHERE {MINE}")
    break_it(
        household_id,
        "DELETE FROM transactions WHERE household_id = :household_id AND source_id = 't3'",
    )
    break_it(
        household_id,
        "UPDATE transactions SET removed_at = NULL"
        " WHERE household_id = :household_id AND source_id = 't0'",
    )

    mended = proof.mend(household_id).mended

    assert (mended.added, mended.modified, mended.removed) == (1, 1, 1)
    assert proof.replay(household_id).is_same
    assert ledgers.amount_of(household_id, "t2") == -3


@pytest.mark.parametrize("table", ["daily_totals", "monthly_totals"])
def test_mending_makes_totals_anew(household_id, table):
    break_it(household_id, f"DELETE FROM {table} WHERE household_id = :household_id")

    assert proof.mend(household_id).mended is None

    assert proof.replay(household_id).is_same


def test_one_household_is_not_compared_with_another(household_id, cleo):
    ledgers.fill(cleo)
    break_it(cleo.household_id, f"UPDATE transactions SET amount = 1 WHERE {MINE}")

    assert proof.replay(household_id).is_same
    assert not proof.replay(cleo.household_id).is_same


def test_rows_without_a_journal_are_invented(ada):
    ledgers.fill(ada)
    with ledgers.behind_the_back() as connection:
        connection.execute(
            text("UPDATE change_sets SET sync_run_id = NULL WHERE household_id = :id"),
            {"id": ada.household_id},
        )

    assert set(proof.replay(ada.household_id).counts) == {"invented"}


def test_mending_can_be_undone_and_redone(ada, household_id, monkeypatch):
    plain = mapping.transaction_record
    monkeypatch.setattr(
        mapping, "transaction_record", lambda row: replace(plain(row), description="better")
    )
    proof.mend(household_id)
    [(change_set_id,)] = query(
        household_id, "SELECT id FROM change_sets ORDER BY sequence DESC LIMIT 1"
    )

    undoing.undo(household_id, ada.user_id, change_set_id)
    assert proof.replay(household_id).counts == {"changed": 5}

    undoing.redo(household_id, ada.user_id, change_set_id)
    assert proof.replay(household_id).is_same


def test_duplicates_and_their_stand_ins_are_part_of_the_fold(ada, monkeypatch):
    bank = ledgers.fill(ada)
    with ada.session() as session:
        changes.open_change_set(session, ada.household_id, kind="match")
        session.execute(
            text(
                "UPDATE transactions SET duplicate_of_id ="
                " (SELECT id FROM transactions WHERE source_id = 't2') WHERE source_id = 't3'"
            )
        )
    assert proof.replay(ada.household_id).is_same

    bank.stream.apply(Removed("t2"))
    [(item_id,)] = query(ada.household_id, "SELECT id FROM items")
    monkeypatch.setitem(registry._providers, "plaid", bank)
    sync.sync_item(ada.household_id, item_id, "button")
    assert query(ada.household_id, "SELECT source_id FROM transactions WHERE stands_in") == [
        ("t3",)
    ]
    assert proof.replay(ada.household_id).is_same

    break_it(
        ada.household_id,
        "UPDATE transactions SET stands_in = false WHERE household_id = :household_id"
        " AND source_id = 't3'",
    )
    [difference] = proof.replay(ada.household_id).differences
    assert (difference.field, difference.ledger, difference.told) == ("stands_in", "false", "true")
