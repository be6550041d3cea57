"""What syncs and imports tell again: duplicates are kept, count once, and stand in."""

import datetime as dt
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.features.connections.service import link
from app.features.history.service.undo import undo, undo_import
from app.features.proof import service as proof
from app.models import Account, ChangeSet, FieldChange, Transaction
from app.simulator.rows import Facts
from app.simulator.stream import Added, Modified, Posted, Removed
from tests.factories.files import csv
from tests.features.connections.bank import row
from tests.features.matching.histories import (
    DAY,
    SHOPS,
    bank_of,
    bring_file,
    counts,
    find,
    link_and_sync,
    open_account,
    providers,
    questions,
    sync_again,
    total,
)
from tests.queries import counted_queries


def csv_of(numbers) -> bytes:
    """Return what a bank's export says of the purchases of some days, in its own words."""
    lines = [
        f"{DAY + dt.timedelta(days=n)},POS PURCHASE {SHOPS[n % len(SHOPS)].title()},"
        f"-{n + 7}.{n % 10}3"
        for n in numbers
    ]
    return csv(*lines)


def only_account(ada):
    with ada.session() as session:
        return session.scalars(select(Account.id).where(Account.hidden_at.is_(None))).one()


def test_a_file_and_a_bank_that_tell_the_same_count_once(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account(), 10))
    before = total(ada)

    result = bring_file(ada, csv_of(range(12)), "november.csv", only_account(ada))

    assert (result.added, result.matched) == (12, 10)
    assert counts(ada) == (22, 12, 10)
    assert total(ada) == before - Decimal("17.03") - Decimal("18.13")
    assert questions(ada) == []


def test_a_bank_that_is_linked_after_a_file_feeds_the_files_account(ada) -> None:
    bring_file(ada, csv_of(range(10)), "november.csv")
    before = total(ada)

    link_and_sync(ada, bank_of("one", open_account(), 12))

    assert counts(ada) == (22, 12, 10)
    assert total(ada) == before - Decimal("17.03") - Decimal("18.13")
    assert only_account(ada) is not None


def test_when_the_source_withdraws_the_duplicate_stands_in_with_the_persons_words(ada) -> None:
    bank = bank_of("one", open_account(), 10)
    item_id = link_and_sync(ada, bank)
    bring_file(ada, csv_of(range(10)), "november.csv", only_account(ada))
    note = {"note": "mine"}
    ada.put(f"/api/v1/transactions/{find(ada, 'one-3').id}", json=note, headers=ada.bearer())
    before = total(ada)

    bank.stream.apply(Removed("one-3"))
    sync_again(ada, bank, item_id)

    assert total(ada) == before
    assert counts(ada) == (20, 10, 10)
    with ada.session() as session:
        [standing] = session.scalars(select(Transaction).where(Transaction.stands_in)).all()
    assert (standing.is_live, standing.note) == (True, "mine")
    with ada.session() as session:
        last = select(ChangeSet.id).order_by(ChangeSet.sequence.desc()).limit(1)
        change_set_id = session.scalars(last).one()
    undo(ada.household_id, ada.user_id, change_set_id)
    assert (total(ada), counts(ada)) == (before, (20, 10, 10))
    with ada.session() as session:
        assert session.scalars(select(Transaction).where(Transaction.stands_in)).all() == []


def test_what_is_said_of_a_stand_in_stays_when_the_original_is_back(ada) -> None:
    bank = bank_of("one", open_account(), 10)
    item_id = link_and_sync(ada, bank)
    bring_file(ada, csv_of(range(10)), "november.csv", only_account(ada))
    bank.stream.apply(Removed("one-3"))
    sync_again(ada, bank, item_id)
    with ada.session() as session:
        [standing] = session.scalars(select(Transaction).where(Transaction.stands_in)).all()
        last = select(ChangeSet.id).order_by(ChangeSet.sequence.desc()).limit(1)
        withdrawal = session.scalars(last).one()

    note = {"note": "mine"}
    ada.put(f"/api/v1/transactions/{standing.id}", json=note, headers=ada.bearer())
    undo(ada.household_id, ada.user_id, withdrawal)

    original = find(ada, "one-3")
    assert (original.is_live, original.note) == (True, "mine")


