"""The whole installation as processes of its own, and Chromium to use it with.

Fixtures:
    installation: Pages, worker, scheduler and bank simulator, over the test's own database.
    page: A new browser page, nobody signed in; fails the test on any error of script or policy.
    ada: Somebody signed in on `page`, with no bank yet.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.chromium import running as running_chromium

if TYPE_CHECKING:  # importing them reads the environment
    from tests.factories.people import Person
    from tests.features.users.oidc_provider import Provider
    from tests.providers.local_server import LocalServer

ROOT = Path(__file__).parents[2]
START_SECONDS_MAX = 60
SYNC_SECONDS_MAX = 30
# Celery's queue is one per database of the broker: other tests must not get our tasks.
BROKER_DATABASE = 9
expect.set_options(timeout=15_000)


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups next
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, and keep it in one process: there is one installation."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("installation"))


@dataclass(frozen=True)
class Installation:
    """Where the processes answer."""

    url: str
    bank_url: str
    provider: "Provider"
    """Where people may sign in as well: another origin, and so another site, for the browser."""
    model: "LocalServer"
    """A language model; a test says what it answers."""

    @property
    def webhook_url(self) -> str:
        """Where the simulator sends its webhooks."""
        return f"{self.url}/webhooks/plaid"

    def bank(self, path: str, body: dict[str, object] | None = None) -> dict:
        """Call the simulator: Plaid's API, or its own under /simulator."""
        keys = {} if path.startswith("/simulator") else {"client_id": "c", "secret": "s"}
        return _post(self.bank_url + path, {**keys, **(body or {})})

    def items(self) -> list[dict]:
        """Return the Items at the simulator."""
        return _get(self.bank_url + "/simulator/items")["items"]

    def account_of(self, item: dict) -> str:
        """Return the id, at the simulator, of an account of an Item."""
        truth = _get(f"{self.bank_url}/simulator/items/{item['item_id']}/truth")
        return next(iter(truth["transactions"].values()))["account_id"]


def _post(url: str, body: dict[str, object], **headers: str) -> dict:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"{}")


