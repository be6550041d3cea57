"""XN6: the cursor is refused, or somebody asks: all is read again, and what is not told goes."""

from decimal import Decimal

import pytest
from click.testing import CliRunner

from app.cli import main as program
from app.features.connections.service import fetching, rereading, sync, turns
from app.features.connections.service import link as linking
from app.features.history.service import undo as undoing
from app.features.transactions.service import Applied
from app.providers.base import ProviderUnavailableError
from app.simulator.stream import INITIAL, NOT_READY, AccountChurned, Added, Modified, Removed
from tests.features.connections.bank import item_of, linked, open_bank, query, row
from tests.features.proof.ledgers import edit

NOTED = "SELECT source_id, note, removed_at IS NULL FROM transactions WHERE note IS NOT NULL"


@pytest.fixture
def household_id(ada):
    return ada.household_id


def shown(household_id):
    return [name for (name,) in query(
        household_id, "SELECT source_id FROM transactions WHERE is_live ORDER BY 1"
    )]  # fmt: skip


def prove(household_id):
    """Let both commands look at the household."""
    for arguments in (["replay", "--verify"], ["verify"]):
        result = CliRunner().invoke(program, [*arguments, "--household", str(household_id)])
        assert result.exit_code == 0, result.output


def booked(household_id, statement):
    return query(household_id, f"SELECT {statement} FROM sync_runs ORDER BY id")


def test_trap_4_XN6_a_refused_cursor_reads_all_again_and_withdraws_what_is_not_told(ada):
    bank = open_bank(rows=12)
    bank.page_rows = 5
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        edit(ada, "t3", note="gone with it")
        edit(ada, "t4", note="mine")
        bank.stream.apply(Removed("t3"))
        bank.stream.apply(Modified(row(bank, "t4", "44.44")))
        bank.stream.apply(Added(row(bank, "new", "9.00")))
        bank.forgets = True

        outcome = sync.sync_item(ada.household_id, item_id, "webhook")

        assert (outcome.state, outcome.applied) == ("done", Applied(1, 1, 1))
        assert shown(ada.household_id) == sorted(bank.stream.truth())
        assert sorted(query(ada.household_id, NOTED)) == [
            ("t3", "gone with it", False), ("t4", "mine", True),
        ]  # fmt: skip
        prove(ada.household_id)
        bank.stream.apply(Removed("t5"))
        assert sync.sync_item(ada.household_id, item_id).applied == Applied(0, 0, 1)
        prove(ada.household_id)


def test_XN6_what_a_full_reading_withdrew_comes_back_when_it_is_undone(ada):
    bank = open_bank(rows=6)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        edit(ada, "t3", note="mine")
        bank.make_again(lost={"t3"}, prefix="x-")
        sync.sync_item(ada.household_id, item_id)
        [(change_set_id,)] = query(
            ada.household_id, "SELECT id FROM change_sets ORDER BY sequence DESC LIMIT 1"
        )
        assert shown(ada.household_id) == ["x-t0", "x-t1", "x-t2", "x-t4", "x-t5"]

        undoing.undo(ada.household_id, ada.user_id, change_set_id)

        assert shown(ada.household_id) == [f"t{number}" for number in range(6)]
        assert query(ada.household_id, NOTED) == [("t3", "mine", True)]
        prove(ada.household_id)
        undoing.redo(ada.household_id, ada.user_id, change_set_id)
        assert query(ada.household_id, NOTED) == [("t3", "mine", False)]
        prove(ada.household_id)


def test_XN6_edits_survive_when_the_whole_history_comes_under_new_ids(ada):
    bank = open_bank(rows=30)
    bank.stream.apply(Added(row(bank, "twin1", "7.77")))
    bank.stream.apply(Added(row(bank, "twin2", "7.77")))
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        edit(ada, "t7", note="mine", category=True)
        edit(ada, "twin2", note="the second")
        before = query(ada.household_id, "SELECT id, amount, note FROM transactions ORDER BY id")
        bank.make_again(lost={"twin1"}, prefix="x-")
        bank.stream.apply(Modified(row(bank, "x-t7", "8.00", name="CAFFE NERO LONDON")))

        outcome = sync.sync_item(ada.household_id, item_id)

        assert outcome.applied == Applied(0, 1, 1)
        after = query(ada.household_id, "SELECT id, amount, note FROM transactions ORDER BY id")
        assert after == before
        assert shown(ada.household_id) == sorted(bank.stream.truth())
        assert sorted(query(ada.household_id, NOTED)) == [
            ("x-t7", "mine", True), ("x-twin2", "the second", True),
        ]  # fmt: skip
        prove(ada.household_id)


