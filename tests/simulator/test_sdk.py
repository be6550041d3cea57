"""The official plaid-python SDK drives the simulator over real HTTP, from link to webhook."""

import datetime as dt
import json
import time

import jwt
import plaid
import pytest
import urllib3
from plaid.api import plaid_api
from plaid.model import (
    accounts_get_request,
    country_code,
    institutions_get_by_id_request,
    investments_holdings_get_request,
    investments_transactions_get_request,
    item_get_request,
    item_public_token_exchange_request,
    item_remove_request,
    liabilities_get_request,
    link_token_create_hosted_link,
    link_token_create_request,
    link_token_create_request_user,
    link_token_get_request,
    products,
    sandbox_public_token_create_request,
    transactions_recurring_get_request,
    transactions_refresh_request,
    transactions_sync_request,
    webhook_verification_key_get_request,
)

from app.simulator.main import create_app
from app.simulator.settings import Settings
from tests.simulator.receiver import serve, verify


@pytest.fixture
def served():
    settings = Settings(initial_seconds=0.2, historical_seconds=0.5, rate_limits="off")
    with serve(create_app(settings)) as url:
        yield url


@pytest.fixture
def client(served):
    keys = {"clientId": "client", "secret": "secret"}
    with plaid.ApiClient(plaid.Configuration(host=served, api_key=keys)) as api:
        yield plaid_api.PlaidApi(api)


def walk(url: str, *forms: dict[str, object]) -> None:
    """Go through the Hosted Link page."""
    pool = urllib3.PoolManager()
    for form in forms:
        answer = pool.request("POST", url, fields=form, encode_multipart=False, redirect=False)
        assert answer.status in (200, 303), answer.data[:500]
    pool.clear()


def test_the_official_sdk_goes_from_link_to_exchange_sync_refresh_and_webhook(
    client, receiver
) -> None:
    created = client.link_token_create(
        link_token_create_request.LinkTokenCreateRequest(
            client_name="Fintech",
            language="en",
            country_codes=[country_code.CountryCode("US")],
            user=link_token_create_request_user.LinkTokenCreateRequestUser(client_user_id="u1"),
            products=[products.Products("transactions")],
            optional_products=[products.Products("investments"), products.Products("liabilities")],
            webhook=receiver.url,
            hosted_link=link_token_create_hosted_link.LinkTokenCreateHostedLink(),
        )
    )
    walk(
        created.hosted_link_url,
        {"action": "institution", "institution_id": "ins_109508"},
        {"action": "login", "username": "user_transactions_dynamic", "password": "any"},
        {"action": "accounts", "account": "checking"},
    )
    finished = receiver.wait("SESSION_FINISHED")[0]
    assert (finished["status"], finished["link_token"]) == ("SUCCESS", created.link_token)

    session = client.link_token_get(
        link_token_get_request.LinkTokenGetRequest(link_token=created.link_token)
    ).link_sessions[0]
    public_token = session.results.item_add_results[0].public_token
    assert finished["public_tokens"] == [public_token]
    exchanged = client.item_public_token_exchange(
        item_public_token_exchange_request.ItemPublicTokenExchangeRequest(public_token=public_token)
    )
    token = exchanged.access_token

    def sync(cursor: str):
        return client.transactions_sync(
            transactions_sync_request.TransactionsSyncRequest(
                access_token=token, cursor=cursor, count=500
            )
        )

    assert str(sync("").transactions_update_status) == "NOT_READY"
    receiver.wait("SYNC_UPDATES_AVAILABLE", 2)
    page = sync("")
    assert len(page.added) > 30
    client.transactions_refresh(
        transactions_refresh_request.TransactionsRefreshRequest(access_token=token)
    )
    receiver.wait("SYNC_UPDATES_AVAILABLE", 3)
    news = sync(page.next_cursor)
    assert news.removed
    assert any(row.pending for row in news.added)

    for body, signature in receiver.received:
        kid = jwt.get_unverified_header(signature)["kid"]
        request = webhook_verification_key_get_request.WebhookVerificationKeyGetRequest(key_id=kid)
        jwk = client.webhook_verification_key_get(request).key.to_dict()
        verify(
            body, signature, {k: v for k, v in jwk.items() if v is not None or k == "expired_at"}
        )

    item = client.item_get(item_get_request.ItemGetRequest(access_token=token)).item
    assert item.item_id == exchanged.item_id
    client.item_remove(item_remove_request.ItemRemoveRequest(access_token=token))
    with pytest.raises(plaid.ApiException) as caught:
        client.accounts_get(accounts_get_request.AccountsGetRequest(access_token=token))
    assert json.loads(caught.value.body)["error_code"] == "ITEM_NOT_FOUND"


def test_the_sdk_reads_every_product_of_plaids_test_user(client) -> None:
    public = client.sandbox_public_token_create(
        sandbox_public_token_create_request.SandboxPublicTokenCreateRequest(
            institution_id="ins_109508",
            initial_products=[
                products.Products(name) for name in ("transactions", "investments", "liabilities")
            ],
        )
    ).public_token
    token = client.item_public_token_exchange(
        item_public_token_exchange_request.ItemPublicTokenExchangeRequest(public_token=public)
    ).access_token
    until = time.monotonic() + 10
    while True:
        page = client.transactions_sync(
            transactions_sync_request.TransactionsSyncRequest(access_token=token, count=20)
        )
        if str(page.transactions_update_status) == "HISTORICAL_UPDATE_COMPLETE":
            break
        assert time.monotonic() < until
        time.sleep(0.05)

    accounts = client.accounts_get(accounts_get_request.AccountsGetRequest(access_token=token))
    assert [account.mask for account in accounts.accounts][:3] == ["0000", "1111", "2222"]
    holdings = client.investments_holdings_get(
        investments_holdings_get_request.InvestmentsHoldingsGetRequest(access_token=token)
    )
    assert holdings.holdings
    trades = client.investments_transactions_get(
        investments_transactions_get_request.InvestmentsTransactionsGetRequest(
            access_token=token,
            start_date=dt.date(2025, 1, 1),
            end_date=dt.datetime.now(dt.UTC).date(),
        )
    )
    assert trades.total_investment_transactions > 0
    owed = client.liabilities_get(
        liabilities_get_request.LiabilitiesGetRequest(access_token=token)
    ).liabilities
    assert owed.mortgage
    assert owed.student
    assert owed.credit
    streams = client.transactions_recurring_get(
        transactions_recurring_get_request.TransactionsRecurringGetRequest(access_token=token)
    )
    assert streams.inflow_streams
    bank = client.institutions_get_by_id(
        institutions_get_by_id_request.InstitutionsGetByIdRequest(
            institution_id="ins_109508", country_codes=[country_code.CountryCode("US")]
        )
    ).institution
    assert bank.name == "First Platypus Bank"
