"""XH1: webhooks that come a thousand times, in any order, too early, or never."""

import random

import pytest

from app.core import jobs
from app.features.connections import tasks
from app.features.connections.service import hints, schedule, sync
from app.providers.base import WebhookHint
from app.simulator.stream import Added
from tests.features.connections.bank import linked, open_bank, query, row

LIVE = "SELECT source_id FROM transactions WHERE is_live ORDER BY 1"


@pytest.fixture
def sent(monkeypatch):
    """The tasks that would go to the workers."""
    found = []
    monkeypatch.setattr(jobs, "send", lambda name, *args: found.append((name, args)))
    return found


def hint(bank, code="SYNC_UPDATES_AVAILABLE"):
    return WebhookHint(
        webhook_type="TRANSACTIONS", webhook_code=code, item_source_id=bank.stream.name
    )


def deliver(bank, number):
    code = ("SYNC_UPDATES_AVAILABLE", "DEFAULT_UPDATE", "HISTORICAL_UPDATE")[number % 3]
    body = b'{"webhook_code": "%s"}' % code.encode()
    return hints.receive("plaid", body, f"{bank.stream.name} signature {number}", hint(bank, code))


def test_XH1_a_thousand_webhooks_are_two_syncs(ada, sent):
    bank = open_bank(rows=3)
    numbers = [number % 50 for number in range(1_000)]
    random.Random(7).shuffle(numbers)
    with linked(ada.household_id, bank) as item_id:
        outcomes = [deliver(bank, number) for number in numbers]
        for name, args in sent[: len(sent) // 2]:
            assert name == "connections.sync_item"
            tasks.sync_item(*args)
        deliver(bank, 1_001)
        for _, args in sent:
            tasks.sync_item(*args)
        assert item_id

    assert outcomes.count("done") == 50
    assert outcomes.count("repeated") == 950
    assert query(ada.household_id, "SELECT count(*) FROM sync_runs") == [(2,)]
    assert query(ada.household_id, LIVE) == [("t0",), ("t1",), ("t2",)]


def test_XH1_webhooks_during_a_sync_make_one_more(ada, sent):
    bank = open_bank(rows=1)
    real = bank.fetch_accounts

    def busy_bank(token):
        for number in range(200):
            deliver(bank, number)
        bank.stream.apply(Added(row(bank, "late", "1.00")))
        bank.fetch_accounts = real
        return real(token)

    bank.fetch_accounts = busy_bank
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        for _, args in list(sent):
            tasks.sync_item(*args)

    assert query(ada.household_id, "SELECT count(*) FROM sync_runs") == [(2,)]
    assert query(ada.household_id, LIVE) == [("late",), ("t0",)]


def test_XH1_without_any_webhook_the_schedule_finds_what_is_new(ada, sent):
    bank = open_bank(rows=1)
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "link")
        bank.stream.apply(Added(row(bank, "new", "1.00")))
        [(wait,)] = query(
            ada.household_id, "SELECT next_sync_at - now() FROM items WHERE id = :id", id=item_id
        )
        assert wait.total_seconds() <= 6.6 * 3600
        query(ada.household_id, "UPDATE items SET next_sync_at = now() WHERE id = :id", id=item_id)
        schedule.schedule_due_syncs()
        for _, args in sent:
            if args[0] == str(ada.household_id):
                tasks.sync_item(*args)

    assert query(ada.household_id, LIVE) == [("new",), ("t0",)]


def test_XH1_a_webhook_for_nobody_or_for_an_ended_item_changes_nothing(ada, sent):
    bank = open_bank(rows=1)
    assert deliver(bank, 1) == "unknown_item"
    with linked(ada.household_id, bank):
        query(ada.household_id, "UPDATE items SET unlinked_at = now()")
        assert deliver(bank, 2) == "unknown_item"
    assert sent == []
