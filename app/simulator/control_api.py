"""The control API under /simulator: faults, time, keys and the truth. For tests and demos."""

import time
from collections.abc import Awaitable, Callable
from decimal import InvalidOperation
from ipaddress import ip_address
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.simulator.bank import Simulator
from app.simulator.errors import PlaidError
from app.simulator.faults import KINDS, Fault
from app.simulator.items import ADVANCE_DAYS_MAX
from app.simulator.logins import life_for
from app.simulator.rows import decode, encode
from app.simulator.state import ItemState
from app.simulator.statements import has_statements, statement_of
from app.simulator.truth import truth_of
from app.simulator.webhooks import new_key

_LOOPBACK = ("127.0.0.1", "::1", "localhost", "testclient")
_BODY_MAX = 1_000_000
_Handler = Callable[[Request], Awaitable[Response]]
_Action = Callable[[Simulator, dict[str, Any]], Any]


def _json(value: object, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


def _may_control(bank: Simulator, request: Request) -> bool:
    if request.client is None or request.client.host in _LOOPBACK:
        return True
    network = bank.settings.control_network
    return network is not None and ip_address(request.client.host) in network


def _guarded(action: _Action) -> _Handler:
    """Return a handler that lets in whom the settings name, and explains what was wrong."""

    async def handle(request: Request) -> Response:
        bank: Simulator = request.app.state.bank
        if not _may_control(bank, request):
            return _json({"error": "the control API answers on this machine only"}, 403)
        raw = await request.body()
        try:
            body = decode(raw[:_BODY_MAX] or b"{}") | request.path_params
            shown = action(bank, body)
            bank.save()
        except PlaidError as error:
            return _json({"error": error.message, "error_code": error.code}, 404)
        except (ValueError, TypeError, KeyError, InvalidOperation, msgspec.MsgspecError) as error:
            return _json({"error": str(error)}, 422)
        return _json({} if shown is None else shown)

    return handle


def _item(bank: Simulator, body: dict[str, Any]) -> ItemState:
    item = bank.state.items.get(str(body.get("item_id")))
    if item is None or item.removed:
        raise PlaidError("ITEM_NOT_FOUND")
    return item


def arm_fault(bank: Simulator, body: dict[str, Any]) -> object:
    """Switch a fault on."""
    bank.faults.arm(msgspec.convert(body, Fault))
    return list_faults(bank, body)


def list_faults(bank: Simulator, _body: dict[str, Any]) -> object:
    """List the faults that are on, and the kinds there are."""
    return {"faults": bank.faults.armed, "kinds": KINDS}


def clear_faults(bank: Simulator, body: dict[str, Any]) -> None:
    """Switch faults off: all, or those of one Item."""
    bank.faults.clear(body.get("item_id"))


def advance(bank: Simulator, body: dict[str, Any]) -> object:
    """Let days pass at the bank of one Item, or of all; then announce what is new."""
    days = int(body.get("days", 1))
    if not 1 <= days <= ADVANCE_DAYS_MAX:
        raise ValueError(f"days must be 1 to {ADVANCE_DAYS_MAX}")
    chosen = [_item(bank, body)] if body.get("item_id") else [
        each for each in bank.state.items.values() if not each.removed and not each.is_new
    ]  # fmt: skip
    shown = {}
    for state in chosen:
        item = bank.live(state)
        bank.complete_pulls(item)
        before = item.stream.head()
        item.record("days", count=days)
        state.last_update_at = bank.now()
        if item.stream.head() != before:
            bank.announce_updates(item)
        shown[state.item_id] = str(item.today)
    return {"today": shown}


def mature(bank: Simulator, body: dict[str, Any]) -> None:
    """End the initial and the historical pull of an Item now."""
    bank.complete_pulls(bank.live(_item(bank, body)))


def happen(bank: Simulator, body: dict[str, Any]) -> object:
    """Let one event happen: add, post, modify, remove, churn; announce it unless `silent`."""
    item = bank.live(_item(bank, body))
    data = {key: value for key, value in body.items() if key not in ("item_id", "silent")}
    if "amount" in data:
        data["amount"] = str(data["amount"])
    item.record("event", data)
    if not body.get("silent"):
        bank.announce_updates(item)
    return {"truth": _truth_json(item.stream.truth())}


def _truth_json(truth: dict[str, Any]) -> object:
    return {
        key: {"account_id": account, "date": day, "amount": amount, "pending": pending}
        for key, (account, day, amount, pending) in truth.items()
    }


def churn_account(bank: Simulator, body: dict[str, Any]) -> object:
    """Give an account and all its transactions new ids."""
    item = bank.live(_item(bank, body))
    wanted = body.get("account_id")
    key = next((p.key for p in item.plans() if item.feed.id_of(p.key) == wanted), None)
    if key is None:
        raise PlaidError("INVALID_ACCOUNT_ID")
    item.record("churn_account", {"key": key})
    bank.announce_updates(item)
    return {"account_id": item.feed.id_of(key)}


def break_item(bank: Simulator, body: dict[str, Any]) -> None:
    """Put an Item into an error, with its webhook."""
    bank.break_item(_item(bank, body), str(body.get("code", "ITEM_LOGIN_REQUIRED")))


def repair_item(bank: Simulator, body: dict[str, Any]) -> None:
    """End an Item's error as if it had been mended elsewhere: LOGIN_REPAIRED."""
    bank.repair_item(_item(bank, body))


def rotate_key(bank: Simulator, body: dict[str, Any]) -> object:
    """Sign with a new key from now on; the old ones expire in so many seconds, or not at all."""
    seconds = body.get("expire_after_seconds")
    for key in bank.state.keys:
        if seconds is not None and key.expired_at is None:
            key.expired_at = int(time.time()) + int(seconds)
    bank.state.keys.append(new_key())
    del bank.state.keys[:-10]
    return {"kid": bank.state.keys[-1].kid}


def list_webhooks(bank: Simulator, _body: dict[str, Any]) -> object:
    """List the latest webhooks with the answers to each attempt."""
    return {"webhooks": list(bank.courier.log)}


def list_items(bank: Simulator, _body: dict[str, Any]) -> object:
    """List the Items, without their tokens."""
    return {
        "items": [
            {
                "item_id": each.item_id, "login": each.login, "error": each.error,
                "institution_id": each.institution_id, "removed": each.removed,
                "webhook": each.webhook, "account_keys": each.account_keys,
            }
            for each in bank.state.items.values()
        ]
    }  # fmt: skip


def show_truth(bank: Simulator, body: dict[str, Any]) -> object:
    """Show the truth about a login: categories, transfer pairs, series, ids in each Item."""
    login = str(body["login"])
    life = life_for(login, "", bank.today())
    life.live_until(bank.today().toordinal())
    items = [bank.live(state) for state in bank.items_of(login) if not state.is_new]
    if items:
        life = items[0].life
    return truth_of(life, [item for item in items if item.life is life])


def show_item_truth(bank: Simulator, body: dict[str, Any]) -> object:
    """Show what is current in an Item: id → account, date, amount, pending."""
    item = bank.live(_item(bank, body))
    return {"today": item.today, "transactions": _truth_json(item.stream.truth())}


def list_statements(bank: Simulator, body: dict[str, Any]) -> object:
    """List the statements that one may download from this Item's bank, as OFX files."""
    item = bank.live(_item(bank, body))
    return {
        "statements": [
            {"name": each.name, "mask": each.mask, "ofx": statement_of(item, each)}
            for each in item.feed.accounts(item.today.toordinal())
            if has_statements(each)
        ]
    }


ROUTES = [
    Route("/simulator/faults", _guarded(arm_fault), methods=["POST"]),
    Route("/simulator/faults", _guarded(list_faults), methods=["GET"]),
    Route("/simulator/faults/clear", _guarded(clear_faults), methods=["POST"]),
    Route("/simulator/advance", _guarded(advance), methods=["POST"]),
    Route("/simulator/mature", _guarded(mature), methods=["POST"]),
    Route("/simulator/events", _guarded(happen), methods=["POST"]),
    Route("/simulator/churn_account", _guarded(churn_account), methods=["POST"]),
    Route("/simulator/break", _guarded(break_item), methods=["POST"]),
    Route("/simulator/repair", _guarded(repair_item), methods=["POST"]),
    Route("/simulator/keys/rotate", _guarded(rotate_key), methods=["POST"]),
    Route("/simulator/webhooks", _guarded(list_webhooks), methods=["GET"]),
    Route("/simulator/items", _guarded(list_items), methods=["GET"]),
    Route("/simulator/truth/{login}", _guarded(show_truth), methods=["GET"]),
    Route("/simulator/items/{item_id}/statements", _guarded(list_statements), methods=["GET"]),
    Route("/simulator/items/{item_id}/truth", _guarded(show_item_truth), methods=["GET"]),
]
"""Everything under /simulator."""
