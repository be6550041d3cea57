"""Tied out: through real syncs, the rows against the balances that the bank states."""

from decimal import Decimal
from functools import partial

import msgspec
import pytest

from app.core.database import household_transaction
from app.features.changes import service as changes
from app.features.matching.repository import rows
from app.features.matching.repository.rows import Marked
from app.features.matching.service.questions import take_apart
from app.features.proof import service as proof
from app.features.tieout import repository as tieout
from app.features.tieout import service
from app.simulator.stream import Added, Churned, Modified, Posted, Removed
from tests.features.connections.bank import linked, open_bank, query, row
from tests.features.tieout.days import let_it_stand, lose, on, sync_on


def stored(household_id):
    [found] = query(
        household_id,
        "SELECT state, reason, tied_from, tied_through, tied_amount, stated - computed,"
        " explanation, gap_since, treatment, broke_by FROM tie_outs",
    )
    return dict(
        zip(
            ("state", "reason", "tied_from", "tied_through", "tied_amount", "gap", "explanation",
             "gap_since", "treatment", "broke_by"),
            found,
            strict=True,
        )
    )  # fmt: skip


def test_the_first_balance_proves_nothing_and_the_second_does(ada, bank):
    bank, item_id = bank
    assert (stored(ada.household_id)["state"], stored(ada.household_id)["reason"]) == (
        "unproven",
        "one_balance",
    )

    sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))

    found = stored(ada.household_id)
    assert found["state"] == "tied"
    assert (found["tied_from"], found["tied_through"]) == (on(0), on(1))
    assert found["tied_amount"] == Decimal("-22.10")


def test_pending_rows_corrections_renumbering_and_withdrawals_keep_it_tied(ada, bank):
    bank, item_id = bank
    days = [
        [Added(row(bank, "p1", "50.00", date=on(1), pending=True))],
        [Added(row(bank, "a", "3.00", date=on(2)))],
        [Posted("p1", row(bank, "q1", "60.00", date=on(3)), linked=True, removal="before")],
        [Modified(row(bank, "a", "3.37", date=on(2)))],
        [Churned("q1", row(bank, "q2", "60.01", date=on(3)))],
        [Removed("a")],
        [Added(row(bank, "b", "1.00", date=on(7)))],
    ]
    for number, events in enumerate(days, 1):
        sync_on(bank, item_id, ada.household_id, number, *events)
        assert stored(ada.household_id)["state"] == "tied", number
    assert stored(ada.household_id)["tied_through"] == on(len(days))


@pytest.mark.parametrize("counts_pending", [False, True])
def test_news_between_the_rows_and_the_accounts_opens_no_gap(ada, counts_pending):
    """The bank is asked for rows, then for its accounts, and does not stand still meanwhile."""
    bank = open_bank(rows=3)
    [account_id] = bank.stream.accounts
    account = bank.stream.accounts[account_id]
    bank.stream.accounts[account_id] = msgspec.structs.replace(
        account, counts_pending=counts_pending
    )
    news = [
        [Added(row(bank, "p1", "50.00", date=on(1), pending=True))],
        [Added(row(bank, "a", "3.00", date=on(1)))],
        [Posted("p1", row(bank, "q1", "60.00", date=on(2)), linked=True, removal="before")],
        [Modified(row(bank, "a", "3.37", date=on(1)))],
        [Removed("a")],
        [],
    ]
    states = []
    with linked(ada.household_id, bank) as item_id:
        for number, late in enumerate(news):
            bank.late = [partial(bank.stream.apply, event) for event in late]
            sync_on(bank, item_id, ada.household_id, number)
            states.append(stored(ada.household_id)["state"])
        replay = proof.replay(ada.household_id)

    assert states == ["unproven", *["tied"] * 5]
    assert stored(ada.household_id)["treatment"] == ("pending" if counts_pending else "posted")
    assert replay.is_same, replay
    shown = query(ada.household_id, "SELECT current FROM source_accounts")
    assert shown == [(bank.stream.balance(account_id).current,)]


def test_a_lost_row_is_a_gap_and_is_named_until_it_is_back(ada, bank, monkeypatch):
    bank, item_id = bank
    told = []
    monkeypatch.setattr(service.events, "publish", lambda *a, **k: told.append(a[1]))
    sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))
    lost = row(bank, "lost", "12.34", date=on(2))
    sync_on(bank, item_id, ada.household_id, 2, Added(lost))
    assert stored(ada.household_id)["state"] == "tied"

    lose(ada.household_id, "lost")
    sync_on(bank, item_id, ada.household_id, 3, Added(row(bank, "b", "1.00", date=on(3))))

    found = stored(ada.household_id)
    assert found["state"] == "gap"
    assert found["gap"] == Decimal("-12.34")
    assert (found["tied_through"], found["broke_by"]) == (on(1), on(2))
    assert found["gap_since"] is not None
    [[lost_id]] = query(ada.household_id, "SELECT id FROM transactions WHERE source_id = 'lost'")
    assert found["explanation"][0]["kind"] == "removed"
    assert [each["transaction_id"] for each in found["explanation"][0]["rows"]] == [str(lost_id)]
    assert told.count("tie_out_changed") == 1

    sync_on(bank, item_id, ada.household_id, 4, Modified(lost))

    assert stored(ada.household_id)["state"] == "tied"
    assert stored(ada.household_id)["gap_since"] is None
    assert told.count("tie_out_changed") == 2
    actions = [each[0] for each in query(ada.household_id, "SELECT action FROM audit_events")]
    assert [each for each in actions if "tie_out" in each] == [
        "account.tie_out_lost",
        "account.tie_out_found",
    ]


