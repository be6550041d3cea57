"""The Hosted Link page: pick a bank, sign in, pick accounts, finish or cancel. No JavaScript."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from app.simulator.bank import ENVIRONMENT, Simulator
from app.simulator.errors import PlaidError
from app.simulator.feed import accounts_held
from app.simulator.identifiers import token
from app.simulator.institutions import INSTITUTIONS, Institution
from app.simulator.link_api import log_event
from app.simulator.logins import forced_error, life_for
from app.simulator.people import DEMO, AccountPlan
from app.simulator.state import ItemState, LinkSession, LinkToken, PublicToken

_FOLDER = Path(__file__).parent
_SESSIONS_MAX = 20
_TEXT_MAX = 200_000
_BANK_STEPS = {"institution": 1, "consent": 1, "login": 2, "mfa": 2, "accounts": 3}
_templates = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_QUESTIONS = re.compile(r"mfa_questions_([1-3])_([1-3])")


def _policy(known: LinkToken | None) -> str:
    """Return the content security policy; a form may lead back to the app and nowhere else."""
    target = _completion(known) if known is not None else None
    parts = urlsplit(target or "")
    # Chromium applies form-action to the redirect that follows a form, too.
    origin = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self'{origin}"
    )


def _completion(known: LinkToken) -> str | None:
    target: str | None = (known.request.get("hosted_link") or {}).get("completion_redirect_uri")
    return target


def page(known: LinkToken | None, name: str, status: int = 200, **context: object) -> Response:
    """Return a rendered page; `known` is the link token whose flow it belongs to, if any."""
    app_name = "This Application"
    if known is not None and len(known.request["client_name"]) <= 30:
        app_name = known.request["client_name"]
    body = _templates.get_template(name).render(app_name=app_name, **context)
    return Response(
        body,
        status,
        {
            "Content-Security-Policy": _policy(known),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
        media_type="text/html",
    )


def _find(request: Request) -> tuple[Simulator, LinkToken | None]:
    bank: Simulator = request.app.state.bank
    secret = request.path_params["page"]
    for known in bank.state.link_tokens.values():
        if known.page == secret and known.expires_at > bank.now():
            return bank, known
    return bank, None


def _session(bank: Simulator, known: LinkToken) -> LinkSession:
    """Return the session under way, or begin one."""
    if known.sessions and known.sessions[-1].finished_at is None:
        return known.sessions[-1]
    session = LinkSession(link_session_id=str(uuid4()), started_at=bank.now())
    known.sessions = [*known.sessions, session][-_SESSIONS_MAX:]
    if known.item_id is not None:
        item = bank.state.items[known.item_id]
        session.institution_id, session.login = item.institution_id, item.login
        session.step = "login"
    log_event(session, "OPEN", bank.now())
    bank.save()
    return session


async def show(request: Request) -> Response:
    """Show where the session stands."""
    bank, known = _find(request)
    if known is None:
        return page(None, "expired.html", 404)
    session = _session(bank, known)
    return _render(bank, known, session, query=request.query_params.get("q", "")[:80])


def _render(
    bank: Simulator, known: LinkToken, session: LinkSession, *, query: str = "", problem: str = ""
) -> Response:
    chosen = INSTITUTIONS.get(session.institution_id or "")
    context: dict[str, Any] = {
        "path": f"/link/{known.page}", "bank": chosen, "problem": problem,
        "number": _BANK_STEPS.get(session.step, 1), "updating": known.item_id is not None,
    }  # fmt: skip
    status = 422 if problem else 200
    match session.step:
        case "institution":
            return page(known, "institution.html", status, **context, query=query,
                         banks=_search(known, query), hint=_hint)  # fmt: skip
        case "consent":
            return page(known, "consent.html", status, **context)
        case "mfa":
            return page(known, "mfa.html", status, **context,
                         fields=_challenge(session.password))  # fmt: skip
        case "accounts":
            plans = _offered(bank, known, session)
            return page(known, "accounts.html", status, **context, plans=plans,
                         picked=_picked(bank, known, plans))  # fmt: skip
        case _:
            return page(known, "login.html", status, **context, people=DEMO,
                         login=session.login)  # fmt: skip


def _hint(bank: Institution) -> str:
    """Return a line about a bank: who banks there, or what is special about it."""
    at = bank.institution_id
    guests = [each.login for each in DEMO if at in {p.institution_id for p in each.accounts}]
    if bank.gives_all_history:
        return f"Ten years of {guests[0]}"
    if bank.status != "HEALTHY":
        return "Often slow"
    if guests:
        return f"Home of {', '.join(guests)}"
    return "Signs in at its own site" if bank.oauth else "Every test user"


def _search(known: LinkToken, query: str) -> list[Any]:
    countries = set(known.request["country_codes"])
    wanted = set(known.request.get("products") or ())
    words = query.casefold().split()
    return [
        bank
        for bank in INSTITUTIONS.values()
        if countries & set(bank.countries)
        and wanted <= set(bank.products)
        and all(word in bank.name.casefold() for word in words)
    ]


def _item_products(known: LinkToken, bank_products: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return the products the Item starts with, and those it only has consent for."""
    request = known.request
    products = list(request.get("products") or ())
    for name in ("required_if_supported_products", "optional_products"):
        products += [each for each in request.get(name) or () if each in bank_products]
    return products, list(request.get("additional_consented_products") or ())


