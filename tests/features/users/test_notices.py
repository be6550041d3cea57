"""A10: people are told of new devices, factors, tokens, links, exports and new passwords."""

import datetime as dt
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select, text, update
from sqlalchemy.exc import ProgrammingError

from app.core import database
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.notices import service as notices
from app.features.notices.words import TOLD
from app.features.users import operator, service, sessions
from app.features.users.sessions import Client
from app.models import Notice, User
from tests.cast import Browser, Clock, SignedInBrowser
from tests.factories import ledger
from tests.factories.people import PASSWORD, Person
from tests.features.users.phones import NEW_PASSWORD, Phone, log_in, set_up

NOTICES = "/api/v1/notices"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
LATER_FIREFOX = FIREFOX.replace("140.0", "141.0")


def told(who: SignedInBrowser) -> list[str]:
    return [notice["action"] for notice in who.get(NOTICES).json()["data"]]


def sign_in_from(who: Person, user_agent: str) -> None:
    sessions.sign_in_browser(who.email, PASSWORD, Client("203.0.113.5", user_agent))


# --- What people are told of ----------------------------------------------------------------------


def test_A10_of_a_new_device_once_and_by_name(ada: SignedInBrowser) -> None:
    assert told(ada) == [], "the first one is no news"

    sign_in_from(ada.person, FIREFOX)
    sign_in_from(ada.person, LATER_FIREFOX)

    [notice] = ada.get(NOTICES).json()["data"]
    assert notice["action"] == "user.new_device"
    assert (notice["device"], notice["address"]) == ("Firefox on Linux", "203.0.113.5")
    assert "change your password" in notice["advice"]
    page = ada.get("/notices").text
    assert "Firefox on Linux · 203.0.113.5" in page
    assert TOLD["user.new_device"].title in page


def test_A10_of_a_program_that_logs_in(app: FastAPI, ada: SignedInBrowser) -> None:
    browser = Browser(app)
    browser.headers["User-Agent"] = "curl/8.5.0"

    assert log_in(browser, ada.person) == (200, "")

    assert told(ada) == ["user.new_device"]


def test_A10_of_a_first_sign_in_long_after_registering(ada: SignedInBrowser, clock: Clock) -> None:
    clock.shift(dt.timedelta(days=90))
    with database.system_transaction() as session:
        service.forget_old(session)
        session.execute(text("DELETE FROM user_sessions WHERE user_id = :id"), {"id": ada.user_id})

    sign_in_from(ada.person, "tests")

    with database.system_transaction() as session:
        found = notices.list_own(session, ada.user_id)
    assert [notice.action for notice in found] == ["user.new_device"]


def test_A10_of_factors_on_and_off_and_of_a_used_recovery_code(
    ada: SignedInBrowser, clock: Clock
) -> None:
    phone = set_up(ada)
    data = {"password": PASSWORD, "code": phone.recovery_codes[0]}
    assert ada.post("/settings/two-step/off", data=data).status_code == 303

    assert told(ada) == [
        "user.second_factor_turned_off",
        "user.recovery_code_used",
        "user.second_factor_turned_on",
    ]


def test_A10_of_what_the_operator_does_to_an_account(ada: SignedInBrowser, phone: Phone) -> None:
    operator.turn_second_factor_off(ada.person.email)
    operator.make_reset_link(ada.person.email)
    operator.set_password(ada.person.email, NEW_PASSWORD)

    with database.system_transaction() as session:
        found = [notice.action for notice in notices.list_own(session, ada.user_id)]
    assert found[:3] == [
        "user.password_set_by_operator",
        "user.reset_link_made",
        "user.second_factor_turned_off_by_operator",
    ]


def test_A10_of_a_new_password_a_new_token_and_an_export(ada: SignedInBrowser) -> None:
    data = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert ada.post("/settings/password", data=data).status_code == 303
    ledger.api_token(ada.household_id, ada.user_id)
    assert ada.post("/api/v1/transactions/export").status_code == 200

    assert told(ada) == [
        "transactions.exported",
        "user.api_token_created",
        "user.password_changed",
    ]


@pytest.mark.parametrize("action", ["item.linked", "item.unlinked"])
def test_A10_of_banks(ada: SignedInBrowser, ben: SignedInBrowser, action: str) -> None:
    """That connections record these, their own tests show."""
    with ada.session() as session:
        actor = Actor(ada.user_id, ada.session_id, "203.0.113.6")
        audit.record(session, ada.household_id, action, actor=actor, object_id="1")

    assert told(ada) == [action]
    assert told(ben) == []


