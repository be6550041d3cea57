"""SimpleFIN's answers as typed structs, of version 1 and 2 of the protocol; what we read of them.

Amounts are strings there; a server that sends numbers is understood as well, digit by digit.
"""

from decimal import Decimal

from msgspec import Raw, Struct

from app.providers.decoding import Id, Text


class Organization(Struct, gc=False):
    """Version 1: the institution of an account."""

    id: Text | None = None
    name: Text | None = None
    domain: Text | None = None

    @property
    def key(self) -> str | None:
        """What tells it from others: the domain, which holds beyond this server, or its id."""
        return self.domain or self.id or self.name

    @property
    def title(self) -> str | None:
        """Its name for people."""
        return self.name or self.domain


class Connection(Struct, gc=False):
    """Version 2: one login at one institution."""

    conn_id: Id
    name: Text | None = None
    org_id: Text | None = None
    org_name: Text | None = None

    @property
    def title(self) -> str | None:
        """Its name for people."""
        return self.org_name or self.name


class Transaction(Struct, gc=False):
    """A movement; positive is money in, as with us."""

    id: Id
    posted: int
    """Seconds since 1970; 0 for one that is pending."""
    amount: Decimal
    description: Text | None = None
    payee: Text | None = None
    memo: Text | None = None
    transacted_at: int | None = None
    pending: bool | None = None


class Account(
    Struct,
    rename={"available_balance": "available-balance", "balance_date": "balance-date"},
):
    """An account with its transactions within the days that were asked for."""

    id: Id
    name: Text
    currency: Text
    """An ISO 4217 code, or an address that names a currency of somebody's own."""
    balance: Decimal | None = None
    available_balance: Decimal | None = None
    balance_date: int | None = None
    org: Organization | None = None
    conn_id: Text | None = None
    transactions: list[Raw] | None = None


class Trouble(Struct, gc=False):
    """Version 2: something that went wrong at the server or a bank."""

    code: Text = "gen."
    msg: Text | None = None
    message: Text | None = None
    """What the protocol's own introduction calls `msg`."""
    conn_id: Text | None = None
    account_id: Text | None = None


class AccountSet(Struct):
    """The answer to `GET /accounts`."""

    accounts: list[Raw]
    errors: list[Raw] | None = None
    """Version 1: texts."""
    errlist: list[Raw] | None = None
    connections: list[Raw] | None = None
