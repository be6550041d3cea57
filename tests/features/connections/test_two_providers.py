"""One account through Plaid and through SimpleFIN is one, and each movement counts once."""

import datetime as dt
from collections import Counter

import pytest
import urllib3
from click.testing import CliRunner

from app.cli import main as program
from app.core import clock
from app.features.connections.service import link, sync
from app.providers import registry
from app.providers.plaid.client import PlaidSettings
from tests.features.connections.bank import query
from tests.features.connections.simplefin import connect, simplefin_server

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
