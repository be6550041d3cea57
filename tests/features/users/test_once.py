"""F15: a request that is sent twice under its Idempotency-Key acts once."""

import datetime as dt
import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text, update

from app.core import clock as clocks
from app.core import database
from app.core.config import settings
from app.features.privacy.service import retention
from app.features.users import api_tokens, once
from app.models import IdempotencyKey, Invitation
from app.providers import registry
from app.providers.base import LinkStart, ProviderUnavailableError
from tests.cast import Browser, Clock, SignedInBrowser
from tests.factories.files import CSV_MARCH
from tests.faults.workers import End, run
from tests.routes import FOR_STRANGERS

TOKENS = "/api/v1/auth/tokens"
INVITATIONS = "/api/v1/invitations"
LINK = "/api/v1/plaid/link-token"
BODY = {"name": "Spreadsheet", "scopes": ["read"], "expires_in_days": 30}
AT_ONCE = 20

TWICE_IS_NO_HARM = {
    "/api/v1/household/erase": "asked twice, it is erased once",
    "/api/v1/household/export": "only reads",
    "/api/v1/notices/read": "read twice is read",
    "/api/v1/transactions/export": "only reads",
}
"""POSTs of the API without the header, beside those that sign in and out."""


class Bank:
    """A provider that opens link flows, and counts them; each waits while `gate` is closed."""

    name = "plaid"

    def __init__(self) -> None:
        self.opened = 0
        self.fails = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)

    def start_link(self, **_: object) -> LinkStart:
        self.opened += 1
        number = self.opened
        self.entered.release()
        assert self.gate.wait(60)
        if self.fails:
            raise ProviderUnavailableError("INSTITUTION_DOWN", "The bank does not answer.")
        expires_at = clocks.now() + dt.timedelta(minutes=30)
        return LinkStart(f"link-{number}-{uuid4()}", "https://bank.example/", expires_at)


@pytest.fixture
def bank(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    made = Bank()
    monkeypatch.setitem(registry._providers, "plaid", made)
    yield made
    made.gate.set()


@pytest.fixture
def key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid4())}


def is_replay(answer: httpx2.Response) -> bool:
    return answer.headers.get("idempotent-replayed") == "true"


def tokens_of(who: SignedInBrowser) -> int:
    with database.system_transaction() as session:
        return api_tokens.count(session, who.user_id)


def at_once(app: FastAPI, who: SignedInBrowser, path: str, **more: object) -> list[httpx2.Response]:
    """Send the same request twenty times at once, by programs of the same person."""
    headers = {**who.bearer(), **more.pop("headers")}

    def send(_: int) -> httpx2.Response:
        return Browser(app).post(path, headers=headers, **more)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(send, range(AT_ONCE)))


def stored(who: SignedInBrowser) -> list[IdempotencyKey]:
    with who.session() as session:
        return list(session.scalars(select(IdempotencyKey)))


# --- Once ---------------------------------------------------------------------------------------


def test_F15_of_twenty_at_once_one_acts_and_all_learn_its_answer(
    app: FastAPI, ada: SignedInBrowser, key: dict[str, str]
) -> None:
    answers = at_once(app, ada, TOKENS, json=BODY, headers=key)

    assert tokens_of(ada) == 1
    assert [a.status_code == 201 and not is_replay(a) for a in answers].count(True) == 1
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "idempotency_key_running"
            assert answer.headers["retry-after"] == "1"
        else:
            assert answer.status_code == 201
    assert len({a.text for a in answers if a.status_code == 201}) == 1
    again = ada.post(TOKENS, json=BODY, headers=key)
    assert again.text in {a.text for a in answers}
    assert is_replay(again)


def test_F15_of_twenty_at_once_one_asks_the_bank(
    app: FastAPI, ada: SignedInBrowser, bank: Bank, key: dict[str, str]
) -> None:
    answers = at_once(app, ada, LINK, headers=key)

    assert bank.opened == 1
    assert {a.status_code for a in answers} <= {200, 409}
    again = ada.post(LINK, headers=key)
    assert (again.status_code, bank.opened) == (200, 1)
    assert again.json()["link_token"].startswith("link-1-")


