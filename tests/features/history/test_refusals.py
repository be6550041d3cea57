"""Each reason to refuse an undo or a redo: the preview says it, a 409 follows, nothing is written.

Once the change set that the refusal names is undone, what was refused goes through; but for an id
that another transaction has.
"""

import datetime as dt
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.features.connections.service.sync import sync_item
from app.features.imports.service.look import Choices
from app.features.proof import service as proof
from app.models import Account
from app.providers import registry
from app.providers.plaid import mapping
from app.simulator.stream import Added, Modified, Posted
from tests.cast import SignedInBrowser
from tests.database import digest
from tests.factories.files import csv, ofx
from tests.features.connections.bank import Bank, open_bank, query, row, store_item
from tests.features.history.test_history import HISTORY, sets, turn
from tests.features.imports.test_service import bring, bring_and_book
from tests.features.matching import histories

DAY = dt.date(2026, 11, 3)


@pytest.fixture
def bank(ada: SignedInBrowser, monkeypatch) -> tuple[Bank, object]:
    """Link a bank that has one pending row, and sync it."""
    bank = open_bank()
    monkeypatch.setitem(registry._providers, "plaid", bank)
    item_id = store_item(ada.household_id, bank)
    bank.stream.apply(Added(row(bank, "p1", "5.00", pending=True)))
    sync_item(ada.household_id, item_id)
    return bank, item_id


def tell(ada: SignedInBrowser, bank: tuple[Bank, object], event: object) -> dict:
    """Let something happen at the bank and sync; return the change set."""
    bank[0].stream.apply(event)
    sync_item(ada.household_id, bank[1])
    return sets(ada)[0]


def check_refused(ada: SignedInBrowser, target: str, verb: str, words: str, later: str | None):
    """Check the preview's words, the refusal, and that every table is as it was."""
    bearer = ada.bearer()
    before = digest()
    preview = ada.get(f"{HISTORY}{target}/preview", headers=bearer)
    refused = ada.post(f"{HISTORY}{target}/{verb}", headers=bearer)

    assert (preview.status_code, preview.json()["verb"]) == (200, verb)
    refusal = preview.json()["refusal"]
    assert words in refusal["message"]
    assert refusal["change_set_id"] == later
    assert (refused.status_code, refused.json()["code"]) == (409, "needed_by_later_change")
    assert refused.json()["detail"] == refusal["message"]
    assert digest() == before


def check_sound(ada: SignedInBrowser) -> None:
    found = proof.replay(ada.household_id)
    assert found.is_same, found
    assert [each for each in proof.verify(ada.household_id) if each.count] == []


def test_named_since_later_words_need_the_name(ada, bank) -> None:
    posted = tell(ada, bank, Posted("p1", row(bank[0], "t1", "5.50")))
    changed = tell(ada, bank, Modified(row(bank[0], "t1", "6.00")))

    check_refused(ada, posted["id"], "undo", "speaks of it under that id", changed["id"])

    assert turn(ada, changed["id"], "undo").status_code == 200
    assert turn(ada, posted["id"], "undo").status_code == 200
    check_sound(ada)


def test_taken_the_former_id_names_another_row_meanwhile(ada, bank) -> None:
    posted = tell(ada, bank, Posted("p1", row(bank[0], "t1", "5.50")))
    # The bank uses an id again, which the simulator refuses to do by itself.
    del bank[0].stream._lives["p1"]
    again = tell(ada, bank, Added(row(bank[0], "p1", "7.00")))

    words = "An id stays with its transaction"
    check_refused(ada, posted["id"], "undo", words, again["id"])

    assert turn(ada, again["id"], "undo").status_code == 200
    check_refused(ada, posted["id"], "undo", words, again["id"])
    check_sound(ada)


def test_paired_a_duplicate_would_name_a_duplicate(ada) -> None:
    one, two = _two_questions_of_one_movement(ada)
    first = _merge(ada, two)
    assert turn(ada, first, "undo").status_code == 200
    second = _merge(ada, one)

    check_refused(ada, first, "redo", "marked one of these transactions as a duplicate", second)

    assert turn(ada, second, "undo").status_code == 200
    assert turn(ada, first, "redo").status_code == 200


def test_reread_a_better_reading_stands_on_the_rows(ada, bank, monkeypatch) -> None:
    [brought] = sets(ada)
    plain = mapping.transaction_record
    monkeypatch.setattr(
        mapping, "transaction_record", lambda said: replace(plain(said), description="better")
    )
    proof.mend(ada.household_id)
    reading = sets(ada)[0]
    assert reading["kind"] == "replay"

    check_refused(ada, brought["id"], "undo", "reading of the journal", reading["id"])

    assert turn(ada, reading["id"], "undo").status_code == 200
    assert turn(ada, brought["id"], "undo").status_code == 200
    assert query(ada.household_id, "SELECT count(*) FROM transactions WHERE is_live") == [(0,)]


def test_moved_the_account_of_the_file_feeds_another_one_meanwhile(ada) -> None:
    bring_and_book(ada, ofx())
    [first] = sets(ada)
    assert turn(ada, first["id"], "undo").status_code == 200
    bring_and_book(ada, csv("2026-03-02,COFFEE BAR,-4.50"), "other.csv")
    with ada.session() as session:
        other = session.scalars(select(Account.id).where(Account.hidden_at.is_(None))).one()
    later = (("20260402", "-4.50", "a1", "COFFEE BAR"),)
    april = ofx(later, start="20260401", end="20260430", balance="1666.50")
    key = bring(ada, april, "april.ofx").accounts[0].key
    bring_and_book(ada, april, "april.ofx", Choices(targets={key: str(other)}))

    check_refused(ada, first["id"], "redo", "go to another account", None)


def _two_questions_of_one_movement(ada: SignedInBrowser) -> tuple[object, object]:
    """Let three sources tell what may be one: return what is asked of first and second, and of
    second and third."""
    bank = histories.bank_of("one", histories.open_account(), 12)
    bank.stream.apply(Added(row(bank, "cash", "10.00", name="WITHDRAWAL", date=DAY)))
    histories.link_and_sync(ada, bank)
    with ada.session() as session:
        account_id = session.scalars(select(Account.id)).one()
    histories.bring_file(ada, csv(f"{DAY},CASH 1,-10.00"), "one.csv", account_id)
    rows = [(f"{DAY:%Y%m%d}", "-10.00", "x1", "ATM 1 MAIN ST")]
    data = ofx(rows, start="20261101", end="20261120")
    histories.bring_file(ada, data, "two.ofx", account_id)
    asked = {(each.left_id, each.right_id): each.id for each in histories.questions(ada)}
    ids = sorted({each for pair in asked for each in pair})
    assert len(ids) == 3, asked
    return asked[ids[0], ids[1]], asked[ids[1], ids[2]]


def _merge(ada: SignedInBrowser, question_id: object) -> str:
    answer = ada.post(f"/api/v1/matches/{question_id}/merge", headers=ada.bearer())
    assert answer.status_code == 200, answer.text
    return answer.json()["change_set_id"]
