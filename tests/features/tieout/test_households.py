"""The simulated households tie out day by day, whichever way their bank treats pending rows."""

import datetime as dt

import msgspec
import pytest
import time_machine

from app.core import clock
from app.features.connections.service.sync import sync_item
from app.providers.plaid import pages
from app.simulator.calls import accounts_json
from app.simulator.feed import accounts_held
from app.simulator.items import LiveItem
from app.simulator.logins import life_for
from app.simulator.people import CANAL, CARDINAL, FIRST_PLATYPUS, HARBOR, MOSAIC
from app.simulator.rows import encode
from app.simulator.state import ItemState
from tests.features.connections.bank import Bank, linked, query

START = dt.datetime(2026, 8, 24, 12, tzinfo=dt.UTC)
DAYS = 24


def open_household(login, institution_id, *, pulled=True):
    today = START.date()
    keys = [plan.key for plan in accounts_held(life_for(login, "", today), institution_id)]
    state = ItemState(
        item_id=f"{login}-{institution_id}", access_token="a", client_id="c",
        institution_id=institution_id, login=login, password="", linked_on=today,
        signed_in_on=today, created_at=clock.now(), products=["transactions"], account_keys=keys,
        days_requested=120,
    )  # fmt: skip
    item = LiveItem(state)
    if pulled:
        item.record("initial")
    return item


@pytest.mark.parametrize(
    ("login", "institution_id", "treatment"),
    [
        ("demo_family", HARBOR, "posted"),
        ("demo_family", CARDINAL, "pending"),
        ("demo_student", MOSAIC, "posted"),
        ("demo_freelancer", FIRST_PLATYPUS, "posted"),
        # Nothing is ever pending on this account, so that both treatments are the same.
        ("demo_freelancer", CANAL, "posted"),
    ],
)
def test_every_account_of_a_household_ties_out_every_day(ada, login, institution_id, treatment):
    item = open_household(login, institution_id)
    treatments = set()
    with linked(ada.household_id, Bank(item.stream)) as item_id:
        for number in range(DAYS):
            with time_machine.travel(START + dt.timedelta(days=number), tick=False):
                if number == 1:
                    item.record("historical")
                if number:
                    item.catch_up((START + dt.timedelta(days=number)).date())
                assert sync_item(ada.household_id, item_id).state == "done"
            for name, state, tied, used, gap in states(ada.household_id):
                assert state == ("tied" if number else "unproven"), (number, name, gap)
                assert not number or tied == (START + dt.timedelta(days=number)).date()
                treatments.add(used)

    assert treatment in treatments


def states(household_id):
    found = query(
        household_id,
        "SELECT name, state, tied_through, treatment, stated - computed"
        " FROM tie_outs JOIN accounts ON accounts.id = account_id",
    )
    assert found
    return found


class Pulling(Bank):
    """A bank that is asked for accounts as the simulator answers, ready or not."""

    def __init__(self, item: LiveItem) -> None:
        super().__init__(item.stream)
        self.item = item

    def fetch_accounts(self, access_token):
        """List the accounts as they stand today, whatever was pulled of their transactions."""
        self._call("accounts")
        body = msgspec.json.decode(self._item_body())
        body["accounts"] = accounts_json(self.item, self.item.accounts())
        return pages.decode_page(pages.ACCOUNTS, encode(body), None)


@pytest.mark.parametrize("institution_id", [HARBOR, CARDINAL])
@pytest.mark.parametrize(
    "days",
    [{"": 0, "initial": 0, "historical": 0}, {"": 0, "historical": 0}, {"initial": 0},
     {"": 0, "initial": 1, "historical": 2}, {"": 0, "historical": 1}],
    ids=lambda days: "-".join(f"{pull or 'nothing'}{day}" for pull, day in days.items()),
)  # fmt: skip
def test_a_history_that_comes_in_parts_opens_no_gap(ada, institution_id, days):
    """The balance is stated before the rows, between their parts, and after them."""
    item = open_household("demo_family", institution_id, pulled=False)
    day = 0
    with linked(ada.household_id, Pulling(item)) as item_id:
        for pulled in ("", "initial", "historical"):
            day = days.get(pulled, day)
            if pulled:
                item.record(pulled)
            if pulled in days:
                found = sync_on_day(ada.household_id, item, item_id, day)
                assert [each for each in found if each[1] == "gap"] == []
        found = sync_on_day(ada.household_id, item, item_id, day + 1)

    assert {each[1] for each in found} == {"tied"}
    assert {each[2] for each in found} == {START.date() + dt.timedelta(days=day + 1)}


def sync_on_day(household_id, item, item_id, day):
    """Let the days pass until this one, sync, and return what is found of each account."""
    with time_machine.travel(START + dt.timedelta(days=day), tick=False):
        item.catch_up(START.date() + dt.timedelta(days=day))
        assert sync_item(household_id, item_id).state == "done"
    return states(household_id)
