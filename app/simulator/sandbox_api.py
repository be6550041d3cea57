"""Plaid's /sandbox endpoints."""

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any

from app.simulator.calls import Answer, Call, endpoint, moment
from app.simulator.errors import PlaidError, invalid_field
from app.simulator.institutions import INSTITUTIONS
from app.simulator.items_api import check_url
from app.simulator.link_api import PRODUCTS
from app.simulator.logins import forced_error
from app.simulator.stream import HISTORICAL, INITIAL

_CREATED_MAX = 10
_CREATED_DAYS = 14
_BAD_DATES = (
    "Transaction and posted dates must be within the last 14 days. The posted date cannot be "
    "before the transaction date."
)


@endpoint("/sandbox/public_token/create")
def create_public_token(call: Call) -> Answer:
    """Link an Item without the Link page."""
    body, options = call.body, call.options
    bank = INSTITUTIONS.get(body["institution_id"])
    if bank is None:
        raise PlaidError("INVALID_INSTITUTION")
    products = list(body["initial_products"])
    if not products or not set(products) <= PRODUCTS:
        raise invalid_field("initial_products must name known products")
    if not set(products) <= set(bank.products):
        raise PlaidError("PRODUCTS_NOT_SUPPORTED")
    check_url(options.get("webhook"), "options.webhook")
    login = options.get("override_username") or "user_good"
    password = options.get("override_password") or "pass_good"
    error = forced_error(login, password)
    if error is not None:
        raise error
    days = (options.get("transactions") or {}).get("days_requested", 90)
    if not isinstance(days, int) or not 1 <= days <= 730:
        raise invalid_field("options.transactions.days_requested must be between 1 and 730")
    _, public_token = call.bank.new_item(
        client_id=call.client_id, institution_id=bank.institution_id, login=login,
        password=password, products=products, webhook=options.get("webhook"),
        days_requested=days, user_id=body.get("user_id"),
    )  # fmt: skip
    return {"public_token": public_token}


@endpoint("/sandbox/item/reset_login")
def reset_login(call: Call) -> Answer:
    """Put the Item into ITEM_LOGIN_REQUIRED."""
    call.bank.break_item(call.state, "ITEM_LOGIN_REQUIRED")
    return {"reset_login": True}


@endpoint("/sandbox/user/reset_login")
def reset_user(call: Call) -> Answer:
    """Put Items of a user into ITEM_LOGIN_REQUIRED."""
    user_id = call.body.get("user_id") or call.body.get("user_token")
    if not user_id:
        raise PlaidError("MISSING_FIELDS", "the following required fields are missing: user_id")
    wanted = call.body.get("item_ids") or None
    for item in call.bank.state.items.values():
        is_theirs = item.user_id == user_id and not item.removed
        if is_theirs and (wanted is None or item.item_id in wanted):
            call.bank.break_item(item, "ITEM_LOGIN_REQUIRED")
    return {}


@endpoint("/sandbox/item/set_verification_status")
def set_verification_status(call: Call) -> Answer:
    """Change the micro-deposit status of an account."""
    status = call.body["verification_status"]
    if status not in ("automatically_verified", "verification_expired"):
        raise invalid_field("verification_status is unknown")
    item = call.live()
    if call.body["account_id"] not in {each.account_id for each in item.accounts()}:
        raise PlaidError("INVALID_ACCOUNT_ID")
    call.state.verification[call.body["account_id"]] = status
    return {}


@endpoint("/sandbox/oauth/select_accounts")
def select_accounts(call: Call) -> Answer:
    """Pick accounts in an OAuth session that waits for it; without one there is none to find."""
    wanted = call.body["oauth_state_id"]
    for known in call.bank.state.link_tokens.values():
        for session in known.sessions:
            if session.oauth_state_id == wanted:
                return {}
    raise PlaidError("OAUTH_STATE_ID_NOT_FOUND")


@endpoint("/sandbox/transactions/create")
def create_transactions(call: Call) -> Answer:
    """Add transactions to an Item of the dynamic test user; news go out by webhook."""
    call.need("transactions")
    item = call.live()
    if item.state.login != "user_transactions_dynamic":
        raise PlaidError(
            "INVALID_FIELD", "transactions can be created for user_transactions_dynamic only"
        )
    entries = call.body["transactions"]
    if not entries or len(entries) > _CREATED_MAX:
        message = "The request contains too many transactions."
        raise PlaidError("INVALID_FIELD", message, message)
    call.bank.complete_pulls(item)
    accounts = {each.account_id for each in item.accounts() if each.type != "investment"}
    default = next(each.account_id for each in item.accounts() if each.type == "depository")
    rows = [_created(entry, item.today, accounts, default) for entry in entries]
    item.record("create", {"rows": rows})
    call.bank.announce_updates(item)
    return {}