def test_XN6_a_row_whose_amount_changed_with_its_id_is_another_row(ada):
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        edit(ada, "t1", note="mine")
        bank.make_again(prefix="x-")
        bank.stream.apply(Modified(row(bank, "x-t1", "99.00")))
        assert sync.sync_item(ada.household_id, item_id).applied == Applied(1, 0, 1)

    assert query(ada.household_id, NOTED) == [("t1", "mine", False)]
    prove(ada.household_id)


def test_XN6_an_item_whose_account_got_a_new_id_too_keeps_its_history_and_edits(ada):
    bank = open_bank(rows=20)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        edit(ada, "t7", note="mine")
        [old_id] = bank.stream.accounts
        bank.stream.apply(AccountChurned(old_id, f"{old_id}-new"))
        bank.make_again()
        assert sync.sync_item(ada.household_id, item_id).state == "done"

    live = "SELECT count(*), sum(amount), max(note) FROM transactions WHERE is_live"
    assert query(ada.household_id, live) == [(20, Decimal(-210), "mine")]
    prove(ada.household_id)


def hold(household_id, bank, item_id):
    """Let the bank forget 15 of 40 rows and sync."""
    sync.sync_item(household_id, item_id, "button")
    bank.make_again(lost={f"t{number}" for number in range(15)})
    return sync.sync_item(household_id, item_id, "webhook")


def test_trap_4_XN6_a_full_reading_that_would_withdraw_much_asks_first(ada):
    bank = open_bank(rows=40)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        cursor = item_of(ada.household_id, item_id).cursor
        for _ in range(2):
            outcome = hold(ada.household_id, bank, item_id)
            item = item_of(ada.household_id, item_id)
            assert (outcome.state, item.cursor, item.state) == ("failed", cursor, "good")
            assert len(shown(ada.household_id)) == 40
        assert item.next_sync_at is not None
        prove(ada.household_id)

        card = ada.get(f"/connections/{item_id}").text
        api = ada.get(f"/api/v1/connections/{item_id}", headers=ada.bearer()).json()

        assert "15 of 40 transactions fewer" in card
        assert f'action="/connections/{item_id}/accept"' in card
        assert (api["status"], api["headline"]) == ("held", "Asks you")

        assert f'href="/connections/{item_id}"' in ada.get("/").text

        answer = ada.post(f"/connections/{item_id}/accept")
        assert answer.headers["location"] == f"/connections/{item_id}"
        outcome = sync.sync_item(ada.household_id, item_id, if_due=True)

        assert outcome.applied == Applied(0, 0, 15)
        assert item_of(ada.household_id, item_id).error_code is None
        assert booked(ada.household_id, "trigger")[-1] == ("accept",)
        assert shown(ada.household_id) == sorted(bank.stream.truth())
        prove(ada.household_id)


def test_XN6_accepting_allows_the_next_sync_and_no_other(ada):
    bank = open_bank(rows=40)
    with linked(ada.household_id, bank) as item_id:
        hold(ada.household_id, bank, item_id)
        bank.errors["accounts"] = ProviderUnavailableError("DOWN", "Not now.")
        ada.post(f"/connections/{item_id}/accept")
        sync.sync_item(ada.household_id, item_id, if_due=True)
        bank.errors.clear()

        assert sync.sync_item(ada.household_id, item_id).error.code == turns.HELD
        assert len(shown(ada.household_id)) == 40


def test_XN6_a_notice_of_the_bank_does_not_take_the_permission_away(ada):
    bank = open_bank(rows=40)
    with linked(ada.household_id, bank) as item_id:
        hold(ada.household_id, bank, item_id)
        path = f"/api/v1/connections/{item_id}/accept"
        assert ada.post(path, headers=ada.bearer()).status_code == 202
        with ada.session() as session:
            linking.want_sync(session, ada.household_id, item_id, "webhook")
        assert sync.sync_item(ada.household_id, item_id, "webhook").applied.removed == 15


