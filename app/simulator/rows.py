"""What the simulated bank knows of an account and a transaction, and its Plaid JSON.

Amounts here have Plaid's sign: positive is money out of the account, for every account type.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from app.simulator.categories import primary_of, v1_of
from app.simulator.identifiers import identifier

ZERO = Decimal(0)


class Place(msgspec.Struct, frozen=True):
    """Where a purchase took place; all None for an online one. Its fields are Plaid's."""

    address: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None
    lat: Decimal | None = None
    lon: Decimal | None = None
    store_number: str | None = None


class PaymentMeta(msgspec.Struct, frozen=True):
    """What a bank tells about a transfer; all None for a card purchase."""

    reference_number: str | None = None
    ppd_id: str | None = None
    payee: str | None = None
    by_order_of: str | None = None
    payer: str | None = None
    payment_method: str | None = None
    payment_processor: str | None = None
    reason: str | None = None


class Facts(msgspec.Struct, frozen=True):
    """What many transactions share: made once per merchant, place or kind of payment."""

    currency: str | None = "USD"
    unofficial_currency: str | None = None
    merchant: str | None = None
    counterparty: str | None = None
    """Name of a counterparty that is not a merchant, such as an employer or a bank."""
    counterparty_type: str = "merchant"
    category: str | None = None
    """Detailed personal finance category, version 2."""
    confidence: str = "VERY_HIGH"
    channel: str = "other"
    website: str | None = None
    place: Place = Place()
    payment: PaymentMeta = PaymentMeta()
    code: str | None = None


class Row(msgspec.Struct, frozen=True):
    """One version of one transaction."""

    transaction_id: str
    account_id: str
    date: dt.date
    amount: Decimal
    """Plaid's sign: positive is money out of the account."""
    pending: bool = False
    pending_transaction_id: str | None = None
    name: str = "TRANSACTION"
    authorized_date: dt.date | None = None
    facts: Facts = Facts()
    extra: dict[str, Any] | None = None
    """Fields that replace or extend the JSON: for unknown enums, new fields and nulls."""
    check_number: str | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account at the bank. Owed money is positive on credit and loan accounts."""

    account_id: str
    name: str
    type: str = "depository"
    subtype: str | None = "checking"
    mask: str | None = "0000"
    official_name: str | None = None
    currency: str | None = "USD"
    unofficial_currency: str | None = None
    opening: Decimal = ZERO
    """Balance before the first row that was ever delivered, as the bank states it."""
    limit: Decimal | None = None
    persistent_account_id: str | None = None
    fixed_current: Decimal | None = None
    """Stated balance of an account without transactions, such as an investment account."""
    fixed_available: Decimal | None = None
    hides_available: bool = False
    counts_pending: bool = False
    """The bank's `current` has pending rows in it."""

    @property
    def owes(self) -> bool:
        """Whether a positive balance is debt."""
        return self.type in ("credit", "loan")


class Balance(msgspec.Struct, frozen=True):
    """What the bank states; fields are Plaid's."""

    available: Decimal | None
    current: Decimal | None
    limit: Decimal | None
    iso_currency_code: str | None
    unofficial_currency_code: str | None
    margin_loan_amount: None = None


class _AccountJson(msgspec.Struct):
    account_id: str
    balances: Balance
    mask: str | None
    name: str
    official_name: str | None
    type: str
    subtype: str | None
    holder_category: str | None


class _PersistentAccountJson(_AccountJson):
    persistent_account_id: str


class _TransactionJson(msgspec.Struct):
    account_id: str
    account_owner: str | None
    amount: Decimal
    iso_currency_code: str | None
    unofficial_currency_code: str | None
    check_number: str | None
    counterparties: msgspec.Raw
    date: dt.date
    datetime: None
    authorized_date: dt.date | None
    authorized_datetime: None
    location: msgspec.Raw
    name: str
    merchant_name: str | None
    merchant_entity_id: str | None
    logo_url: None
    website: str | None
    payment_meta: msgspec.Raw
    payment_channel: str
    pending: bool
    pending_transaction_id: str | None
    personal_finance_category: msgspec.Raw
    personal_finance_category_icon_url: str | None
    transaction_id: str
    transaction_code: str | None
    transaction_type: str


class _DescribedJson(_TransactionJson):
    original_description: str


_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder = msgspec.json.Decoder(float_hook=Decimal)
_KINDS = {"online": "digital", "in store": "place", "other": "special"}


def encode(value: object) -> bytes:
    """Return the value as JSON in which a Decimal is an exact number."""
    return _encoder.encode(value)


