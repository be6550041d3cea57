"""Plaid's answers as typed structs: what we read of them, and nothing else.

Fields that the contract calls required are optional here all the same, as answers without them
were recorded. Required are only the ids, amounts, dates, `pending` and cursors. Enumerations
are plain text, because Plaid adds values without notice.
"""

import datetime as dt
from decimal import Decimal
from typing import Generic, TypeVar

from msgspec import Struct

from app.providers.decoding import Id, Text

Date = dt.date
DateTime = dt.datetime

TransactionRow = TypeVar("TransactionRow")
RemovedRow = TypeVar("RemovedRow")
AccountRow = TypeVar("AccountRow")
HoldingRow = TypeVar("HoldingRow")
SecurityRow = TypeVar("SecurityRow")
ItemRow = TypeVar("ItemRow")
StatusRow = TypeVar("StatusRow")


class Counterparty(Struct, gc=False):
    """Somebody whom Plaid read out of the description."""

    name: Text | None = None
    type: Text | None = None


class Category(Struct, gc=False):
    """A personal finance category, of either version."""

    primary: Text | None = None
    detailed: Text | None = None


class Transaction(Struct, gc=False):
    """A movement; positive is money out."""

    transaction_id: Id
    account_id: Id
    amount: Decimal
    date: Date
    pending: bool
    iso_currency_code: Text | None = None
    unofficial_currency_code: Text | None = None
    name: Text | None = None
    original_description: Text | None = None
    merchant_name: Text | None = None
    counterparties: list[Counterparty] | None = None
    authorized_date: Date | None = None
    personal_finance_category: Category | None = None
    pending_transaction_id: Id | None = None


class Removed(Struct, gc=False):
    """A transaction that Plaid withdrew."""

    transaction_id: Id
    account_id: Id


class Balances(Struct, gc=False):
    """Balances in Plaid's sign: for credit and loan accounts positive is owed."""

    current: Decimal | None = None
    available: Decimal | None = None
    limit: Decimal | None = None
    iso_currency_code: Text | None = None
    unofficial_currency_code: Text | None = None
    last_updated_datetime: DateTime | None = None


class Account(Struct, gc=False):
    """An account at an institution."""

    account_id: Id
    balances: Balances
    type: Text | None = None
    subtype: Text | None = None
    name: Text | None = None
    official_name: Text | None = None
    mask: Text | None = None
    persistent_account_id: Id | None = None


class Error(Struct, gc=False):
    """Plaid's error object: an error answer's body, and part of Items and webhooks."""

    error_type: Text = ""
    error_code: Text = ""
    error_message: str | None = None
    display_message: str | None = None
    request_id: str | None = None


class Item(Struct):
    """A login at an institution."""

    item_id: Id | None = None
    institution_id: Text | None = None
    institution_name: Text | None = None
    error: Error | None = None
    consent_expiration_time: DateTime | None = None
    products: list[str] | None = None
    billed_products: list[str] | None = None


class UpdateStatus(Struct, gc=False):
    """When Plaid last reached, or failed to reach, the institution for a product."""

    last_successful_update: DateTime | None = None
    last_failed_update: DateTime | None = None


class ItemStatus(Struct, gc=False):
    """The state of an Item's products."""

    transactions: UpdateStatus | None = None
    investments: UpdateStatus | None = None


class ItemPage(Struct, Generic[ItemRow, StatusRow]):
    """Answer of `/item/get`."""

    item: ItemRow
    status: StatusRow | None = None


class AccountsPage(Struct, Generic[AccountRow, ItemRow]):
    """Answer of `/accounts/get`."""

    accounts: list[AccountRow]
    item: ItemRow | None = None


class SyncPage(Struct, Generic[TransactionRow, RemovedRow, AccountRow]):
    """Answer of `/transactions/sync`."""

    next_cursor: str
    added: list[TransactionRow]
    modified: list[TransactionRow]
    removed: list[RemovedRow]
    has_more: bool | None = None
    accounts: list[AccountRow] | None = None
    transactions_update_status: str | None = None


class Security(Struct, gc=False):
    """What a holding is a holding of."""

    security_id: Id
    name: Text | None = None
    ticker_symbol: Text | None = None
    isin: Text | None = None
    type: Text | None = None


class Holding(Struct, gc=False):
    """A position in a security."""

    account_id: Id
    security_id: Id
    quantity: Decimal
    institution_price: Decimal | None = None
    institution_price_as_of: Date | None = None
    institution_value: Decimal | None = None
    cost_basis: Decimal | None = None
    iso_currency_code: Text | None = None
    unofficial_currency_code: Text | None = None


class HoldingsPage(Struct, Generic[HoldingRow, SecurityRow, AccountRow, ItemRow]):
    """Answer of `/investments/holdings/get`."""

    holdings: list[HoldingRow]
    securities: list[SecurityRow] | None = None
    accounts: list[AccountRow] | None = None
    item: ItemRow | None = None


class InvestmentTransaction(Struct, gc=False):
    """A movement on an investment account; positive is cash out."""

    investment_transaction_id: Id
    account_id: Id
    amount: Decimal
    date: Date
    name: Text | None = None
    type: Text | None = None
    subtype: Text | None = None
    iso_currency_code: Text | None = None
    unofficial_currency_code: Text | None = None


class InvestmentTransactionsPage(Struct, Generic[TransactionRow, AccountRow, ItemRow]):
    """Answer of `/investments/transactions/get`."""

    investment_transactions: list[TransactionRow]
    total_investment_transactions: int | None = None
    accounts: list[AccountRow] | None = None
    item: ItemRow | None = None


class LinkToken(Struct, gc=False):
    """Answer of `/link/token/create`."""

    link_token: Id
    expiration: DateTime
    hosted_link_url: str | None = None


class LinkSuccess(Struct, gc=False):
    """The deprecated way to hear of a linked Item."""

    public_token: Id | None = None


class LinkExit(Struct, gc=False):
    """How the user left without linking."""

    error: Error | None = None


class ItemAdded(Struct, gc=False):
    """An Item that the user linked."""

    public_token: Id


class LinkResults(Struct):
    """What a session of Link brought."""

    item_add_results: list[ItemAdded] | None = None


class LinkSession(Struct):
    """One visit of the user to Link."""

    started_at: DateTime | None = None
    finished_at: DateTime | None = None
    on_success: LinkSuccess | None = None
    on_exit: LinkExit | None = None
    results: LinkResults | None = None


class LinkMetadata(Struct):
    """What the link token was made for."""

    initial_products: list[str] | None = None


class LinkState(Struct):
    """Answer of `/link/token/get`."""

    link_sessions: list[LinkSession] | None = None
    metadata: LinkMetadata | None = None


class PublicTokenExchange(Struct, gc=False):
    """Answer of `/item/public_token/exchange`."""

    access_token: Id
    item_id: Id


class VerificationKey(Struct, gc=False):
    """A public key (JWK) that Plaid signs webhooks with."""

    kid: str
    alg: str
    kty: str
    crv: str
    x: str
    y: str
    expired_at: int | None = None


class VerificationKeyAnswer(Struct, gc=False):
    """Answer of `/webhook_verification_key/get`."""

    key: VerificationKey


class Webhook(Struct):
    """Body of a webhook, of any type."""

    webhook_type: Text
    webhook_code: Text
    item_id: Id | None = None
    environment: str | None = None
    link_token: Id | None = None
    public_token: Id | None = None
    public_tokens: list[Id] | None = None
    error: Error | None = None
    consent_expiration_time: DateTime | None = None
    disconnect_time: DateTime | None = None
