"""Who comes: signed-in people with years of transactions and a bank that they linked."""

from dataclasses import dataclass

from app.cli.api import Api
from benchmarks import households
from benchmarks.crowd.installation import Installation

BANK, LOGIN = "ins_900001", "demo_student"
SYNC_SECONDS_MAX = 20


@dataclass(frozen=True, slots=True)
class Person:
    """One of the crowd."""

    cookie: str
    token: str
    transactions: tuple[str, ...]
    """Some of their own, to look at and to edit."""
    connection: str
    """The Item as the program names it."""
    bank_item: str
    """The same as the simulator names it."""
    bank_account: str


def gather(installation: Installation, count: int, rows: int) -> list[Person]:
    """Make so many people with so many transactions, and link a bank for each."""
    return [_person(installation, rows, number) for number in range(count)]


def _person(installation: Installation, rows: int, number: int) -> Person:
    household = households.new_household()
    households.fill(household, rows, seed=number + 1)
    token = households.bearer_token(household)
    program = Api(installation.program.base_url, token)
    connection, item, account = _link(installation, program)
    listed = program.get("/api/v1/transactions/?limit=200")["data"]
    return Person(
        cookie=households.cookie(household),
        token=token,
        transactions=tuple(each["id"] for each in listed),
        connection=connection,
        bank_item=item,
        bank_account=account,
    )


def _link(installation: Installation, program: Api) -> tuple[str, str, str]:
    """Link a bank; return the Item's id to the program and to the bank, and an account's."""
    bank = installation.bank
    link_token = program.post("/api/v1/plaid/link-token")["link_token"]
    keys = {"client_id": "simulator", "secret": "simulator"}
    made = bank.post(
        "/sandbox/public_token/create",
        {
            **keys,
            "institution_id": BANK,
            "initial_products": ["transactions"],
            "options": {
                "webhook": f"{installation.webhooks}/webhooks/plaid",
                "override_username": LOGIN,
                "override_password": "pass_good",
                "transactions": {"days_requested": 730},
            },
        },
    )
    before = {each["item_id"] for each in bank.get("/simulator/items")["items"]}
    linked = program.post(
        "/api/v1/plaid/exchange-token",
        {"public_token": made["public_token"], "link_token": link_token},
    )
    items = {each["item_id"]: each for each in bank.get("/simulator/items")["items"]}
    [item_id] = items.keys() - before or {list(items)[-1]}
    bank.post("/simulator/mature", {"item_id": item_id})
    program.post(f"/api/v1/plaid/sync-transactions/{linked['item_id']}?wait={SYNC_SECONDS_MAX}")
    return linked["item_id"], item_id, _account_of(bank, item_id)


def _account_of(bank: Api, item_id: str) -> str:
    truth = bank.get(f"/simulator/items/{item_id}/truth")
    return str(next(iter(truth["transactions"].values()))["account_id"])