def _offered(bank: Simulator, known: LinkToken, session: LinkSession) -> list[AccountPlan]:
    """Return the login's accounts that the filters of the link token let through."""
    life = life_for(session.login, session.password, _linked_on(bank, known))
    filters = known.request.get("account_filters") or {}
    held = accounts_held(life, session.institution_id or "")
    if not filters:
        return held
    return [
        plan
        for plan in held
        if plan.type in filters
        and ("all" in filters[plan.type]["account_subtypes"]
             or plan.subtype in filters[plan.type]["account_subtypes"])
    ]  # fmt: skip


def _linked_on(bank: Simulator, known: LinkToken) -> Any:  # noqa: ANN401 - a date
    item = bank.state.items.get(known.item_id or "")
    return item.linked_on if item is not None else bank.today()


def _picked(bank: Simulator, known: LinkToken, plans: list[AccountPlan]) -> set[str]:
    item = bank.state.items.get(known.item_id or "")
    if item is None:
        return {plan.key for plan in plans}
    return {plan.key for plan in bank.live(item).plans()}


def _challenge(password: str) -> list[tuple[str, str, str]]:
    """Return the questions a password asks for: field, question, right answer."""
    if password == "mfa_device":  # noqa: S105 - a documented test user, no secret
        return [("code", "Code we sent to your phone (1234)", "1234")]
    match = _QUESTIONS.fullmatch(password)
    if match:
        rounds, count = int(match[1]), int(match[2])
        return [
            (f"answer_{turn}_{place}", f"Question {turn + 1}.{place + 1} "
             f"(answer_{turn}_{place})", f"answer_{turn}_{place}")
            for turn in range(rounds)
            for place in range(count)
        ]  # fmt: skip
    if password == "mfa_selections":  # noqa: S105 - a documented test user, no secret
        return [("first", "You say tomato, I say (tomato)", "tomato"),
                ("second", "You say ketchup, I say (ketchup)", "ketchup")]  # fmt: skip
    return []


async def act(request: Request) -> Response:
    """Take one step of the session."""
    bank, known = _find(request)
    if known is None:
        return page(None, "expired.html", 404)
    session = _session(bank, known)
    form = await request.form(max_files=0, max_fields=200, max_part_size=_TEXT_MAX)
    visit = _Visit(bank, known, session, form)
    action = _text(form, "action")
    if action == "cancel":
        return _finish(visit, exited=True)
    if action == "back" and known.item_id is None:
        session.step = "login" if session.step in ("mfa", "accounts") else "institution"
    problem = ""
    if action == session.step:
        problem = _STEPS[action](visit)
    if session.step == "picked" or _is_done(known, session):
        return _finish(visit)
    bank.save()
    if problem:
        return _render(bank, known, session, problem=problem)
    return RedirectResponse(f"/link/{known.page}", 303)


@dataclass(slots=True)
class _Visit:
    """A form that was sent, and the session it belongs to."""

    bank: Simulator
    known: LinkToken
    session: LinkSession
    form: FormData
    keys: list[str] | None = None
    """The accounts that were picked."""


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value[:_TEXT_MAX] if isinstance(value, str) else ""


def _is_done(known: LinkToken, session: LinkSession) -> bool:
    """In update mode accounts are picked only when the app has asked for it."""
    selecting = (known.request.get("update") or {}).get("account_selection_enabled", False)
    return known.item_id is not None and session.step == "accounts" and not selecting


def _choose_bank(visit: _Visit) -> str:
    session = visit.session
    chosen = INSTITUTIONS.get(_text(visit.form, "institution_id"))
    if chosen is None:
        return "Pick one of the banks."
    session.institution_id = chosen.institution_id
    session.step = "consent" if chosen.oauth else "login"
    session.oauth_state_id = str(uuid4()) if chosen.oauth else None
    log_event(session, "SELECT_INSTITUTION", visit.bank.now())
    return ""


def _consent(visit: _Visit) -> str:
    visit.session.step = "login"
    return ""


def _choose_accounts(visit: _Visit) -> str:
    offered = {plan.key for plan in _offered(visit.bank, visit.known, visit.session)}
    keys = [str(key) for key in visit.form.getlist("account") if key in offered]
    if not keys:
        return "Pick at least one account."
    visit.keys, visit.session.step = keys, "picked"
    return ""


def _check_login(visit: _Visit, login: str, password: str) -> str:
    """Return the password to keep.

    Raises:
        PlaidError: The bank does not let this login in.
    """
    error = forced_error(login, password)
    item = visit.bank.state.items.get(visit.known.item_id or "")
    if item is not None and item.login != login:
        display = "Sign in with the same login as before."
        error = PlaidError("INVALID_CREDENTIALS", display=display)
    if error is not None:
        raise error
    if item is not None and not _challenge(password):
        password = item.password
    life_for(login, password, _linked_on(visit.bank, visit.known))
    return password