def test_of_two_duplicates_one_stands_in(ada) -> None:
    bank = bank_of("one", open_account(), 10)
    item_id = link_and_sync(ada, bank)
    account_id = only_account(ada)
    bring_file(ada, csv_of(range(10)), "november.csv", account_id)
    bank_again = bank_of("two", open_account(), 10)
    link_and_sync(ada, bank_again)
    assert counts(ada) == (30, 10, 20)
    before = total(ada)

    bank.stream.apply(Removed("one-3"))
    sync_again(ada, bank, item_id)

    assert (counts(ada), total(ada)) == ((30, 10, 20), before)


def test_the_ledger_made_again_from_the_journal_has_the_same_duplicates(ada) -> None:
    bank = bank_of("one", open_account(), 10)
    bank.stream.apply(Added(pending_row(bank, "p1", "24.53", name="LUIGIS TRATTORIA")))
    item_id = link_and_sync(ada, bank)
    bring_file(ada, csv_of(range(12)), "november.csv", only_account(ada))
    later = DAY + dt.timedelta(days=2)
    posted = row(bank, "t1", "24.53", name="LUIGIS", date=later, authorized_date=DAY)
    bank.stream.apply(Posted("p1", posted, linked=False))
    bank.stream.apply(Removed("one-3"))
    sync_again(ada, bank, item_id)
    assert counts(ada)[2] == 11

    with providers(bank):
        found = proof.replay(ada.household_id)
        findings = proof.verify(ada.household_id)

    assert found.is_same, found
    assert [each for each in findings if each.count] == []


def test_undoing_the_file_leaves_the_bank_as_if_it_had_never_come(ada) -> None:
    first = bring_file(ada, csv_of(range(12)), "november.csv")
    link_and_sync(ada, bank_of("one", open_account(), 10))

    undo_import(ada.household_id, ada.user_id, first.id)

    assert counts(ada)[1] == 10
    with ada.session() as session:
        live = session.scalars(select(Transaction.source_id).where(Transaction.is_live)).all()
    assert all(each.startswith("one-") for each in live)


def test_the_same_pages_again_write_nothing(ada) -> None:
    bank = bank_of("one", open_account(), 10)
    item_id = link_and_sync(ada, bank)
    bring_file(ada, csv_of(range(10)), "november.csv", only_account(ada))
    with ada.session() as session:
        before = len(session.scalars(select(FieldChange.field)).all())

    outcome = sync_again(ada, bank, item_id)

    with ada.session() as session:
        assert len(session.scalars(select(FieldChange.field)).all()) == before
    assert (outcome.applied.added, outcome.applied.modified) == (0, 0)


def test_each_duplicate_says_why_and_how_sure(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account(), 10))
    bring_file(ada, csv_of(range(10)), "november.csv", only_account(ada))

    with ada.session() as session:
        changes = session.scalars(
            select(FieldChange).where(FieldChange.field == "duplicate_of_id")
        ).all()

    assert len(changes) == 10
    assert all(change.confidence >= Decimal("0.98") for change in changes)
    assert changes[0].reason == "The same amount, the same day, similar words."


# Pending and posted, without a link


def pending_row(bank, source_id: str, amount: str, **more):
    return row(bank, source_id, amount, pending=True, **more)


