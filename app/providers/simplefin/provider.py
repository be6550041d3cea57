"""SimpleFIN as a provider: a setup token is claimed once, then accounts are read by windows."""

import datetime as dt
import secrets
from collections.abc import Callable

from app.core import clock
from app.core.outbound import Allowance
from app.providers.base import (
    Exchange,
    LinkResult,
    LinkStart,
    Page,
    ProductUnavailableError,
    ProviderError,
    ProviderSetupError,
    WebhookHint,
    WebhookRefusedError,
)
from app.providers.simplefin import errors, pages
from app.providers.simplefin.client import SimpleFINClient
from app.providers.simplefin.windows import place_of, window_after

REQUESTS_PER_DAY = 20
"""Servers allow 24; the rest is for what we cannot count, such as another program of the user's."""


class SimpleFINProvider:
    """Implements `app.providers.base.Provider`; may be shared by threads."""

    name = "simplefin"
    webhook_header: str | None = None
    requests_per_day: int | None = REQUESTS_PER_DAY

    def __init__(
        self,
        allowance: Allowance,
        client: SimpleFINClient | None = None,
        *,
        now: Callable[[], dt.datetime] = clock.now,
    ) -> None:
        self._client = client or SimpleFINClient(allowance)
        self._now = now

    def start_link(
        self,
        *,
        user_reference: str,
        webhook_url: str | None,
        return_url: str,
        access_token: str | None = None,
        select_accounts: bool = False,
    ) -> LinkStart:
        """Refuse: there is no page to send the user to, who brings a setup token instead."""
        del user_reference, webhook_url, return_url, access_token, select_accounts
        raise _no_link()

    def fetch_link(self, link_token: str) -> LinkResult:
        """Refuse: there are no link flows."""
        del link_token
        raise _no_link()

    def exchange(self, public_token: str) -> Exchange:
        """Turn a setup token into an access URL; works once.

        SimpleFIN has no name for what was linked, so it gets one of ours.
        """
        return Exchange(self._client.claim(public_token), f"simplefin-{secrets.token_hex(16)}")

    def fetch_item(self, access_token: str) -> None:
        """Return nothing: every page of transactions tells the state as well."""
        del access_token

    def fetch_accounts(self, access_token: str) -> None:
        """Return nothing: every page of transactions lists all accounts."""
        del access_token

    def fetch_transactions(self, access_token: str, cursor: str | None) -> Page:
        """Read the next window of days: one request for all accounts."""
        window = window_after(place_of(cursor), self._now())
        body = self._client.accounts(access_token, window)
        return pages.decode_page(pages.TRANSACTIONS, pages.payload_of(window, body), cursor)

    def fetch_holdings(self, access_token: str) -> Page:
        """Refuse: the protocol knows no positions."""
        del access_token
        raise _no_investments()

    def fetch_investment_transactions(
        self, access_token: str, start: dt.date, end: dt.date, offset: int = 0
    ) -> Page:
        """Refuse: movements of investment accounts come with all others."""
        del access_token, start, end, offset
        raise _no_investments()

    def decode_page(self, kind: str, payload: bytes, from_cursor: str | None) -> Page:
        """Say again what a journaled payload means; pure, no network."""
        return pages.decode_page(kind, payload, from_cursor)

    def find_transaction(self, kind: str, payload: bytes, source_id: str) -> dict[str, object]:
        """Return everything the payload says of one transaction, {} if nothing; pure."""
        return pages.find_transaction(payload, source_id) if kind == pages.TRANSACTIONS else {}

    def explain_error(self, error_code: str) -> ProviderError:
        """Return, not raise, what an error code means; pure."""
        return errors.explained(error_code)

    def verify_webhook(self, body: bytes, header: str | None) -> WebhookHint:
        """Refuse: SimpleFIN sends none, so whatever comes is forged."""
        del body, header
        raise WebhookRefusedError("SimpleFIN sends no webhooks")

    def refresh(self, access_token: str) -> None:
        """Do nothing: servers look at the banks about once a day, whoever asks."""
        del access_token

    def remove_item(self, access_token: str) -> None:
        """Do nothing: only its user can end an access, at the server."""
        del access_token


def _no_link() -> ProviderError:
    return ProviderSetupError(
        "SETUP_TOKEN_NEEDED", "SimpleFIN is connected with a setup token: paste one instead."
    )


def _no_investments() -> ProviderError:
    return ProductUnavailableError("NO_INVESTMENTS", "SimpleFIN tells no positions.")