def test_XN6_nothing_is_accepted_that_nobody_asked(ada):
    bank = open_bank(rows=1)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        path = f"/api/v1/connections/{item_id}/accept"
        assert ada.post(path, headers=ada.bearer()).status_code == 409
        assert item_of(ada.household_id, item_id).sync_wanted_by is None


def test_XN6_a_bank_that_comes_to_itself_needs_no_answer(ada):
    bank = open_bank(rows=40)
    with linked(ada.household_id, bank) as item_id:
        whole = bank.stream
        hold(ada.household_id, bank, item_id)
        bank.stream = whole
        assert sync.sync_item(ada.household_id, item_id).applied == Applied(0, 0, 0)
        assert item_of(ada.household_id, item_id).error_code is None


@pytest.mark.parametrize(
    ("rows", "lost", "is_held"), [(10, 10, False), (55, 11, False), (54, 11, True), (0, 0, False)]
)
def test_XN6_a_fifth_and_more_than_ten_rows_is_much(ada, rows, lost, is_held):
    bank = open_bank(rows=rows)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.make_again(lost={f"t{number}" for number in range(lost)})
        sync.sync_item(ada.household_id, item_id)

        assert (item_of(ada.household_id, item_id).error_code == turns.HELD) is is_held
        assert len(shown(ada.household_id)) == (rows if is_held else rows - lost)


@pytest.mark.parametrize("status", [NOT_READY, INITIAL])
def test_trap_4_XN6_a_history_that_is_still_to_come_withdraws_nothing(ada, status):
    bank = open_bank(rows=8)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        cursor = item_of(ada.household_id, item_id).cursor
        bank.make_again(lost={"t0", "t1"})
        bank.stream.status = status
        outcome = sync.sync_item(ada.household_id, item_id, "reread")

        assert outcome.error.code == "FULL_READING_INCOMPLETE"
        assert item_of(ada.household_id, item_id).cursor == cursor
        assert len(shown(ada.household_id)) == 8


def test_XN6_a_row_that_cannot_be_booked_any_more_was_told(ada):
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.make_again()
        bank.stream.apply(Modified(row(bank, "t1", "2.00", extra={"amount": None})))
        sync.sync_item(ada.household_id, item_id)

    assert shown(ada.household_id) == ["t0", "t1", "t2"]
    prove(ada.household_id)


def test_XN6_an_operator_asks_for_a_full_reading(ada):
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        path = f"/api/v1/connections/{item_id}/reread"
        assert ada.post(path, headers=ada.bearer()).json() == {"status": "queued"}
        assert ada.post(f"/connections/{item_id}/reread").status_code == 303
        outcome = sync.sync_item(ada.household_id, item_id, if_due=True)

        assert outcome.applied == Applied(0, 0, 0)
        assert booked(ada.household_id, "trigger, rows_read")[-1] == ("reread", 3)
        prove(ada.household_id)


def test_XN6_a_full_reading_whose_worker_died_is_booked_by_the_next(ada, monkeypatch):
    bank = open_bank(rows=6)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.make_again(lost={"t0"})
        turn = turns.begin(ada.household_id, item_id, "webhook")
        read = fetching.fetch(turn)
        query(ada.household_id, "UPDATE items SET lease_until = now() - interval '1 second'")
        asked = bank.calls.count("transactions")
        sync.sync_item(ada.household_id, item_id)

        assert rereading.is_full(turn, read.pages)
        assert booked(ada.household_id, "state, removed")[-2:] == [("done", 1), ("done", 0)]
        assert bank.calls.count("transactions") == asked + 1
        prove(ada.household_id)


def test_XN6_a_cursor_that_is_refused_between_two_pages_begins_with_nothing(ada):
    bank = open_bank(rows=6)
    bank.page_rows = 2
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.stream.apply(Removed("t0"))
        for number in range(4):
            bank.stream.apply(Added(row(bank, f"new{number}", "99.00")))
        asked = []
        ask = bank.fetch_transactions

        def refuse_the_second(token, cursor):
            asked.append(cursor)
            bank.forgets = len(asked) == 2
            return ask(token, cursor)

        bank.fetch_transactions = refuse_the_second
        assert sync.sync_item(ada.household_id, item_id).applied == Applied(4, 0, 1)

        assert asked[0] is not None
        assert asked.index(None) == 2
        assert shown(ada.household_id) == sorted(bank.stream.truth())
        prove(ada.household_id)
