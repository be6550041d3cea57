"""A difference that nobody can explain is accepted by a person; another one is an alarm again."""

from decimal import Decimal

import msgspec
import pytest

from app.features.audit import service as audit
from app.features.history.service import undo as undoing
from app.features.proof import service as proof
from app.simulator.stream import Added
from tests.features.connections.bank import query, row
from tests.features.tieout.days import on, sync_on

REASON = "A fee of 2019 that the bank has no record of"
STORED = "SELECT state, accepted_by, stated - computed FROM tie_outs"
RANG = ("account.tie_out_lost", "account.tie_out_accepted", "account.tie_out_found")


@pytest.fixture
def off(ada, bank):
    """An account that is off by 12.34 since its third day, its bank and its Item."""
    bank, item_id = bank
    sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))
    take(bank, "12.34")
    sync_on(bank, item_id, ada.household_id, 2)
    sync_on(bank, item_id, ada.household_id, 3, Added(row(bank, "b", "1.00", date=on(3))))
    [[account_id]] = query(ada.household_id, "SELECT id FROM accounts")
    return account_id, bank, item_id


def take(bank, amount):
    """Let the bank state less, and tell of no transaction that would explain it."""
    [account] = bank.stream.accounts.values()
    less = account.opening - Decimal(amount)
    bank.stream.set_accounts([msgspec.structs.replace(account, opening=less)])


def accept(browser, account_id, gap="-12.34", reason=REASON):
    body = {"gap": gap, "reason": reason}
    return browser.post(f"/api/v1/accounts/{account_id}/tie-out/accept", json=body)


def alarms(ada):
    with ada.session() as session:
        events = audit.list_events(session, ada.household_id)
    return [each.action for each in reversed(events) if each.action in RANG]


def stored(ada):
    [found] = query(ada.household_id, STORED)
    return found


def is_sound(household_id):
    found = proof.verify(household_id, all_pages=True)
    assert [each.name for each in found if each.count] == []
    return True


def test_an_accepted_difference_is_no_alarm_and_says_who_and_why(ada, ben, off):
    account_id, _, _ = off

    answer = accept(ben, account_id)

    change_set_id = answer.json()["change_set_id"]
    assert answer.status_code == 201
    assert (stored(ada)[0], str(stored(ada)[1])) == ("gap", change_set_id)
    page = ada.get(f"/accounts/{account_id}").text
    assert "Accepted difference of" in page
    assert "since Nov 4, 2026" in page
    assert f"By {ben.person.name}" in page
    assert REASON in page
    assert "Off by" not in page
    found = ada.get(f"/api/v1/accounts/{account_id}/tie-out").json()
    assert (found["state"], found["gap"], found["accepted"]["reason"]) == ("gap", "-12.34", REASON)
    assert found["accepted"]["user_id"] == str(ben.user_id)
    assert "does not tie out" not in ada.get("/accounts").text
    assert "Off, and accepted" in ada.get("/").text
    assert alarms(ada)[-2:] == ["account.tie_out_lost", "account.tie_out_accepted"]
    assert is_sound(ada.household_id)


def test_it_stays_accepted_while_days_pass_and_another_difference_rings(ada, off):
    account_id, bank, item_id = off
    accept(ada, account_id)

    sync_on(bank, item_id, ada.household_id, 4, Added(row(bank, "c", "2.00", date=on(4))))
    assert stored(ada)[1] is not None

    take(bank, "5.00")
    sync_on(bank, item_id, ada.household_id, 5, Added(row(bank, "d", "1.00", date=on(5))))

    assert stored(ada) == ("gap", None, Decimal("-17.34"))
    assert sorted(alarms(ada)) == ["account.tie_out_accepted", *["account.tie_out_lost"] * 2]
    assert "does not tie out" in ada.get("/accounts").text
    assert is_sound(ada.household_id)


