"""The history: what is listed, shown, taken back and put in force again, over pages and API."""

from decimal import Decimal

import pytest
from sqlalchemy import select, text

from app.core.database import engine
from app.features.connections.service.sync import sync_item
from app.features.history.service import undo as undoing
from app.models import ChangeSet, Transaction
from tests.cast import SignedInBrowser
from tests.factories.files import MARCH, ofx
from tests.features.connections.bank import linked, open_bank, query, row
from tests.features.imports.test_service import bring_and_book, daily_totals, ledger

HISTORY = "/api/v1/history/"
TRANSACTIONS = "/api/v1/transactions/"


def sets(browser: SignedInBrowser, **params: str) -> list[dict]:
    return browser.get(HISTORY, params=params, headers=browser.bearer()).json()["data"]


def rows(browser: SignedInBrowser) -> list[Transaction]:
    with browser.session() as session:
        return list(session.scalars(select(Transaction).order_by(Transaction.date, Transaction.id)))


def edit_many(browser: SignedInBrowser, **body: object) -> dict:
    answer = browser.patch(TRANSACTIONS, json=body, headers=browser.bearer())
    assert answer.status_code == 200, answer.text
    return answer.json()


def turn(browser: SignedInBrowser, change_set_id: str, verb: str):
    return browser.post(f"{HISTORY}{change_set_id}/{verb}", headers=browser.bearer())


