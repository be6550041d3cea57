import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.simulator.main import create_app
from app.simulator.rows import decode
from app.simulator.settings import Settings
from tests.simulator.receiver import Receiver

KEYS = {"PLAID-CLIENT-ID": "client", "PLAID-SECRET": "secret"}


class Bank:
    """A simulator in this process, and the calls a test makes."""

    def __init__(self, http: TestClient) -> None:
        self.http = http
        self.sim = http.app.state.bank

    def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = self.http.post(path, json=body, headers=KEYS)
        assert answer.status_code == status, answer.text[:600]
        return decode(answer.content)

    def error(self, path: str, **body: Any) -> str:
        answer = self.http.post(path, json=body, headers=KEYS)
        assert answer.status_code >= 400, answer.text[:300]
        return answer.json()["error_code"]

    def link(self, login: str = "demo_student", bank: str = "ins_109508", **options: Any) -> str:
        """Return the access token of a fresh Item with all its history."""
        options = {"override_username": login, "override_password": "pass_good"} | options
        options.setdefault("transactions", {"days_requested": 730})
        public = self.post(
            "/sandbox/public_token/create",
            institution_id=bank,
            initial_products=options.pop("products", ["transactions"]),
            options=options,
        )["public_token"]
        return self.post("/item/public_token/exchange", public_token=public)["access_token"]

    def item_id(self, access_token: str) -> str:
        return self.post("/item/get", access_token=access_token)["item"]["item_id"]

    def sync(self, access_token: str, cursor: str = "", count: int = 500, **more: Any) -> Any:
        return self.post(
            "/transactions/sync", access_token=access_token, cursor=cursor, count=count, **more
        )

    def loop(self, access_token: str, cursor: str = "", count: int = 500) -> list[Any]:
        """Return all pages from a cursor to the end."""
        pages = [self.sync(access_token, cursor, count)]
        while pages[-1]["has_more"]:
            assert len(pages) < 2_000
            pages.append(self.sync(access_token, pages[-1]["next_cursor"], count))
        return pages

    def control(self, path: str, status: int = 200, /, **body: Any) -> Any:
        answer = self.http.post(f"/simulator/{path}", json=body)
        assert answer.status_code == status, answer.text[:600]
        return decode(answer.content)

    def fault(self, kind: str, access_token: str | None = None, **more: Any) -> None:
        item = {} if access_token is None else {"item_id": self.item_id(access_token)}
        self.control("faults", kind=kind, **item, **more)

    def truth(self, access_token: str) -> dict[str, Any]:
        answer = self.http.get(f"/simulator/items/{self.item_id(access_token)}/truth")
        return decode(answer.content)["transactions"]


def hold(pages: list[Any], known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what a reader of the pages holds: upserts, then removals, page by page."""
    held = dict(known or {})
    for page in pages:
        held |= {row["transaction_id"]: row for row in page["added"] + page["modified"]}
        for row in page["removed"]:
            held.pop(row["transaction_id"], None)
    return held


def facts(held: dict[str, Any]) -> dict[str, Any]:
    """Return what `truth` says of the same rows."""
    return {
        key: {
            "account_id": row["account_id"],
            "date": row["date"],
            "amount": row["amount"],
            "pending": row["pending"],
        }
        for key, row in held.items()
    }


def owed_change(account: dict[str, Any], amount: Decimal) -> Decimal:
    """Return how an amount moves the balance that the bank states."""
    return amount if account["type"] in ("credit", "loan") else -amount


def title(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page)
    assert found, page[:300]
    return found[1]


@pytest.fixture
def start() -> Iterator[Callable[..., Bank]]:
    """Start simulators with settings of one's own; pulls are instant and nothing is limited."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Bank:
            quick = {"initial_seconds": 0, "historical_seconds": 0, "rate_limits": "off"}
            app = create_app(Settings(**(quick | settings)))
            return Bank(stack.enter_context(TestClient(app)))

        yield make


@pytest.fixture
def bank(start: Callable[..., Bank]) -> Bank:
    return start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.stop()
