"""K4: secrets that can be recognised go through every flow, and leave by none of the exits."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from app.core import totp
from app.core.config import Settings
from tests import canaries, servers
from tests.factories import files
from tests.faults import exits as leaving
from tests.faults.exits import Exits
from tests.faults.installation import ROOT, free_port, until
from tests.features.connections.simplefin import Server, simplefin_server
from tests.features.notices.mailbox import Mailbox, open_mailbox
from tests.features.users import oidc_provider
from tests.features.users.phones import secret_in
from tests.providers import language_model
from tests.providers.local_server import LocalServer, as_json, local_server, raw, reset
from tests.providers.tls import make_certificate

PASSWORDS = [f"canary password {n} of a person" for n in range(4)]
SETTINGS = {
    "SECRET_KEY": "canary-signing-key-0123456789-abcdefghij",
    "ENCRYPTION_KEYS": "k1:" + base64.b64encode(b"canary-of-32-bytes-wrapping-keys").decode(),
    "PLAID_SECRET": "canary-plaid-secret-0123456789",
    "METRICS_TOKEN": "canary-metrics-token-0123456789",
    "OPENAI_API_KEY": "sk-canary-openai-0123456789",
    "ROLLBAR_ACCESS_TOKEN": "canary-rollbar-0123456789",
    "BUGSNAG_API_KEY": "canarybugsnag00112233445566778899",
    "AWS_SECRET_ACCESS_KEY": "canary-bucket-secret-0123456789",
    "AWS_ACCESS_KEY_ID": "CANARYBUCKETKEY01234",
}
INSIDE = {
    "the provider's word for us": oidc_provider.CLIENT_SECRET,
    "the Sentry key": "canarysentry0011223344556677889900",
    "the collector key": "canary-collector-0123456789",
    "the mail password": "canary-mail-0123456789",
}
"""Secrets that are a part of a setting."""
FILE_TEXT = "CANARY PAYEE OF A FILE"
SEARCHED = "canary words of a search"
NOTE = "canary note of a person"
IN_TABLES = ("a description", "a note")
"""What is no secret in the database and in exports, only everywhere else."""
STATEMENT = files.csv(*(f"2026-11-0{n},{FILE_TEXT} {n},-{n}.50" for n in range(1, 6)))


@dataclass
class Stage:
    """A started installation, its bank, and what left it."""

    url: str
    database: str
    environment: dict[str, str]
    bank: Server
    provider: oidc_provider.Provider
    mailbox: Mailbox
    model: LocalServer
    exits: Exits
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]]

    def ask(self, client: httpx2.Client, method: str, path: str, **more: object) -> httpx2.Response:
        """Send a request; what refuses or fails is an exit."""
        answer = client.request(method, path, **more)  # type: ignore[arg-type]
        if answer.status_code >= 400:
            # A cookie is told to whom it belongs, whatever the answer.
            told = [each for each in answer.headers.items() if each[0] != "set-cookie"]
            self.exits.see("refusals", f"{told}\n{answer.text}")
        return answer

    def client(self) -> httpx2.Client:
        """Return a browser that was never here."""
        headers = {"Sec-Fetch-Site": "same-origin"}
        return httpx2.Client(base_url=self.url, timeout=60, headers=headers)

    def command(self, *arguments: str) -> str:
        """Run `fintech …` and return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", "from app.cli import main; main()", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        self.exits.see("commands", done.stderr)
        return done.stdout.decode()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Web and worker with a canary in every setting, receivers for all that they may send."""
    exits, port = Exits(), free_port()
    for name, value in {**SETTINGS, **INSIDE}.items():
        exits.hide(name, value.removeprefix("k1:"))
    (tmp_path / "tmp").mkdir()
    with ExitStack() as stack:
        database = stack.enter_context(servers.cloned_database("canaries"))
        broker = os.environ["REDIS_URL"].rpartition("/")[0] + "/7"
        for url in (database, broker):
            if password := urlsplit(url).password:
                exits.hide(f"the password of {urlsplit(url).scheme}", password)
        stack.enter_context(leaving.monitoring(exits, broker))
        receiver = f"http://127.0.0.1:{stack.enter_context(leaving.receiving(exits))}"
        certificate = make_certificate("localhost", tmp_path)
        mailbox = stack.enter_context(open_mailbox(certificate))
        bank = stack.enter_context(simplefin_server())
        provider = stack.enter_context(oidc_provider.running())
        model = stack.enter_context(local_server())
        environment = {
            **os.environ,
            **SETTINGS,
            "DATABASE_URL": database,
            "REDIS_URL": broker,
            "PUBLIC_URL": f"http://localhost:{port}",
            "PLAID_CLIENT_ID": "simulator",
            "PLAID_BASE_URL": f"http://127.0.0.1:{bank.port}",
            "WEBHOOK_BASE_URL": f"http://127.0.0.1:{port}",
            "OUTBOUND_ALLOWED_HOSTS": f"127.0.0.1:{bank.port}",
            "OIDC_ISSUER": provider.url,
            "OIDC_CLIENT_ID": oidc_provider.CLIENT_ID,
            "OIDC_CLIENT_SECRET": oidc_provider.CLIENT_SECRET,
            "OIDC_CREATES_USERS": "true",
            "OPENAI_BASE_URL": f"{model.url}/v1",
            "SMTP_URL": f"smtp://us:{INSIDE['the mail password']}@localhost:{mailbox.port}",
            "SSL_CERT_FILE": str(certificate),
            "SENTRY_DSN": receiver.replace("://", f"://{INSIDE['the Sentry key']}@") + "/1",
            "ROLLBAR_URL": receiver,
            "BUGSNAG_URL": receiver,
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=" + INSIDE["the collector key"],
            "OTEL_TRACES_PERCENT": "100",
            "RECENT_SIGN_IN_MINUTES": "60",
            "LOG_LEVEL": "DEBUG",
            "TMPDIR": str(tmp_path / "tmp"),
        }
        programs = {
            "web": ("uvicorn", "app.main:app", "--host=127.0.0.1", f"--port={port}"),
            "worker": ("celery", "-A", "app.tasks", "worker", "--pool=threads", "--concurrency=4",
                       "--without-gossip", "--without-mingle", "--without-heartbeat"),
        }  # fmt: skip
        processes = {}
        for name, command in programs.items():
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            stack.callback(processes[name].wait, 30)
            stack.callback(processes[name].terminate)
        url = f"http://localhost:{port}"
        until(lambda: _answers(url), 180, f"an answer; see {tmp_path / 'web.log'}")
        yield Stage(
            url, database, environment, bank, provider, mailbox, model, exits, tmp_path, processes
        )  # fmt: skip


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/health", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def page_token(client: httpx2.Client, path: str) -> str:
    """Open a page and return the token that its forms carry."""
    [token, *_] = re.findall(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    return token


def bearer(stage: Stage, client: httpx2.Client, **form: str) -> dict[str, str]:
    """Log in by the API and remember the tokens; return the header."""
    tokens = stage.ask(client, "POST", "/api/v1/auth/login", data=form).json()
    for name in ("access_token", "refresh_token"):
        stage.exits.hide(f"{name} {len(stage.exits.secrets)}", tokens[name])
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def be_somebody(stage: Stage, client: httpx2.Client) -> dict[str, str]:
    """Register, sign in with pages and API, set up a second factor; return the header."""
    exits, ask = stage.exits, stage.ask
    for number, password in enumerate(PASSWORDS):
        exits.hide(f"password {number}", password)
    person = {"email": "ada@example.org", "password": PASSWORDS[0], "name": "Ada"}
    assert ask(client, "POST", "/api/v1/auth/register", json=person).status_code == 201
    ask(client, "POST", "/api/v1/auth/register", json=person)
    ask(client, "POST", "/api/v1/auth/register", json={**person, "password": [PASSWORDS[1]]})
    ask(client, "POST", "/api/v1/auth/register", content=json.dumps(person)[:-3])
    wrong = {"username": "ada@example.org", "password": PASSWORDS[1]}
    ask(client, "POST", "/api/v1/auth/login", data=wrong)
    header = bearer(stage, client, username="ada@example.org", password=PASSWORDS[0])
    refresh = exits.secrets[next(name for name in exits.secrets if name.startswith("refresh"))]
    for token in (refresh, refresh):  # the second time ends the session
        ask(client, "POST", "/api/v1/auth/refresh", json={"refresh_token": token})
    ask(client, "GET", "/api/v1/auth/me", headers=header)
    sign_in(stage, client)
    return turn_on_second_factor(stage, client)


def sign_in(stage: Stage, client: httpx2.Client) -> None:
    """Sign in on the pages, once wrongly."""
    for password in (PASSWORDS[1], PASSWORDS[0]):
        form = {"email": "ada@example.org", "password": password}
        form["csrf_token"] = page_token(client, "/sign-in")
        stage.ask(client, "POST", "/sign-in", data=form)
    for name, value in client.cookies.items():
        if len(value) > 20:
            stage.exits.hide(f"cookie {name}", value)
    assert client.get("/settings").status_code == 200


def turn_on_second_factor(stage: Stage, client: httpx2.Client) -> dict[str, str]:
    """Set up an authenticator app; return the header of a session that it opened."""
    form = {"csrf_token": page_token(client, "/settings/two-step"), "password": PASSWORDS[0]}
    secret = secret_in(stage.ask(client, "POST", "/settings/two-step", data=form).text)
    stage.exits.hide("authenticator", base64.b32encode(secret).decode().rstrip("="))
    stage.exits.hide("authenticator, raw", secret.hex())
    for code in ("000000", code_of(secret)):
        form["code"] = code
        answer = stage.ask(client, "POST", "/settings/two-step/confirm", data=form)
    codes = re.findall(r"<li><code>([a-z2-7-]+)</code></li>", answer.text)
    assert len(codes) >= 8
    for number, code in enumerate(codes):
        stage.exits.hide(f"recovery code {number}", code)
    login = {"username": "ada@example.org", "password": PASSWORDS[0]}
    stage.ask(client, "POST", "/api/v1/auth/login", data={**login, "totp_code": "no-such-code"})
    return bearer(stage, client, **login, totp_code=codes[0])


def code_of(secret: bytes) -> str:
    """Return the code that the app shows now."""
    return totp.code_at(secret, totp.step_at(time.time()))


def sign_in_elsewhere(stage: Stage) -> None:
    """Sign in at the OpenID Connect provider: rightly, with a lie, with a code that is spent."""
    for number, lies in enumerate(({}, {"nonce": "x"}, {"email": None})):
        stage.provider.lies = lies
        with stage.client() as client:
            address = client.get("/sign-in/oidc").headers["location"]
            came = stage.provider.authorize(
                address, f"eve-{number}", email="eve@example.org", email_verified=True
            )
            stage.exits.hide(f"code of the provider {number}", came["code"])
            for _ in range(2):
                stage.ask(client, "GET", "/sign-in/oidc/callback", params=came)


def offers(stage: Stage, which: str) -> tuple[str, str]:
    """Return a public token and a setup token; whatever they stand for is secret."""
    exits, bank = stage.exits, stage.bank
    item, public_token = bank.bank.new_item(
        client_id="simulator", institution_id="ins_109508", login="user_good", password="",
        products=["transactions"],
    )  # fmt: skip
    access, setup = bank.grant()
    exits.hide(f"{which} access token", item.access_token)
    for name in ("claim", "user", "password"):
        exits.hide(f"{which} SimpleFIN {name}", getattr(access, name))
    return (
        exits.hide(f"{which} public token", public_token),
        exits.hide(f"{which} setup token", setup),
    )


def link_banks(stage: Stage, client: httpx2.Client, header: dict[str, str]) -> None:
    """Link with both providers, rightly and wrongly, and sync."""
    exits = stage.exits
    public_token, setup = offers(stage, "first")
    for token in (public_token, public_token, public_token[:-3]):
        body = {"public_token": token}
        stage.ask(client, "POST", "/api/v1/plaid/exchange-token", json=body, headers=header)
    for token in (setup, setup, setup[:-8], "https://us:canary-url@127.0.0.1/"):
        body = {"setup_token": token}
        stage.ask(client, "POST", "/api/v1/simplefin/claim-token", json=body, headers=header)
    exits.hide("an address somebody typed", "canary-url")
    listed = client.get("/api/v1/connections/", headers=header).json()["data"]
    assert {each["provider"] for each in listed} >= {"plaid", "simplefin"}
    for each in listed:
        path = f"/api/v1/plaid/sync-transactions/{each['id']}"
        stage.ask(client, "POST", path, params={"wait": "20"}, headers=header)
    webhook = {"webhook_type": "ITEM", "item_id": exits.hide("a webhook", "canary-of-a-webhook")}
    forged = {"Plaid-Verification": exits.hide("a signature", "eyJhbGciOiJFUzI1NiJ9.canary.sig")}
    stage.ask(client, "POST", "/webhooks/plaid", json=webhook, headers=forged)


def bring_and_take(stage: Stage, client: httpx2.Client, header: dict[str, str]) -> None:
    """Import a file, write notes, make tokens and links, and take all exports."""
    exits = stage.exits
    exits.hide("a description", FILE_TEXT)
    exits.hide("words of a search", SEARCHED)
    exits.hide("a note", NOTE)
    for name, data in (("a.csv", STATEMENT), ("a.pdf", b"%PDF-1.4 " + FILE_TEXT.encode())):
        sent = {"file": (name, data)}
        stage.ask(
            client, "POST", "/api/v1/imports/", files=sent, data={"book": "true"}, headers=header
        )
    rows = client.get("/api/v1/transactions/", params={"search": SEARCHED}, headers=header)
    assert rows.json()["data"] == []
    note = {"all": True, "note": NOTE}
    stage.ask(client, "PATCH", "/api/v1/transactions/", json=note, headers=header)
    body = {"name": "a program", "scopes": ["read", "export"]}
    made = stage.ask(client, "POST", "/api/v1/auth/tokens", json=body, headers=header).json()
    exits.hide("API token", made["token"])
    for token in (made["token"], made["token"][:-1] + "x"):
        stage.ask(
            client, "GET", "/api/v1/transactions/", headers={"Authorization": f"Bearer {token}"}
        )
    link = stage.ask(client, "POST", "/api/v1/invitations", json={}, headers=header).json()
    invitation = exits.hide("invitation", re.split("[=#]", link["link"])[-1])
    body = {"invitation": invitation, "email": "b@example.org", "name": "Ben"}
    with stage.client() as guest:
        stage.ask(guest, "GET", "/join", params={"invitation": invitation})
        for password in ("short", PASSWORDS[3]):
            body["password"] = password
            stage.ask(guest, "POST", "/api/v1/invitations/register", json=body)
    for path in ("/api/v1/transactions/export?format=csv", "/api/v1/household/export"):
        answer = stage.ask(client, "POST", path, headers=header)
        assert answer.status_code == 200
        exits.see("exports", answer.content)
    key = {"Authorization": f"Bearer {SETTINGS['METRICS_TOKEN']}"}
    exits.see("metrics", stage.ask(client, "GET", "/metrics", headers=key).content)


def ask_the_model(stage: Stage, client: httpx2.Client, header: dict[str, str]) -> None:
    """Ask what a transaction is, of a server that sends our key back with what it refuses."""
    key = SETTINGS["OPENAI_API_KEY"]
    refused = as_json({"error": {"message": f"Incorrect key {key}"}}, 401)
    stage.model.routes["/v1/models"] = refused
    listed = client.get("/api/v1/transactions/", headers=header).json()["data"]
    form = {"csrf_token": page_token(client, "/settings")}
    values = {"name": "A name", "category": "none", "reason": "Because."}
    for answer in (refused, reset, raw(key.encode()), language_model.completion(values)):
        stage.model.answers = [answer]
        path = f"/transactions/{listed[0]['id']}/ask"
        page = stage.ask(client, "POST", path, data=form, headers={"HX-Request-Type": "partial"})
        stage.exits.see("answers of the model", page.text)
    assert page.status_code == 200
    sent = {each.headers["authorization"] for each in stage.model.requests}
    assert sent == {f"Bearer {key}"}


def reset_password(stage: Stage, header: dict[str, str]) -> None:
    """Fail to change the password, and reset it by the operator's link."""
    with stage.client() as client:
        body = {"current_password": PASSWORDS[2], "new_password": PASSWORDS[1]}
        stage.ask(client, "POST", "/api/v1/auth/password", json=body, headers=header)
        link = stage.command("user", "reset-link", "ada@example.org").strip()
        token = stage.exits.hide("reset link", link.rpartition("token=")[2])
        form = {"csrf_token": page_token(client, "/sign-in"), "token": token}
        for password in ("short", PASSWORDS[3], PASSWORDS[2]):
            stage.ask(client, "POST", "/reset-password", data={**form, "new_password": password})