def decode(body: bytes | str) -> Any:  # noqa: ANN401 - JSON is anything
    """Return parsed JSON with exact Decimals instead of floats.

    Raises:
        msgspec.DecodeError: The body is not JSON.
    """
    return _decoder.decode(body)


def entity_id(name: str) -> str:
    """Return the stable id of a merchant, in the shape of Plaid's."""
    return identifier("entity", name)


class _Shared(msgspec.Struct):
    """The parts of the JSON that depend on the facts alone."""

    counterparties: msgspec.Raw
    location: msgspec.Raw
    payment: msgspec.Raw
    category: msgspec.Raw
    icon: str | None
    entity: str | None


@lru_cache(maxsize=8192)
def _shared(facts: Facts, version: str) -> _Shared:
    detailed = facts.category
    if detailed is not None and version == "v1":
        detailed = v1_of(detailed)
    primary = None if detailed is None else primary_of(detailed)
    name = facts.merchant or facts.counterparty
    parties = []
    if name is not None:
        parties.append(
            {
                "name": name,
                "type": "merchant" if facts.merchant else facts.counterparty_type,
                "logo_url": None,
                "website": facts.website,
                "entity_id": entity_id(name),
                "confidence_level": facts.confidence,
            }
        )
    category = {
        "primary": primary,
        "detailed": detailed,
        "confidence_level": facts.confidence,
        "version": version,
    }
    return _Shared(
        msgspec.Raw(encode(parties)),
        msgspec.Raw(encode(facts.place)),
        msgspec.Raw(encode(facts.payment)),
        msgspec.Raw(encode(category if detailed else None)),
        None if primary is None else f"https://plaid-category-icons.plaid.com/PFC_{primary}.png",
        None if facts.merchant is None else entity_id(facts.merchant),
    )


def category_json(facts: Facts, version: str) -> msgspec.Raw:
    """Return Plaid's personal_finance_category object of a version, or null."""
    return _shared(facts, version).category


def transaction_json(row: Row, *, version: str = "v2", described: bool = True) -> object:
    """Return what `encode` turns into Plaid's Transaction object.

    Args:
        row: The version of the transaction to show.
        version: Of the personal finance categories, `v1` or `v2`.
        described: Whether `original_description` is included.
    """
    facts = row.facts
    shared = _shared(facts, version)
    fields = (
        row.account_id,
        None,
        row.amount,
        facts.currency,
        facts.unofficial_currency,
        row.check_number,
        shared.counterparties,
        row.date,
        None,
        row.authorized_date,
        None,
        shared.location,
        row.name,
        facts.merchant,
        shared.entity,
        None,
        facts.website,
        shared.payment,
        facts.channel,
        row.pending,
        row.pending_transaction_id,
        shared.category,
        shared.icon,
        row.transaction_id,
        facts.code,
        _KINDS.get(facts.channel, "unresolved"),
    )
    shown: object = _DescribedJson(*fields, row.name) if described else _TransactionJson(*fields)
    if row.extra is None:
        return shown
    return {**decode(encode(shown)), **row.extra}


def account_json(account: Account, balance: Balance) -> object:
    """Return what `encode` turns into Plaid's AccountBase object."""
    fields = (
        account.account_id,
        balance,
        account.mask,
        account.name,
        account.official_name,
        account.type,
        account.subtype,
        "personal",
    )
    if account.persistent_account_id is None:
        return _AccountJson(*fields)
    return _PersistentAccountJson(*fields, account.persistent_account_id)


def stated_balance(account: Account, posted: Decimal, pending: Decimal) -> Balance:
    """Return the balance a bank would state.

    Args:
        account: Its opening balance is in the bank's sense: owed money is positive on debt.
        posted: Sum of the posted amounts since the opening, Plaid's sign.
        pending: Sum of the pending amounts, Plaid's sign.
    """
    if account.counts_pending:
        posted, pending = posted + pending, ZERO
    if account.fixed_current is not None:
        current, available = account.fixed_current, account.fixed_available
    elif account.owes:
        current = account.opening + posted
        limit = account.limit
        available = None if limit is None else limit - current - pending
    else:
        current = account.opening - posted
        available = account.fixed_available
        available = current - pending if available is None else available
    if account.hides_available:
        available = None
    return Balance(available, current, account.limit, account.currency, account.unofficial_currency)


def join_json(parts: Iterable[object]) -> msgspec.Raw:
    """Return a JSON list of the parts, encoded once."""
    return msgspec.Raw(encode(list(parts)))
