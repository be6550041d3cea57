"""One account through Plaid and through SimpleFIN is one, and each movement counts once."""

import datetime as dt
from collections import Counter

import msgspec
import pytest
import urllib3
from click.testing import CliRunner

from app.cli import main as program
from app.core import clock
from app.features.connections.service import link, sync
from app.features.matching.service.disagreements import list_disagreements
from app.providers import registry
from app.providers.plaid.client import PlaidSettings
from app.simulator.stream import Modified, Removed
from tests.features.connections.bank import query
from tests.features.connections.simplefin import connect, simplefin_server
from tests.features.proof.ledgers import edit

LOGIN, HOME = "demo_student", "ins_900005"
LIVE = """
    SELECT source.source, t.date, t.amount FROM transactions AS t
    JOIN source_accounts AS source
      ON source.household_id = t.household_id AND source.id = t.source_account_id
    WHERE t.is_live AND NOT t.pending
"""


@pytest.fixture(scope="module")
def server():
    with simplefin_server() as server:
        yield server


@pytest.fixture
def both(server):
    before = dict(registry._providers)
    url = server.root.removesuffix("/simplefin")
    registry.configure(PlaidSettings("client", "secret", url, "sandbox"), server.allowance)
    yield server
    registry._providers.clear()
    registry._providers.update(before)


def link_by_plaid(person, server):
    """Link the student's bank by Plaid's side of the simulator."""
    body = {
        "client_id": "client", "secret": "secret", "institution_id": HOME,
        "initial_products": ["transactions"], "options": {"override_username": LOGIN},
    }  # fmt: skip
    with urllib3.PoolManager() as pool:
        url = server.root.replace("/simplefin", "/sandbox/public_token/create")
        token = pool.request("POST", url, json=body, timeout=10).json()["public_token"]
    outcome = link.exchange_public_token(person.household_id, person.user_id, token, None)
    return outcome.item_ids[0]


def prove(person):
    for arguments in (["replay", "--verify"], ["verify"]):
        result = CliRunner().invoke(program, [*arguments, "--household", str(person.household_id)])
        assert result.exit_code == 0, result.output


def posted(person, first_day):
    """Return how often each movement since a day counts, and who tells it."""
    rows = [row for row in query(person.household_id, LIVE) if row[1] >= first_day]
    return Counter(row[1:] for row in rows), Counter(row[0] for row in rows)


def test_an_account_seen_by_both_is_one_and_its_movements_count_once(ada, both):
    plaid_item = link_by_plaid(ada, both)
    assert sync.sync_item(ada.household_id, plaid_item).state == "done"
    first_day = clock.today() - dt.timedelta(days=60)
    alone, _ = posted(ada, first_day)

    _, simplefin_item = connect(ada, both, LOGIN)
    assert sync.sync_item(ada.household_id, simplefin_item).state == "done"

    together, told_by = posted(ada, first_day)
    assert together == alone
    assert set(told_by) == {"plaid"}
    homes = "SELECT count(*), count(DISTINCT account_id) FROM source_accounts"
    assert query(ada.household_id, homes) == [(6, 3)]
    prove(ada)


def test_when_one_source_falls_silent_the_other_one_stands_in(ada, both):
    plaid_item = link_by_plaid(ada, both)
    sync.sync_item(ada.household_id, plaid_item)
    _, simplefin_item = connect(ada, both, LOGIN)
    sync.sync_item(ada.household_id, simplefin_item)
    first_day = clock.today() - dt.timedelta(days=10)
    before, _ = posted(ada, first_day)
    name, edited = lately(ada, first_day)
    edit(ada, name, note="mine")
    for item in both.bank.state.items.values():
        if item.client_id == "client" and not item.removed:
            stream = both.bank.live(item).stream
            for row in stream.rows():
                if row.date >= first_day:
                    stream.apply(Removed(row.transaction_id))

    sync.sync_item(ada.household_id, plaid_item)

    now, told_by = posted(ada, first_day)
    assert now == before
    assert set(told_by) == {"simplefin"}
    noted = "SELECT date, amount FROM transactions WHERE note = 'mine' AND is_live"
    assert query(ada.household_id, noted) == [edited]
    prove(ada)


def test_what_the_two_tell_differently_is_reported(ada, both):
    plaid_item = link_by_plaid(ada, both)
    sync.sync_item(ada.household_id, plaid_item)
    access, simplefin_item = connect(ada, both, LOGIN)
    [item] = both.items(access)
    both_told = clock.today() - dt.timedelta(days=8)  # a report leaves out the last days
    row = max(
        (row for row in item.stream.rows() if row.amount > 0 and row.date <= both_told),
        key=lambda row: (row.date, row.transaction_id),
    )
    item.stream.apply(Modified(msgspec.structs.replace(row, amount=row.amount + 1)))

    sync.sync_item(ada.household_id, simplefin_item)

    with ada.session() as session:
        reports = list_disagreements(session, ada.household_id)
    found = [
        (each.amount.amount, each.other_amount and each.other_amount.amount)
        for report in reports
        for each in report.rows
        if each.date == row.date
    ]
    assert (-row.amount, -row.amount - 1) in found or (-row.amount - 1, -row.amount) in found
    prove(ada)


def lately(person, first_day):
    """Return a movement that counts since a day: its id, and its day and amount."""
    rows = query(
        person.household_id,
        "SELECT source_id, date, amount FROM transactions"
        " WHERE is_live AND NOT pending AND date >= :first ORDER BY id LIMIT 1",
        first=first_day,
    )
    return rows[0][0], tuple(rows[0][1:])
