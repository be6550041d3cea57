"""What people and operators do with a site: through nginx, over TLS, by HTTP alone."""

import http.client
import http.cookiejar
import json
import re
import ssl
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from scripts.containers.engine import (
    DEMO_BANK_PORT,
    DEMO_PORT,
    HTTP_PORT,
    HTTPS_PORT,
    SIMULATOR_PORT,
    Failed,
    expect,
    say,
)
from scripts.containers.site import MAIL_FROM, Site

PASSWORD = "violet-harbor-canoe-93"
CSV = b"Date,Description,Amount\n2026-01-05,Check of containers,-12.34\n2026-01-06,Refund,5.00\n"
WRITERS = 3
PAUSE_SECONDS = 0.1
GIVE_UP_SECONDS = 120
HISTORY_ROWS_MIN = 150
"""The bank tells a month first, and two years a little later."""
TRY_AGAIN = (429, 502, 503, 504)


@dataclass
class Person:
    """Somebody who uses the site over TLS."""

    context: ssl.SSLContext
    token: str = ""

    @classmethod
    def of(cls, certificate: Path) -> "Person":
        """Return a person who trusts one certificate."""
        return cls(ssl.create_default_context(cafile=certificate))

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the site."""
        return http.client.HTTPSConnection(
            "localhost", HTTPS_PORT, timeout=90, context=self.context
        )

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        kind: str = "application/json",
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send one request and return status, headers and body."""
        connection = self.connect()
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        headers = {"Content-Type": kind} if data else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def want(self, method: str, path: str, *more: Any) -> Any:  # noqa: ANN401 - what JSON holds
        """Send one request that must succeed, and return its JSON."""
        status, _, content = self.ask(method, path, *more)
        expect(status < 300, f"{method} {path} answered {status}: {content[:300]!r}")
        return json.loads(content) if content else None


def look_at_the_edge(person: Person) -> None:
    """Redirect, TLS versions, headers, limits, and what is not for everybody."""
    plain = http.client.HTTPConnection("localhost", HTTP_PORT, timeout=10)
    plain.request("GET", "/sign-in?next=1")
    answer = plain.getresponse()
    expect(
        (answer.status, answer.headers["Location"]) == (308, "https://localhost/sign-in?next=1"),
        f"http answers {answer.status} {answer.headers['Location']}",
    )
    status, headers, _ = person.ask("GET", "/sign-in")
    expect(status == 200, f"/sign-in answers {status}")
    expect(headers.get_all("Strict-Transport-Security") == ["max-age=31536000"], "HSTS")
    expect("/" not in headers.get("Server", ""), "the server tells its version")
    expect(person.ask("GET", "/metrics")[0] == 404, "/metrics can be read from outside")
    status, _, _ = person.ask("POST", "/webhooks/plaid", {"webhook_type": "TRANSACTIONS"})
    expect(status == 401, f"a forged webhook is answered {status}")
    large = b"x" * (1024 * 1024 + 1)
    expect(person.ask("POST", "/api/v1/auth/register", large)[0] == 413, "a large body passes")
    newest, person.context.maximum_version = (
        person.context.maximum_version,
        ssl.TLSVersion.TLSv1_1,
    )
    try:
        person.ask("GET", "/health")
    except OSError:  # what errors of TLS are, too
        pass
    else:
        raise Failed("TLS 1.1 is spoken")
    finally:
        person.context.maximum_version = newest
    say("edge: redirect, TLS 1.2 and later, HSTS, /metrics closed, bodies limited, forgery refused")


def do_the_main_job(person: Person) -> None:
    """Sign up, link a bank, sync, see transactions, import a file."""
    email = "checker@example.com"
    sign_up(person, email)
    link_and_sync(person, SIMULATOR_PORT, "http://app:8000")
    _import_a_file(person)
    _hear_events(person, email)


