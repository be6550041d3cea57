"""What every provider of bank data offers, and the ways in which it can fail.

Providers know nothing of the database. They hand over the bytes that came over the wire, for
the journal, beside what those bytes mean in our words, so that `decode_page` can say the same
again from the journal years later.
"""

import datetime as dt
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.domain.records import ChangeSet, HoldingRecord


@dataclass(frozen=True, slots=True)
class LinkStart:
    """A link flow that was opened at the provider; the user goes to `url`."""

    link_token: str
    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class LinkResult:
    """How a link flow stands."""

    finished: bool
    """The user is through with it, well or badly."""
    public_tokens: tuple[str, ...] = ()
    """One-time tokens to exchange; empty when the user gave up or in update mode."""
    exit_message: str | None = None
    """What the provider told the user when the flow failed."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The lasting result of a link: a secret, and the provider's name for the Item."""

    access_token: str
    item_source_id: str


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """An Item as the provider describes it."""

    institution_id: str | None
    institution_name: str | None
    error_code: str | None = None
    error_message: str | None = None
    consent_expires_at: datetime | None = None
    last_successful_update: datetime | None = None
    """When the provider last reached the institution: what freshness means."""
    last_failed_update: datetime | None = None
    reads_on: bool = False
    """The error concerns a part of it: the rest is worth reading while the user is waited for."""
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """Days of one account of which a page tells everything, and of what is pending everything."""

    account_source_id: str
    first: dt.date
    end: dt.date
    """The day after the last."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a provider: the bytes for the journal, and what they say."""

    kind: str
    """Names the decoder: `plaid.transactions_sync`, `plaid.accounts`, …"""
    payload: bytes
    """The body exactly as sent, after transfer decoding."""
    changes: ChangeSet
    has_more: bool = False
    ready: bool = True
    """False while the provider has not collected anything yet: not to be taken for "empty"."""
    history_complete: bool = True
    """False while older transactions are still to come."""
    item: ItemRecord | None = None
    holdings: tuple[HoldingRecord, ...] = ()
    """All positions of the Item's investment accounts, on a page of holdings."""
    told: tuple[Span, ...] | None = None
    """What is gone from these days was withdrawn; None: the provider names what it withdraws."""


@dataclass(frozen=True, slots=True)
class WebhookHint:
    """A verified webhook: a hint that something changed, never data."""

    item_source_id: str | None
    webhook_type: str
    webhook_code: str
    link_token: str | None = None
    public_tokens: tuple[str, ...] = ()
    error_code: str | None = None
    error_message: str | None = None
    expires_at: datetime | None = None


class Provider(Protocol):
    """A network service through which we read accounts and transactions.

    Every call may raise any `ProviderError`; none retries longer than about a minute.
    """

    name: str
    webhook_header: str | None
    """The HTTP header that proves a webhook genuine; None: this provider sends none."""
    requests_per_day: int | None
    """How often one Item may be asked in 24 hours; None: the provider paces itself."""

    def start_link(
        self,
        *,
        user_reference: str,
        webhook_url: str | None,
        return_url: str,
        access_token: str | None = None,
        select_accounts: bool = False,
    ) -> LinkStart:
        """Open a link flow; with `access_token`, repair that Item (update mode)."""

    def fetch_link(self, link_token: str) -> LinkResult:
        """Ask how a link flow stands."""

    def exchange(self, public_token: str) -> Exchange:
        """Turn a one-time token into the Item's secret; works once."""

    def fetch_item(self, access_token: str) -> Page | None:
        """Read the Item's state; `page.item` is set. None: the pages of transactions tell it."""

    def fetch_accounts(self, access_token: str) -> Page | None:
        """Read all accounts with the balances the provider holds; `page.item` is set.

        None: each page of transactions lists them all.
        """

    def fetch_transactions(self, access_token: str, cursor: str | None) -> Page:
        """Read the page of changes that follows `cursor`; None starts from the beginning."""

    def fetch_holdings(self, access_token: str) -> Page:
        """Read all positions of the Item's investment accounts; `page.holdings` has them."""

    def fetch_investment_transactions(
        self, access_token: str, start: dt.date, end: dt.date, offset: int = 0
    ) -> Page:
        """Read movements of investment accounts between two days, both included.

        Cursors are offsets: the next page starts at `int(page.changes.to_cursor)`.
        """

    def decode_page(self, kind: str, payload: bytes, from_cursor: str | None) -> Page:
        """Say again what a journaled payload means; pure, no network."""

    def find_transaction(self, kind: str, payload: bytes, source_id: str) -> dict[str, object]:
        """Return everything the payload says of one transaction, for people to read; pure."""

    def explain_error(self, error_code: str) -> "ProviderError":
        """Return, not raise, what an error code of an Item or a webhook means; pure."""

    def verify_webhook(self, body: bytes, header: str | None) -> WebhookHint:
        """Return the hint that a genuine webhook is; `body` exactly as received.

        Raises:
            WebhookRefusedError: It is forged, altered, stale or unreadable.
        """

    def refresh(self, access_token: str) -> None:
        """Ask the provider to look at the institution now; news arrive by webhook."""

    def remove_item(self, access_token: str) -> None:
        """End access at the provider; an Item already gone is fine."""


class ProviderError(Exception):
    """The provider did not do what we asked.

    `code` is the provider's own, for programs; `message` is safe to show to the user.
    """

    def __init__(self, code: str, message: str, *, request_id: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.request_id = request_id


class ProviderUnavailableError(ProviderError):
    """Try again later: the provider or the institution is down, slow or limits us."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(code, message, request_id=request_id)
        self.retry_after_seconds = retry_after_seconds


class PaginationChangedError(ProviderError):
    """Data changed while we read its pages: start again from the first cursor of the loop."""


class CursorRefusedError(ProviderError):
    """The cursor is not, or no longer, one of this Item's: read everything from the beginning."""


class ReauthRequiredError(ProviderError):
    """Only the user can repair it, by signing in to the institution again."""


class ConsentRequiredError(ProviderError):
    """Only the user can repair it, by allowing access to more accounts or data."""


class ItemGoneError(ProviderError):
    """The Item is dead at the provider; a new link is needed."""


class ProductUnavailableError(ProviderError):
    """The Item does not have this kind of data; skip it."""


class ProviderSetupError(ProviderError):
    """The operator has to act: keys, allowed products, environment."""


class ProviderContractError(ProviderError):
    """They sent, or we asked, what the contract does not allow: an alarm, not a retry."""


class WebhookRefusedError(Exception):
    """A webhook is forged, altered, too old or unreadable; `reason` is for logs and counters."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
