"""A10: addresses are confirmed by who reads their mail, and nobody is kept out before."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from app.core import database, jobs, mail, security
from app.core.config import settings
from app.features.notices import mailing
from app.features.users import addresses
from app.models import NoticeMail, User
from tests.cast import Browser, Clock, SignedInBrowser
from tests.factories import ledger
from tests.features.notices.mailbox import Mailbox, open_mailbox

LINK = re.compile(r"/confirm-address\?token=(\S+)")


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A server that mail goes through."""
    with open_mailbox() as opened:
        url = SecretStr(f"smtp+plain://127.0.0.1:{opened.port}")
        monkeypatch.setattr(mail, "settings", settings.model_copy(update={"SMTP_URL": url}))
        yield opened


@pytest.fixture
def unconfirmed(ada: SignedInBrowser) -> SignedInBrowser:
    """Ada, whose address nobody has confirmed."""
    with database.system_transaction() as session:
        session.execute(update(User).where(User.id == ada.user_id).values(email_confirmed_at=None))
    return ada


def confirmed_at(who: SignedInBrowser) -> dt.datetime | None:
    with database.system_transaction() as session:
        return session.scalar(select(User.email_confirmed_at).where(User.id == who.user_id))


def link_to(mailbox: Mailbox) -> str:
    found = LINK.search(mailbox.messages[-1].get_content())
    assert found is not None
    return found[1]


def test_A10_a_link_goes_to_the_address_and_confirms_it_by_a_press_of_a_button(
    unconfirmed: SignedInBrowser, mailbox: Mailbox, client: Browser
) -> None:
    assert addresses.mail_link(unconfirmed.user_id)
    assert mailbox.recipients == [[unconfirmed.person.email]]
    token = link_to(mailbox)

    assert client.get(f"/confirm-address?token={token}").status_code == 200
    assert confirmed_at(unconfirmed) is None
    client.greet("/confirm-address")
    done = client.post("/confirm-address", data={"token": token})

    assert (done.status_code, done.headers["location"]) == (303, "/sign-in")
    first = confirmed_at(unconfirmed)
    assert first is not None
    client.post("/confirm-address", data={"token": token})
    assert confirmed_at(unconfirmed) == first
    assert not addresses.mail_link(unconfirmed.user_id)


def test_A10_links_that_are_old_or_made_up_or_of_another_address_confirm_nothing(
    unconfirmed: SignedInBrowser, clock: Clock, client: Browser
) -> None:
    own = security.sign_address(
        unconfirmed.user_id, unconfirmed.person.email.casefold(), addresses.LINK_FOR
    )
    other = security.sign_address(unconfirmed.user_id, "eve@example.org", addresses.LINK_FOR)
    client.greet("/confirm-address")
    for token in (other, own[:-2], "", security.new_token()):
        answer = client.post("/confirm-address", data={"token": token})
        assert answer.status_code == 422
        assert "not whole" in answer.text
    clock.shift(dt.timedelta(days=7, seconds=1))
    assert client.post("/confirm-address", data={"token": own}).status_code == 422
    assert confirmed_at(unconfirmed) is None


def test_A10_an_address_that_may_be_a_strangers_is_told_nothing_of_the_account(
    unconfirmed: SignedInBrowser, mailbox: Mailbox
) -> None:
    ledger.api_token(unconfirmed.household_id, unconfirmed.user_id)
    with database.system_transaction() as session:
        statement = select(NoticeMail).where(NoticeMail.household_id == unconfirmed.household_id)
        waiting = [(each.household_id, each.notice_id) for each in session.scalars(statement)]
    for household_id, notice_id in waiting:
        mailing.send(household_id, notice_id)

    text = mailbox.messages[-1].get_content()
    assert "API token" not in text + str(mailbox.messages[-1]["Subject"])
    assert "confirm the" in text
    assert confirmed_at(unconfirmed) is None


def test_A10_settings_offer_the_link_again_and_only_so_often(
    unconfirmed: SignedInBrowser, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[tuple[object, ...]] = []
    monkeypatch.setattr(jobs, "enqueue", lambda _session, *said: wanted.append(said))
    assert "Nobody has said yet that" in unconfirmed.get("/settings").text

    answers = [unconfirmed.post("/settings/address").status_code for _ in range(4)]

    assert answers == [303, 303, 303, 429]
    assert wanted == [(addresses.TASK, str(unconfirmed.user_id))] * 3
    assert not mailbox.messages


def test_A10_without_a_mail_server_nobody_is_asked(unconfirmed: SignedInBrowser) -> None:
    assert "Nobody has said yet that" not in unconfirmed.get("/settings").text
    assert unconfirmed.get("/accounts").status_code == 200


def test_A10_registering_has_a_link_mailed(
    client: Browser, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[tuple[object, ...]] = []
    monkeypatch.setattr(jobs, "enqueue", lambda _session, *said: wanted.append(said))
    body = {"email": "nora@example.org", "password": "violet-harbor-lantern-8"}

    made = client.post("/api/v1/auth/register", json=body)

    assert made.status_code == 201
    assert (addresses.TASK, made.json()["user_id"]) in wanted
    assert not mailbox.messages
