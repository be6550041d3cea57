"""`fintech demo`: the demo user and her household's banks, made through the program's own API."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

import click

from app.cli.api import Api, ApiError
from app.core.embedded import default_home
from app.core.embedded.home import make_home, write_private

EMAIL = "demo@example.com"
NAME = "Demo"
# Of the bank simulator: a login with accounts at three banks. One of them is left for a person
# to link by hand.
BANK_LOGIN = "demo_family"
BANK_PASSWORD = "pass_good"  # noqa: S105 - what the simulator takes from everybody
INSTITUTIONS = {"ins_900001": "Harbor & Pine Bank", "ins_900002": "Cardinal Card Company"}
SYNC_SECONDS_MAX = 20
HISTORY_DAYS = 730
"""As far back as Plaid goes."""


@dataclass(frozen=True, slots=True)
class Login:
    """E-mail address and password of the demo user."""

    email: str
    password: str = field(repr=False)


@click.command("demo")
@click.option("--url", default="", help="Where the program runs. [default: PUBLIC_URL]")
def command(*, url: str) -> None:
    """Create the demo user, link her household's banks at the simulator, and sync them."""
    bank = os.environ.get("PLAID_BASE_URL", "")
    url = url or os.environ.get("PUBLIC_URL", "")
    if not url or not bank:
        raise click.ClickException("Nothing runs here. Start it with: fintech up --demo")
    home = default_home()
    make_home(home)
    who = login(home)
    try:
        ensure_user(Api(url), who)
        count = fill(Api(url), Api(bank), who)
    except ApiError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{count} bank(s) linked. Log in at {url} as {who.email} with {who.password}")


def login(home: Path) -> Login:
    """Return the demo user's login; the password is random and kept in the home."""
    path = home / "secrets" / "demo-password"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        write_private(path, f"demo-{secrets.token_urlsafe(9)}")
    return Login(EMAIL, path.read_text(encoding="ascii").strip())


def ensure_user(program: Api, who: Login) -> bool:
    """Register the demo user unless she can log in; return whether she is new.

    Raises:
        ApiError: She exists with another password, or nobody may register.
    """
    try:
        program.log_in(who.email, who.password)
    except ApiError as error:
        if error.status not in (400, 401):
            raise
    else:
        return False
    program.post(
        "/api/v1/auth/register", {"email": who.email, "password": who.password, "name": NAME}
    )
    return True


def fill(program: Api, bank: Api, who: Login) -> int:
    """Link the household's banks, sync them once, and bring a statement of each account.

    A connection states the balance of one day, which proves nothing yet. The statements' balances
    are of another day: with both the accounts tie out from the beginning.

    Banks that are linked already stay as they are, so running it twice changes nothing. The
    older history arrives when the bank says, by webhook, that it is there.

    Returns:
        How many connections there are.

    Raises:
        ApiError: The program or the bank simulator refused.
    """
    session = program.log_in(who.email, who.password)
    connections = session.get("/api/v1/connections/")["data"]
    linked = {connection["institution_name"] for connection in connections}
    missing = [code for code, name in INSTITUTIONS.items() if name not in linked]
    webhook = f"{program.base_url}/webhooks/plaid"
    items = [_link(session, bank, institution_id, webhook) for institution_id in missing]
    for item_id in items:
        session.post(f"/api/v1/plaid/sync-transactions/{item_id}?wait={SYNC_SECONDS_MAX}")
    if items:
        _bring_statements(session, bank)
    return len(linked) + len(items)


def _bring_statements(session: Api, bank: Api) -> None:
    accounts = {
        (each["name"], each["mask"]): each["id"]
        for each in session.get("/api/v1/accounts/")["data"]
    }
    for item in bank.get("/simulator/items")["items"]:
        if item["login"] != BANK_LOGIN or item["removed"]:
            continue
        shown = bank.get(f"/simulator/items/{item['item_id']}/statements")
        for each in shown["statements"]:
            account_id = accounts.get((each["name"], each["mask"]))
            if account_id is not None:
                fields = {"account_id": account_id, "book": "true"}
                name = f"statement-{each['mask']}.ofx"
                session.post_file("/api/v1/imports/", name, each["ofx"], fields)


def _link(session: Api, bank: Api, institution_id: str, webhook: str) -> str:
    link_token = session.post("/api/v1/plaid/link-token")["link_token"]
    made = bank.post(
        "/sandbox/public_token/create",
        {
            "client_id": os.environ.get("PLAID_CLIENT_ID") or "simulator",
            "secret": os.environ.get("PLAID_SECRET") or "simulator",
            "institution_id": institution_id,
            "initial_products": ["transactions"],
            "options": {
                "webhook": webhook,
                "override_username": BANK_LOGIN,
                "override_password": BANK_PASSWORD,
                "transactions": {"days_requested": HISTORY_DAYS},
            },
        },
    )
    item = session.post(
        "/api/v1/plaid/exchange-token",
        {"public_token": made["public_token"], "link_token": link_token},
    )
    return str(item["item_id"])
