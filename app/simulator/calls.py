"""One API call: who asks, for what, about which Item."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.simulator.bank import Simulator
from app.simulator.errors import PlaidError, invalid_field
from app.simulator.institutions import INSTITUTIONS
from app.simulator.items import LiveItem
from app.simulator.rows import Account, account_json
from app.simulator.state import ItemState

Answer = dict[str, Any]


@dataclass(slots=True)
class Call:
    """A request that has passed authentication and the check of its fields."""

    bank: Simulator
    path: str
    body: dict[str, Any]
    client_id: str
    base_url: str
    """Scheme and host under which the caller reached us."""
    item: ItemState | None = None
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> ItemState:
        """Return the Item the access token names."""
        assert self.item is not None
        return self.item

    def live(self) -> LiveItem:
        """Return the Item at work.

        Raises:
            PlaidError: The Item is in an error that its user has to mend.
        """
        if self.state.error is not None:
            raise PlaidError(self.state.error)
        return self.bank.live(self.state)

    def need(self, product: str) -> None:
        """Refuse a product that the Item was not linked for.

        Raises:
            PlaidError: ADDITIONAL_CONSENT_REQUIRED, or PRODUCTS_NOT_SUPPORTED by the bank.
        """
        if product not in INSTITUTIONS[self.state.institution_id].products:
            raise PlaidError("PRODUCTS_NOT_SUPPORTED")
        if product in self.state.products:
            return
        if product not in self.state.consented:
            raise PlaidError(
                "ADDITIONAL_CONSENT_REQUIRED",
                "client does not have user consent to access the "
                f"PRODUCT_{product.upper()} product",
            )
        self.state.products.append(product)

    def date(self, name: str) -> dt.date:
        """Return a date of the body.

        Raises:
            PlaidError: INVALID_FIELD.
        """
        try:
            return dt.date.fromisoformat(self.body[name])
        except ValueError:
            raise invalid_field(f"{name} must be a date in the form YYYY-MM-DD") from None

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number of the body or its options, within bounds.

        Raises:
            PlaidError: INVALID_FIELD.
        """
        value = self.body.get(name, self.options.get(name, default))
        if not low <= value <= high:
            raise invalid_field(f"{name} must be between {low} and {high}")
        return int(value)


Endpoint = Callable[[Call], Answer]
ENDPOINTS: dict[str, Endpoint] = {}
"""By path; filled by the modules whose names end in `_api`."""


def endpoint(path: str) -> Callable[[Endpoint], Endpoint]:
    """Register a function as the answer to a path."""

    def register(function: Endpoint) -> Endpoint:
        ENDPOINTS[path] = function
        return function

    return register


def chosen_accounts(call: Call, item: LiveItem, kinds: tuple[str, ...] = ()) -> list[Account]:
    """Return the accounts that the options ask for, or all.

    Raises:
        PlaidError: INVALID_ACCOUNT_ID for an id that is not the Item's.
    """
    accounts = item.accounts()
    wanted = call.options.get("account_ids") or call.body.get("account_ids")
    if wanted is not None:
        known = {account.account_id for account in accounts}
        if not set(wanted) <= known:
            raise PlaidError("INVALID_ACCOUNT_ID")
        accounts = [account for account in accounts if account.account_id in wanted]
    return [account for account in accounts if not kinds or account.type in kinds]


def accounts_json(item: LiveItem, accounts: list[Account]) -> list[object]:
    """Return Plaid's account objects with their balances."""
    stated = item.stated()
    return [account_json(each, stated.balance(each.account_id)) for each in accounts]


def moment(value: dt.datetime | None) -> str | None:
    """Return an instant in the form Plaid uses."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")


def item_json(state: ItemState) -> Answer:
    """Return Plaid's Item object."""
    bank = INSTITUTIONS[state.institution_id]
    error = None if state.error is None else PlaidError(state.error).body()
    billed = [product for product in state.products if product != "balance"]
    return {
        "item_id": state.item_id,
        "institution_id": state.institution_id,
        "institution_name": bank.name,
        "webhook": state.webhook or "",
        "auth_method": None,
        "error": error,
        "available_products": [product for product in bank.products if product not in billed],
        "billed_products": billed,
        "products": billed,
        "consented_products": sorted({*billed, *state.consented}),
        "consented_data_scopes": ["account_balance_info", "transactions"],
        "consented_use_cases": ["Track and manage your finances"],
        "consent_expiration_time": moment(state.consent_expires_at),
        "update_type": "background",
        "created_at": moment(state.created_at),
    }
