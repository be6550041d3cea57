"""What a source reports, in our words and our sign, before it is stored."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import Money

SourceKey = tuple[str, str]
"""Account and transaction as the source names them; some sources number per account."""

ACCOUNT_KINDS = ("depository", "credit", "loan", "investment", "other")
"""The families of accounts; credit and loan balances are what is owed."""


@dataclass(frozen=True, slots=True)
class BalanceRecord:
    """A balance the institution stated.

    Signs are the owner's: what is owed on a credit or loan account is negative.
    """

    currency: str
    current: Decimal | None
    available: Decimal | None = None
    limit: Decimal | None = None
    as_of: dt.datetime | dt.date | None = None
    """When the institution says it was true; None is "as reported now"."""

    @property
    def day(self) -> dt.date | None:
        """Return the day of `as_of`, in UTC."""
        if not isinstance(self.as_of, dt.datetime):
            return self.as_of
        return self.as_of.astimezone(dt.UTC).date() if self.as_of.tzinfo else self.as_of.date()


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One account as a source reports it."""

    source_id: str
    name: str
    kind: str
    """One of ACCOUNT_KINDS."""
    subtype: str | None
    balance: BalanceRecord
    official_name: str | None = None
    mask: str | None = None
    """Last 2 to 4 characters of the number; not unique."""
    persistent_id: str | None = None
    """Identifies the account across Items, where the source has such an id."""
    institution: str | None = None
    """Whose account it is, where one Item is of several institutions."""


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """One movement on one account as a source reports it; negative is money out."""

    account_source_id: str
    source_id: str
    date: dt.date
    """Posted: the day it was booked. Pending: the day it happened."""
    money: Money
    description: str
    """The institution's text, untouched."""
    pending: bool = False
    counterparty: str | None = None
    """The other party as the source identified it."""
    authorized_date: dt.date | None = None
    category_code: str | None = None
    """The source's own category, for Plaid the detailed personal finance category."""
    pending_source_id: str | None = None
    """The pending transaction that this posted one replaces, if the source says so."""

    @property
    def key(self) -> SourceKey:
        """Return what identifies the transaction at its source."""
        return (self.account_source_id, self.source_id)


@dataclass(frozen=True, slots=True)
class HoldingRecord:
    """A position in a security on an investment account, as a source reports it."""

    account_source_id: str
    security_source_id: str
    name: str
    quantity: Decimal
    """Units held; negative when short. Up to 18 decimals."""
    currency: str
    """Of price, value and cost basis."""
    ticker: str | None = None
    isin: str | None = None
    type: str | None = None
    """The source's word: `equity`, `etf`, `mutual fund`, `cash`, …"""
    price: Decimal | None = None
    """Of one unit, as the institution states it. Up to 18 decimals."""
    value: Decimal | None = None
    cost_basis: Decimal | None = None
    """What the whole position cost."""
    as_of: dt.date | None = None
    """The day of the price; None is "as reported now"."""


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A row that the source sent and that we cannot book; kept and shown, never dropped."""

    reason: str
    """In plain words, without the row's content."""
    where: str
    """The field, line or id it is about."""
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What changed at the source between two cursors.

    `upserts` and `removed` are disjoint by key and name each key once after `join_pages`.
    """

    from_cursor: str | None
    to_cursor: str | None
    upserts: tuple[TransactionRecord, ...]
    removed: tuple[SourceKey, ...] = ()
    accounts: tuple[AccountRecord, ...] = ()
    rejected: tuple[RejectedRecord, ...] = ()


def join_pages(pages: Iterable[ChangeSet]) -> ChangeSet:
    """Join consecutive pages into one change set in which the last word on each key stands.

    A source may add a transaction on one page and modify or withdraw it on a later one.
    PostgreSQL refuses an upsert that names a row twice, so the join is not optional.
    Within one page the removals are the last word, as a page lists them last.

    Raises:
        ValueError: There are no pages, or one does not start where the one before it ended.
    """
    pages = tuple(pages)
    if not pages:
        raise ValueError("there are no pages to join")
    transactions: dict[SourceKey, TransactionRecord | None] = {}
    accounts: dict[str, AccountRecord] = {}
    rejected: list[RejectedRecord] = []
    end = pages[0].from_cursor
    for page in pages:
        if page.from_cursor != end:
            raise ValueError(
                f"a page starts at {page.from_cursor!r}, the last one ended at {end!r}"
            )
        transactions |= {record.key: record for record in page.upserts}
        transactions |= dict.fromkeys(page.removed)
        accounts |= {record.source_id: record for record in page.accounts}
        rejected += page.rejected
        end = page.to_cursor
    return ChangeSet(
        from_cursor=pages[0].from_cursor,
        to_cursor=end,
        upserts=tuple(record for record in transactions.values() if record is not None),
        removed=tuple(key for key, record in transactions.items() if record is None),
        accounts=tuple(accounts.values()),
        rejected=tuple(rejected),
    )