def fail_everywhere(stage: Stage, client: httpx2.Client, header: dict[str, str]) -> int:
    """Do it all again while the audit trail cannot be written; return how much failed."""
    public_token, setup = offers(stage, "second")
    person = {"email": "c@example.org", "password": PASSWORDS[3], "name": "Cleo"}
    login = {"username": "ada@example.org", "password": PASSWORDS[0], "totp_code": "1"}
    bodies: dict[str, dict[str, object]] = {
        "/api/v1/auth/register": person,
        "/api/v1/auth/tokens": {"name": "a program", "scopes": ["read"]},
        "/api/v1/invitations": {},
        "/api/v1/household/export": {},
        "/api/v1/plaid/exchange-token": {"public_token": public_token},
        "/api/v1/simplefin/claim-token": {"setup_token": setup},
    }
    before = len(stage.exits.seen["refusals"])
    with without_trail(stage.database):
        stage.ask(client, "POST", "/api/v1/auth/login", data=login)
        for path, body in bodies.items():
            stage.ask(client, "POST", path, json=body, headers=header)
    refusals = stage.exits.seen["refusals"][before:]
    return sum(b"internal_error" in each for each in refusals)


@contextmanager
def without_trail(database: str) -> Iterator[None]:
    """Let nothing be written into the audit trail, which nothing that matters does without."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("ALTER TABLE audit_events RENAME TO gone")
        try:
            yield
        finally:
            owner.execute("ALTER TABLE gone RENAME TO audit_events")


def test_K4_every_secret_setting_has_a_canary() -> None:
    secret = {name for name, each in Settings.model_fields.items() if each.annotation is SecretStr}

    in_parts = {"DATABASE_URL", "REDIS_URL", "SMTP_URL", "OIDC_CLIENT_SECRET"}
    assert secret - SETTINGS.keys() == in_parts


def test_K4_no_secret_of_any_flow_leaves_by_any_exit(stage: Stage) -> None:
    exits = stage.exits
    with stage.client() as client:
        header = be_somebody(stage, client)
        link_banks(stage, client, header)
        bring_and_take(stage, client, header)
        ask_the_model(stage, client, header)
        sign_in_elsewhere(stage)
        failures = fail_everywhere(stage, client, header)
        with ThreadPoolExecutor() as pool:
            doctor = pool.submit(stage.command, "doctor")
            reset_password(stage, header)
        exits.see("doctor", doctor.result())
    until(lambda: stage.mailbox.messages, 60, "mail of what happened")
    leaving.see_titles(exits, [each.pid for each in stage.processes.values()])
    for each in stage.processes.values():
        each.terminate()
        each.wait(30)
    for message in stage.mailbox.messages:
        for part in message.walk():
            exits.see("mail", f"{part.items()}\n{part.get_payload()}")
            exits.see("mail", part.get_payload(decode=True) or b"")
    for name in stage.processes:
        exits.see("logs", (stage.folder / f"{name}.log").read_bytes())
    exits.see("temporary files", "")
    leaving.see_folder(exits, "temporary files", stage.folder / "tmp")
    with psycopg.connect(stage.database) as connection:
        by_form = canaries.found_in_database(connection)
        for table, data in canaries.dump(connection).items():
            exits.see(f"table {table}", data)

    places = {"refusals", "traces", "error reports", "the broker", "exports", "metrics", "mail"}
    assert places <= exits.seen.keys(), "an exit was not watched"
    assert any(b"sync_item" in line for line in exits.seen["the broker"])
    assert failures == 7
    assert len(exits.secrets) > 40
    allowed = {f"{name} in {place}" for name in IN_TABLES for place in exits.seen
               if place == "exports" or place.startswith("table ")}  # fmt: skip
    allowed.add("reset link in refusals")  # the form that is shown again carries it on
    assert set(exits.leaks()) - allowed == set()
    assert by_form == {}
