"""Endpoints about link tokens, and the sessions that people have with them."""

import datetime as dt
import secrets
from typing import Any
from uuid import uuid4

from app.simulator.calls import Answer, Call, endpoint, moment
from app.simulator.errors import PlaidError, invalid_field
from app.simulator.feed import accounts_held
from app.simulator.identifiers import token
from app.simulator.institutions import INSTITUTIONS
from app.simulator.institutions_api import check_countries
from app.simulator.items import account_ids
from app.simulator.items_api import check_url
from app.simulator.logins import life_for
from app.simulator.state import ItemState, LinkSession, LinkToken

PRODUCTS = frozenset(
    "assets auth balance balance_plus beacon identity identity_match investments investments_auth "
    "liabilities payment_initiation identity_verification transactions credit_details income "
    "income_verification standing_orders transfer employment recurring_transactions "
    "transactions_refresh signal statements processor_payments processor_identity profile "
    "protect_linked_bank protect_transactions layer pay_by_bank".split()
)
LANGUAGES = frozenset("da nl en et fr de hi it lv lt no pl pt ro es sv vi".split())
_URL_SECONDS_MAX = 21 * 86_400
_PRODUCT_LISTS = (
    "products required_if_supported_products optional_products additional_consented_products"
).split()


def _check_products(body: dict[str, Any], *, updating: bool) -> None:
    seen: set[str] = set()
    for name in _PRODUCT_LISTS:
        chosen = set(body.get(name) or ())
        if not chosen <= PRODUCTS:
            raise invalid_field(f"{name} names an unknown product")
        if chosen & seen:
            raise invalid_field(f"{name} repeats a product of another list")
        seen |= chosen
    if "balance" in seen:
        raise PlaidError("INVALID_PRODUCT", "balance is not a product to initialize Link with")
    if not updating and not body.get("products"):
        raise PlaidError("MISSING_FIELDS", "the following required fields are missing: products")


def _check(call: Call) -> None:
    body = call.body
    if body["language"] not in LANGUAGES:
        raise invalid_field("language is not supported")
    check_countries(body["country_codes"])
    user = body.get("user")
    if user is None and not body.get("user_id"):
        raise PlaidError("MISSING_FIELDS", "the following required fields are missing: user")
    if user is not None and not user.get("client_user_id"):
        raise PlaidError(
            "MISSING_FIELDS",
            "the following required fields are missing: user.client_user_id",
        )
    _check_products(body, updating=bool(body.get("access_token")))
    days = body.get("transactions", {}).get("days_requested", 90)
    if not 1 <= days <= 730:
        raise invalid_field("transactions.days_requested must be between 1 and 730")
    for name in ("webhook", "redirect_uri"):
        check_url(body.get(name), name)
    if "?" in (body.get("redirect_uri") or ""):
        raise invalid_field("redirect_uri must not have a query string")
    seconds = body.get("hosted_link", {}).get("url_lifetime_seconds", 1)
    if not 1 <= seconds <= _URL_SECONDS_MAX:
        raise invalid_field("hosted_link.url_lifetime_seconds must be positive, 21 days at most")


@endpoint("/link/token/create")
def create_link_token(call: Call) -> Answer:
    """Create a link token; with `hosted_link` also the address of its page."""
    _check(call)
    body, bank = call.body, call.bank
    now = bank.now()
    hosted, access_token = body.get("hosted_link"), body.get("access_token")
    item = bank.item_state(access_token) if access_token else None
    lifetime = dt.timedelta(minutes=30) if item else dt.timedelta(hours=4)
    if hosted is not None:
        lifetime = dt.timedelta(seconds=hosted.get("url_lifetime_seconds", 1800))
    kept = {key: value for key, value in body.items()
            if key not in ("client_id", "secret", "access_token")}  # fmt: skip
    known = LinkToken(
        link_token=token("link"), client_id=call.client_id, created_at=now,
        expires_at=now + lifetime, request=kept, item_id=item.item_id if item else None,
        page=secrets.token_urlsafe(24) if hosted is not None else None,
    )  # fmt: skip
    _forget_old(call)
    bank.state.link_tokens[known.link_token] = known
    answer: Answer = {"link_token": known.link_token, "expiration": moment(known.expires_at)}
    if known.page is not None:
        answer["hosted_link_url"] = f"{call.base_url}/link/{known.page}"
    return answer