def test_A10_every_action_that_is_told_of_is_one_that_is_recorded() -> None:
    source = "".join(path.read_text() for path in Path("app/features").rglob("*.py")
                     if path.name != "words.py")  # fmt: skip

    assert [action for action in TOLD if f'"{action}"' not in source] == []


def test_A10_ordinary_events_are_no_notices(ada: SignedInBrowser) -> None:
    ada.post("/settings/appearance", data={"theme": "dark"})
    ada.confirm()

    assert told(ada) == []


# --- With the event, to its person alone ----------------------------------------------------------


def test_A10_event_and_notice_are_there_together_or_not_at_all(ada: SignedInBrowser) -> None:
    def link_and_fail() -> None:
        with ada.session() as session:
            audit.record(session, ada.household_id, "item.linked", actor=Actor(ada.user_id))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        link_and_fail()

    assert told(ada) == []
    with ada.session() as session:
        assert audit.list_events(session, ada.household_id, action="item.linked") == []


def test_A10_details_of_an_event_do_not_reach_its_notice(ada: SignedInBrowser) -> None:
    with ada.session() as session:
        audit.record(
            session,
            ada.household_id,
            "item.linked",
            actor=Actor(ada.user_id),
            details={"access_token": "NOBODY-MAY-READ-THIS"},
        )

    assert told(ada) == ["item.linked"]
    assert "NOBODY-MAY-READ-THIS" not in ada.get(NOTICES).text + ada.get("/notices").text


def test_A10_a_household_writes_notices_and_reads_none(ada: SignedInBrowser) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), ada.session() as session:
        session.execute(text("SELECT * FROM notices"))


def test_A10_they_follow_their_person_into_every_household(
    ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    """Ben works in Ada's household; his sign-ins stand in the trail of his own."""
    sign_in_from(ben.person, FIREFOX)

    assert told(ben) == ["user.new_device"]
    assert told(ada) == []


# --- Reading --------------------------------------------------------------------------------------


def test_A10_what_was_not_read_is_counted_on_every_page_until_it_is(ada: SignedInBrowser) -> None:
    sign_in_from(ada.person, FIREFOX)
    ledger.api_token(ada.household_id, ada.user_id)

    page = ada.get("/settings").text
    assert 'class="count">2<span class="visually-hidden"> notices not read' in page
    [newest, older] = ada.get(NOTICES).json()["data"]
    assert (newest["is_read"], older["is_read"]) == (False, False)

    marked = ada.post(f"{NOTICES}/read", json={"up_to": older["id"]})
    assert marked.json() == {"marked": 1}
    assert 'class="count">1<' in ada.get("/settings").text
    assert ada.post("/notices/read", data={"up_to": newest["id"]}).status_code == 303
    assert "notices not read" not in ada.get("/settings").text
    assert all(notice["is_read"] for notice in ada.get(NOTICES).json()["data"])


def test_A10_nobody_marks_anothers_notices(ada: SignedInBrowser, ben: SignedInBrowser) -> None:
    sign_in_from(ada.person, FIREFOX)
    [notice] = ada.get(NOTICES).json()["data"]

    assert ben.post(f"{NOTICES}/read", json={"up_to": notice["id"]}).json() == {"marked": 0}


def test_A10_long_lists_come_in_pages(ada: SignedInBrowser) -> None:
    for _ in range(35):
        ledger.api_token(ada.household_id, ada.user_id)

    seen, cursor = [], ""
    for _ in range(4):
        page = ada.get(f"{NOTICES}?limit=10{cursor}").json()
        seen += [notice["id"] for notice in page["data"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert (len(seen), len(set(seen)), page["next_cursor"]) == (35, 35, None)
    assert seen == sorted(seen, reverse=True)
    older = ada.get("/notices").text.partition('href="/notices?before=')[2].partition('"')[0]
    assert ada.get(f"/notices?before={older}").text.count("An API token was made") == 5


def test_A10_they_are_forgotten_after_more_than_a_year(ada: SignedInBrowser) -> None:
    ledger.api_token(ada.household_id, ada.user_id)
    with database.system_transaction() as session:
        session.execute(
            update(Notice)
            .where(Notice.user_id == ada.user_id)
            .values(at=dt.datetime.now(dt.UTC) - notices.KEPT_FOR - dt.timedelta(days=1))
        )
        notices.forget_old(session)

    assert told(ada) == []


def test_A10_a_person_who_goes_takes_their_notices_along(cleo: SignedInBrowser) -> None:
    sign_in_from(cleo.person, FIREFOX)
    with database.system_transaction() as session:
        session.delete(session.scalars(select(User).where(User.id == cleo.user_id)).one())
        session.flush()
        assert notices.list_own(session, cleo.user_id) == []
