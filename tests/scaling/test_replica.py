"""D12: reports read on a real streaming replica, see their reader's own edits, and cannot write."""

import io
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from zipfile import ZipFile

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import InternalError

from app.cli import doctor_servers
from app.cli.findings import Warned
from app.core import database, replica
from app.core.config import Settings, settings
from app.features.connections.service import sync
from tests.cast import SignedInBrowser, sign_in
from tests.factories import people
from tests.features.connections.bank import linked, open_bank, query
from tests.scaling import pooler, streaming
from tests.scaling.streaming import Streaming

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("streaming")]
WHERE = text("SELECT pg_is_in_recovery()")


@pytest.fixture(scope="module")
def servers() -> Iterator[Streaming]:
    """A primary and its replica."""
    with streaming.running() as found:
        yield found


@pytest.fixture(autouse=True)
def following(servers: Streaming, monkeypatch) -> Iterator[replica.Replica]:
    """The application writes to the primary and reads reports on the replica."""
    primary = database.make_engine(_text(servers, servers.primary), through_pooler=False)
    found = replica.Replica(_text(servers, servers.replica))
    monkeypatch.setattr(replica, "_replica", found)
    with pooler.application_on(primary):
        yield found
    found.engine.dispose()


def _text(servers: Streaming, server) -> str:
    return servers.url(server).render_as_string(hide_password=False)


@pytest.fixture
def ada(app, following) -> SignedInBrowser:
    """Ada, who lives on the primary."""
    return sign_in(app, people.person("Ada"))


@pytest.fixture
def paused(servers: Streaming) -> Iterator[Streaming]:
    """The replica replays nothing until the test ends."""
    servers.pause()
    yield servers
    servers.go_on()


def test_D12_reports_run_on_the_replica_and_see_what_was_just_committed(ada):
    with linked(ada.household_id, open_bank(rows=3)) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    for number in range(20):
        query(ada.household_id, "UPDATE accounts SET name = :name", name=f"Account {number}")
        with replica.reading_transaction(ada.household_id) as session:
            assert session.scalar(WHERE) is True
            names = session.scalars(text("SELECT name FROM accounts")).all()
        assert names == [f"Account {number}"]
    page = ada.get("/")
    assert page.status_code == 200
    assert "Account 19" in page.text


def test_D12_exports_run_on_the_replica_and_have_what_was_just_committed(ada, monkeypatch):
    with linked(ada.household_id, open_bank(rows=3)) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    ran = []
    reading = replica.reading_transaction

    @contextmanager
    def watched(household_id):
        with reading(household_id) as session:
            yield session
            ran.append(session.scalar(WHERE))  # after, as the export chooses its isolation first

    monkeypatch.setattr(replica, "reading_transaction", watched)

    rows = ada.post("/transactions/export", data={"format": "csv"}).text.splitlines()
    archive = ZipFile(io.BytesIO(ada.post("/settings/privacy/export").content))

    assert len(rows) == 1 + 3
    assert len(archive.read("tables/transactions.jsonl").splitlines()) == 3
    assert ran == [True, True]
    with database.household_transaction(ada.household_id) as session:
        actions = session.scalars(text("SELECT action FROM audit_events")).all()
    assert {"transactions.exported", "household.exported"} <= set(actions)


def test_D12_a_report_sees_its_own_household_alone_on_the_replica(ada, app):
    stranger = people.person("Cleo")
    with replica.reading_transaction(stranger.household_id) as session:
        assert session.scalar(WHERE) is True
        seen = session.scalars(text("SELECT DISTINCT household_id FROM categories")).all()
    assert seen == [stranger.household_id]


@pytest.mark.parametrize("has_replica", [True, False])
def test_D12_a_report_cannot_write_wherever_it_runs(ada, monkeypatch, has_replica):
    if not has_replica:
        monkeypatch.setattr(replica, "_replica", None)
    with replica.reading_transaction(ada.household_id) as session:
        assert session.scalar(WHERE) is has_replica
        with pytest.raises(InternalError, match="read-only transaction"):
            session.execute(text("UPDATE accounts SET name = name"))
        session.rollback()


def test_the_doctor_tells_a_replica_that_follows_from_one_that_lags(ada, servers):
    primary = servers.url(servers.primary).set(drivername="postgresql")
    named = Settings(
        DATABASE_URL=SecretStr(primary.render_as_string(hide_password=False)),
        DATABASE_REPLICA_URL=f"postgresql://127.0.0.1:{servers.replica.port}",
    )
    with pytest.raises(Warned, match="cancels long reports"):
        doctor_servers.check_replica(named)
    servers.replica.query("ALTER SYSTEM SET hot_standby_feedback = on")
    servers.replica.query("SELECT pg_reload_conf()")
    assert "takes no writes" in doctor_servers.check_replica(named)
    servers.pause()
    try:
        query(ada.household_id, "UPDATE households SET name = 'behind'")
        with pytest.raises(Warned, match=r"is \d+ bytes behind"):
            doctor_servers.check_replica(named)
    finally:
        servers.go_on()


def test_a_replica_that_lags_is_left_out_and_taken_again(ada, paused, monkeypatch):
    monkeypatch.setattr(replica, "LEFT_OUT_SECONDS", 0.5)
    query(ada.household_id, "UPDATE households SET name = 'renamed'")

    began = time.monotonic()
    with replica.reading_transaction(ada.household_id) as session:
        assert session.scalar(WHERE) is False
        assert session.scalar(text("SELECT name FROM households")) == "renamed"
    assert time.monotonic() - began >= settings.DATABASE_REPLICA_LAG_SECONDS_MAX

    paused.go_on()
    assert _reads_on_the_replica_again(ada)


def test_a_replica_that_is_down_is_left_out_and_taken_again(ada, servers, monkeypatch):
    monkeypatch.setattr(replica, "LEFT_OUT_SECONDS", 0.5)
    servers.replica.child.stop((signal.SIGINT, 30.0))
    try:
        with replica.reading_transaction(ada.household_id) as session:
            assert session.scalar(WHERE) is False
        assert ada.get("/").status_code == 200
    finally:
        servers.replica.start()
    assert _reads_on_the_replica_again(ada)


def test_a_replica_that_was_left_out_is_not_asked_again_at_once(ada, paused, following):
    assert not following.has_caught_up() or query(
        ada.household_id, "UPDATE households SET name = 'again'"
    ) == []  # fmt: skip
    following.has_caught_up()
    began = time.monotonic()
    assert not following.has_caught_up()
    assert time.monotonic() - began < settings.DATABASE_REPLICA_LAG_SECONDS_MAX


def _reads_on_the_replica_again(ada) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with replica.reading_transaction(ada.household_id) as session:
            if session.scalar(WHERE):
                return True
        time.sleep(0.2)
    return False
