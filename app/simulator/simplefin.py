"""The simulator as a SimpleFIN server: setup tokens, claims, and `GET /accounts`, version 1 and 2.

One access covers all banks of a login, each a connection. The Items behind it are those of Plaid's
side, so the same faults and controls work; `path` of a fault is `/simplefin/accounts`.
"""

import base64
import binascii
import datetime as dt
import secrets
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.simulator.bank import Simulator
from app.simulator.errors import PlaidError
from app.simulator.institutions import INSTITUTIONS
from app.simulator.items import LiveItem
from app.simulator.link_pages import page
from app.simulator.logins import life_for
from app.simulator.people import DEMO
from app.simulator.rows import Account, Row, encode
from app.simulator.state import ItemState, SimpleFINAccess

REQUESTS_PER_DAY = 24
WINDOW_DAYS_MAX = 90
_PATH = "/simplefin/accounts"
_FALLBACK = "ins_109508"
_NOON = dt.time(12)
_TOO_MANY = (
    "Too many requests. SimpleFIN data is only refreshed once every 24 hours. "
    "Expected usage of this API is 24 requests per day."
)


async def info(request: Request) -> Response:  # noqa: ARG001 - every route takes the request
    """Name the versions of the protocol."""
    return _json({"versions": ["1.0", "2.0"]})


async def create(request: Request) -> Response:
    """Let a person pick a login, and show the setup token for it, once."""
    bank: Simulator = request.app.state.bank
    if request.method == "GET":
        return page(None, "simplefin.html", people=DEMO, problem="", token="")
    form = await request.form(max_files=0, max_fields=10)
    login = str(form.get("person") or form.get("username") or "").strip()[:200]
    try:
        access = grant(bank, login)
    except PlaidError as error:
        problem = error.display or error.message
        return page(None, "simplefin.html", 422, people=DEMO, problem=problem, token="")
    shown = setup_token(_root(request), access)
    return page(None, "simplefin.html", people=DEMO, problem="", token=shown)


def grant(bank: Simulator, login: str, password: str = "") -> SimpleFINAccess:
    """Make an access to all banks of a login; its token is not claimed yet.

    Raises:
        PlaidError: There is no such login.
    """
    held = life_for(login, password, bank.today()).household.accounts
    places = dict.fromkeys(plan.institution_id for plan in held)
    items = []
    for institution_id in [each for each in places if each in INSTITUTIONS] or [_FALLBACK]:
        item, public_token = bank.new_item(
            client_id="simplefin", institution_id=institution_id, login=login, password=password,
            products=["transactions"],
        )  # fmt: skip
        bank.exchange(public_token)
        items.append(item.item_id)
    access = SimpleFINAccess(
        claim=secrets.token_hex(20), user=secrets.token_hex(12), password=secrets.token_hex(24),
        item_ids=items,
    )  # fmt: skip
    bank.state.simplefin.append(access)
    bank.save()
    return access


def setup_token(root: str, access: SimpleFINAccess) -> str:
    """Return the token that leads to the claim."""
    return base64.b64encode(f"{root}/claim/{access.claim}".encode()).decode()


async def claim(request: Request) -> Response:
    """Hand out the access URL, once."""
    bank: Simulator = request.app.state.bank
    known = _find(bank, claim=request.path_params["token"])
    if known is None or known.is_claimed:
        return Response("Forbidden", 403, media_type="text/plain")
    known.is_claimed = True
    bank.save()
    scheme, _, place = _root(request).partition("://")
    return Response(f"{scheme}://{known.user}:{known.password}@{place}", media_type="text/plain")


