"""What Prometheus is told of the workers."""

import datetime as dt
import re
from collections import Counter

import pytest
from sqlalchemy import text

from app.core import database
from app.features.connections.service import schedule, statistics, sync
from app.providers.base import ProviderUnavailableError
from tests.core.test_database_loss import no_database
from tests.features.connections.bank import linked, open_bank, query

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def nobody_behind() -> None:
    """Let the Items that other tests left be current: the lag is that of the whole installation."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE items SET synced_at = now()"))


def figures() -> Counter[tuple[str, ...]]:
    """Return the figures by name and values of the labels; 0 for what is not told."""
    families = statistics.SyncCollector().collect()
    return Counter(
        {
            (sample.name, *sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }
    )


def test_outcomes_and_what_waits_are_counted(ada):
    before = figures()
    bank = open_bank(rows=2)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        bank.errors["transactions"] = ProviderUnavailableError("DOWN", "closed")
        sync.sync_item(ada.household_id, item_id, "button")
        query(ada.household_id, "UPDATE items SET next_sync_at = now() - interval '9 hours'")
    after = figures()

    for outcome in ("done", "failed"):
        name = ("fta_sync_runs_last_hour", "plaid", outcome)
        assert after[name] == before[name] + 1
    assert after["fta_items", "good"] == before["fta_items", "good"] + 1
    assert after["fta_syncs_waiting",] == before["fta_syncs_waiting",] + 1
    assert after["fta_syncs_waiting_seconds",] >= 9 * 3600
    assert after["fta_sync_seconds_p95_last_hour", "booking"] > 0
    query(ada.household_id, "UPDATE items SET next_sync_at = NULL")


def test_an_item_that_was_set_aside_is_one_of_its_own(ada):
    before = figures()
    with linked(ada.household_id, open_bank()):
        query(ada.household_id, "UPDATE items SET parked_at = now()")
    after = figures()

    assert after["fta_items", "parked"] == before["fta_items", "parked"] + 1
    assert after["fta_items", "good"] == before["fta_items", "good"]


def test_an_item_is_behind_by_what_passed_since_its_last_success_beyond_the_interval(
    ada, nobody_behind
):
    interval = schedule.due_after()
    with linked(ada.household_id, open_bank()):
        for age, behind in ((interval - HOUR, 0), (interval + 900 * HOUR, 900)):
            query(ada.household_id, f"UPDATE items SET synced_at = now() - interval '{age}'")
            longest = figures()["fta_sync_lag_seconds", "plaid", "1"]
            assert longest // 3600 == behind


def test_what_only_its_person_can_mend_is_not_behind(ada, nobody_behind):
    with linked(ada.household_id, open_bank()):
        query(
            ada.household_id,
            "UPDATE items SET synced_at = now() - interval '900 hours', state = 'needs_user'",
        )
        assert figures()["fta_sync_lag_seconds", "plaid", "1"] < 900 * 3600


def test_the_page_of_metrics_has_them_and_survives_without_a_database(app):
    from tests.cast import Browser

    local = Browser(app, address="127.0.0.1")
    assert re.search(r'^fta_items\{state="parked"\} \d', local.get("/metrics").text, re.MULTILINE)
    with no_database():
        assert figures() == {}


def test_an_account_that_stopped_tying_out_is_counted(ada):
    with linked(ada.household_id, open_bank(rows=2)) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        before = figures()
        query(ada.household_id, "UPDATE tie_outs SET state = 'gap'")
    after = figures()

    assert after["fta_accounts", "gap"] == before["fta_accounts", "gap"] + 1
    assert after["fta_accounts", "unproven"] == before["fta_accounts", "unproven"] - 1


@pytest.mark.parametrize("state", statistics.ITEM_STATES)
def test_every_state_is_always_there(state):
    assert ("fta_items", state) in figures()
