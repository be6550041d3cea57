"""The bank simulator as a SimpleFIN server on a local port, and the provider that may ask it."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from app.core.outbound import Allowance
from app.features.connections.service import setup_tokens
from app.providers import registry
from app.providers.simplefin.provider import SimpleFINProvider
from app.simulator.bank import Simulator
from app.simulator.items import LiveItem
from app.simulator.main import create_app
from app.simulator.rows import Row
from app.simulator.settings import Settings
from app.simulator.simplefin import grant, setup_token
from app.simulator.state import SimpleFINAccess


@dataclass
class Server:
    """The simulator at work in this process."""

    bank: Simulator
    port: int

    @property
    def root(self) -> str:
        """The root of its SimpleFIN server."""
        return f"http://127.0.0.1:{self.port}/simplefin"

    @property
    def allowance(self) -> Allowance:
        """Lets programs reach it, though it is neither public nor https."""
        return Allowance(hosts=frozenset({("127.0.0.1", self.port)}))

    def grant(self, login: str = "user_good") -> tuple[SimpleFINAccess, str]:
        """Return an access to all banks of a login, and the token for it."""
        access = grant(self.bank, login)
        return access, setup_token(self.root, access)

    def items(self, access: SimpleFINAccess) -> list[LiveItem]:
        """Return the banks behind an access."""
        return [self.bank.live(self.bank.state.items[each]) for each in access.item_ids]

    def rows(self, access: SimpleFINAccess) -> dict[str, Row]:
        """Return what the banks say now, by the ids that SimpleFIN gives."""
        return {
            f"TRN-{row.transaction_id}": row
            for item in self.items(access)
            for row in item.stream.rows()
        }


@contextmanager
def simplefin_server(**settings: object) -> Iterator[Server]:
    """Run a simulator; its banks hand over their history at once."""
    values = {"initial_seconds": 0.0, "historical_seconds": 0.0, "rate_limits": "off", **settings}
    app = create_app(Settings(**values))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, ws="none")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield Server(app.state.bank, port)
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def offering_simplefin(server: Server) -> Iterator[None]:
    """Let the application connect to the server."""
    before = dict(registry._providers)
    registry._providers["simplefin"] = SimpleFINProvider(server.allowance)
    try:
        yield
    finally:
        registry._providers.clear()
        registry._providers.update(before)


def connect(person, server: Server, login: str = "user_good"):
    """Connect a person with a fresh token; return the access and the connection's id."""
    access, token = server.grant(login)
    item_id = setup_tokens.connect(person.household_id, person.user_id, token)
    return access, item_id
