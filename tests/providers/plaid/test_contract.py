"""What we read and send, against the models of Plaid's own SDK: no name is made up."""

import importlib
import json
import warnings

import msgspec
import pytest

from app.providers.plaid import structs
from app.providers.plaid.client import PlaidSettings
from app.providers.plaid.provider import PlaidProvider

MODELS = {
    structs.Transaction: "transaction.Transaction",
    structs.Removed: "removed_transaction.RemovedTransaction",
    structs.Counterparty: "transaction_counterparty.TransactionCounterparty",
    structs.Category: "personal_finance_category.PersonalFinanceCategory",
    structs.Account: "account_base.AccountBase",
    structs.Balances: "account_balance.AccountBalance",
    structs.Error: "plaid_error.PlaidError",
    structs.Item: "item_with_consent_fields.ItemWithConsentFields",
    structs.ItemPage: "item_get_response.ItemGetResponse",
    structs.ItemStatus: "item_status_nullable.ItemStatusNullable",
    structs.UpdateStatus: "item_status_transactions.ItemStatusTransactions",
    structs.AccountsPage: "accounts_get_response.AccountsGetResponse",
    structs.SyncPage: "transactions_sync_response.TransactionsSyncResponse",
    structs.Security: "security.Security",
    structs.Holding: "holding.Holding",
    structs.HoldingsPage: "investments_holdings_get_response.InvestmentsHoldingsGetResponse",
    structs.InvestmentTransaction: "investment_transaction.InvestmentTransaction",
    structs.InvestmentTransactionsPage: (
        "investments_transactions_get_response.InvestmentsTransactionsGetResponse"
    ),
    structs.LinkToken: "link_token_create_response.LinkTokenCreateResponse",
    structs.LinkState: "link_token_get_response.LinkTokenGetResponse",
    structs.LinkSession: "link_token_get_sessions_response.LinkTokenGetSessionsResponse",
    structs.LinkResults: "link_session_results.LinkSessionResults",
    structs.ItemAdded: "link_session_item_add_result.LinkSessionItemAddResult",
    structs.LinkMetadata: "link_token_get_metadata_response.LinkTokenGetMetadataResponse",
    structs.PublicTokenExchange: (
        "item_public_token_exchange_response.ItemPublicTokenExchangeResponse"
    ),
    structs.VerificationKey: "jwk_public_key.JWKPublicKey",
}
REQUESTS = {
    "/link/token/create": "link_token_create_request.LinkTokenCreateRequest",
    "/link/token/get": "link_token_get_request.LinkTokenGetRequest",
    "/item/public_token/exchange": (
        "item_public_token_exchange_request.ItemPublicTokenExchangeRequest"
    ),
    "/item/get": "item_get_request.ItemGetRequest",
    "/item/remove": "item_remove_request.ItemRemoveRequest",
    "/accounts/get": "accounts_get_request.AccountsGetRequest",
    "/transactions/sync": "transactions_sync_request.TransactionsSyncRequest",
    "/transactions/refresh": "transactions_refresh_request.TransactionsRefreshRequest",
    "/investments/holdings/get": "investments_holdings_get_request.InvestmentsHoldingsGetRequest",
    "/investments/transactions/get": (
        "investments_transactions_get_request.InvestmentsTransactionsGetRequest"
    ),
    "options of /transactions/sync": (
        "transactions_sync_request_options.TransactionsSyncRequestOptions"
    ),
    "hosted_link": "link_token_create_hosted_link.LinkTokenCreateHostedLink",
    "update": "link_token_create_request_update.LinkTokenCreateRequestUpdate",
    "transactions": "link_token_transactions.LinkTokenTransactions",
}


def names_in(model: str) -> set[str]:
    module, name = model.split(".")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the SDK's own
        loaded = importlib.import_module(f"plaid.model.{module}")
    return set(getattr(loaded, name).attribute_map.values())


@pytest.mark.parametrize("struct", MODELS, ids=lambda struct: struct.__name__)
def test_every_field_that_we_read_is_plaids(struct):
    read = {field.encode_name for field in msgspec.structs.fields(struct)}

    assert read <= names_in(MODELS[struct])


class Recorder:
    """Keeps what would be sent, and stops there."""

    def __init__(self) -> None:
        self.sent: dict[str, dict] = {}

    def post(self, endpoint, body, **options):
        self.sent.setdefault(endpoint, {}).update(json.loads(json.dumps(body)))
        raise ConnectionError


def test_every_field_that_we_send_is_plaids():
    recorder = Recorder()
    provider = PlaidProvider(PlaidSettings("c", "s", "http://x", "sandbox"), recorder)
    link = {"user_reference": "u", "webhook_url": "http://x/", "return_url": "http://x/"}
    day = msgspec.convert("2026-11-01", structs.Date)
    for call in (
        lambda: provider.start_link(**link),
        lambda: provider.start_link(**link, access_token="a", select_accounts=True),
        lambda: provider.fetch_link("l"),
        lambda: provider.exchange("p"),
        lambda: provider.fetch_item("a"),
        lambda: provider.fetch_accounts("a"),
        lambda: provider.fetch_transactions("a", "c"),
        lambda: provider.fetch_holdings("a"),
        lambda: provider.fetch_investment_transactions("a", day, day),
        lambda: provider.refresh("a"),
        lambda: provider.remove_item("a"),
    ):
        with pytest.raises(ConnectionError):
            call()

    parts = {
        "options of /transactions/sync": recorder.sent["/transactions/sync"]["options"],
        **{
            name: recorder.sent["/link/token/create"][name]
            for name in ("hosted_link", "update", "transactions")
        },
    }
    sent = recorder.sent | parts
    assert sent.keys() == REQUESTS.keys()
    for name, body in sent.items():
        assert body.keys() <= names_in(REQUESTS[name]), name
