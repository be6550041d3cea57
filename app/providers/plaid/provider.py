"""Plaid as a provider: link through Hosted Link, read accounts, transactions and investments."""

import datetime as dt
from collections.abc import Mapping

from app.core import clock
from app.providers.base import (
    Exchange,
    ItemGoneError,
    LinkResult,
    LinkStart,
    Page,
    ProviderError,
    ProviderSetupError,
    WebhookHint,
)
from app.providers.decoding import decode
from app.providers.plaid import pages, structs, webhooks
from app.providers.plaid.client import PlaidClient, PlaidSettings
from app.providers.plaid.errors import message_of, raised, rule_of

DAYS_REQUESTED = 730
"""Plaid's maximum; it cannot be raised later without a new link."""
PAGE_ROWS = 500
"""Plaid's maximum; its default of 100 takes five times the calls."""


class PlaidProvider:
    """Implements `app.providers.base.Provider`; may be shared by threads."""

    name = "plaid"
    webhook_header: str | None = webhooks.HEADER
    requests_per_day: int | None = None

    def __init__(self, settings: PlaidSettings, client: PlaidClient | None = None) -> None:
        self._settings = settings
        self._client = client or PlaidClient(settings)
        self._webhook_keys = webhooks.KeyCache(
            lambda key_id: webhooks.fetch_key(self._client.post, key_id)
        )

    def start_link(
        self,
        *,
        user_reference: str,
        webhook_url: str | None,
        return_url: str,
        access_token: str | None = None,
        select_accounts: bool = False,
    ) -> LinkStart:
        """Open a Hosted Link flow; with `access_token`, repair that Item (update mode).

        `user_reference` goes to Plaid: an opaque id, no name and no e-mail address.
        """
        body: dict[str, object] = {
            "client_name": self._settings.client_name[:30],
            "language": self._settings.language,
            "country_codes": list(self._settings.country_codes),
            "user": {"client_user_id": user_reference},
            "hosted_link": {"completion_redirect_uri": return_url},
        }
        if access_token is None:
            body["products"] = ["transactions"]
            body["transactions"] = {"days_requested": DAYS_REQUESTED}
            if self._settings.optional_products:
                body["optional_products"] = list(self._settings.optional_products)
            if webhook_url:
                body["webhook"] = webhook_url
        else:
            body["access_token"] = access_token
            if select_accounts:
                body["update"] = {"account_selection_enabled": True}
        answer = decode(structs.LinkToken, self._client.post("/link/token/create", body))
        if not answer.hosted_link_url:
            raise ProviderSetupError(
                "HOSTED_LINK_MISSING", "Hosted Link is not enabled for these Plaid keys."
            )
        return LinkStart(answer.link_token, answer.hosted_link_url, _aware(answer.expiration))

    def fetch_link(self, link_token: str) -> LinkResult:
        """Ask how a link flow stands; public tokens are listed for six hours."""
        answer = decode(
            structs.LinkState, self._client.post("/link/token/get", {"link_token": link_token})
        )
        sessions = answer.link_sessions or []
        tokens = dict.fromkeys(token for session in sessions for token in _public_tokens(session))
        if tokens:
            return LinkResult(
                finished=True, public_tokens=() if _is_update(answer) else tuple(tokens)
            )
        ended = [session for session in sessions if session.finished_at is not None]
        if not ended or len(ended) < len(sessions):
            return LinkResult(finished=False)
        last = max(ended, key=lambda session: _aware(session.finished_at or _LONG_AGO))
        return LinkResult(finished=True, exit_message=_exit_message(last))

    def exchange(self, public_token: str) -> Exchange:
        """Turn a one-time token into the Item's secret; works once.

        After an answer that got lost the call is repeated once; if the first had succeeded,
        Plaid refuses the second, and the user has to link again.
        """
        body = self._client.post(
            "/item/public_token/exchange",
            {"public_token": public_token},
            ambiguous_attempts_max=2,
        )
        answer = decode(structs.PublicTokenExchange, body)
        return Exchange(answer.access_token, answer.item_id)

    def fetch_item(self, access_token: str) -> Page:
        """Read the Item's state; `page.item` is set."""
        return self._page(pages.ITEM, "/item/get", {"access_token": access_token})

    def fetch_accounts(self, access_token: str) -> Page:
        """Read all open accounts with the balances Plaid holds, which may be hours old."""
        return self._page(pages.ACCOUNTS, "/accounts/get", {"access_token": access_token})

    def fetch_transactions(self, access_token: str, cursor: str | None) -> Page:
        """Read up to 500 changes that follow `cursor`; None starts from the beginning."""
        body: dict[str, object] = {
            "access_token": access_token,
            "count": PAGE_ROWS,
            "options": {
                "include_original_description": True,
                "personal_finance_category_version": "v2",
            },
        }
        if cursor:
            body["cursor"] = cursor
        return self._page(pages.TRANSACTIONS, "/transactions/sync", body, cursor)

    def fetch_holdings(self, access_token: str) -> Page:
        """Read all positions of the Item's investment accounts; `page.holdings` has them.

        Raises:
            ProductUnavailableError: The Item has no investment accounts.
        """
        body = {"access_token": access_token}
        return self._page(pages.HOLDINGS, "/investments/holdings/get", body)

    def fetch_investment_transactions(
        self, access_token: str, start: dt.date, end: dt.date, offset: int = 0
    ) -> Page:
        """Read up to 500 movements of investment accounts, newest first, both days included.

        Plaid has no cursor here: the page's cursors are offsets, so the next page starts at
        `int(page.changes.to_cursor)`. Rows that are gone from a window were cancelled.
        """
        body = {
            "access_token": access_token,
            "start_date": start.isoformat(),
            "end_date": end.isoformat(),
            "options": {"count": PAGE_ROWS, "offset": offset},
        }
        endpoint = "/investments/transactions/get"
        return self._page(pages.INVESTMENT_TRANSACTIONS, endpoint, body, str(offset))

    def decode_page(self, kind: str, payload: bytes, from_cursor: str | None) -> Page:
        """Say again what a journaled payload means; pure, no network."""
        return pages.decode_page(kind, payload, from_cursor)

    def find_transaction(self, kind: str, payload: bytes, source_id: str) -> dict[str, object]:
        """Return everything the payload says of one transaction, {} if nothing; pure."""
        if kind not in (pages.TRANSACTIONS, pages.INVESTMENT_TRANSACTIONS):
            return {}
        return pages.find_transaction(payload, source_id)

    def explain_error(self, error_code: str) -> ProviderError:
        """Return, not raise, what an error code of an Item or a webhook means; pure."""
        return raised(rule_of("ITEM_ERROR", error_code), error_code)

    def refresh(self, access_token: str) -> None:
        """Ask Plaid to look at the institution now; a paid add-on, twice a minute per Item."""
        self._client.post("/transactions/refresh", {"access_token": access_token})

    def remove_item(self, access_token: str) -> None:
        """End access, and with it the billing; an Item already gone is fine."""
        try:
            self._client.post("/item/remove", {"access_token": access_token})
        except ItemGoneError:
            return

    def verify_webhook(
        self, body: bytes, header: str | None, now: dt.datetime | None = None
    ) -> WebhookHint:
        """Return the hint that a genuine webhook is.

        Args:
            body: Exactly as received.
            header: The value of `Plaid-Verification`, None if there is none.
            now: The time of receipt.

        Raises:
            WebhookRefusedError: It is forged, altered, stale or unreadable: answer 401.
            ProviderError: The key is not to be had now: answer 503, Plaid sends again.
        """
        return webhooks.verify(body, header, self._webhook_keys, now or clock.now())

    def _page(
        self, kind: str, endpoint: str, body: Mapping[str, object], cursor: str | None = None
    ) -> Page:
        return pages.decode_page(kind, self._client.post(endpoint, body), cursor)


_LONG_AGO = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _aware(instant: dt.datetime) -> dt.datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=dt.UTC)


def _public_tokens(session: structs.LinkSession) -> list[str]:
    results = session.results.item_add_results if session.results else None
    tokens = [result.public_token for result in results or ()]
    if session.on_success and session.on_success.public_token:
        tokens.append(session.on_success.public_token)
    return tokens


def _is_update(answer: structs.LinkState) -> bool:
    """Tell update mode, whose public token must not be exchanged: it asks for no products."""
    return answer.metadata is not None and answer.metadata.initial_products == []


def _exit_message(session: structs.LinkSession) -> str:
    error = session.on_exit.error if session.on_exit else None
    if error is None or not error.error_code:
        return "You left before the bank was linked."
    return message_of(error.error_type, error.error_code)
