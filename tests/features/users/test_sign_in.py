"""A1, A3, A4: signing in tells nothing, counts failures, and keeps hashes up to date."""

from typing import Literal

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from fastapi import FastAPI
from sqlalchemy import select, update

from app.core import database, security
from app.core.config import Settings, settings
from app.features.audit import service as audit
from app.features.users import service, sessions
from app.models import AttemptBucket, User
from tests.cast import Browser, Clock
from tests.factories.people import PASSWORD, Person, person


@pytest.fixture(autouse=True)
def _nobody_has_failed_before() -> None:
    """All tests sign in from one address, which has so many attempts a minute."""
    with database.engine.connect() as connection:
        connection.exec_driver_sql("DELETE FROM attempt_buckets")
        connection.commit()


def log_in(browser: Browser, email: str, password: str) -> tuple[int, dict[str, object]]:
    answer = browser.post("/api/v1/auth/login", data={"username": email, "password": password})
    content = answer.json()
    content.pop("request_id", None)
    return answer.status_code, content


def disable(who: Person) -> None:
    with database.system_transaction() as session:
        session.execute(
            update(User).where(User.id == who.user_id).values(disabled_at=User.created_at)
        )


def stored_hash(who: Person) -> str:
    with database.system_transaction() as session:
        return session.scalars(select(User.password_hash).where(User.id == who.user_id)).one()


def actions(who: Person) -> list[str]:
    with database.household_transaction(who.household_id) as session:
        return [event.action for event in audit.list_events(session, who.household_id)]


def test_A3_unknown_wrong_and_disabled_look_the_same(app: FastAPI, clock: Clock) -> None:
    ada, gone = person("Ada"), person("Gone")
    disable(gone)

    answers = [
        log_in(Browser(app, address=f"198.51.100.{number}"), email, password)
        for number, (email, password) in enumerate(
            [
                ("nobody@example.com", PASSWORD),
                (ada.email, "wrong-harbor-lantern-7"),
                (gone.email, PASSWORD),
                ("", ""),
                ("not an address", "x"),
            ]
        )
        if email
    ]

    assert answers[0][0] == 401
    assert all(answer == answers[0] for answer in answers)


class WatchedHasher(PasswordHasher):
    """Notes the parameters, and so the work, of each hash that it compares."""

    def __init__(self) -> None:
        super().__init__(memory_cost=settings.ARGON2_MEMORY_KIB, parallelism=1, time_cost=2)
        self.work: list[Parameters] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.work.append(extract_parameters(str(hash)))
        return super().verify(hash, password)


