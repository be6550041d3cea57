"""The pages of connections: how each is, link, sync, repair, unlink."""

import re
import socket
import threading
import time
from contextlib import contextmanager
from html import unescape

import pytest
import urllib3
import uvicorn

from app.core import clock
from app.core.config import settings
from app.features.connections import consent, pages
from app.features.connections.service import sync
from app.features.journal import service as journal
from app.providers import registry
from app.providers.base import ProviderUnavailableError, ReauthRequiredError
from app.providers.plaid.client import PlaidSettings
from app.simulator.main import create_app as create_bank
from app.simulator.settings import Settings as BankSettings
from app.simulator.stream import Added
from tests.database import digest
from tests.features.connections.bank import item_of, linked, open_bank, query, row
from tests.queries import counted_queries

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def bank(ada):
    """A bank that Ada has linked; `bank.item_id` is the connection."""
    bank = open_bank(rows=3)
    with linked(ada.household_id, bank) as item_id:
        bank.item_id = item_id
        yield bank


def test_without_a_bank_the_page_says_how_to_connect_one(ada):
    page = ada.get("/connections")

    assert "No bank is connected" in page.text
    assert 'action="/connections/link"' in page.text


def test_a_connection_shows_accounts_runs_and_how_fresh_it_is(ada, bank):
    sync.sync_item(ada.household_id, bank.item_id, "button")

    page = ada.get("/connections").text

    assert "First Platypus Bank" in page
    assert "Up to date" in page
    assert "Everyday Checking" in page
    assert "3 transactions stay in the ledger" in page
    assert "just now" in page


def test_a_connection_that_needs_its_person_says_so_and_offers_the_repair(ada, bank):
    bank.errors["item"] = ReauthRequiredError("ITEM_LOGIN_REQUIRED", "Please sign in again.")
    sync.sync_item(ada.household_id, bank.item_id, "button")

    page = ada.get("/connections").text

    assert "Needs you" in page
    assert "Please sign in again." in page
    assert f'action="/connections/{bank.item_id}/repair"' in page


def test_a_sync_is_asked_for_and_seen_at_once(ada, bank):
    card = ada.post(f"/connections/{bank.item_id}/sync", headers=PARTIAL)
    without_script = ada.post(f"/connections/{bank.item_id}/sync")

    assert "Syncing" in card.text
    assert "<html" not in card.text
    assert without_script.status_code == 303
    assert item_of(ada.household_id, bank.item_id).sync_wanted_by == "button"


def test_a_card_is_answered_alone_to_htmx_and_on_its_page_to_readers(ada, bank):
    path = f"/connections/{bank.item_id}"

    assert ada.get(path, headers=PARTIAL).text.lstrip().startswith("<article")
    assert "<h1" in ada.get(path).text


def test_the_page_of_a_connection_tells_all_that_happened_to_it(ada, bank):
    sync.sync_item(ada.household_id, bank.item_id, "link")
    bank.stream.apply(Added(row(bank, "bad", "1.00", extra={"amount": None})))
    sync.sync_item(ada.household_id, bank.item_id, "webhook")
    bank.errors["transactions"] = ProviderUnavailableError("DOWN", "The bank is closed today.")
    sync.sync_item(ada.household_id, bank.item_id, "schedule")
    with ada.session() as session:
        journal.write(
            session,
            ada.household_id,
            kind="plaid.webhook",
            payload=b'{"webhook_code": "SYNC_UPDATES_AVAILABLE"}',
            item_id=bank.item_id,
        )

    page = ada.get(f"/connections/{bank.item_id}").text

    shown = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Bank not reached" in shown
    assert "The bank is closed today." in shown
    assert "Connecting Done 3 0 0 3" in shown
    assert "1 row set aside" in shown
    assert "bad" in shown
    assert "There is something new SYNC_UPDATES_AVAILABLE" in shown
    [(trace_id,)] = query(
        ada.household_id, "SELECT trace_id FROM sync_runs ORDER BY id DESC LIMIT 1"
    )
    assert trace_id in page


def test_the_runs_of_a_connection_are_paged(ada, bank, monkeypatch):
    monkeypatch.setattr(pages, "RUNS_PER_PAGE", 2)
    for _ in range(5):
        sync.sync_item(ada.household_id, bank.item_id, "schedule")

    seen, path = [], f"/connections/{bank.item_id}"
    while path:
        page = ada.get(path).text
        seen += re.findall(r"<code>([0-9a-f]{32})</code>", page)
        older = re.search(r'href="([^"]+)" class="button">Older syncs', page)
        path = older and unescape(older[1])

    runs = query(ada.household_id, "SELECT trace_id FROM sync_runs ORDER BY id DESC")
    assert seen == [trace_id for (trace_id,) in runs]


