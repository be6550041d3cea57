"""P7: what is over is deleted when its term ends, and what the ledger needs is not."""

import datetime as dt

import pytest
from sqlalchemy import text

from app.core import database
from app.core.config import settings
from app.features.connections.service import sync
from app.features.privacy.service import retention
from app.features.proof import service as proof
from app.providers.base import ProviderUnavailableError
from tests.cast import Clock, SignedInBrowser
from tests.factories import ledger
from tests.features.connections.bank import linked, open_bank, query
from tests.features.proof import ledgers


def count(table: str, where: str, **parameters: object) -> int:
    with database.engine.connect() as connection:
        statement = text(f"SELECT count(*) FROM {table} WHERE {where}")
        return int(connection.scalar(statement, parameters) or 0)


def past(days: int) -> dt.timedelta:
    return dt.timedelta(days=days, minutes=1)


def test_P7_syncs_that_brought_nothing_go_and_those_of_the_history_stay(
    ada: SignedInBrowser, clock: Clock
) -> None:
    ledgers.fill(ada)
    bank = open_bank()
    with linked(ada.household_id, bank) as item_id:
        bank.errors["transactions"] = ProviderUnavailableError("DOWN", "Closed today.")
        sync.sync_item(ada.household_id, item_id, "schedule")
    runs = query(ada.household_id, "SELECT id FROM sync_runs ORDER BY id")
    booked = query(
        ada.household_id,
        "SELECT id FROM sync_runs AS r WHERE EXISTS"
        " (SELECT FROM change_sets WHERE sync_run_id = r.id) ORDER BY id",
    )
    assert 0 < len(booked) < len(runs)

    clock.shift(past(settings.SYNC_RUN_RETENTION_DAYS - 1))
    retention.run()
    assert query(ada.household_id, "SELECT id FROM sync_runs ORDER BY id") == runs
    clock.shift(dt.timedelta(days=1))
    assert retention.run()["sync_runs"] >= 1

    assert query(ada.household_id, "SELECT id FROM sync_runs ORDER BY id") == booked
    findings = proof.verify(ada.household_id, all_pages=True)
    assert [each.name for each in findings if each.count] == []
    assert proof.replay(ada.household_id).is_same


def test_P7_invitations_go_when_they_are_over(ada: SignedInBrowser, clock: Clock) -> None:
    made = ada.post("/api/v1/invitations", headers=ada.bearer(), json={"label": "Ben"})
    assert made.status_code < 300, made.text
    mine = "household_id = :id"

    clock.shift(past(settings.SESSION_RETENTION_DAYS))
    retention.run()
    assert count("invitations", mine, id=ada.household_id) == 1  # it was over a week after
    clock.shift(past(7))
    assert retention.run()["invitations"] >= 1
    assert count("invitations", mine, id=ada.household_id) == 0


def test_P7_ended_sessions_old_webhooks_and_link_flows_go(
    ada: SignedInBrowser, ben: SignedInBrowser, clock: Clock
) -> None:
    link_id = ledger.link_session(ada.household_id, ada.user_id)
    ben.post("/sign-out")
    with database.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO webhooks (id, provider, signature_hash, webhook_type, webhook_code,"
                " household_id) VALUES (gen_random_uuid(), 'plaid', :hash, 'T', 'C', :id)"
            ),
            {"id": ada.household_id, "hash": ada.household_id.bytes},
        )

    def left() -> tuple[int, int, int]:
        retention.run()
        return (
            count("webhooks", "household_id = :id", id=ada.household_id),
            count("user_sessions", "id = :id", id=ben.session_id),
            count("link_sessions", "id = :id", id=link_id),
        )

    assert settings.WEBHOOK_RETENTION_DAYS == settings.SESSION_RETENTION_DAYS == 30
    began = dt.datetime.now(dt.UTC)
    clock.move_to(began + dt.timedelta(days=29))
    assert left() == (1, 1, 1)
    clock.move_to(began + past(30))
    assert left() == (0, 0, 1)
    clock.move_to(began + past(settings.LINK_SESSION_RETENTION_DAYS + 1))
    assert left() == (0, 0, 0)


def test_P7_it_deletes_in_batches_and_leaves_the_rest_to_the_next_run(
    ada: SignedInBrowser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        ledger.link_session(ada.household_id, ada.user_id)
    clock.shift(past(settings.LINK_SESSION_RETENTION_DAYS + 1))
    retention.run()  # what other tests left
    clock.shift(-past(settings.LINK_SESSION_RETENTION_DAYS + 1))
    for _ in range(5):
        ledger.link_session(ada.household_id, ada.user_id)
    monkeypatch.setattr(retention, "BATCH_ROWS", 2)
    monkeypatch.setattr(retention, "BATCHES_MAX", 2)

    clock.shift(past(settings.LINK_SESSION_RETENTION_DAYS + 1))

    assert retention.run()["link_sessions"] == 4
    assert retention.run()["link_sessions"] == 1
    assert retention.run()["link_sessions"] == 0


def test_P7_the_ledger_and_the_journal_have_no_term_nor_has_the_trail_by_itself(
    ada: SignedInBrowser, clock: Clock
) -> None:
    ledgers.fill(ada)
    kept = ("transactions", "journal_pages", "change_sets", "field_changes", "audit_events")
    before = {table: query(ada.household_id, f"SELECT count(*) FROM {table}") for table in kept}

    clock.shift(dt.timedelta(days=20 * 365))
    retention.run()

    after = {table: query(ada.household_id, f"SELECT count(*) FROM {table}") for table in kept}
    assert after == before