@pytest.mark.parametrize(
    ("held", "posted", "names", "category"),
    [
        ("24.50", "24.50", ("LUIGIS TRATTORIA", "LUIGIS TRATTORIA"), None),
        ("24.50", "24.50", ("PENDING - LUIGIS", "TST* LUIGIS TRATTORIA"), None),
        ("24.53", "24.53", ("POS 4412", "TST* LUIGIS TRATTORIA"), None),
        ("24.50", "29.40", ("LUIGIS TRATTORIA",) * 2, "FOOD_AND_DRINK_RESTAURANT"),
        ("1.00", "48.17", ("SHELL OIL 0042",) * 2, "TRANSPORTATION_GAS"),
        ("125.00", "48.17", ("SHELL OIL 0042",) * 2, "TRANSPORTATION_GAS"),
    ],
)
def test_a_pending_row_without_a_link_hands_its_edits_on(ada, held, posted, names, category):
    facts = {"facts": Facts(category=category)} if category else {}
    bank = bank_of("one", open_account(), 5)
    bank.stream.apply(Added(pending_row(bank, "p1", held, name=names[0], **facts)))
    item_id = link_and_sync(ada, bank)
    note = {"note": "with Ana"}
    ada.put(f"/api/v1/transactions/{find(ada, 'p1').id}", json=note, headers=ada.bearer())
    after = DAY + dt.timedelta(days=2)
    new = row(bank, "t1", posted, name=names[1], date=after, authorized_date=DAY, **facts)

    bank.stream.apply(Posted("p1", new, linked=False))
    sync_again(ada, bank, item_id)

    pending, now = find(ada, "p1"), find(ada, "t1")
    assert (pending.duplicate_of_id, pending.is_live) == (now.id, False)
    assert (now.note, now.is_live) == ("with Ana", True)


def test_a_question_is_asked_only_for_what_a_person_wrote(ada) -> None:
    bank = bank_of("one", open_account(), 5)
    bank.stream.apply(Added(pending_row(bank, "p1", "10.00", name="CORNER BAKERY")))
    bank.stream.apply(Added(pending_row(bank, "p2", "11.00", name="TEA HOUSE")))
    item_id = link_and_sync(ada, bank)
    note = {"note": "with Ana"}
    ada.put(f"/api/v1/transactions/{find(ada, 'p1').id}", json=note, headers=ada.bearer())
    later = DAY + dt.timedelta(days=1)

    bank.stream.apply(Removed("p1"))
    bank.stream.apply(Removed("p2"))
    sync_again(ada, bank, item_id)
    bank.stream.apply(Added(row(bank, "t1", "10.00", name="CORNER BAKERY", date=later)))
    bank.stream.apply(Added(row(bank, "t2", "11.00", name="TEA HOUSE", date=later)))
    sync_again(ada, bank, item_id)

    assert [each.right_id for each in questions(ada)] == [find(ada, "p1").id]
    assert find(ada, "p1").duplicate_of_id is None


def test_a_first_sync_with_nothing_to_match_costs_two_statements(ada) -> None:
    bank = bank_of("one", open_account(), 40)

    with counted_queries() as statements:
        link_and_sync(ada, bank)

    mine = [each for each in statements if "AS told_by" in each or "HAVING count(*) > 1" in each
            or "AS is_gone" in each]  # fmt: skip
    assert len(mine) <= 3
    assert questions(ada) == []


def test_an_unlinked_connection_keeps_what_it_told(ada, monkeypatch) -> None:
    bank = bank_of("one", open_account(), 10)
    item_id = link_and_sync(ada, bank)
    bring_file(ada, csv_of(range(10)), "november.csv", only_account(ada))
    before = total(ada)
    monkeypatch.setattr(link, "_provider", lambda _: bank)

    link.unlink(ada.household_id, ada.user_id, item_id)

    assert total(ada) == before


def test_a_modified_row_that_tells_something_else_is_a_disagreement(ada) -> None:
    bank = bank_of("one", open_account(), 20)
    item_id = link_and_sync(ada, bank)
    bring_file(ada, csv_of(range(20)), "november.csv", only_account(ada))

    day = DAY + dt.timedelta(days=9)
    bank.stream.apply(Modified(row(bank, "one-9", "99.00", name="TRADER JOES #9", date=day)))
    sync_again(ada, bank, item_id)

    page = ada.get("/matches").text
    assert "what its sources disagree on" in page
    assert "99.00" in page
    assert "16.93" in page
