"""Endpoints about tokens, Items, accounts and balances."""

from typing import Any
from urllib.parse import urlsplit

from app.simulator.calls import (
    Answer,
    Call,
    accounts_json,
    chosen_accounts,
    endpoint,
    item_json,
    moment,
)
from app.simulator.errors import invalid_field
from app.simulator.identifiers import token
from app.simulator.state import PublicToken


def check_url(value: object, name: str) -> None:
    """Refuse what is not an http or https address.

    Raises:
        PlaidError: INVALID_FIELD.
    """
    if value is None:
        return
    parts = urlsplit(str(value))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid_field(f"{name} must be an http or https URL")


@endpoint("/item/public_token/exchange")
def exchange(call: Call) -> Answer:
    """Turn a public token into an access token."""
    item = call.bank.exchange(call.body["public_token"])
    return {"access_token": item.access_token, "item_id": item.item_id}


@endpoint("/item/public_token/create")
def create_public_token(call: Call) -> Answer:
    """Return a public token of a linked Item (deprecated by Plaid)."""
    public_token = token("public")
    known = PublicToken(item_id=call.state.item_id, expires_at=call.bank.public_token_end())
    call.bank.state.public_tokens[public_token] = known
    return {"public_token": public_token, "expiration": moment(known.expires_at)}


@endpoint("/item/get")
def get_item(call: Call) -> Answer:
    """Describe the Item; this works while it is in error."""
    state = call.state
    call.bank.live(state)
    updates = {
        "last_successful_update": moment(state.last_update_at),
        "last_failed_update": moment(state.last_failure_at),
    }
    status: Answer = {"transactions": updates, "last_webhook": None}
    if "investments" in state.products:
        status["investments"] = updates
    if state.last_webhook_code is not None:
        status["last_webhook"] = {
            "sent_at": moment(state.last_webhook_at),
            "code_sent": state.last_webhook_code,
        }
    return {"item": item_json(state), "status": status}


@endpoint("/item/remove")
def remove_item(call: Call) -> Answer:
    """Remove the Item; its access token ends."""
    if len(call.body.get("reason_note") or "") > 512:
        raise invalid_field("reason_note must be at most 512 characters")
    call.state.removed = True
    return {}


@endpoint("/item/webhook/update")
def update_webhook(call: Call) -> Answer:
    """Change the address for webhooks and send the new one a first webhook."""
    webhook = call.body.get("webhook")
    check_url(webhook, "webhook")
    call.state.webhook = webhook
    call.bank.notify(
        call.state, "ITEM", "WEBHOOK_UPDATE_ACKNOWLEDGED", error=None, new_webhook_url=webhook
    )
    return {"item": item_json(call.state)}


@endpoint("/item/access_token/invalidate")
def invalidate_token(call: Call) -> Answer:
    """Rotate the access token at once."""
    return {"new_access_token": call.bank.rotate_token(call.state)}


@endpoint("/accounts/get")
def get_accounts(call: Call) -> Answer:
    """List the accounts with the balances of the last pull."""
    return _accounts(call)


@endpoint("/accounts/balance/get")
def get_balances(call: Call) -> Answer:
    """List the accounts with the balances of this moment."""
    return _accounts(call)


def _accounts(call: Call) -> Answer:
    item = call.live()
    accounts: list[Any] = accounts_json(item, chosen_accounts(call, item))
    return {"accounts": accounts, "item": item_json(call.state)}