def test_F15_while_the_first_is_running_the_second_is_told_so(
    app: FastAPI, ada: SignedInBrowser, bank: Bank, key: dict[str, str]
) -> None:
    headers = {**ada.bearer(), **key}
    bank.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: Browser(app).post(LINK, headers=headers))
        assert bank.entered.acquire(timeout=60)

        second = Browser(app).post(LINK, headers=headers)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_running")
        assert second.headers["retry-after"] == "1"

        bank.gate.set()
        assert first.result().status_code == 200
    assert Browser(app).post(LINK, headers=headers).text == first.result().text
    assert bank.opened == 1


def test_F15_without_a_key_every_request_acts(ada: SignedInBrowser) -> None:
    assert [ada.post(TOKENS, json=BODY).status_code for _ in range(2)] == [201, 201]
    assert tokens_of(ada) == 2
    assert stored(ada) == []


# --- Killed -------------------------------------------------------------------------------------


def test_F15_killed_between_effect_and_answer_the_retry_gets_the_same_answer(
    app: FastAPI, ada: SignedInBrowser, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def act() -> None:
        keep = once.Attempt.keep

        def tell_and_keep(attempt: once.Attempt, response: object) -> None:
            os.write(write, response.body)
            keep(attempt, response)

        monkeypatch.setattr(once.Attempt, "keep", tell_and_keep)
        monkeypatch.setattr(once.Attempt, "_settle", die)  # first thing after the commit
        ada.post(TOKENS, json=BODY, headers=key)

    assert run(act) is End.KILLED
    unsent = os.read(read, 100_000)
    assert tokens_of(ada) == 1

    again = ada.post(TOKENS, json=BODY, headers=key)

    assert (again.status_code, again.content) == (201, unsent)
    assert tokens_of(ada) == 1
    bearer = {"Authorization": f"Bearer {again.json()['token']}"}
    assert Browser(app).get("/api/v1/auth/me", headers=bearer).status_code == 200


def test_F15_killed_before_the_effect_the_retry_acts_once_the_claim_has_run_out(
    ada: SignedInBrowser, key: dict[str, str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def act() -> None:
        create = api_tokens.create

        def create_and_die(*arguments: object, **named: object) -> None:
            create(*arguments, **named)
            os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(api_tokens, "create", create_and_die)
        ada.post(TOKENS, json=BODY, headers=key)

    assert run(act) is End.KILLED
    assert tokens_of(ada) == 0
    assert ada.post(TOKENS, json=BODY, headers=key).status_code == 409

    clock.shift(once.RUNNING_FOR + dt.timedelta(seconds=1))

    assert ada.post(TOKENS, json=BODY, headers=key).status_code == 201
    assert tokens_of(ada) == 1


def test_F15_one_that_was_taken_for_dead_writes_no_answer_over_the_others(
    app: FastAPI, ada: SignedInBrowser, bank: Bank, key: dict[str, str]
) -> None:
    headers = {**ada.bearer(), **key}
    bank.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(lambda: Browser(app).post(LINK, headers=headers))
        assert bank.entered.acquire(timeout=60)
        with ada.session() as session:
            past = clocks.now() - dt.timedelta(seconds=1)
            session.execute(update(IdempotencyKey).values(running_until=past))
        other = post_and_open(app, headers, bank)
        assert slow.result().status_code == 409

    assert other.status_code == 200
    assert Browser(app).post(LINK, headers=headers).text == other.text


def post_and_open(app: FastAPI, headers: dict[str, str], bank: Bank) -> httpx2.Response:
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: Browser(app).post(LINK, headers=headers))
        assert bank.entered.acquire(timeout=60)
        bank.gate.set()
        return other.result()


# --- Another key --------------------------------------------------------------------------------


def test_F15_T12_the_same_key_of_others_is_another_key(
    ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser, key: dict[str, str]
) -> None:
    everybody = (ada, ben, cleo)

    made = [who.post(TOKENS, json=BODY, headers=key) for who in everybody]

    assert [answer.status_code for answer in made] == [201, 201, 201]
    assert not any(map(is_replay, made))
    assert len({answer.json()["token"] for answer in made}) == 3
    for who, first in zip(everybody, made, strict=True):
        assert who.post(TOKENS, json=BODY, headers=key).text == first.text


def test_F15_the_same_key_at_another_address_is_another_key(
    ada: SignedInBrowser, key: dict[str, str]
) -> None:
    assert ada.post(TOKENS, json=BODY, headers=key).status_code == 201
    invited = ada.post(INVITATIONS, json={}, headers=key)

    assert invited.status_code == 201
    assert not is_replay(invited)


def test_F15_the_same_key_with_another_body_is_refused(
    ada: SignedInBrowser, key: dict[str, str]
) -> None:
    first = ada.post(TOKENS, json=BODY, headers=key)

    other = ada.post(TOKENS, json={**BODY, "name": "Another"}, headers=key)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert tokens_of(ada) == 1
    assert ada.post(TOKENS, json=BODY, headers=key).text == first.text


@pytest.mark.parametrize("text", ["", "k" * 256])
def test_F15_a_key_that_is_empty_or_too_long_is_refused(ada: SignedInBrowser, text: str) -> None:
    refused = ada.post(TOKENS, json=BODY, headers={"Idempotency-Key": text})

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
    assert tokens_of(ada) == 0


# --- What is not kept ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [{**BODY, "expires_in_days": 0}, {**BODY, "name": "   "}], ids=["shape", "rule"]
)
def test_F15_what_was_refused_is_mended_under_the_same_key(
    ada: SignedInBrowser, key: dict[str, str], wrong: dict[str, object]
) -> None:
    assert ada.post(TOKENS, json=wrong, headers=key).status_code == 422
    assert stored(ada) == []

    assert ada.post(TOKENS, json=BODY, headers=key).status_code == 201


def test_F15_what_failed_at_the_bank_is_tried_again_at_once(
    ada: SignedInBrowser, bank: Bank, key: dict[str, str]
) -> None:
    bank.fails = True
    assert ada.post(LINK, headers=key).status_code == 503
    bank.fails = False

    assert ada.post(LINK, headers=key).status_code == 200
    assert bank.opened == 2


def test_F15_a_commit_that_fails_leaves_no_answer(
    ada: SignedInBrowser, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = once.Attempt.keep

    def keep_and_fail(attempt: once.Attempt, response: object) -> None:
        keep(attempt, response)
        attempt._session.execute(text("SELECT 1 / 0"))

    with monkeypatch.context() as patch:
        patch.setattr(once.Attempt, "keep", keep_and_fail)
        assert ada.post(TOKENS, json=BODY, headers=key).status_code == 500
    assert (tokens_of(ada), stored(ada)) == (0, [])

    assert ada.post(TOKENS, json=BODY, headers=key).status_code == 201


def test_F15_the_first_answer_is_shown_to_nobody_who_may_not_ask_any_more(
    ada: SignedInBrowser, ben: SignedInBrowser, bank: Bank, key: dict[str, str]
) -> None:
    assert ben.post(LINK, headers=key).status_code == 200
    assert ada.put(f"/api/v1/members/{ben.user_id}", json={"role": "viewer"}).status_code == 204

    refused = ben.post(LINK, headers=key)

    assert (refused.status_code, refused.json()["code"]) == (403, "viewer")
    assert "link_token" not in refused.json()


def test_F15_K1_neither_answer_nor_key_nor_body_stands_in_the_database(
    ada: SignedInBrowser, key: dict[str, str]
) -> None:
    made = ada.post(TOKENS, json=BODY, headers=key).json()

    [row] = stored(ada)
    kept = b"".join((row.key_hash, row.request_hash, row.answer))
    assert row.status == 201
    for secret in (made["token"], made["name"], key["Idempotency-Key"]):
        assert secret.encode() not in kept
    with database.engine.connect() as connection:
        everything = connection.scalar(
            text("SELECT string_agg(k::text, '') FROM idempotency_keys AS k")
        )
    assert made["token"].encode().hex() not in everything


def test_F15_keys_are_forgotten_after_their_term(
    ada: SignedInBrowser, key: dict[str, str], clock: Clock
) -> None:
    made = ada.post(TOKENS, json=BODY, headers=key)
    assert settings.IDEMPOTENCY_KEY_RETENTION_DAYS >= 1

    clock.shift(dt.timedelta(days=settings.IDEMPOTENCY_KEY_RETENTION_DAYS, minutes=-1))
    retention.run()
    ada.confirm()
    assert ada.post(TOKENS, json=BODY, headers=key).text == made.text

    clock.shift(dt.timedelta(minutes=2))
    assert retention.run()["idempotency_keys"] >= 1
    assert stored(ada) == []


# --- Forms --------------------------------------------------------------------------------------


def field_of(page: httpx2.Response) -> dict[str, str]:
    [value, *_] = re.findall(r'name="idempotency_key" value="([^"]+)"', page.text)
    return {"idempotency_key": value}


def shown_token(page: httpx2.Response) -> str:
    [token] = set(re.findall(r"fta_[0-9A-Za-z]{38}", page.text))
    return token


def test_F15_a_form_that_is_sent_twice_makes_one_token_and_shows_it_twice(
    ada: SignedInBrowser,
) -> None:
    fields = {**field_of(ada.get("/settings/tokens/new")), "name": "Sheet", "scopes": "read"}

    pages = [ada.post("/settings/tokens/new", data=fields) for _ in range(2)]

    assert tokens_of(ada) == 1
    assert shown_token(pages[0]) == shown_token(pages[1])
    other = ada.post("/settings/tokens/new", data={**fields, "name": "Another sheet"})
    assert shown_token(other) != shown_token(pages[0])
    assert field_of(ada.get("/settings/tokens/new")).items().isdisjoint(fields.items())


def test_F15_a_second_click_waits_for_the_first(ada: SignedInBrowser, bank: Bank) -> None:
    fields = field_of(ada.get("/connections"))
    bank.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        clicks = [pool.submit(ada.post, "/connections/link", data=fields) for _ in range(2)]
        assert bank.entered.acquire(timeout=60)
        bank.gate.set()
        answers = [click.result() for click in clicks]

    assert bank.opened == 1
    assert {answer.status_code for answer in answers} == {303}
    assert len({answer.headers["location"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("form", "action", "fields"),
    [
        ("/household", "/household/invitations", {"role": "member", "label": "Ben"}),
        ("/imports", "/imports", {}),
    ],
)
def test_F15_other_forms_that_make_something_act_once(
    ada: SignedInBrowser, form: str, action: str, fields: dict[str, str]
) -> None:
    fields = {**field_of(ada.get(form)), **fields}

    def send() -> httpx2.Response:
        files = {"file": ("march.csv", CSV_MARCH)} if action == "/imports" else None
        return ada.post(action, data=fields, files=files)

    first, second = send(), send()

    assert first.status_code < 400
    assert (first.status_code, first.text) == (second.status_code, second.text)
    assert first.headers.get("location") == second.headers.get("location")
    with database.system_transaction() as session:
        made = select(Invitation).where(Invitation.household_id == ada.household_id)
        assert len(session.scalars(made).all()) == (action != "/imports")


def test_F15_a_file_that_is_sent_again_in_other_wrapping_is_the_same_request(
    ada: SignedInBrowser, key: dict[str, str]
) -> None:
    def send(data: bytes) -> httpx2.Response:
        # A client writes a new boundary between the parts each time.
        return ada.post("/api/v1/imports/", files={"file": ("march.csv", data)}, headers=key)

    first, again = send(CSV_MARCH), send(CSV_MARCH)

    assert (first.status_code, again.text) == (201, first.text)
    assert send(CSV_MARCH.replace(b"RENT", b"LOAN")).status_code == 422


def test_F15_a_form_may_write_its_kind_in_capitals(
    ada: SignedInBrowser, key: dict[str, str]
) -> None:
    headers = {**key, "Content-Type": "Application/X-WWW-Form-Urlencoded"}

    for _ in range(2):
        made = ada.post("/settings/tokens/new", content="name=a&scopes=read", headers=headers)
        assert made.status_code == 200
    assert tokens_of(ada) == 1


# --- Every route --------------------------------------------------------------------------------


def test_F15_every_post_of_the_api_takes_a_key_or_says_why_not(app: FastAPI) -> None:
    found = {
        path: {each["name"] for each in operations["post"].get("parameters", [])}
        for path, operations in app.openapi()["paths"].items()
        if "post" in operations and ("POST", path) not in FOR_STRANGERS
    }
    without = {path for path, names in found.items() if "Idempotency-Key" not in names}
    signs_in_or_out = {path for path in without if path.startswith("/api/v1/auth/")}

    assert TOKENS not in without
    assert without - signs_in_or_out == set(TWICE_IS_NO_HARM)