def test_a_replay_of_the_same_day_examines_nothing(ada, bank, monkeypatch):
    bank, item_id = bank
    sync_on(bank, item_id, ada.household_id, 1)
    monkeypatch.setattr(service, "examine", lambda *a: pytest.fail("there is nothing new"))

    sync_on(bank, item_id, ada.household_id, 1)


def test_what_is_stored_is_what_a_recheck_finds(ada, bank):
    bank, item_id = bank
    sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))
    with household_transaction(ada.household_id) as session:
        assert service.find_differences(session, ada.household_id) == []

    query(ada.household_id, "UPDATE tie_outs SET state = 'gap'")

    with household_transaction(ada.household_id) as session:
        [found] = service.find_differences(session, ada.household_id)
        assert found.fields == ("state",)
        service.refresh_all(session, ada.household_id)
        assert service.find_differences(session, ada.household_id) == []


def test_rows_before_the_first_balance_are_part_of_the_opening(ada):
    """So a sync does not sum them up, and finds what whoever sums up everything finds."""
    bank = open_bank(rows=0)
    for number in range(1, 20):
        bank.stream.apply(Added(row(bank, f"o{number}", "9.99", date=on(-40 * number))))
    with linked(ada.household_id, bank) as item_id:
        sync_on(bank, item_id, ada.household_id, 0)
        sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))
        sync_on(bank, item_id, ada.household_id, 40, Added(row(bank, "b", "1.25", date=on(38))))
    lose(ada.household_id, "b")

    with household_transaction(ada.household_id) as session:
        ids = tieout.all_account_ids(session, ada.household_id)
        service.refresh(session, ada.household_id, ids)
        now = service.clock.now()
        [since] = service.examine(session, ada.household_id, ids, now)
        [ever] = service.examine(session, ada.household_id, ids, now, every_day=True)

    assert stored(ada.household_id)["gap"] == since.verdict.gap == Decimal("-1.25")
    assert service.values_of(since) == service.values_of(ever)
    assert ever.verdict.opening - since.verdict.opening == 19 * Decimal("9.99")


@pytest.mark.parametrize("was_in_the_balance", [True, False])
def test_a_row_of_before_the_first_balance_that_is_withdrawn_opens_no_gap(
    ada, bank, was_in_the_balance
):
    """The opening moves, or it stays and the balances tie as reported then: on each day of all."""
    bank, item_id = bank
    for number in (1, 2, 40, 75):
        sync_on(bank, item_id, ada.household_id, number, Added(day_row(bank, number)))
    before = examined(ada.household_id)

    (bank.stream.apply if was_in_the_balance else partial(let_it_stand, bank))(Removed("t1"))
    for number in (76, 77):
        sync_on(bank, item_id, ada.household_id, number, Added(day_row(bank, number)))
        assert stored(ada.household_id)["state"] == "tied"

    after = examined(ada.household_id)
    assert [each.gap for each in after.verdict.days] == [0] * 7
    moved = after.verdict.opening - before.verdict.opening
    assert moved == (0 if was_in_the_balance else Decimal("-2.00"))


def day_row(bank, number):
    return row(bank, f"d{number}", f"{number}.37", date=on(number))


def examined(household_id):
    with household_transaction(household_id) as session:
        ids = tieout.all_account_ids(session, household_id)
        now = max(row[0] for row in query(household_id, "SELECT max(as_of) FROM balance_anchors"))
        [found] = service.examine(session, household_id, ids, now, every_day=True)
        return found


def test_a_merge_that_was_wrong_is_a_gap_and_taking_it_apart_closes_it(ada, bank):
    bank, item_id = bank
    two = [row(bank, name, "4.50", date=on(1)) for name in ("x", "y")]
    sync_on(bank, item_id, ada.household_id, 1, *map(Added, two))
    ids = dict(
        query(ada.household_id, "SELECT source_id, id FROM transactions WHERE date = :d", d=on(1))
    )
    with household_transaction(ada.household_id) as session:
        change_set_id = changes.open_change_set(session, ada.household_id, kind="match")
        pair = Marked(ids["y"], ids["y"], ids["x"], Decimal(1), "They look alike.")
        rows.mark_duplicates(session, ada.household_id, change_set_id, [pair])
        service.refresh_all(session, ada.household_id)

    found = stored(ada.household_id)
    assert (found["state"], found["gap"]) == ("gap", Decimal("-4.50"))
    assert found["explanation"][0]["kind"] == "set_aside"
    assert found["explanation"][0]["rows"][0]["transaction_id"] == str(ids["y"])

    with household_transaction(ada.household_id) as session:
        take_apart(session, ada.household_id, ada.user_id, ids["y"])

    assert stored(ada.household_id)["state"] == "tied"
