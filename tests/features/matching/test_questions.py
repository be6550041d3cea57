"""What is not certain is asked once, answered by a person, and can be taken back."""

import datetime as dt
from decimal import Decimal

from sqlalchemy import select

from app.core.ids import uuid7
from app.domain.matching.pairing import Pair
from app.features.changes import service as changes
from app.features.history.service.undo import redo, undo
from app.features.matching.service import questions as service
from app.features.matching.service.rows import Work
from app.models import Account, Transaction
from tests.factories.files import csv, ofx
from tests.features.matching.histories import (
    DAY,
    bank_of,
    bring_file,
    counts,
    find,
    link_and_sync,
    open_account,
    questions,
    total,
)


def asked_about_a_shop(ada):
    """Let a bank and a file tell what may be one: a round amount under another name."""
    link_and_sync(ada, bank_of("one", open_account(), 12))
    with ada.session() as session:
        account_id = session.scalars(select(Account.id)).one()
    lines = [f"{DAY + dt.timedelta(days=n)},CASH {n},-{n}0.00" for n in (1, 2)]
    bring_file(ada, csv(*lines), "one.csv", account_id)
    rows = [(f"{DAY + dt.timedelta(days=n):%Y%m%d}", f"-{n}0.00", f"x{n}", f"ATM {n} MAIN ST")
            for n in (1, 2)]  # fmt: skip
    bring_file(ada, ofx(rows, start="20261101", end="20261120"), "two.ofx", account_id)
    return questions(ada)


def test_what_is_not_certain_is_asked_and_counts_until_it_is_answered(ada) -> None:
    asked = asked_about_a_shop(ada)

    assert [(each.kind, each.state) for each in asked] == [("same_movement", "open")] * 2
    assert counts(ada) == (16, 16, 0)
    page = ada.get("/matches").text
    assert page.count("Is this one transaction, told twice?") == 2
    assert "2 possible duplicates" in ada.get("/transactions").text


def test_merge_is_a_change_set_that_history_undoes_and_redoes(ada) -> None:
    asked = asked_about_a_shop(ada)
    before = total(ada)

    change_set_id = merge(ada, asked[0].id)

    merged = total(ada)
    assert (counts(ada), merged > before) == ((16, 15, 1), True)
    undo(ada.household_id, ada.user_id, change_set_id)
    assert (counts(ada), total(ada)) == ((16, 16, 0), before)
    redo(ada.household_id, ada.user_id, change_set_id)
    assert (counts(ada), total(ada)) == ((16, 15, 1), merged)


def test_not_the_same_is_remembered_for_ever(ada) -> None:
    asked = asked_about_a_shop(ada)
    answer = ada.post(f"/api/v1/matches/{asked[0].id}/reject", headers=ada.bearer())
    assert answer.status_code == 204

    asked_again = [each.id for each in questions(ada) if each.state == "open"]

    assert asked_again == [asked[1].id]
    again = ada.post(f"/api/v1/matches/{asked[0].id}/merge", headers=ada.bearer())
    assert again.status_code == 409


def test_the_words_of_both_are_kept_and_later_ones_go_to_both(ada) -> None:
    asked = asked_about_a_shop(ada)
    note(ada, asked[0].right_id, "from the right one")

    merge(ada, asked[0].id)

    assert of(ada, asked[0].left_id).note == "from the right one"
    note(ada, asked[0].left_id, "changed")
    assert of(ada, asked[0].right_id).note == "changed"


def test_a_certain_pair_can_be_taken_apart_and_stays_apart(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account(), 10))
    with ada.session() as session:
        account_id = session.scalars(select(Account.id)).one()
    same = csv(f"{DAY + dt.timedelta(days=3)},RITE... NETFLIX #3,-10.33")
    bring_file(ada, same, "one.csv", account_id)
    with ada.session() as session:
        [duplicate] = session.scalars(
            select(Transaction).where(Transaction.duplicate_of_id.is_not(None))
        ).all()
    drawer = ada.get(f"/transactions/{duplicate.id}").text
    assert "Another source tells this as well" in drawer

    with ada.session() as session:
        service.take_apart(session, ada.household_id, ada.user_id, duplicate.id)

    assert counts(ada) == (11, 11, 0)
    more = csv(
        f"{DAY + dt.timedelta(days=3)},RITE... NETFLIX #3,-10.33",
        f"{DAY + dt.timedelta(days=4)},CITY TRANSIT,-11.43",
    )
    bring_file(ada, more, "one.csv", account_id)
    assert counts(ada) == (12, 11, 1)
    assert of(ada, duplicate.id).duplicate_of_id is None


def test_the_drawer_says_who_else_tells_it(ada) -> None:
    link_and_sync(ada, bank_of("one", open_account(), 10))
    with ada.session() as session:
        account_id = session.scalars(select(Account.id)).one()
    same = csv(f"{DAY + dt.timedelta(days=3)},NETFLIX,-10.33")
    bring_file(ada, same, "one.csv", account_id)

    drawer = ada.get(f"/transactions/{find(ada, 'one-3').id}").text

    assert "Also told by" in drawer
    assert "CSV file" in drawer
    assert "kept, not counted" in drawer


def merge(ada, suggestion_id):
    with ada.session() as session:
        return service.merge(session, ada.household_id, ada.user_id, suggestion_id)


def note(ada, transaction_id, words: str) -> None:
    answer = ada.put(
        f"/api/v1/transactions/{transaction_id}", json={"note": words}, headers=ada.bearer()
    )
    assert answer.status_code == 200, answer.text


def of(ada, transaction_id) -> Transaction:
    with ada.session() as session:
        return session.scalars(select(Transaction).where(Transaction.id == transaction_id)).one()


def test_a_pair_that_two_sources_of_one_account_bring_is_asked_once(ada) -> None:
    left, right = uuid7(), uuid7()
    with ada.session() as session:
        change_set_id = changes.open_change_set(session, ada.household_id, kind="sync")
        pairs = [Pair(str(left), str(right), Decimal(sure), "") for sure in ("0.7", "0.9", "0.8")]
        Work(session, ada.household_id, change_set_id).ask("same_account", pairs)

    assert [(each.left_id, each.confidence) for each in questions(ada)] == [(left, Decimal("0.9"))]