def test_every_change_set_is_told_in_plain_words_newest_first(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    edit_many(ada, all=True, note="checked", reviewed=True)
    turn(ada, sets(ada)[0]["id"], "undo")

    assert [each["words"] for each in sets(ada)] == [
        "You undid “You set the note and the review of 4 transactions”",
        "You set the note and the review of 4 transactions",
        "Import of march.ofx brought 4 transactions",
    ]
    page = ada.get("/history").text
    assert "Import of march.ofx brought 4 transactions" in page
    assert "undone by you" in page


def test_another_member_reads_who_it_was(ada: SignedInBrowser, ben: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    edit_many(ada, all=True, note="checked")

    assert "Somebody of your household set the note of 4 transactions" in ben.get("/history").text


def test_the_list_is_filtered_and_goes_on_page_by_page(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    for number in range(3):
        edit_many(ada, all=True, note=f"note {number}")
    [account] = {each.account_id for each in rows(ada)}

    assert len(sets(ada, kind="edit")) == 3
    assert len(sets(ada, account=str(account))) == 4
    assert sets(ada, account="00000000-0000-7000-8000-000000000000") == []
    first = ada.get(f"{HISTORY}?limit=3", headers=ada.bearer()).json()
    rest = ada.get(f"{HISTORY}?before={first['next_before']}", headers=ada.bearer()).json()
    assert [each["sequence"] for each in first["data"] + rest["data"]] == [4, 3, 2, 1]
    assert rest["next_before"] is None


def test_syncs_that_found_nothing_new_are_listed_on_request(ada: SignedInBrowser) -> None:
    bank = open_bank(2)
    with linked(ada.household_id, bank) as item_id:
        sync_item(ada.household_id, item_id)
        sync_item(ada.household_id, item_id)

    assert [each["words"] for each in sets(ada)] == [
        "Sync of First Platypus Bank brought 2 transactions"
    ]
    assert len(sets(ada, quiet="true")) == 2


def test_a_preview_says_what_would_happen_and_writes_nothing(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    [brought] = sets(ada)
    before = ledger(ada)

    preview = ada.get(f"{HISTORY}{brought['id']}/preview", headers=ada.bearer()).json()

    assert (preview["verb"], preview["removed"], preview["changed"]) == ("undo", 4, 0)
    assert preview["effects"] == [{"currency": "USD", "amount": "-1671.00000000"}]
    assert (preview["balances"], preview["refusal"], len(preview["rows"])) == (1, None, 4)
    assert ledger(ada) == before
    page = ada.get(f"/history/{brought['id']}/preview").text
    assert "4 transactions" in page
    assert "Leaves" in page


def test_a_sync_is_undone_and_redone_and_its_cursor_stays(ada: SignedInBrowser) -> None:
    bank = open_bank(3)
    with linked(ada.household_id, bank) as item_id:
        sync_item(ada.household_id, item_id)
        [first] = sets(ada)
        turn(ada, first["id"], "undo")
        gone = (ledger(ada), daily_totals(ada), balances(ada))
        bank.stream.apply(added(bank, "late", "9.00"))
        sync_item(ada.household_id, item_id)
        kept = ledger(ada)
        turn(ada, first["id"], "redo")

    assert gone == ([], (0, Decimal(0)), [])
    assert len(kept) == 1
    assert len(ledger(ada)) == 4


def test_a_later_name_of_a_row_is_in_the_way_until_it_is_undone(ada: SignedInBrowser) -> None:
    """Traps of renaming: the words that follow a new id need the change set that gave it."""
    bank = open_bank()
    with linked(ada.household_id, bank) as item_id:
        pending = row(bank, "p1", "5.00", pending=True)
        bank.stream.apply(simulated("Added", pending))
        sync_item(ada.household_id, item_id)
        bank.stream.apply(simulated("Posted", "p1", row(bank, "t1", "5.50")))
        sync_item(ada.household_id, item_id)
        bank.stream.apply(simulated("Modified", row(bank, "t1", "6.00")))
        sync_item(ada.household_id, item_id)
    changed, posted, _ = sets(ada)

    refused = turn(ada, posted["id"], "undo")
    page = ada.get(f"/history/{posted['id']}/preview").text
    turn(ada, changed["id"], "undo")
    allowed = turn(ada, posted["id"], "undo")

    assert (refused.status_code, refused.json()["code"]) == (409, "needed_by_later_change")
    assert f"/history/{changed['id']}" in page
    assert allowed.status_code == 200
    [only] = rows(ada)
    assert (only.source_id, only.amount, only.pending) == ("p1", Decimal(-5), True)


def test_what_is_undone_is_not_undone_again(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    [brought] = sets(ada)

    undone = turn(ada, brought["id"], "undo").json()
    assert turn(ada, brought["id"], "undo").status_code == 409
    assert turn(ada, undone["change_set_id"], "undo").status_code == 409
    assert turn(ada, brought["id"], "redo").status_code == 200
    assert turn(ada, brought["id"], "redo").status_code == 409
    assert len(ledger(ada)) == 4


def test_a_decision_that_changed_nothing_stands_when_the_one_before_is_undone(
    ada: SignedInBrowser,
) -> None:
    bring_and_book(ada, ofx())
    first = edit_many(ada, all=True, note="same")
    edit_many(ada, ids=[str(rows(ada)[0].id)], note="same")

    turn(ada, first["change_set_id"], "undo")

    assert [each.note for each in rows(ada)] == ["same", None, None, None]


def test_a_filter_says_which_rows_an_edit_is_of(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())

    answer = ada.patch(
        f"{TRANSACTIONS}?search=coffee", json={"all": True, "note": "latte"}, headers=ada.bearer()
    ).json()

    assert answer["transactions"] == 2
    assert sorted(each.note or "" for each in rows(ada)) == ["", "", "latte", "latte"]


@pytest.mark.parametrize("body", [{"note": "x"}, {"note": "x", "ids": [], "all": True}])
def test_an_edit_of_many_says_of_which(ada: SignedInBrowser, body: dict) -> None:
    assert ada.patch(TRANSACTIONS, json=body, headers=ada.bearer()).status_code == 422


def test_rows_of_strangers_are_not_there(ada: SignedInBrowser, cleo: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    ids = [str(each.id) for each in rows(ada)]

    answer = cleo.patch(TRANSACTIONS, json={"ids": ids, "note": "mine"}, headers=cleo.bearer())

    assert answer.status_code == 404
    assert {each.note for each in rows(ada)} == {None}
    assert sets(cleo) == []


def test_chosen_rows_are_changed_on_the_page_and_taken_back(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    ids = [str(each.id) for each in rows(ada)[:2]]
    partial = {"HX-Request-Type": "partial"}

    answer = ada.post(
        "/transactions/edit", data={"ids": ids, "note": "trip", "reviewed": "yes"}, headers=partial
    )
    changed = [each.note for each in rows(ada)]
    with ada.session() as session:
        edit = session.scalars(select(ChangeSet.id).where(ChangeSet.kind == "edit")).one()
    undone = ada.post(f"/history/{edit}/undo", data={"back": "/transactions"}, headers=partial)

    assert "2 transactions changed" in answer.text
    assert f"/history/{edit}/undo" in answer.text
    assert changed == ["trip", "trip", None, None]
    assert "Undone" in undone.text
    assert {each.note for each in rows(ada)} == {None}


def test_without_scripts_the_way_back_is_ours_alone(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    [brought] = sets(ada)

    answer = ada.post(f"/history/{brought['id']}/undo", data={"back": "//evil.example"})

    assert answer.headers["location"] == f"/history/{brought['id']}"


def test_XU1_two_tabs_one_row_different_fields_both_stand(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    one = rows(ada)[0]
    seen = {"has_seen": "true", "seen_note": "", "seen_counterparty": "", "seen_category": ""}

    ada.post(f"/transactions/{one.id}", data={**seen, "note": "first tab"})
    ada.post(f"/transactions/{one.id}", data={**seen, "counterparty": "second tab"})

    [now, *_] = rows(ada)
    assert (now.note, now.counterparty_user) == ("first tab", "second tab")


def test_XU1_two_tabs_one_field_the_second_is_told(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    one = rows(ada)[0]
    seen = {"has_seen": "true", "seen_note": "", "seen_counterparty": "", "seen_category": ""}

    ada.post(f"/transactions/{one.id}", data={**seen, "note": "first tab"})
    second = ada.post(f"/transactions/{one.id}", data={**seen, "note": "second tab"})
    api = ada.put(
        f"{TRANSACTIONS}{one.id}",
        json={"note": "program", "expected": {"note": None}},
        headers=ada.bearer(),
    )

    assert second.status_code == 409
    assert "Somebody changed the note" in second.text
    assert "second tab" in second.text
    assert (api.status_code, api.json()["code"]) == (409, "changed_meanwhile")
    assert rows(ada)[0].note == "first tab"


def test_the_drawer_says_who_said_each_value(ada: SignedInBrowser) -> None:
    bring_and_book(ada, ofx())
    one = rows(ada)[2]
    edit_many(ada, ids=[str(one.id)], counterparty="Landlord")
    query(
        ada.household_id,
        "UPDATE field_changes SET reason = 'seen on paper', confidence = 0.875"
        " WHERE field = 'counterparty_user'",
    )

    page = ada.get(f"/transactions/{one.id}").text

    assert "Landlord" in page
    assert "seen on paper (88 % sure)" in page
    assert f"/history/{sets(ada)[0]['id']}" in page


def test_a_later_file_keeps_its_balance_when_the_earlier_one_is_undone(
    ada: SignedInBrowser,
) -> None:
    first = bring_and_book(ada, ofx())
    bring_and_book(ada, ofx(MARCH[:2]))

    undoing.undo_import(ada.household_id, ada.user_id, first.id)

    assert balances(ada) == [Decimal(1671)]
    assert len(ledger(ada)) == 2


def test_an_import_is_undone_without_reading_other_files(ada: SignedInBrowser) -> None:
    """They take as long as they are large, and there may be many."""
    first = bring_and_book(ada, ofx())
    second = bring_and_book(ada, ofx(MARCH[:2]))
    with engine.begin() as owner:
        lose = text(
            "UPDATE journal_pages SET payload = '' WHERE id ="
            " (SELECT journal_page_id FROM imports WHERE id = :id)"
        )
        owner.execute(lose, {"id": second.id})

    undoing.undo_import(ada.household_id, ada.user_id, first.id)

    assert balances(ada) == [Decimal(1671)]
    assert len(ledger(ada)) == 2


def balances(browser: SignedInBrowser) -> list[Decimal]:
    return [each[0] for each in query(browser.household_id, "SELECT current FROM balance_anchors")]


def added(bank, source_id: str, amount: str):
    return simulated("Added", row(bank, source_id, amount))


def simulated(name: str, *values: object):
    from app.simulator import stream

    return getattr(stream, name)(*values)