class Visitor(Person):
    """Somebody who tries it on the machine that it runs on, without TLS."""

    def __init__(self) -> None:
        super().__init__(ssl.create_default_context())

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection to the demo."""
        return http.client.HTTPConnection("localhost", DEMO_PORT, timeout=90)


def try_the_demo() -> None:
    """Do on docker-compose.yml what somebody does who wants to see it."""
    visitor = Visitor()
    status, _, page = visitor.ask("GET", "/sign-in")
    expect(status == 200 and b"<form" in page, f"/sign-in answers {status}")
    sign_up(visitor, "visitor@example.com")
    link_and_sync(visitor, DEMO_BANK_PORT, "http://localhost:8000")


def sign_up(person: Person, email: str) -> None:
    """Register and sign in by the API."""
    person.want("POST", "/api/v1/auth/register", {"email": email, "password": PASSWORD})
    form = urlencode({"username": email, "password": PASSWORD}).encode()
    answer = person.want("POST", "/api/v1/auth/login", form, "application/x-www-form-urlencoded")
    person.token = answer["access_token"]
    say("signed up and in")


def link_and_sync(person: Person, bank_port: int, webhooks: str) -> None:
    """Link the simulated bank and wait for what it tells and a worker fetches.

    Args:
        person: Who is signed in.
        bank_port: Where the bank is reached from this machine.
        webhooks: Where the bank reaches the program.
    """
    link_token = person.want("POST", "/api/v1/plaid/link-token", {})["link_token"]
    item = person.want(
        "POST",
        "/api/v1/plaid/exchange-token",
        {"public_token": _sign_in_at_bank(bank_port, webhooks), "link_token": link_token},
    )
    person.want("POST", f"/api/v1/plaid/sync-transactions/{item['item_id']}?wait=20")
    rows = _wait_for_rows(person)
    accounts = person.want("GET", "/api/v1/accounts/")["data"]
    say(f"linked a bank and synced: {len(accounts)} accounts, {rows}+ transactions by worker")


def _import_a_file(person: Person) -> None:
    boundary = "----check"
    part = 'Content-Disposition: form-data; name="{}"{}\r\n\r\n'
    body = b"".join(
        f"--{boundary}\r\n{part.format(name, more)}".encode() + value + b"\r\n"
        for name, more, value in (
            ("file", '; filename="check.csv"\r\nContent-Type: text/csv', CSV),
            ("currency", "", b"USD"),
            ("book", "", b"true"),
        )
    )
    body += f"--{boundary}--\r\n".encode()
    kind = f"multipart/form-data; boundary={boundary}"
    result = person.want("POST", "/api/v1/imports/", body, kind)
    found = person.want("GET", "/api/v1/transactions/?search=containers")["data"]
    expect(len(found) == 1, f"the imported row is not there: {result}")
    say("imported a file and found its row")


def _sign_in_at_bank(port: int, webhooks: str) -> str:
    """Return what Plaid Link would give a page when its person has signed in."""
    bank = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    question = {
        "client_id": "simulator",
        "secret": "simulator",
        "institution_id": "ins_900001",
        "initial_products": ["transactions"],
        "options": {
            "webhook": f"{webhooks}/webhooks/plaid",
            "override_username": "demo_family",
            "override_password": "pass_good",
            "transactions": {"days_requested": 730},
        },
    }
    headers = {"Content-Type": "application/json"}
    bank.request("POST", "/sandbox/public_token/create", json.dumps(question), headers)
    return str(json.loads(bank.getresponse().read())["public_token"])


def _wait_for_rows(person: Person) -> int:
    """Wait for what the bank announces by webhook and a worker fetches."""
    deadline, rows = time.monotonic() + 60, []
    while time.monotonic() < deadline:
        rows = person.want("GET", "/api/v1/transactions/?limit=200")["data"]
        if len(rows) >= HISTORY_ROWS_MIN:
            return len(rows)
        time.sleep(1)
    raise Failed(f"the bank's history does not arrive: {len(rows)} rows")


def _hear_events(person: Person, email: str) -> None:
    """Sign in on the page; the stream of events begins at once: nothing on the way collects it."""
    address = f"https://localhost:{HTTPS_PORT}"
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=person.context),
        urllib.request.HTTPCookieProcessor(jar),
    )
    page = browser.open(f"{address}/sign-in", timeout=30).read().decode()
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    expect(token, "the sign-in page has no token")
    form = {"email": email, "password": PASSWORD, "csrf_token": token[1] if token else ""}
    sign_in = urllib.request.Request(
        f"{address}/sign-in", urlencode(form).encode(), {"Origin": address}
    )
    expect("/sign-in" not in browser.open(sign_in, timeout=30).url, "the page does not let in")
    expect(all(cookie.secure for cookie in jar), "a cookie is sent without TLS")
    with browser.open(f"{address}/events", timeout=10) as events:
        kind = events.headers["Content-Type"]
        expect(kind.startswith("text/event-stream"), f"/events answers {kind}")
        expect(events.read1(64), "/events says nothing")
    say("signed in as a browser: secure cookies, events stream unbuffered")


def operate(site: Site) -> None:
    """The operator's commands, as the founding document and the guide have them."""
    site.compose("exec", "-T", "app", "alembic", "upgrade", "head")
    made = site.compose("exec", "-T", "backup", "fintech", "backup", "--keep", "14")
    checked = site.compose("exec", "-T", "backup", "fintech", "restore", "--check")
    expect("0 differences" in checked, f"a backup does not come back as it was: {checked}")
    site.compose(
        "exec", "-T", "app", "python", "-c",
        "from app.core.database import engine; engine.connect().exec_driver_sql('SELECT 1')",
    )  # fmt: skip
    said = site.compose("exec", "-T", "app", "printenv", "MAIL_FROM")
    expect(said == MAIL_FROM, f".env.prod says {MAIL_FROM!r}, the container {said!r}")
    _look_at_what_is_kept(site)
    _scrape(site)
    say("exec app alembic upgrade head")
    say(f"a backup: {made.splitlines()[1]}")
    say(f"restored aside: {checked.splitlines()[-2]}")