def test_a_connection_that_was_set_aside_says_so_and_is_tried_again(ada, bank):
    query(
        ada.household_id,
        "UPDATE items SET parked_at = now(), lost_runs = 3, next_sync_at = NULL WHERE id = :id",
        id=bank.item_id,
    )
    card = ada.get("/connections").text
    api = ada.get("/api/v1/connections/", headers=ada.bearer()).json()["data"][0]

    assert "Set aside" in card
    assert "fail three times in a row" in card
    assert "Try again" in card
    assert (api["status"], api["headline"]) == ("parked", "Set aside")
    assert sync.sync_item(ada.household_id, bank.item_id).state == "busy"
    ada.post(f"/connections/{bank.item_id}/sync")
    assert item_of(ada.household_id, bank.item_id).parked_at is None
    assert sync.sync_item(ada.household_id, bank.item_id).state == "done"


@pytest.mark.parametrize(
    ("columns", "status", "words"),
    [
        ("state = 'good', cursor = 'c', failures = 1", "stale", "Bank not reached"),
        ("state = 'expiring'", "expiring", "Expires soon"),
        ("state = 'dead'", "dead", "Disconnected"),
        ("state = 'needs_user'", "needs_user", "Needs you"),
    ],
)
def test_pages_and_programs_use_the_same_words(ada, bank, columns, status, words):
    query(ada.household_id, f"UPDATE items SET {columns} WHERE id = :id", id=bank.item_id)

    api = ada.get("/api/v1/connections/", headers=ada.bearer()).json()["data"][0]

    assert (api["status"], api["headline"]) == (status, words)
    assert words in ada.get("/connections").text


def test_progress_goes_from_waiting_to_done(ada, bank):
    path = f"/connections/{bank.item_id}/progress"
    waiting = ada.get(path, headers=PARTIAL).text
    sync.sync_item(ada.household_id, bank.item_id, "link")
    done = ada.get(path, headers=PARTIAL).text

    assert 'hx-trigger="every 2s' in waiting
    assert "Waiting for its turn" in waiting
    assert "hx-trigger" not in done
    assert "Connected and up to date" in done
    assert "November 2026" in done


def test_a_first_sync_that_fails_says_why(ada, bank):
    bank.errors["transactions"] = ProviderUnavailableError("DOWN", "The bank is closed today.")
    sync.sync_item(ada.household_id, bank.item_id, "link")

    progress = ada.get(f"/connections/{bank.item_id}/progress")

    assert "The bank is closed today." in progress.text
    assert "Failed" in progress.text


def test_unlinking_keeps_the_history(ada, bank):
    sync.sync_item(ada.household_id, bank.item_id, "button")

    answer = ada.post(f"/connections/{bank.item_id}/unlink")

    assert answer.headers["location"] == "/connections"
    page = ada.get("/connections").text
    assert "The bank is disconnected." in page
    assert "No bank is connected" in page
    assert query(ada.household_id, "SELECT count(*) FROM transactions") == [(3,)]
    assert "remove" in bank.calls


def test_connections_take_few_statements_however_many(ada):
    first = open_bank(rows=1)
    with linked(ada.household_id, first):
        for _ in range(6):
            with linked(ada.household_id, open_bank(rows=1)) as item_id:
                sync.sync_item(ada.household_id, item_id, "button")
        with counted_queries() as statements:
            ada.get("/connections")

    assert len(statements) <= 8, statements


@pytest.mark.parametrize("action", ["sync", "repair", "unlink"])
def test_a_stranger_can_do_nothing_with_it(ada, cleo, bank, action):
    path = f"/connections/{bank.item_id}"

    assert cleo.post(f"{path}/{action}").status_code == 404
    assert cleo.get(path, headers=PARTIAL).status_code == 404
    assert cleo.get(f"{path}/progress").status_code == 404
    assert item_of(ada.household_id, bank.item_id).unlinked_at is None


# With the simulator's own Link page, over HTTP.


@pytest.fixture(scope="module")
def practice_bank():
    """The address of a bank simulator."""
    app = create_bank(BankSettings(initial_seconds=0.0, historical_seconds=0.1, rate_limits="off"))
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
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def plaid(practice_bank):
    """The provider that talks to the simulator."""
    before = dict(registry._providers)
    registry.configure(PlaidSettings("client", "secret", practice_bank, "sandbox"))
    yield practice_bank
    registry._providers.clear()
    registry._providers.update(before)