def _created(entry: Any, today: dt.date, accounts: set[str], default: str) -> Answer:  # noqa: ANN401 - JSON is anything
    if not isinstance(entry, dict):
        raise invalid_field("transactions must be objects")
    needed = ("date_transacted", "date_posted", "amount", "description")
    missing = [name for name in needed if entry.get(name) is None]
    if missing:
        raise PlaidError(
            "MISSING_FIELDS", f"the following required fields are missing: {', '.join(missing)}"
        )
    try:
        transacted = dt.date.fromisoformat(str(entry["date_transacted"]))
        posted = dt.date.fromisoformat(str(entry["date_posted"]))
        amount = Decimal(str(entry["amount"]))
    except (ValueError, InvalidOperation):
        raise PlaidError("INVALID_FIELD", _BAD_DATES, _BAD_DATES) from None
    # A posted date ahead of us makes the row pending.
    oldest = today - dt.timedelta(days=_CREATED_DAYS)
    newest = today + dt.timedelta(days=_CREATED_DAYS)
    if not oldest <= transacted <= today or not transacted <= posted <= newest:
        raise PlaidError("INVALID_FIELD", _BAD_DATES, _BAD_DATES)
    account_id = entry.get("account_id") or default
    if account_id not in accounts:
        raise PlaidError("INVALID_ACCOUNT_ID")
    return {
        "account_id": account_id,
        "date_transacted": str(transacted),
        "date_posted": str(posted),
        "amount": str(amount),
        "description": str(entry["description"])[:500],
        "iso_currency_code": entry.get("iso_currency_code") or "USD",
    }


_ITEM_CODES = (
    "NEW_ACCOUNTS_AVAILABLE USER_PERMISSION_REVOKED USER_ACCOUNT_REVOKED PENDING_DISCONNECT "
    "PENDING_EXPIRATION LOGIN_REPAIRED ERROR"
).split()
_AUTH_CODES = ("SMS_MICRODEPOSITS_VERIFICATION", "AUTHORIZATION_GRANTED")
_OTHER_CODES = (
    "DEFAULT_UPDATE", "RECURRING_TRANSACTIONS_UPDATE", "SYNC_UPDATES_AVAILABLE", "PRODUCT_READY",
)  # fmt: skip
_PRODUCT_OF = {
    "TRANSACTIONS": "transactions", "HOLDINGS": "investments",
    "INVESTMENTS_TRANSACTIONS": "investments", "LIABILITIES": "liabilities", "AUTH": "auth",
    "ASSETS": "assets", "IDENTITY": "identity",
}  # fmt: skip


@endpoint("/sandbox/item/fire_webhook")
def fire_webhook(call: Call) -> Answer:
    """Send a webhook of the wanted kind to the Item's address."""
    code = call.body["webhook_code"]
    if code not in (*_ITEM_CODES, *_AUTH_CODES, *_OTHER_CODES):
        raise invalid_field("webhook_code is unknown")
    default = "ITEM" if code in _ITEM_CODES else "AUTH" if code in _AUTH_CODES else "TRANSACTIONS"
    kind = call.body.get("webhook_type") or default
    if kind != "ITEM" and kind not in _PRODUCT_OF:
        raise invalid_field("webhook_type is unknown")
    if not call.state.webhook:
        raise PlaidError("SANDBOX_WEBHOOK_INVALID")
    product = _PRODUCT_OF.get(kind)
    if product is not None and product not in call.state.products:
        raise PlaidError(
            "SANDBOX_PRODUCT_NOT_ENABLED", f"The {product} product is not enabled on this item"
        )
    call.bank.notify(call.state, kind, code, **_fields(call, kind, code))
    return {"webhook_fired": True}


def _fields(call: Call, kind: str, code: str) -> Answer:
    """Return what the webhook carries besides its kind."""
    bank, state = call.bank, call.state
    soon = moment(bank.now() + dt.timedelta(days=7))
    if code == "PENDING_EXPIRATION":
        state.consent_expires_at = bank.now() + dt.timedelta(days=7)
    if code == "DEFAULT_UPDATE":
        return {
            "TRANSACTIONS": {
                "error": None, "new_transactions": call.options.get("new_transactions", 0),
            },
            "HOLDINGS": {"error": None, "new_holdings": 0, "updated_holdings": 1},
            "INVESTMENTS_TRANSACTIONS": {
                "error": None, "new_investments_transactions": 1,
                "cancelled_investments_transactions": 0,
            },
            "LIABILITIES": {
                "error": None, "account_ids_with_new_liabilities": [],
                "account_ids_with_updated_liabilities": {},
            },
        }.get(kind, {"error": None})  # fmt: skip
    accounts = [each.account_id for each in bank.live(state).accounts()]
    status = bank.live(state).stream.status
    revoked = PlaidError("USER_PERMISSION_REVOKED").body() | {"status": 400}
    login = PlaidError("ITEM_LOGIN_REQUIRED").body() | {"status": 400}
    known: dict[str, Answer] = {
        "SYNC_UPDATES_AVAILABLE": {
            "initial_update_complete": status in (INITIAL, HISTORICAL),
            "historical_update_complete": status == HISTORICAL,
        },
        "RECURRING_TRANSACTIONS_UPDATE": {"account_ids": accounts},
        "PENDING_DISCONNECT": {"reason": "INSTITUTION_MIGRATION", "disconnect_time": soon},
        "PENDING_EXPIRATION": {"consent_expiration_time": soon},
        "USER_ACCOUNT_REVOKED": {"account_id": accounts[0] if accounts else ""},
        "USER_PERMISSION_REVOKED": {"error": revoked},
        "NEW_ACCOUNTS_AVAILABLE": {"error": None},
        "ERROR": {"error": login},
        "LOGIN_REPAIRED": {},
    }
    return known.get(code, {"error": None})