async def accounts(request: Request) -> Response:
    """Tell all accounts, with the transactions of the days asked for."""
    bank: Simulator = request.app.state.bank
    known = _authenticate(bank, request)
    if known is None:
        return _json({"errors": ["Forbidden"], "accounts": []}, 403)
    if known.needs_payment:
        return _json({"errors": ["Payment required"], "accounts": []}, 402)
    if _is_too_often(bank, known) or bank.faults.strike("rate_limit", path=_PATH):
        return _json({"errors": [_TOO_MANY]}, 429)
    if bank.faults.strike("http_500", path=_PATH):
        return _json({"errors": ["Internal error"]}, 500)
    if bank.faults.strike("html", path=_PATH):
        return Response("<html>error code: 504</html>", 504, media_type="text/html")
    if bank.faults.strike("redirect", path=_PATH):
        return RedirectResponse("http://169.254.169.254/latest/meta-data", 302)
    body = _json(_account_set(bank, known, request))
    if bank.faults.strike("truncated_json", path=_PATH):
        return Response(bytes(body.body)[: len(body.body) // 2], media_type="application/json")
    return body


def _account_set(bank: Simulator, known: SimpleFINAccess, request: Request) -> dict[str, Any]:
    is_second = request.query_params.get("version") == "2" and not known.is_old
    first, end = _window(request)
    with_pending = request.query_params.get("pending") == "1"
    told, connections, troubles = [], [], []
    for state in (bank.state.items[item_id] for item_id in known.item_ids):
        item = bank.live(state)
        fault = bank.faults.strike("error", item_id=state.item_id, path=_PATH)
        trouble = _trouble(state, fault.code if fault else None, item)
        troubles += trouble
        connections.append(_connection(state))
        for account in item.accounts():
            rows = (
                [] if state.error else _rows(item, account, first, end, with_pending=with_pending)
            )
            if any(each.get("account_id") == f"ACT-{account.account_id}" for each in trouble):
                rows = rows[len(rows) // 2 :]
            shown = _account(bank, item, account, rows)
            told.append(shown | _origin(request, state, is_second=is_second))
    if not is_second:
        return {"errors": [each["msg"] for each in troubles], "accounts": told}
    return {"errlist": troubles, "connections": connections, "accounts": told, "errors": []}


def _trouble(state: ItemState, code: str | None, item: LiveItem) -> list[dict[str, Any]]:
    name = INSTITUTIONS[state.institution_id].name
    if state.error is not None:
        text = f"Connection to {name} may need attention: please sign in again."
        return [{"code": "con.auth", "msg": text, "conn_id": _connection_id(state)}]
    if code is None:
        return []
    shown = {"code": code, "msg": f"{name} reported {code}"}
    if code.startswith("con."):
        return [shown | {"conn_id": _connection_id(state)}]
    if code.startswith("act."):
        account_id = item.accounts()[0].account_id
        return [shown | {"conn_id": _connection_id(state), "account_id": f"ACT-{account_id}"}]
    return [shown]


def _rows(
    item: LiveItem, account: Account, first: dt.date, end: dt.date, *, with_pending: bool
) -> list[Row]:
    mine = [row for row in item.stream.rows() if row.account_id == account.account_id]
    wanted = [row for row in mine if (with_pending if row.pending else first <= row.date < end)]
    return sorted(wanted, key=lambda row: (row.date, row.transaction_id))


def _account(bank: Simulator, item: LiveItem, account: Account, rows: list[Row]) -> dict[str, Any]:
    if account.account_id in item.stream.accounts:
        balance = item.stream.balance(account.account_id)
        current, available = balance.current, balance.available
    else:
        current = available = account.opening
    sign = -1 if account.owes else 1
    # A bank that cannot be signed in to keeps the balance of the last look.
    looked_at = (item.state.error and item.state.last_update_at) or dt.datetime.combine(
        item.today, bank.now().time(), dt.UTC
    )
    shown: dict[str, Any] = {
        "id": f"ACT-{account.account_id}",
        "name": f"{account.name} ({account.mask})" if account.mask else account.name,
        "currency": account.currency or f"https://currencies.invalid/{account.unofficial_currency}",
        "balance": _text(sign * (current or Decimal(0))),
        "balance-date": int(looked_at.timestamp()),
        "transactions": [_transaction(row) for row in rows],
    }
    if available is not None and not account.owes:
        shown["available-balance"] = _text(available)
    return shown


def _transaction(row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": f"TRN-{row.transaction_id}",
        "posted": 0 if row.pending else _epoch(row.date),
        "amount": _text(-row.amount),
        "description": row.name,
    }
    if row.facts.merchant:
        shown["payee"] = row.facts.merchant
    if row.authorized_date or row.pending:
        shown["transacted_at"] = _epoch(row.authorized_date or row.date)
    return shown | ({"pending": True} if row.pending else {})


def _origin(request: Request, state: ItemState, *, is_second: bool) -> dict[str, Any]:
    if is_second:
        return {"conn_id": _connection_id(state)}
    bank = INSTITUTIONS[state.institution_id]
    return {
        "org": {
            "id": bank.institution_id, "name": bank.name, "sfin-url": _root(request),
            "domain": f"{bank.institution_id}.invalid",
        }
    }  # fmt: skip


def _connection(state: ItemState) -> dict[str, Any]:
    bank = INSTITUTIONS[state.institution_id]
    return {
        "conn_id": _connection_id(state), "name": bank.name, "org_id": bank.institution_id,
        "org_name": bank.name, "sfin_url": "https://simplefin.invalid", "org_url": bank.url,
    }  # fmt: skip


def _connection_id(state: ItemState) -> str:
    return f"CON-{state.item_id}"


def _window(request: Request) -> tuple[dt.date, dt.date]:
    """Return the days asked for, cut to what the server gives at once without a word."""
    end = _day(request, "end-date") or dt.date.max
    first = _day(request, "start-date") or dt.date.min
    if end != dt.date.max:
        first = max(first, end - dt.timedelta(WINDOW_DAYS_MAX))
    return first, end


def _day(request: Request, name: str) -> dt.date | None:
    text = request.query_params.get(name, "")
    return dt.datetime.fromtimestamp(int(text), dt.UTC).date() if text.isdecimal() else None


def _is_too_often(bank: Simulator, known: SimpleFINAccess) -> bool:
    now = bank.now()
    known.asked_at = [each for each in known.asked_at if now - each < dt.timedelta(days=1)]
    if bank.settings.rate_limits != "off" and len(known.asked_at) >= REQUESTS_PER_DAY:
        return True
    known.asked_at.append(now)
    return False


def _authenticate(bank: Simulator, request: Request) -> SimpleFINAccess | None:
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    known = _find(bank, user=user)
    if kind.lower() != "basic" or known is None or known.is_revoked or not known.is_claimed:
        return None
    return known if secrets.compare_digest(known.password, password) else None


def _find(bank: Simulator, *, claim: str = "", user: str = "") -> SimpleFINAccess | None:
    for each in bank.state.simplefin:
        if (claim and each.claim == claim) or (user and each.user == user):
            return each
    return None


def _root(request: Request) -> str:
    bank: Simulator = request.app.state.bank
    host = request.headers.get("host", request.url.netloc)
    return f"{bank.settings.programs_url or f'{request.url.scheme}://{host}'}/simplefin"


def _epoch(day: dt.date) -> int:
    return int(dt.datetime.combine(day, _NOON, dt.UTC).timestamp())


def _text(amount: Decimal) -> str:
    return f"{amount:f}"


def _json(value: object, status: int = 200) -> Response:
    return Response(encode(value), status, media_type="application/json")


ROUTES = [
    Route("/simplefin/info", info, methods=["GET"]),
    Route("/simplefin/create", create, methods=["GET", "POST"]),
    Route("/simplefin/claim/{token}", claim, methods=["POST"]),
    Route("/simplefin/accounts", accounts, methods=["GET"]),
]
"""The protocol's four endpoints."""