@contextmanager
def at_the_bank():
    with urllib3.PoolManager() as pool:
        yield lambda url, **form: pool.request_encode_body(
            "POST", url, fields=form, encode_multipart=False, redirect=False, timeout=10
        )


def start(ada, path="/connections/link"):
    """Start a link flow; return our page that leads on and the address it leads to."""
    answer = ada.post(path)
    assert answer.status_code == 303
    ours = answer.headers["location"]
    refresh = re.search(r'http-equiv="refresh" content="0; url=([^"]+)"', ada.get(ours).text)
    return ours, unescape(refresh[1])


def sign_in_at_the_bank(url, person="user_good"):
    with at_the_bank() as send:
        send(url, action="institution", institution_id="ins_109508")
        send(url, action="login", username=person, password="pass_good")
        with urllib3.PoolManager() as pool:
            page = pool.request("GET", url, timeout=10).data.decode()
        keys = re.findall(r'name="account" value="([^"]+)"', page)
        done = send(url, action="accounts", account=keys[0])
    return done.headers["location"].removeprefix(settings.PUBLIC_URL)


def test_a_bank_is_linked_through_its_own_page(ada, plaid):
    ours, url = start(ada)
    assert url.startswith(plaid)

    back = sign_in_at_the_bank(url)
    before = digest()
    assert "Connecting" in ada.get(back).text
    ada.get(back)
    assert digest() == before, "reading changes nothing"

    progress = ada.post(back).headers["location"]
    assert "First Platypus Bank" in ada.get(progress).text
    assert ada.post(back).headers["location"] == progress
    assert ada.get(back).headers["location"] == progress
    assert query(ada.household_id, "SELECT count(*) FROM items") == [(1,)]
    assert ada.get(ours).headers["location"] == back
    [(details,)] = query(
        ada.household_id, "SELECT details FROM audit_events WHERE action = 'item.linked'"
    )
    assert details["consent"] == consent.CURRENT


def test_htmx_is_led_on_by_a_header(ada, plaid):
    answer = ada.post("/connections/link", headers=PARTIAL)

    assert answer.headers["HX-Redirect"].startswith("/connections/link/")


def test_a_flow_that_was_not_finished_can_be_gone_on_with(ada, plaid):
    ours, _ = start(ada)

    page = ada.post(ours.replace("/link/", "/linked/"))

    assert "You are not connected yet" in page.text
    assert f'href="{ours}"' in page.text


def test_a_flow_whose_time_is_over_is_begun_anew(ada, plaid):
    ours, _ = start(ada)
    query(ada.household_id, "UPDATE link_sessions SET expires_at = :at", at=clock.now())

    page = ada.post(ours.replace("/link/", "/linked/"))

    assert "This could not be finished" in page.text
    assert 'action="/connections/link"' in page.text


def test_a_repair_leads_back_to_a_good_connection(ada, plaid):
    _, url = start(ada)
    ada.post(sign_in_at_the_bank(url))
    [(item_id,)] = query(ada.household_id, "SELECT id FROM items")
    query(ada.household_id, "UPDATE items SET state = 'needs_user', error_code = 'X'")

    _, url = start(ada, f"/connections/{item_id}/repair")
    with at_the_bank() as send:
        done = send(url, action="login", username="user_good", password="pass_good")
    answer = ada.post(done.headers["location"].removeprefix(settings.PUBLIC_URL))

    assert answer.headers["location"] == "/connections"
    assert item_of(ada.household_id, item_id).state == "good"
    assert "We are reading what you missed" in ada.get("/connections").text


def test_a_strangers_link_flow_is_not_there(ada, cleo, plaid):
    ours, _ = start(ada)

    assert cleo.get(ours).status_code == 404
    assert cleo.get(ours.replace("/link/", "/linked/")).status_code == 404


def test_without_a_flow_to_banks_connecting_leads_to_the_only_way_there_is(ada, plaid):
    """Plaid's keys are not set: one button, and it leads to the form for SimpleFIN's tokens."""
    before = dict(registry._providers)
    registry.configure(None)
    try:
        page = ada.get("/connections").text
        answer = ada.post("/connections/link")
    finally:
        registry._providers.update(before)

    assert page.count("Connect a bank") == 1
    assert "Connect with SimpleFIN" not in page
    assert (answer.status_code, answer.headers["location"]) == (303, "/connections/simplefin")
    assert "Connect with SimpleFIN" in ada.get("/connections").text


def test_the_page_that_leads_on_is_kept_by_nobody(ada, plaid):
    ours, url = start(ada)

    page = ada.get(ours)

    assert unescape(page.text).count(url) == 2
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
