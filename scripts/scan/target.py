"""An installation to attack: `fintech up` on a home of its own, with the demo household."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

import psycopg

from app.cli import demo
from app.cli.api import Api
from app.core import embedded
from app.core.embedded import ports

ROOT = Path(__file__).resolve().parents[2]
ANNOUNCED = "is running"
START_SECONDS_MAX = 180
OPERATORS = (
    "API_", "APP_", "DATABASE_", "ENCRYPTION_", "FINTECH_", "LOG_", "OIDC_", "OPENAI_", "OUTBOUND_",
    "PLAID_", "PUBLIC_", "REDIS_", "SECRET_", "SMTP_", "WEBHOOK_",
)  # fmt: skip
"""What the shell may hold for another installation."""
SETTINGS = {
    "ACCESS_TOKEN_EXPIRE_MINUTES": "1440",
    "API_TOKEN_REQUESTS_PER_MINUTE": "60000",
    "LOG_LEVEL": "WARNING",
    "RECENT_SIGN_IN_MINUTES": "60",
}
"""A scanner sends more than people do, and asks for what wants a recent sign-in."""
# Limits on wrong passwords have no setting that lifts them. Here, in the scan's own database,
# every bucket is full again at once: they are asked as ever, and let everybody pass.
FULL_BUCKETS = """
    CREATE FUNCTION scan_fills() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.tokens := 1000000; RETURN NEW; END';
    CREATE TRIGGER scan_fills BEFORE INSERT OR UPDATE ON attempt_buckets
        FOR EACH ROW EXECUTE FUNCTION scan_fills();
"""
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
FIRST_OF = {
    "account_id": "/api/v1/accounts/",
    "change_set_id": "/api/v1/history/",
    "import_id": "/api/v1/imports/",
    "item_id": "/api/v1/connections/",
    "transaction_id": "/api/v1/transactions/",
}
"""Where the API lists what routes ask for by an id."""


@dataclass(frozen=True, slots=True)
class Target:
    """The program that runs, and who attacks it from inside: the demo household's owner."""

    url: str
    home: Path
    email: str
    database: str = field(repr=False)
    """The address of what the program keeps its data in."""
    password: str = field(repr=False)
    token: str = field(repr=False)
    """A bearer token of a session."""
    cookie: str = field(repr=False)
    """The header of a browser that is signed in."""
    csrf_token: str = field(repr=False)
    ids: Mapping[str, str]
    """Of things that are there, by the names that routes give them."""

    def failures(self) -> list[str]:
        """Return what the program itself logged of requests that failed unexpectedly."""
        lines = (self.home / "logs" / "web.log").read_text("utf-8", "replace").splitlines()
        return [line for line in lines if "request_failed" in line]


@contextmanager
def running() -> Iterator[Target]:
    """Start everything on free ports of the loopback; it is stopped and deleted at the end."""
    with embedded.temporary_home() as home:
        port = ports.find_free()
        url = f"http://{ports.LOOPBACK}:{port}"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(OPERATORS)
        } | {**SETTINGS, "FINTECH_HOME": str(home), "PUBLIC_URL": url, "PYTHONUNBUFFERED": "1"}
        with (
            tempfile.TemporaryDirectory() as folder,  # without a .env
            (Path(folder) / "up.log").open("w+") as log,
            _started(port, environment, Path(folder), log) as process,
        ):
            _wait(process, Path(folder) / "up.log")
            database = _database(home)
            with psycopg.connect(database) as connection:
                connection.execute(FULL_BUCKETS)
            yield _target(url, home, database)


@contextmanager
def _started(
    port: int, environment: Mapping[str, str], folder: Path, log: IO[str]
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [Path(sys.executable).with_name("fintech"), "up", "--demo", f"--port={port}"],
        cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _wait(process: subprocess.Popen[str], log: Path) -> None:
    """Wait until the program says that it runs, which is after the demo's banks are synced.

    Raises:
        RuntimeError: It ended, or took too long.
    """
    deadline = time.monotonic() + START_SECONDS_MAX
    while ANNOUNCED not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"fintech up did not start:\n{log.read_text()}")
        time.sleep(0.2)


def _database(home: Path) -> str:
    """Return the address of the database that the program runs on."""
    lines = (home / "environment").read_text("utf-8").splitlines()
    return next(line for line in lines if line.startswith("DATABASE_URL=")).partition("=")[2]


def _target(url: str, home: Path, database: str) -> Target:
    login = demo.login(home)
    api = Api(url).log_in(login.email, login.password)
    cookie, csrf_token = _sign_in(login.email, login.password, url)
    return Target(
        url=url, home=home, database=database, email=login.email, password=login.password,
        token=api.token, cookie=cookie, csrf_token=csrf_token, ids=_ids_of(api),
    )  # fmt: skip


def _ids_of(api: Api) -> dict[str, str]:
    found = {
        name: rows[0]["id"] for name, path in FIRST_OF.items() if (rows := api.get(path)["data"])
    }
    if matches := api.get("/api/v1/matches/")["transactions"]:
        found["match_id"] = matches[0]["id"]
    found["user_id"] = api.get("/api/v1/auth/me")["user_id"]
    token = {"name": "Scan", "scopes": ["read"]}
    found["token_id"] = api.post("/api/v1/auth/tokens", token)["id"]
    found["invitation_id"] = api.post("/api/v1/invitations")["id"]
    return found


def _sign_in(email: str, password: str, url: str) -> tuple[str, str]:
    """Sign in as a browser does; return its cookie and the token for its forms."""
    form, visitor = _page(url, "/sign-in", "")
    fields = {"email": email, "password": password, "csrf_token": _csrf_of(form)}
    _, cookie = _page(url, "/sign-in", visitor, fields)
    form, _ = _page(url, "/settings", cookie)
    return cookie, _csrf_of(form)


def _page(
    url: str, path: str, cookie: str, fields: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Return a page, and the cookie that came with it."""
    connection = HTTPConnection(url.partition("//")[2], timeout=30)
    headers = {"Cookie": cookie, "Origin": url}
    if fields is None:
        connection.request("GET", path, headers=headers)
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("POST", path, urlencode(fields), headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return text, _cookie_of(answer.headers)


def _cookie_of(headers: HTTPMessage) -> str:
    """Return the cookies that an answer sets, but for those that it deletes."""
    set_ = [line.partition(";")[0] for line in headers.get_all("Set-Cookie", ())]
    return "; ".join(each for each in set_ if not each.endswith(("=", '=""')))


def _csrf_of(page: str) -> str:
    found = CSRF.search(page)
    assert found is not None, "the page has no form"
    return found[1]