def _get(url: str) -> dict:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextmanager
def _running(log: Path, environment: dict[str, str], *command: str) -> Iterator[subprocess.Popen]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def _wait_until_healthy(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail(f"{url} does not answer:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Pages, worker, scheduler and bank simulator, as `fintech up` starts them."""
    from tests.features.users import oidc_provider  # reads the environment
    from tests.providers.local_server import local_server

    stack = ExitStack()
    provider = stack.enter_context(oidc_provider.running())
    model = stack.enter_context(local_server())
    folder = tmp_path_factory.mktemp("installation")
    port, bank_port = _free_port(), _free_port()
    bank_url = f"http://127.0.0.1:{bank_port}"
    found = Installation(f"http://localhost:{port}", bank_url, provider, model)
    environment = {
        **os.environ,
        "PUBLIC_URL": found.url,
        "REDIS_URL": urlsplit(os.environ["REDIS_URL"])
        ._replace(path=f"/{BROKER_DATABASE}")
        .geturl(),
        "PLAID_CLIENT_ID": "simulator",
        "PLAID_SECRET": "simulator",
        "PLAID_BASE_URL": found.bank_url,
        "WEBHOOK_BASE_URL": f"http://127.0.0.1:{port}",
        "OIDC_ISSUER": provider.url,
        "OIDC_CLIENT_ID": oidc_provider.CLIENT_ID,
        "OIDC_CLIENT_SECRET": oidc_provider.CLIENT_SECRET,
        "OIDC_NAME": "Example SSO",
        "OPENAI_BASE_URL": f"{model.url}/v1",
        "OPENAI_MODEL": "small-model",
        "SIMULATOR_RATE_LIMITS": "off",
        "SIMULATOR_INITIAL_SECONDS": "0.5",
        "SIMULATOR_HISTORICAL_SECONDS": "1.5",
    }
    serve = ("--host=127.0.0.1", "--no-access-log")
    programs = {
        "bank": ("uvicorn", "app.simulator.main:app", f"--port={bank_port}", *serve),
        "web": ("uvicorn", "app.main:app", f"--port={port}", *serve),
        "worker": ("celery", "-A", "app.tasks", "worker", "--pool=threads", "--concurrency=4",
                   "--without-gossip", "--without-mingle", "--without-heartbeat"),
        "beat": ("celery", "-A", "app.tasks", "beat", f"--schedule={folder / 'beat-schedule'}"),
    }  # fmt: skip
    with stack:
        started = {
            name: stack.enter_context(_running(folder / f"{name}.log", environment, *command))
            for name, command in programs.items()
        }
        _wait_until_healthy(f"{found.bank_url}/health", started["bank"], folder / "bank.log")
        _wait_until_healthy(f"{found.url}/health", started["web"], folder / "web.log")
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium; not for the whole session, since its event loop would be in others' way."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def tolerated() -> list[str]:
    """Texts of console errors that the test expects."""
    return []


@pytest.fixture
def context(chromium: Browser, installation: Installation) -> Iterator[BrowserContext]:
    """A browser of its own, without cookies."""
    context = chromium.new_context(
        base_url=installation.url, viewport={"width": 1440, "height": 900}, locale="en-US"
    )
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, tolerated: list[str]) -> Iterator[Page]:
    """A page; what its scripts or its policy complain of fails the test."""
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(f"script: {error}"))
    page.on(
        "console",
        lambda message: errors.append(message.text) if message.type == "error" else None,
    )
    page.on(
        "request",
        lambda request: (
            errors.append(f"left the origin: {request.url}")
            if urlsplit(request.url).hostname not in ("localhost", "127.0.0.1", None)
            else None
        ),
    )
    yield page
    page.close()
    left = [error for error in errors if not any(text in error for text in tolerated)]
    assert left == []


@dataclass(frozen=True)
class SignedIn:
    """Somebody signed in on the page."""

    page: Page
    installation: Installation
    bearer: str
    person: "Person"

    @property
    def email(self) -> str:
        """What they sign in with."""
        return self.person.email

    def link(self, login: str = "user_good", institution_id: str = "ins_109508") -> dict:
        """Link a bank without the Link page, wait for its whole history; return its Item there."""
        before = {each["item_id"] for each in self.installation.items()}
        made = self.installation.bank(
            "/sandbox/public_token/create",
            {
                "institution_id": institution_id,
                "initial_products": ["transactions"],
                "options": {
                    "override_username": login,
                    "webhook": self.installation.webhook_url,
                },
            },
        )
        linked = self.call("/api/v1/plaid/exchange-token", {"public_token": made["public_token"]})
        [item] = [each for each in self.installation.items() if each["item_id"] not in before]
        self.installation.bank("/simulator/mature", {"item_id": item["item_id"]})
        self.call(f"/api/v1/plaid/sync-transactions/{linked['item_id']}", {})
        return {**item, "ours": linked["item_id"]}

    def call(self, path: str, body: dict[str, object]) -> dict:
        """Call the JSON API as this person's program."""
        return _post(self.installation.url + path, body, Authorization=f"Bearer {self.bearer}")


def sign_in(page: Page, installation: Installation, name: str = "Ada") -> SignedIn:
    """Make a person and sign them in on the page, without the form."""
    from app.core import csrf  # reads the environment
    from tests.factories import people  # reads the environment

    person = people.person(name)
    page.context.add_cookies(
        [
            {
                "name": csrf.SESSION_COOKIE,
                "value": people.browser_session(person).cookie,
                "url": installation.url,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    token = people.api_session(person).access_token
    return SignedIn(page, installation, token, person)


@pytest.fixture
def ada(page: Page, installation: Installation) -> SignedIn:
    """Ada, signed in, with no bank yet."""
    return sign_in(page, installation)
