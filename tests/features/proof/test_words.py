"""What the journal holds of runs that did not go straight, and of files that were decided on."""

from decimal import Decimal

import pytest

from app.core.database import household_transaction
from app.features.connections.service import sync
from app.features.imports.service.book import book
from app.features.imports.service.look import Choices, look, set_layout
from app.features.imports.service.upload import preview
from app.features.proof import service as proof
from app.features.proof.words import words_of
from app.simulator.stream import Added
from tests.cast import SignedInBrowser
from tests.factories.files import MARCH, csv, ofx
from tests.features.connections import bank as banks
from tests.features.connections.bank import linked, open_bank, query, row
from tests.features.proof import ledgers
from tests.features.proof.ledgers import break_it

SETS = "SELECT kind, sync_run_id FROM change_sets ORDER BY sequence"


def words_said(household_id) -> list[list[tuple[str, Decimal | None]]]:
    """Return what each change set says: ids, and amounts unless withdrawn."""
    with household_transaction(household_id) as session:
        return [
            [
                (word.source_id, word.record.money.amount if word.record else None)
                for word in words_of(session, household_id, kind, run_id)
            ]
            for kind, run_id in query(household_id, SETS)
        ]


def test_of_a_loop_that_was_begun_again_only_the_last_speaks(ada):
    bank = open_bank(rows=3)
    bank.page_rows = 1
    bank.meanwhile = [Added(row(bank, "late", "9.00"))]
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    assert query(ada.household_id, "SELECT count(*) FROM journal_pages") == [(7,)]

    [said] = words_said(ada.household_id)

    assert sorted(said) == [("late", -9), ("t0", -1), ("t1", -2), ("t2", -3)]
    assert proof.replay(ada.household_id).is_same


def test_what_a_dead_worker_read_speaks_for_who_booked_it(ada, monkeypatch):
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        with monkeypatch.context() as patch:
            patch.setattr(sync, "_book", _die)
            with pytest.raises(KeyboardInterrupt):
                sync.sync_item(ada.household_id, item_id, "button")
        banks.run_out_of_lease(ada.household_id, item_id)
        sync.sync_item(ada.household_id, item_id, "schedule")

    assert sorted(words_said(ada.household_id)[0]) == [("t0", -1), ("t1", -2), ("t2", -3)]
    assert proof.replay(ada.household_id).is_same
    assert not any(each.count for each in proof.verify(ada.household_id))


def _die(*_: object) -> None:
    raise KeyboardInterrupt


def bring(ada: SignedInBrowser, name: str, data: bytes, choices: Choices | None = None) -> None:
    import_id = preview(ada.household_id, ada.user_id, name, data)
    if choices is not None:
        set_layout(ada.household_id, import_id, choices)
    book(ada.household_id, ada.user_id, import_id)


def test_files_speak_as_they_were_decided(ada):
    bring(ada, "march.ofx", ofx())
    renumbered = [(day, amount, f"x{n}", name) for n, (day, amount, _, name) in enumerate(MARCH)]
    wider = [("20260228", "-1.00", "x8", "FEB"), *renumbered, ("20260401", "-2.00", "x9", "APR")]
    bring(ada, "wider.ofx", ofx(wider, start="20260228", end="20260401"))
    bring(
        ada,
        "mine.csv",
        csv("03/02/2026,KIOSK,4.50", "03/02/2026,KIOSK,4.50"),
        Choices(layout={"date_order": "DMY", "sign": "inverted"}, currency="EUR"),
    )
    # The same rows of the same account, told by another kind of file.
    known = query(ada.household_id, "SELECT id FROM accounts WHERE mask = '6789'")
    again = csv("2026-03-10,Rent March,-820.00", "2026-03-26,SALARY,2500.00")
    import_id = preview(ada.household_id, ada.user_id, "again.csv", again)
    [key] = [each.key for each in look(ada.household_id, import_id).accounts]
    set_layout(ada.household_id, import_id, Choices(targets={key: str(known[0][0])}))
    book(ada.household_id, ada.user_id, import_id)

    found = proof.replay(ada.household_id)

    assert found.is_same, (found.differences, found.standing)
    assert found.change_sets == 4
    names = [{source_id for source_id, _ in said} for said in words_said(ada.household_id)]
    assert len(names[0]) == 4
    assert names[0] < names[1]  # renumbered by the bank, known by the ids they had


def test_what_a_file_withdrew_is_among_its_words(ada):
    pending = "2026-03-02,COFFEE BAR,-4.50,pending"
    header = "Date,Description,Amount,Status"
    bring(ada, "a.csv", csv(pending, "2026-03-05,RENT,-820.00,posted", header=header))
    rows = ("2026-03-01,TEA,-1.00,posted", "2026-03-05,RENT,-820.00,posted")
    bring(ada, "b.csv", csv(*rows, header=header))

    gone = query(
        ada.household_id, "SELECT source_id FROM transactions WHERE removed_at > '2000-1-1'"
    )

    assert [(source_id, None) for (source_id,) in gone] == [
        each for each in words_said(ada.household_id)[1] if each[1] is None
    ]
    assert len(gone) == 1
    assert proof.replay(ada.household_id).is_same


@pytest.fixture
def broker(ada):
    """A household whose bank fails when it is asked for the movements behind its holdings."""
    ledgers.fill_with_holdings(ada.household_id)
    return ada.household_id


def test_holdings_are_what_the_last_listing_says(broker):
    assert query(broker, "SELECT name, quantity FROM holdings") == [("All the world", 3)]
    found = proof.replay(broker)
    assert found.is_same, found.standing


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE holdings SET quantity = 4 WHERE household_id = :household_id",
        "DELETE FROM holdings WHERE household_id = :household_id",
    ],
)
def test_a_changed_holding_is_named(broker, statement):
    break_it(broker, statement)

    [sentence] = proof.replay(broker).standing

    assert sentence.startswith("Brokerage: holds ")
