"""Readings of the journal and matching are undone and redone through the API.

Each time the totals are those of the rows, every account says whether it is tied out, and the
ledger is what the journal says, but for a reading that is undone: that one `replay` names.
"""

from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from app.cli import replay
from app.features.proof import service as proof
from app.models import Account
from app.providers.plaid import mapping
from app.simulator.stream import Added
from tests.cast import SignedInBrowser
from tests.features.connections.bank import Bank, query
from tests.features.history.test_history import sets, turn
from tests.features.history.test_refusals import check_refused
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
    return tuple(
        query(ada.household_id, f"{each} ORDER BY 1, 2, 3, 4, 5") for each in (rows, tied, days)
    )


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


Linked = tuple[Bank, UUID]


def merged_accounts(ada: SignedInBrowser) -> tuple[Linked, Linked, str]:
    """Merge the accounts of two banks by hand; return both with their Items, and the change set."""
    first = histories.bank_of("one", histories.open_account(mask=None), 6)
    second = histories.bank_of("two", histories.open_account(mask=None), 6)
    one = first, histories.link_and_sync(ada, first)
    two = second, histories.link_and_sync(ada, second)
    [asked] = histories.questions(ada)
    answer = ada.post(f"/api/v1/matches/{asked.id}/merge", headers=ada.bearer())
    return one, two, answer.json()["change_set_id"]


def buy(ada: SignedInBrowser, linked: Linked, number: int) -> None:
    """Let a bank tell of one more purchase."""
    bank, item_id = linked
    bank.stream.apply(Added(histories.purchase(bank, f"{bank.stream.name}-{number}", number)))
    histories.sync_again(ada, bank, item_id)


def shown(ada: SignedInBrowser) -> list[tuple]:
    """Return the accounts that are shown, with the sources and the rows of each."""
    return query(
        ada.household_id,
        "SELECT a.id, (SELECT count(*) FROM source_accounts s WHERE s.account_id = a.id),"
        " (SELECT count(*) FROM transactions t WHERE t.account_id = a.id AND t.is_live)"
        " FROM accounts a WHERE a.hidden_at IS NULL ORDER BY a.id",
    )


def test_merged_accounts_come_apart_and_together_again(ada) -> None:
    _, _, change_set_id = merged_accounts(ada)
    together, merged = shown(ada), state(ada)
    assert [each[1:] for each in together] == [(2, 6)]
    preview = ada.get(f"/api/v1/history/{change_set_id}/preview", headers=ada.bearer()).json()

    turned(ada, change_set_id, "undo")

    assert (preview["source_accounts"], preview["refusal"]) == (1, None)
    assert [each[1:] for each in shown(ada)] == [(1, 6), (1, 6)]
    assert told(ada) == {}
    assert turned(ada, change_set_id, "redo") == merged
    assert shown(ada) == together
    assert told(ada) == {}


def test_what_comes_after_accounts_came_apart_goes_to_each(ada) -> None:
    _, two, change_set_id = merged_accounts(ada)
    turned(ada, change_set_id, "undo")

    buy(ada, two, 6)

    assert [each[1:] for each in shown(ada)] == [(1, 6), (1, 7)]
    assert told(ada) == {}


def test_accounts_stay_merged_while_a_later_sync_found_rows_of_both_to_be_one(ada) -> None:
    one, two, change_set_id = merged_accounts(ada)
    buy(ada, one, 6)
    buy(ada, two, 6)
    later = sets(ada)[0]["id"]

    check_refused(ada, change_set_id, "undo", "are told twice", later)

    turned(ada, later, "undo")
    turned(ada, change_set_id, "undo")
    assert [each[1:] for each in shown(ada)] == [(1, 7), (1, 6)]
    assert told(ada) == {}


def test_merges_upon_merges_come_apart_from_the_last_one(ada) -> None:
    for name in ("one", "two", "three"):
        bank = histories.bank_of(name, histories.open_account(mask=None), 6)
        histories.link_and_sync(ada, bank)
    asked = {(each.left_id, each.right_id): each.id for each in histories.questions(ada)}
    first, second, third = sorted({each for pair in asked for each in pair})
    apart = shown(ada)
    bearer = ada.bearer()

    def merge(*pair: UUID) -> str:
        answer = ada.post(f"/api/v1/matches/{asked[pair]}/merge", headers=bearer)
        return answer.json()["change_set_id"]

    inner, outer = merge(second, third), merge(first, second)
    together = shown(ada)
    assert [each[1:] for each in together] == [(3, 6)]
    check_refused(ada, inner, "undo", "Undo that merge first", outer)

    turned(ada, outer, "undo")
    turned(ada, inner, "undo")
    assert shown(ada) == apart
    assert told(ada) == {}
    check_refused(ada, outer, "redo", "feeds another one meanwhile", None)

    turned(ada, inner, "redo")
    turned(ada, outer, "redo")
    assert shown(ada) == together
    assert told(ada) == {}
