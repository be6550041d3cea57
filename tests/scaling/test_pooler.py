"""The program behind PgBouncer in transaction mode, where all share one server connection."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app.core import database
from app.features.connections.service import sync
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from app.features.transactions import apply
from app.simulator.stream import Added
from tests.cast import SignedInBrowser, sign_in
from tests.factories import people
from tests.factories.files import MARCH, ofx
from tests.features.connections.bank import linked, open_bank, query, row
from tests.scaling import pooler

pytestmark = pytest.mark.skipif(
    pooler.PROGRAM is None, reason="PgBouncer is not installed: sh scripts/ensure_pgbouncer.sh"
)
SERVER_CONNECTION = "SELECT pg_backend_pid()"


@pytest.fixture(autouse=True)
def shared() -> Iterator[Engine]:
    """All transactions of this process take turns on one server connection."""
    with pooler.pooler() as url:
        made = database.make_engine(url.render_as_string(hide_password=False), through_pooler=True)
        with pooler.application_on(made):
            yield made


@pytest.fixture
def ada(app, shared) -> SignedInBrowser:
    """Ada, whose every statement goes through the pooler."""
    return sign_in(app, people.person("Ada"))


@pytest.fixture
def cleo(app, shared) -> SignedInBrowser:
    """A stranger, on the same server connection."""
    return sign_in(app, people.person("Cleo"))


def test_a_server_connection_holds_as_little_for_temporary_tables_as_without_a_pooler(shared):
    with shared.connect() as through:
        held = through.scalar(text("SHOW temp_buffers"))

    assert f"temp_buffers={held}" in database._options()


def test_a_person_signs_in_with_a_password_and_reads_their_pages(client, shared):
    who = people.person("Pool")
    client.greet()

    answer = client.post("/sign-in", data={"email": who.email, "password": people.PASSWORD})

    assert answer.status_code == 303
    assert [client.get(path).status_code for path in ("/", "/transactions", "/settings")] == [
        200, 200, 200,
    ]  # fmt: skip


def test_syncs_edits_undo_and_files_work_many_times_on_one_server_connection(ada, cleo):
    banks = {person: open_bank(rows=3) for person in (ada, cleo)}
    for person, bank in banks.items():
        with linked(person.household_id, bank) as item_id:
            for number in range(8):  # psycopg would name a statement at its fifth run
                bank.stream.apply(Added(row(bank, f"more-{number}", "7.00")))
                outcome = sync.sync_item(person.household_id, item_id, "button")
                assert (outcome.state, outcome.applied.removed) == ("done", 0)
        listed = person.get("/api/v1/transactions/", headers=person.bearer()).json()["data"]
        assert len(listed) == 11

        edited = person.put(
            f"/api/v1/transactions/{listed[0]['id']}",
            json={"note": "for Ben"}, headers=person.bearer(),
        )  # fmt: skip
        assert edited.status_code == 200
        [(last,)] = query(
            person.household_id, "SELECT id FROM change_sets ORDER BY sequence DESC LIMIT 1"
        )
        undone = person.post(f"/api/v1/history/{last}/undo", headers=person.bearer())
        assert undone.status_code == 200
        notes = query(person.household_id, "SELECT count(*) FROM transactions WHERE note <> ''")
        assert notes == [(0,)]

        import_id = preview(person.household_id, person.user_id, "march.ofx", ofx())
        book(person.household_id, person.user_id, import_id)
        assert query(person.household_id, "SELECT count(*) FROM transactions WHERE is_live") == [
            (11 + len(MARCH),)
        ]


def test_T6_two_households_on_one_server_connection_do_not_see_each_other(ada, cleo):
    with linked(ada.household_id, open_bank(rows=3)) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    hers = query(ada.household_id, "SELECT id FROM transactions")
    connections = {query(who.household_id, SERVER_CONNECTION)[0] for who in (ada, cleo)}

    assert len(hers) == 3
    assert len(connections) == 1
    for _ in range(6):
        assert query(cleo.household_id, "SELECT id FROM transactions") == []
        assert query(ada.household_id, "SELECT id FROM transactions") == hers
    address = f"/api/v1/transactions/{hers[0][0]}"
    assert cleo.get(address, headers=cleo.bearer()).status_code == 404
    assert ada.get(address, headers=ada.bearer()).status_code == 200


def test_T6_nothing_of_a_transaction_is_left_on_its_server_connection(ada, shared):
    ours = (
        "SELECT current_setting('app.household_id', true), current_user = session_user,"
        " current_setting('statement_timeout'), current_setting('lock_timeout'),"
        " current_setting('idle_in_transaction_session_timeout')"
    )
    with shared.connect() as connection:
        before = connection.execute(text(ours)).one()
    with pytest.raises(ZeroDivisionError), ada.session() as session:
        _fail_after_a_look(session)
    query(ada.household_id, "SELECT 1")
    with shared.connect() as connection:
        after = connection.execute(text(ours)).one()

    assert before[1:] == after[1:] == (True, "0", "0", "0")
    assert not before[0]
    assert not after[0]


def test_F14_a_slow_statement_is_stopped_and_the_next_transaction_is_fine(ada, shared):
    with ada.session() as session:
        session.execute(text("SET LOCAL statement_timeout = '50ms'"))
        with pytest.raises(OperationalError) as raised:
            session.execute(text("SELECT pg_sleep(30)"))
        session.rollback()

    assert isinstance(raised.value.orig, psycopg.errors.QueryCanceled)
    with ada.session() as session:
        assert _limits(session) == ("10s", "5s", "15s")
    with database.system_transaction() as session:
        assert _limits(session) == ("10s", "5s", "15s")
        database.take_time(session)
        assert _limits(session) == ("1min", "5s", "15s")
    with database.nobodys_transaction() as connection:
        assert _limits(connection) == ("10s", "5s", "15s")


def _fail_after_a_look(session):
    session.execute(text("SELECT 1"))
    raise ZeroDivisionError


def _limits(session):
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    return tuple(session.execute(text(f"SHOW {name}")).scalar_one() for name in names)


def test_clients_that_share_a_server_connection_share_no_statements(ada, cleo):
    """Each would name its sixth run of a statement `_pg3_0`, and there can be only one."""
    seen = []
    together = threading.Barrier(8)

    def look(who):
        for _ in range(10):
            together.wait(60)  # so that each thread needs a client of its own
            rows = query(who.household_id, "SELECT household_id FROM categories LIMIT 5")
            seen.append((who.household_id, {each for (each,) in rows}))

    threads = [threading.Thread(target=look, args=[who]) for who in (ada, cleo) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(seen) == 80
    assert all(found == {asked} for asked, found in seen)


def test_the_stage_that_stays_on_a_server_connection_has_a_name_for_its_columns():
    """Another version's worker may find our stage there after its own upgrade, and we find its.

    Whoever changes these columns gives the table another name, in `apply.py` and here.
    """
    assert "staged_transactions (" in apply._PREPARE
    assert list(apply.COLUMNS.items()) == [
        ("id", "uuid"), ("account_id", "uuid"), ("source_account_id", "uuid"),
        ("source_id", "text"), ("date", "date"), ("authorized_date", "date"),
        ("amount", "numeric"), ("currency", "text"), ("pending", "bool"),
        ("description", "text"), ("pending_source_id", "text"), ("category_code", "text"),
        ("counterparty_source", "text"), ("category_source", "uuid"),
        ("journal_page_id", "uuid"),
    ]  # fmt: skip
