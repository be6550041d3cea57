"""/operations: for operators alone, counts alone; and what the database remembers of backups."""

import datetime as dt
from urllib.parse import urlsplit

import pytest
import redis
from click.testing import CliRunner
from pydantic import SecretStr

from app.cli import user
from app.core import metrics
from app.core.config import settings
from app.core.database import nobodys_transaction, system_transaction
from app.core.embedded import ports
from app.core.ids import uuid7
from app.features.operations import backups, queues
from app.models import Item, LinkSession
from tests.features.connections.bank import linked, open_bank

NOW = dt.datetime.now(dt.UTC)


def run(*arguments):
    done = CliRunner().invoke(user.command, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def operator(ada):
    run("operator", ada.person.email)
    return ada


def test_strangers_users_and_programs_find_no_such_page(client, ada):
    answers = [client.get("/operations"), ada.get("/operations")]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert "Workers that answer" not in answers[1].text
    assert ada.post("/operations/try-again").status_code == 404


def test_an_operator_sees_it_until_it_is_revoked(operator):
    page = operator.get("/operations")
    assert page.status_code == 200
    for words in ("Messages in the queue sync", "Workers that answer", "All of it", "Backups"):
        assert words in page.text
    assert ">transactions<" in page.text
    assert "transactions_part" not in page.text
    assert "may no longer" in run("operator", operator.person.email, "--revoke")
    assert operator.get("/operations").status_code == 404


def test_it_shows_counts_and_nobodys_data(operator, cleo):
    bank = open_bank(rows=3)
    with linked(cleo.household_id, bank):
        page = operator.get("/operations").text
    assert "plaid" in page
    with system_transaction() as session:
        names = [item.institution_name for item in session.query(Item).all()]
    for secret in (cleo.person.email, str(cleo.household_id), *names):
        assert not secret or secret not in page


def test_what_was_set_aside_is_tried_again(operator, cleo):
    bank = open_bank(rows=1)
    with linked(cleo.household_id, bank) as item_id:
        with system_transaction() as session:
            session.query(Item).filter(Item.id == item_id).update({"parked_at": NOW})
        assert "Needs a hand" in operator.get("/operations").text
        assert operator.post("/operations/try-again").status_code in (200, 303)
        with system_transaction() as session:
            item = session.query(Item).filter(Item.id == item_id).one()
            assert item.parked_at is None
            assert item.next_sync_at is not None


def test_the_age_of_the_last_backup_is_measured_and_shown(operator):
    at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=5)
    assert backups.remember(backups.BACKUP, "fintech-x.backup", at, size=1234)
    assert backups.remember(backups.CHECK, "fintech-x.backup", at, is_ok=False)
    told = dict(
        line.split(" ")
        for line in metrics.render().decode().splitlines()
        if line.startswith("fta_backup")
    )
    assert 5 * 3600 <= float(told["fta_backup_age_seconds"]) < 5 * 3600 + 600
    assert float(told["fta_backup_check_ok"]) == 0.0
    page = operator.get("/operations").text
    assert "fintech-x.backup" in page
    assert "did NOT come back whole" in page


def test_the_menu_leads_operators_there_and_nobody_else(operator, ben):
    assert 'href="/operations"' in operator.get("/settings").text
    assert 'href="/operations"' not in ben.get("/settings").text


def test_what_does_not_mend_itself_is_named_with_what_to_do(operator, cleo):
    assert "Links whose end nobody knows" not in operator.get("/operations").text
    with system_transaction() as session:
        session.add(
            LinkSession(
                household_id=cleo.household_id,
                id=uuid7(),
                user_id=cleo.user_id,
                provider="plaid",
                link_token="link-operations",
                state="unknown",
                expires_at=NOW,
            )
        )
    try:
        page = operator.get("/operations").text
        assert "Links whose end nobody knows" in page
        assert "its person links it again" in page
    finally:
        with system_transaction() as session:
            session.query(LinkSession).filter_by(link_token="link-operations").delete()


def test_what_took_most_time_is_shown_where_the_database_counts_it(operator):
    """A view of that name stands in for the extension, which a server loads when it starts."""
    assert "load pg_stat_statements" in operator.get("/operations").text
    counted = "'SELECT $1  FROM rows' AS query, 7 AS calls, 2.5 AS mean_exec_time, 17.5"
    of = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    with nobodys_transaction() as connection:
        connection.exec_driver_sql(
            f"CREATE VIEW pg_stat_statements AS SELECT {counted} AS total_exec_time, {of} AS dbid"
        )
    try:
        page = operator.get("/operations").text
        for words in ("SELECT $1 FROM rows", "2.5 ms"):
            assert words in page
    finally:
        with nobodys_transaction() as connection:
            connection.exec_driver_sql("DROP VIEW pg_stat_statements")


def queue_figures() -> dict[str, float]:
    """Return what Prometheus is told of the queues."""
    families = {family.name: family for family in metrics.registry.collect()}
    return {
        sample.labels["queue"]: sample.value for sample in families["fta_queue_messages"].samples
    }


def test_messages_that_wait_are_measured_by_queue_unless_the_broker_is_away(monkeypatch):
    broker = urlsplit(settings.REDIS_URL.get_secret_value())._replace(path="/8").geturl()
    monkeypatch.setattr(queues, "settings", settings.model_copy(
        update={"REDIS_URL": SecretStr(broker)}
    ))  # fmt: skip
    with redis.Redis.from_url(broker) as client:
        client.delete("sync", "celery")
        client.rpush("sync", "one", "two")
        assert queue_figures() == {"celery": 0, "sync": 2}
        client.delete("sync")
    away = f"redis://127.0.0.1:{ports.find_free()}/0"
    monkeypatch.setattr(queues, "settings", settings.model_copy(
        update={"REDIS_URL": SecretStr(away)}
    ))  # fmt: skip
    assert queue_figures() == {}
