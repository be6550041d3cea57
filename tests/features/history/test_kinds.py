"""Readings of the journal and matching are undone and redone through the API.

Each time the totals are those of the rows, every account says whether it is tied out, and the
ledger is what the journal says, but for a reading that is undone: that one `replay` names.
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app.cli import replay
from app.features.proof import service as proof
from app.models import Account
from app.providers.plaid import mapping
from tests.cast import SignedInBrowser
from tests.features.connections.bank import query
from tests.features.history.test_history import sets, turn
from tests.features.matching import histories
from tests.features.matching.test_questions import asked_about_a_shop
from tests.features.matching.test_rows import csv_of
from tests.features.proof import ledgers

State = tuple[object, ...]


def state(ada: SignedInBrowser) -> State:
    """Return the rows that count, the totals, and what accounts are tied out to."""
    rows = "SELECT id, amount, description, note, duplicate_of_id FROM transactions WHERE is_live"
    tied = "SELECT account_id, state, stated, computed, tied_through, tied_amount FROM tie_outs"
    days = "SELECT date, account_id, currency, money_in, money_out, count FROM daily_totals"
    return tuple(query(ada.household_id, f"{each} ORDER BY 1, 2, 3") for each in (rows, tied, days))


def told(ada: SignedInBrowser) -> dict[str, int]:
    """Return in which rows the ledger differs from the journal; all else is sound."""
    found = proof.replay(ada.household_id)
    assert not found.unreadable, found
    assert not found.standing, found
    # Totals are of the rows, as `verify` checks: where those are as told, so are these.
    assert bool(found.totals) == bool(found.counts), found
    assert [each for each in proof.verify(ada.household_id) if each.count] == []
    return found.counts


def turned(ada: SignedInBrowser, change_set_id: str, verb: str) -> State:
    answer = turn(ada, change_set_id, verb)
    assert answer.status_code == 200, answer.text
    return state(ada)


@pytest.fixture
def reading(ada: SignedInBrowser, monkeypatch) -> tuple[State, str]:
    """Read a journal by a better program, which finds other amounts and descriptions."""
    ledgers.fill(ada)
    before = state(ada)
    plain = mapping.transaction_record

    def better(said):
        record = plain(said)
        money = replace(record.money, amount=record.money.amount - 1)
        return replace(record, description="better", money=money)

    monkeypatch.setattr(mapping, "transaction_record", better)
    applied = CliRunner().invoke(replay.command, ["--apply", "--household", str(ada.household_id)])
    assert applied.exit_code == 0, applied.output
    assert "History has it as one change" in applied.output
    return before, sets(ada)[0]["id"]


def test_a_reading_of_the_journal_is_undone_and_redone(ada, reading) -> None:
    before, change_set_id = reading
    read = state(ada)
    assert read != before
    assert told(ada) == {}

    assert turned(ada, change_set_id, "undo") == before
    assert told(ada) == {"changed": 5}
    assert turned(ada, change_set_id, "redo") == read
    assert told(ada) == {}


def test_edits_after_a_reading_stay_when_it_is_undone(ada, reading) -> None:
    _, change_set_id = reading
    ledgers.edit(ada, "t2", note="after")

    turned(ada, change_set_id, "undo")

    [row] = query(
        ada.household_id,
        "SELECT amount, description, note FROM transactions WHERE source_id = 't2'",
    )
    assert row == (Decimal(-3), "CAFFE NERO 0042", "after")
    assert told(ada) == {"changed": 5}


def test_duplicates_that_matching_found_come_apart_with_their_import_and_back(ada) -> None:
    histories.link_and_sync(ada, histories.bank_of("one", histories.open_account(), 10))
    before = state(ada)
    with ada.session() as session:
        account_id = session.scalars(select(Account.id)).one()
    histories.bring_file(ada, csv_of(range(12)), "november.csv", account_id)
    merged, change_set_id = state(ada), sets(ada)[0]["id"]
    assert histories.counts(ada) == (22, 12, 10)
    assert told(ada) == {}

    assert turned(ada, change_set_id, "undo") == before
    assert told(ada) == {}
    assert turned(ada, change_set_id, "redo") == merged
    assert histories.counts(ada) == (22, 12, 10)
    assert told(ada) == {}


def test_a_merge_by_hand_comes_apart_and_back_out_of_order(ada) -> None:
    asked = asked_about_a_shop(ada)
    states, ids = [state(ada)], []
    for each in asked:
        answer = ada.post(f"/api/v1/matches/{each.id}/merge", headers=ada.bearer())
        ids.append(answer.json()["change_set_id"])
        states.append(state(ada))
    assert [each["kind"] for each in sets(ada)][:2] == ["match", "match"]

    without_first = turned(ada, ids[0], "undo")
    assert without_first not in states
    assert told(ada) == {}
    assert turned(ada, ids[1], "undo") == states[0]
    assert told(ada) == {}
    assert turned(ada, ids[0], "redo") == states[1]
    assert turned(ada, ids[1], "redo") == states[2]
    assert told(ada) == {}