def _sign_in(visit: _Visit) -> str:
    bank, known, session, form = visit.bank, visit.known, visit.session, visit.form
    login = _text(form, "person") or _text(form, "username").strip()
    log_event(session, "SUBMIT_CREDENTIALS", bank.now())
    try:
        password = _check_login(visit, login, _text(form, "password"))
    except PlaidError as error:
        session.error = error.code
        log_event(
            session, "ERROR", bank.now(), error_code=error.code, error_type=error.kind,
            error_message=error.message,
        )  # fmt: skip
        return error.display or error.message
    session.login, session.password, session.error = login, password, None
    session.step = "mfa" if _challenge(password) else "accounts"
    if session.step == "accounts" and not _offered(bank, known, session):
        session.step, session.error = "login", "NO_ACCOUNTS"
        return "This login has no accounts of the kind the application asks for."
    return ""


def _answer(visit: _Visit) -> str:
    session, form = visit.session, visit.form
    log_event(session, "SUBMIT_MFA", visit.bank.now())
    for name, _, right in _challenge(session.password):
        if _text(form, name).strip() != right:
            session.error = "INVALID_MFA"
            return "That was not right. Please try again."
    session.step, session.error = "accounts", None
    return ""


_STEPS: dict[str, Callable[[_Visit], str]] = {
    "institution": _choose_bank,
    "consent": _consent,
    "login": _sign_in,
    "mfa": _answer,
    "accounts": _choose_accounts,
}
"""What each form does; the answer is what was wrong, in words, or nothing."""


def _finish(visit: _Visit, *, exited: bool = False) -> Response:
    bank, known, session = visit.bank, visit.known, visit.session
    session.finished_at = bank.now()
    if exited:
        statuses = {"institution": "requires_institution", "mfa": "requires_code",
                    "accounts": "requires_account_selection"}  # fmt: skip
        session.exit_status = statuses.get(session.step, "requires_credentials")
        log_event(session, "EXIT", bank.now(), exit_status=session.exit_status)
    else:
        item, public_token = _link(bank, known, session, visit.keys)
        session.item_ids, session.public_tokens = [item.item_id], [public_token]
        log_event(session, "HANDOFF", bank.now())
    session.password = ""
    bank.save()
    _announce(bank, known, session)
    target = _completion(known)
    if target:
        return RedirectResponse(target, 303)
    return page(known, "done.html", exited=exited)


def _link(
    bank: Simulator, known: LinkToken, session: LinkSession, keys: list[str] | None
) -> tuple[ItemState, str]:
    """Create the Item, or mend the one that is being updated; return a public token for it."""
    item = bank.state.items.get(known.item_id or "")
    if item is not None:
        if keys is not None:
            bank.live(item).record("accounts", {"keys": keys})
        if item.consent_expires_at is not None:
            item.consent_expires_at = bank.consent_end()
        bank.repair_item(item, announce=False)
        public_token = token("public")
        bank.state.public_tokens[public_token] = PublicToken(
            item_id=item.item_id, expires_at=bank.public_token_end()
        )
        return item, public_token
    institution_id = session.institution_id or ""
    products, consented = _item_products(known, INSTITUTIONS[institution_id].products)
    request = known.request
    return bank.new_item(
        client_id=known.client_id, institution_id=institution_id, login=session.login,
        password=session.password, products=products, consented=consented,
        account_keys=keys, webhook=request.get("webhook"), user_id=request.get("user_id"),
        days_requested=(request.get("transactions") or {}).get("days_requested", 90),
    )  # fmt: skip


def _announce(bank: Simulator, known: LinkToken, session: LinkSession) -> None:
    """Send the webhooks that end a session."""
    url = known.request.get("webhook")
    common = {"link_session_id": session.link_session_id, "link_token": known.link_token}
    base = {"webhook_type": "LINK"}
    end = {"environment": ENVIRONMENT}
    send = bank.courier.send
    send(url, {**base, "webhook_code": "EVENTS", **common, "events": session.events[::-1], **end})
    for public_token in session.public_tokens:
        added = {**base, "webhook_code": "ITEM_ADD_RESULT", **common, "public_token": public_token}
        send(url, added | end)
    status = "EXITED" if session.exit_status else "SUCCESS"
    send(
        url,
        {
            **base, "webhook_code": "SESSION_FINISHED", "status": status, **common,
            "public_tokens": session.public_tokens, **end,
        },
    )  # fmt: skip


async def stylesheet(request: Request) -> Response:  # noqa: ARG001 - every route takes the request
    """Serve the one stylesheet."""
    return Response(
        (_FOLDER / "static" / "link.css").read_bytes(),
        headers={"Cache-Control": "public, max-age=300"},
        media_type="text/css",
    )


ROUTES = [
    Route("/link/{page}", show, methods=["GET"]),
    Route("/link/{page}", act, methods=["POST"]),
    Route("/link-static/link.css", stylesheet, methods=["GET"]),
]
"""The page and its stylesheet."""
