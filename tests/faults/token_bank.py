"""A bank for real worker processes: the Item's sealed access token says how it behaves."""

import json
import os
import signal
import time
import zlib
from dataclasses import dataclass, field
from decimal import Decimal

from app.providers import registry
from app.providers.base import Page
from app.simulator.rows import Account, Row
from app.simulator.stream import Added, ItemStream
from tests.features.connections.bank import DAY, Bank

GIGABYTE = 1024**3


def token(name: str, *, rows: int = 2, seconds: float = 0.0, poison: str = "") -> str:
    """Return the access token of an Item.

    Args:
        name: Of the Item; unique.
        rows: Transactions that it has, one on each page.
        seconds: How long it takes to answer with a page.
        poison: What reading it does to a worker: `kill`, `memory` or `raise`.
    """
    return json.dumps({"name": name, "rows": rows, "seconds": seconds, "poison": poison})


def stream_of(access_token: str) -> ItemStream:
    """Return the Item's change stream, the same in every process."""
    told = json.loads(access_token)
    # No two Items may look like the same account at two banks: that is another story.
    base = zlib.crc32(told["name"].encode()) % 1_000_000
    account = Account(
        account_id=f"checking-{told['name']}", name=f"Account {base}", mask=f"{base % 10_000:04}"
    )
    stream = ItemStream(told["name"], [account])
    for number in range(told["rows"]):
        amount = Decimal(base + 131 * number).scaleb(-2) + 1
        stream.apply(Added(Row(f"{told['name']}-{number}", account.account_id, DAY, amount)))
    return stream


@dataclass
class TokenBank:
    """A provider for any number of Items."""

    name: str = "plaid"
    _banks: dict[str, Bank] = field(default_factory=dict)

    def __getattr__(self, name: str) -> object:
        """Leave what needs no bank to the real provider."""
        return getattr(self._bank(token("none")), name)

    def fetch_item(self, access_token: str) -> Page:
        """Describe the Item."""
        return self._bank(access_token).fetch_item(access_token)

    def fetch_accounts(self, access_token: str) -> Page:
        """List the accounts."""
        return self._bank(access_token).fetch_accounts(access_token)

    def fetch_transactions(self, access_token: str, cursor: str | None) -> Page:
        """Show what follows the cursor, in its time; or do what the poison does."""
        told = json.loads(access_token)
        _poison(told["poison"])
        time.sleep(told["seconds"])
        return self._bank(access_token).fetch_transactions(access_token, cursor)

    def _bank(self, access_token: str) -> Bank:
        if access_token not in self._banks:
            self._banks[access_token] = Bank(stream_of(access_token), page_rows=1)
        return self._banks[access_token]


def _poison(kind: str) -> None:
    match kind:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "memory":
            bytearray(16 * GIGABYTE)
        case "raise":
            raise ValueError("a page that nobody understands")


def use() -> None:
    """Make it the provider of this process."""
    registry._providers.clear()
    registry._providers["plaid"] = TokenBank()