def test_it_is_undone_and_redone_like_any_change(ada, off):
    account_id, _, _ = off
    change_set_id = accept(ada, account_id).json()["change_set_id"]
    listed = ada.get("/history").text
    assert "You accepted a difference of −$12.34" in listed
    assert REASON in ada.get(f"/history/{change_set_id}").text
    assert "does not tie out any more" in ada.get(f"/history/{change_set_id}/preview").text

    undoing.undo(ada.household_id, ada.user_id, change_set_id)
    assert stored(ada)[1] is None
    assert alarms(ada)[-1] == "account.tie_out_lost"
    assert is_sound(ada.household_id)

    undoing.redo(ada.household_id, ada.user_id, change_set_id)
    assert str(stored(ada)[1]) == change_set_id
    assert proof.replay(ada.household_id).is_same
    assert is_sound(ada.household_id)


def test_accepting_twice_does_it_once(ada, off):
    account_id, _, _ = off

    first, second = accept(ada, account_id), accept(ada, account_id, reason="Again")

    assert first.json() == second.json()
    [found] = query(ada.household_id, "SELECT count(*) FROM change_sets WHERE kind = 'edit'")
    assert found == (1,)


@pytest.mark.parametrize(
    ("gap", "reason", "status", "code"),
    [
        ("-12.35", REASON, 409, "changed_meanwhile"),
        ("-12.34", " \t", 422, "invalid_input"),
        ("-12.34", "", 422, "invalid_request"),
        ("-12.34", "x" * 501, 422, "invalid_request"),
        ("NaN", REASON, 422, "invalid_request"),
    ],
)
def test_what_nobody_saw_and_what_has_no_reason_is_refused(ada, off, gap, reason, status, code):
    answer = accept(ada, off[0], gap=gap, reason=reason)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert stored(ada)[1] is None


def test_an_account_that_ties_out_has_nothing_to_accept(ada, bank):
    bank, item_id = bank
    sync_on(bank, item_id, ada.household_id, 1, Added(row(bank, "a", "7.10", date=on(1))))
    [[account_id]] = query(ada.household_id, "SELECT id FROM accounts")

    answer = accept(ada, account_id, gap="0")

    assert answer.status_code == 409
    assert "no difference any more" in answer.json()["detail"]


def test_nobody_accepts_for_another_household(cleo, off):
    assert accept(cleo, off[0]).status_code == 404
    form = {"gap": "-12.34", "reason": "x"}
    assert cleo.post(f"/accounts/{off[0]}/accept", data=form).status_code == 404


def test_the_page_accepts_and_says_what_is_wrong_beside_what_was_typed(ada, off):
    url = f"/accounts/{off[0]}"
    page = ada.get(url).text
    assert f'action="{url}/accept"' in page
    assert 'name="gap" value="-12.34"' in page

    refused = ada.post(f"{url}/accept", data={"gap": "-1.00", "reason": "Mine <3"})
    assert refused.status_code == 409
    assert "another one since you looked" in refused.text
    assert 'value="Mine &lt;3"' in refused.text
    assert ada.post(f"{url}/accept", data={"gap": "many", "reason": "x"}).status_code == 422

    done = ada.post(f"{url}/accept", data={"gap": "-12.34", "reason": "Mine"})
    assert (done.status_code, done.headers["location"]) == (303, url)
    assert "Accepted difference of" in ada.get(url).text


def test_a_difference_that_closes_needs_no_acceptance_and_the_same_later_is_new(ada, off):
    account_id, bank, item_id = off
    accept(ada, account_id)
    take(bank, "-12.34")
    sync_on(bank, item_id, ada.household_id, 4, Added(row(bank, "c", "2.00", date=on(4))))
    assert stored(ada) == ("tied", None, 0)

    take(bank, "12.34")
    sync_on(bank, item_id, ada.household_id, 5, Added(row(bank, "d", "1.00", date=on(5))))

    assert stored(ada) == ("gap", None, Decimal("-12.34"))
