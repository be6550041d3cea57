"""Items with investment accounts."""

import pytest

from app.core.ids import uuid7
from app.features.connections.service import sync
from app.providers.base import (
    ConsentRequiredError,
    ProductUnavailableError,
    ProviderUnavailableError,
)
from app.providers.plaid import pages
from app.simulator.rows import Account
from app.simulator.stream import Added, ItemStream
from tests.features.connections.bank import Bank, item_of, linked, query, row
from tests.providers.plaid.bodies import account, encode


@pytest.mark.parametrize(
    "error", [ConsentRequiredError, ProductUnavailableError, ProviderUnavailableError]
)
def test_what_is_not_to_be_had_of_investments_does_not_hold_up_the_rest(ada, error):
    accounts = [
        Account(account_id=f"checking-{uuid7()}", name="Everyday"),
        Account(account_id=f"broker-{uuid7()}", name="Brokerage", type="investment"),
    ]
    bank = Bank(ItemStream(f"item-{uuid7()}", accounts))
    bank.stream.apply(Added(row(bank, "a", "1.00")))

    listed = [account(each.account_id, type=each.type, name=each.name) for each in accounts]
    listing = encode({"accounts": listed, "item": {"item_id": "i"}})
    bank.fetch_accounts = lambda _: pages.decode_page(pages.ACCOUNTS, listing, None)
    refused = []

    def refuse(access_token):
        refused.append(access_token)
        raise error("NO_HOLDINGS", "There are none for us.")

    bank.fetch_holdings = refuse
    with linked(ada.household_id, bank) as item_id:
        outcome = sync.sync_item(ada.household_id, item_id, "button")

    assert refused == ["access-1"]
    assert (outcome.state, outcome.applied.added) == ("done", 1)
    assert item_of(ada.household_id, item_id).state == "good"


def test_what_only_the_listing_states_counts_from_there(ada):
    """No page of rows lists an investment account; of the others their balances are older."""
    accounts = [
        Account(account_id=f"checking-{uuid7()}", name="Everyday"),
        Account(account_id=f"broker-{uuid7()}", name="Brokerage", type="investment"),
    ]
    bank = Bank(ItemStream(f"item-{uuid7()}", accounts))
    bank.stream.apply(Added(row(bank, "a", "1.00")))
    listed = [account(each.account_id, type=each.type, name=each.name) for each in accounts]
    listing = encode({"accounts": listed, "item": {"item_id": "i"}})
    bank.fetch_accounts = lambda _: pages.decode_page(pages.ACCOUNTS, listing, None)
    later = bank.fetch_accounts("").changes.accounts[1].balance.current

    def refuse(access_token):
        raise ProductUnavailableError("NO_HOLDINGS", "There are none for us.")

    bank.fetch_holdings = refuse
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")

    stated = query(
        ada.household_id,
        "SELECT s.kind, a.current FROM balance_anchors a"
        " JOIN source_accounts s ON s.id = a.source_account_id ORDER BY 1",
    )
    assert stated == [
        ("depository", bank.stream.balance(accounts[0].account_id).current),
        ("investment", later),
    ]
