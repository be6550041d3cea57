"""The provider against the bank simulator, over HTTP: link, sync, refresh, webhook, removal."""

import datetime as dt
import socket
import threading
import time

import pytest
import uvicorn

from app.domain.records import join_pages
from app.providers.base import ItemGoneError, Page, WebhookRefusedError
from app.providers.plaid.client import PlaidClient, PlaidSettings
from app.providers.plaid.provider import PlaidProvider
from app.simulator.main import create_app
from app.simulator.settings import Settings
from tests.providers.local_server import raw

WAIT_SECONDS = 15


@pytest.fixture(scope="module")
def simulator_url():
    """A simulator with a bank of its own, whose history is there at once."""
    app = create_app(Settings(initial_seconds=0.0, historical_seconds=0.1, rate_limits="off"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def settings(simulator_url):
    return PlaidSettings("client-1", "secret-1", simulator_url, "sandbox")


@pytest.fixture
def client(settings):
    return PlaidClient(settings)


@pytest.fixture
def provider(settings, client):
    return PlaidProvider(settings, client)


def until(reached):
    """Return the first true answer; fail when there is none in time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        if answer := reached():
            return answer
        time.sleep(0.05)
    pytest.fail(f"not reached in {WAIT_SECONDS} seconds")


def link(client, provider, products=("transactions",), **options) -> str:
    """Link an Item without a person, as Plaid's sandbox allows; return its access token."""
    body = {
        "institution_id": "ins_109508",
        "initial_products": list(products),
        "options": {"override_username": "user_transactions_dynamic", **options},
    }
    answer = client.post("/sandbox/public_token/create", body)
    public_token = answer.split(b'"public_token"')[1].split(b'"')[1].decode()
    return provider.exchange(public_token).access_token


def sync(provider, access_token, cursor=None) -> list[Page]:
    pages = [provider.fetch_transactions(access_token, cursor)]
    while pages[-1].has_more:
        assert len(pages) < 100
        pages.append(provider.fetch_transactions(access_token, pages[-1].changes.to_cursor))
    return pages


def whole_history(provider, access_token) -> list[Page]:
    def complete():
        pages = sync(provider, access_token)
        return pages if pages[-1].ready and pages[-1].history_complete else None

    return until(complete)


def test_an_item_is_linked_read_refreshed_and_removed(client, provider):
    access_token = link(client, provider)

    item = provider.fetch_item(access_token).item
    assert item is not None
    assert (item.institution_id, item.error_code) == ("ins_109508", None)
    page = provider.fetch_accounts(access_token)
    accounts = {account.source_id for account in page.changes.accounts}
    assert accounts
    assert page.changes.rejected == ()

    pages = whole_history(provider, access_token)
    history = join_pages(page.changes for page in pages)
    assert history.upserts
    assert history.rejected == ()
    assert {record.account_source_id for record in history.upserts} <= accounts
    for page in pages:
        assert provider.decode_page(page.kind, page.payload, page.changes.from_cursor) == page
    first = pages[0].changes.upserts[0]
    found = provider.find_transaction(pages[0].kind, pages[0].payload, first.source_id)
    assert found["amount"] == -first.money.amount

    provider.refresh(access_token)

    def news():
        changes = join_pages(
            page.changes for page in sync(provider, access_token, history.to_cursor)
        )
        return changes if changes.upserts or changes.removed else None

    assert until(news).to_cursor != history.to_cursor

    provider.remove_item(access_token)
    provider.remove_item(access_token)  # already gone is fine
    with pytest.raises(ItemGoneError):
        provider.fetch_transactions(access_token, history.to_cursor)


def test_investments_are_read(client, provider):
    access_token = link(
        client, provider, ("transactions", "investments"), override_username="user_good"
    )

    holdings = provider.fetch_holdings(access_token)
    end = dt.datetime.now(dt.UTC).date()
    page = provider.fetch_investment_transactions(access_token, end - dt.timedelta(700), end)

    assert holdings.holdings
    assert holdings.changes.rejected == ()
    assert page.changes.rejected == ()
    investment = {row.source_id for row in holdings.changes.accounts if row.kind == "investment"}
    assert {row.account_source_id for row in holdings.holdings} <= investment
    assert {row.account_source_id for row in page.changes.upserts} <= investment


def test_its_webhooks_are_genuine_and_altered_ones_are_not(client, provider, server):
    server.answers = [raw(b"")]
    access_token = link(client, provider, webhook=server.url + "/hook")
    whole_history(provider, access_token)

    request = until(lambda: next(iter(server.requests), None))
    header = request.headers[provider.webhook_header.lower()]
    hint = provider.verify_webhook(request.body, header)

    assert hint.item_source_id
    assert hint.webhook_type in ("TRANSACTIONS", "ITEM")
    with pytest.raises(WebhookRefusedError):
        provider.verify_webhook(request.body + b" ", header)


def test_a_link_flow_waits_for_the_person(provider):
    start = provider.start_link(
        user_reference="user-1", webhook_url=None, return_url="http://127.0.0.1/back"
    )

    assert start.url.startswith("http")
    assert start.expires_at > dt.datetime.now(dt.UTC)
    assert not provider.fetch_link(start.link_token).finished