def _forget_old(call: Call) -> None:
    """Sessions can be looked up for six hours after their token has expired."""
    limit = call.bank.now() - dt.timedelta(hours=6)
    tokens = call.bank.state.link_tokens
    for name in [name for name, known in tokens.items() if known.expires_at < limit]:
        del tokens[name]
    spent = call.bank.state.public_tokens
    for name in [name for name, known in spent.items() if known.expires_at < limit]:
        del spent[name]


@endpoint("/link/token/get")
def get_link_token(call: Call) -> Answer:
    """Return what has become of a link token."""
    known = call.bank.state.link_tokens.get(call.body["link_token"])
    if known is None:
        raise PlaidError("INVALID_LINK_TOKEN")
    request = known.request
    metadata = {
        "initial_products": request.get("products") or [],
        "webhook": request.get("webhook"),
        "country_codes": request["country_codes"],
        "language": request["language"],
        "redirect_uri": request.get("redirect_uri"),
        "client_name": request["client_name"],
    }
    if "account_filters" in request:
        metadata["account_filters"] = request["account_filters"]
    return {
        "link_token": known.link_token,
        "created_at": moment(known.created_at),
        "expiration": moment(known.expires_at),
        "metadata": metadata,
        "link_sessions": [_session_json(call, each) for each in known.sessions],
    }


def _picked_json(item: ItemState) -> list[Answer]:
    """Return the accounts of an Item as Link reports them."""
    life = life_for(item.login, item.password, item.linked_on)
    held = [plan for plan in accounts_held(life, item.institution_id)
            if plan.key in item.account_keys]  # fmt: skip
    ids = account_ids(item.item_id, held)
    return [
        {
            "id": ids[plan.key], "name": plan.name, "mask": plan.mask, "type": plan.type,
            "subtype": plan.subtype, "class_type": None, "verification_status": None,
        }
        for plan in held
    ]  # fmt: skip


def _session_json(call: Call, session: LinkSession) -> Answer:
    bank = INSTITUTIONS.get(session.institution_id or "")
    institution = (
        None if bank is None else {"name": bank.name, "institution_id": bank.institution_id}
    )
    shown: Answer = {
        "link_session_id": session.link_session_id,
        "started_at": moment(session.started_at),
        "finished_at": moment(session.finished_at),
        "events": session.events[::-1],
        "results": None,
        "on_success": None,
        "on_exit": None,
    }
    if session.public_tokens:
        items = [call.bank.state.items[item_id] for item_id in session.item_ids]
        added = [
            {
                "public_token": public_token,
                "accounts": _picked_json(item),
                "institution": institution,
            }
            for public_token, item in zip(session.public_tokens, items, strict=True)
        ]
        shown["results"] = {
            "item_add_results": added, "cra_item_add_results": [], "cra_update_results": [],
            "bank_income_results": [], "payroll_income_results": [],
            "document_income_results": None,
        }  # fmt: skip
        shown["on_success"] = {
            "public_token": session.public_tokens[0],
            "metadata": {
                "institution": institution, "accounts": added[0]["accounts"],
                "link_session_id": session.link_session_id, "transfer_status": None,
            },
        }  # fmt: skip
    elif session.exit_status is not None:
        error = None if session.error is None else PlaidError(session.error).body()
        shown["on_exit"] = {
            "error": error,
            "metadata": {
                "institution": institution, "status": session.exit_status,
                "link_session_id": session.link_session_id, "request_id": "",
            },
        }  # fmt: skip
    return shown


def log_event(session: LinkSession, name: str, now: dt.datetime, **metadata: str) -> None:
    """Note something a person did in Link."""
    if session.institution_id:
        bank = INSTITUTIONS[session.institution_id]
        metadata |= {"institution_id": bank.institution_id, "institution_name": bank.name}
    session.events.append(
        {
            "event_id": str(uuid4()), "event_name": name, "timestamp": moment(now),
            "event_metadata": metadata,
        }
    )  # fmt: skip