def _look_at_what_is_kept(site: Site) -> None:
    """A worker and the service for backups write the same file outside the database."""
    for service in ("celery", "backup"):
        site.compose(
            "exec", "-T", service, "python", "-c",
            "from app.features.audit import digests; digests.write()",
        )  # fmt: skip
    kept = site.compose("exec", "-T", "backup", "cat", "/var/lib/kept/audit-heads.jsonl")
    expect(kept.count('"audit_head"') > 1, f"two have written, and there is {kept!r}")
    say("kept outside the database: ends of the audit trail, by worker and backup")


_ASK_EACH = """
import socket, urllib.request
token = open("/run/secrets/metrics_token").read()
found = {each[4][0] for each in socket.getaddrinfo("app", 8000, socket.AF_INET)}
for address in found:
    asked = urllib.request.Request(f"http://{address}:8000/metrics")
    asked.add_header("Authorization", f"Bearer {token}")
    assert b"fta_http_requests_total" in urllib.request.urlopen(asked, timeout=10).read()
print(len(found))
"""


def _scrape(site: Site) -> None:
    """Ask each web server for its figures as Prometheus does: by its address, with the token."""
    found = site.compose("exec", "-T", "celery", "python", "-c", _ASK_EACH)
    expect(int(found) >= len(site.containers("app")), f"the name app leads to {found} addresses")
    say(f"figures of {found} addresses of web servers")


@dataclass
class Writer:
    """Writes one transaction's note again and again, trying again as the site asks it to."""

    person: Person
    transaction_id: str
    stop: threading.Event
    kept: str = ""
    writes: int = 0
    trials: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    problem: str = ""

    def run(self) -> None:
        """Write until told to stop, or until a write fails for good."""
        while not self.stop.is_set() and not self.problem:
            note = f"write {self.writes + 1}"
            started = time.monotonic()
            if self._write(note, started + GIVE_UP_SECONDS):
                self.kept, self.writes = note, self.writes + 1
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - started)
            time.sleep(PAUSE_SECONDS)

    def _write(self, note: str, deadline: float) -> bool:
        path = f"/api/v1/transactions/{self.transaction_id}"
        while time.monotonic() < deadline:
            try:
                status, headers, content = self.person.ask("PUT", path, {"note": note})
            except (OSError, http.client.HTTPException) as error:
                self.trials[f"{type(error).__name__} {error}"[:60]] += 1
                time.sleep(0.5)
                continue
            if status < 300:
                return True
            if status not in TRY_AGAIN:
                self.problem = f"PUT answered {status}: {content[:200]!r}"
                return False
            self.trials[str(status)] += 1
            time.sleep(min(2.0, float(headers.get("Retry-After", "0.5"))))
        self.problem = f"{note!r} did not succeed within {GIVE_UP_SECONDS} s"
        return False


def restart_each_under_load(site: Site, person: Person) -> None:
    """Restart every container in turn while people write; no write may fail or be forgotten."""
    rows = person.want("GET", f"/api/v1/transactions/?limit={WRITERS}")["data"]
    stop = threading.Event()
    writers = [Writer(person, row["id"], stop) for row in rows]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        for service in site.services:
            if site.services[service].get("healthcheck", {}).get("disable"):
                continue
            for name in site.containers(service):
                _restart_one(site, name, writers)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for writer in writers:
        expect(not writer.problem, writer.problem)
        row = person.want("GET", f"/api/v1/transactions/{writer.transaction_id}")
        expect(row["note"] == writer.kept, f"{writer.kept!r} is lost: {row['note']!r}")
    say(
        f"{sum(writer.writes for writer in writers)} writes, none failed, none lost; the slowest "
        f"took {max(writer.slowest_seconds for writer in writers):.1f} s"
    )


def _restart_one(site: Site, name: str, writers: list[Writer]) -> None:
    before = sum((writer.trials for writer in writers), Counter())
    written = sum(writer.writes for writer in writers)
    started = time.monotonic()
    site.restart(name)
    seconds = time.monotonic() - started
    time.sleep(2)
    trials = sum((writer.trials for writer in writers), Counter()) - before
    written = sum(writer.writes for writer in writers) - written
    again = ", ".join(f"{count} x {what}" for what, count in trials.items()) or "none"
    say(f"restarted {name} in {seconds:.1f} s: {written} writes, tried again: {again}")