def test_A3_an_unknown_address_costs_the_work_of_a_wrong_password(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, gone = person("Ada"), person("Gone")
    disable(gone)
    hasher = WatchedHasher()
    monkeypatch.setattr(security, "_hasher", hasher)

    for email in (ada.email, "nobody@example.com", gone.email):
        assert log_in(client, email, "wrong-harbor-lantern-7")[0] == 401

    [known, unknown, disabled] = hasher.work
    assert known == unknown == disabled


def test_A3_a_page_shows_one_message_for_all(client: Browser) -> None:
    ada = person("Ada")
    client.greet()

    pages = [
        client.post("/sign-in", data={"email": email, "password": "wrong-harbor-lantern-7"})
        for email in (ada.email, "nobody@example.com")
    ]

    assert {page.status_code for page in pages} == {401}
    assert all("is not right" in page.text for page in pages)


def test_A4_the_eleventh_failure_for_an_account_is_refused_wherever_it_comes_from(
    app: FastAPI, clock: Clock
) -> None:
    ada = person("Ada")
    statuses = [
        log_in(Browser(app, address=f"198.51.100.{number}"), ada.email, "wrong-lantern-007")[0]
        for number in range(11)
    ]
    assert statuses == [401] * 10 + [429]

    answer = Browser(app, address="198.51.100.99").post(
        "/api/v1/auth/login", data={"username": ada.email.upper(), "password": PASSWORD}
    )
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60

    clock.shift(61)
    assert log_in(Browser(app, address="198.51.100.99"), ada.email, PASSWORD)[0] == 200


def test_A4_the_eleventh_failure_from_an_address_is_refused_whoever_it_is_about(
    app: FastAPI, clock: Clock
) -> None:
    browser = Browser(app, address="203.0.113.77")
    statuses = [
        browser.post(
            "/api/v1/auth/login",
            data={"username": f"n{number}@example.com", "password": "wrong-lantern-007"},
            headers={"X-Forwarded-For": f"10.1.1.{number}"},
        ).status_code
        for number in range(11)
    ]

    assert statuses == [401] * 10 + [429]


def test_A4_right_passwords_use_nothing_up(app: FastAPI, clock: Clock) -> None:
    ada = person("Ada")
    browser = Browser(app, address="203.0.113.78")

    assert {log_in(browser, ada.email, PASSWORD)[0] for _ in range(13)} == {200}


def test_A4_the_page_says_when_to_come_back(app: FastAPI, clock: Clock) -> None:
    ada = person("Ada")
    browser = Browser(app, address="203.0.113.79")
    browser.greet()
    for _ in range(10):
        browser.post("/sign-in", data={"email": ada.email, "password": "wrong-lantern-007"})

    answer = browser.post("/sign-in", data={"email": ada.email, "password": PASSWORD})

    assert answer.status_code == 429
    assert "Too many attempts" in answer.text
    assert int(answer.headers["retry-after"]) > 0


def test_A4_the_buckets_hold_no_addresses(app: FastAPI) -> None:
    ada = person("Ada")
    log_in(Browser(app), ada.email, "wrong-lantern-007")

    with database.system_transaction() as session:
        keys = session.scalars(select(AttemptBucket.key_hash)).all()
    assert keys
    assert all(len(key) == 32 and ada.email.encode() not in key for key in keys)


def test_A1_signing_in_renews_a_hash_of_weaker_parameters(app: FastAPI) -> None:
    ada = person("Ada")
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    with database.system_transaction() as session:
        session.execute(update(User).where(User.id == ada.user_id).values(password_hash=weak))

    assert log_in(Browser(app), ada.email, PASSWORD)[0] == 200

    least = Settings.model_fields["ARGON2_MEMORY_KIB"].default
    assert f"m={least},t=2,p=1" in stored_hash(ada)


def test_P1_signing_in_and_failing_are_written_down(app: FastAPI) -> None:
    ada = person("Ada")
    log_in(Browser(app), ada.email, "wrong-lantern-007")
    log_in(Browser(app), ada.email, PASSWORD)

    assert actions(ada) == ["user.signed_in", "user.sign_in_failed"]


def test_the_new_session_works_for_the_household_the_person_joined_first(app: FastAPI) -> None:
    ada = person("Ada")

    tokens = sessions.sign_in_api(ada.email, PASSWORD, sessions.Client("127.0.0.1"))

    me = Browser(app).get(
        "/api/v1/auth/me", headers={"Authorization": f"Bearer {tokens.access_token}"}
    )
    assert me.json()["household_id"] == str(ada.household_id)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\tevil",
        "/sign-out",
        "evil",
        "",
    ],
)
def test_signing_in_never_leads_away_from_here(client: Browser, target: str) -> None:
    ada = person("Ada")
    client.greet()

    answer = client.post(
        "/sign-in", data={"email": ada.email, "password": PASSWORD, "next": target}
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_registering_twice_is_refused_without_telling_spellings_apart(client: Browser) -> None:
    ada = person("Ada")
    body = {"email": f" {ada.email.upper()} ", "password": PASSWORD, "name": "Another"}

    answer = client.post("/api/v1/auth/register", json=body)

    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")


def test_registering_is_limited_by_address(app: FastAPI, clock: Clock) -> None:
    browser = Browser(app, address="203.0.113.80")
    body = {"email": person("Ada").email, "password": PASSWORD}

    statuses = [
        browser.post("/api/v1/auth/register", json=body).status_code
        for _ in range(service.REGISTER_BY_ADDRESS.burst + 1)
    ]

    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {409}


@pytest.mark.parametrize("email", ["", "ada", "@b", "a@", "a b@c.example", "a@b@c", "a\x00@b.c"])
def test_what_cannot_be_an_address_is_refused_beside_its_field(client: Browser, email: str) -> None:
    answer = client.post("/api/v1/auth/register", json={"email": email, "password": PASSWORD})

    assert (answer.status_code, answer.json().get("field")) == (422, "email")


def test_a_form_comes_back_with_what_was_typed_but_the_password(client: Browser) -> None:
    client.greet("/register")

    answer = client.post(
        "/register", data={"email": "ada@example.com", "name": "Ada <b>", "password": "short"}
    )

    assert answer.status_code == 422
    assert "ada@example.com" in answer.text
    assert "Ada &lt;b&gt;" in answer.text
    assert "At least" in answer.text
    assert "short" not in answer.text.replace("data-shortcuts", "").replace("shortcut", "")
