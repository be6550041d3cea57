"""Letting people into a household: by a link that works once."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.core import database, security
from app.core.config import settings
from app.core.errors import AppError
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.households.service import invitations
from app.features.users import service as users
from app.features.users.sessions import Client
from app.models import Invitation
from tests.cast import Browser, Clock, SignedInBrowser, sign_in
from tests.factories import people
from tests.factories.people import PASSWORD, person

GONE = "This invitation is not valid any more."


def make_link(owner: SignedInBrowser, role: str = "member", label: str = "Ben") -> str:
    page = owner.post("/household/invitations", data={"role": role, "label": label})
    assert page.status_code == 200, page.text[:500]
    [link] = re.findall(r"<code[^>]*>(http[^<]+)</code>", page.text)
    return link.removeprefix(settings.PUBLIC_URL)


def token_of(link: str) -> str:
    return link.partition("invitation=")[2]


def role_of(browser: SignedInBrowser) -> str:
    return str(browser.get("/api/v1/auth/me").json()["role"])


def actions(who: SignedInBrowser) -> list[str]:
    with who.session() as session:
        return [event.action for event in audit.list_events(session, who.household_id)]


@pytest.mark.parametrize("role", ["owner", "member", "viewer"])
def test_who_brings_the_link_joins_with_its_role_and_goes_on_there(
    ada: SignedInBrowser, cleo: SignedInBrowser, role: str
) -> None:
    link = make_link(ada, role)
    offer = cleo.get(link)
    assert offer.status_code == 200
    assert "Household of Ada" in offer.text

    answer = cleo.post("/join", data={"invitation": token_of(link)})

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    me = cleo.get("/api/v1/auth/me").json()
    assert (me["household_id"], me["role"]) == (str(ada.household_id), role)
    assert "Cleo" in ada.get("/household").text
    assert "member.joined" in actions(ada)


def test_an_invitation_works_once_and_used_expired_and_unknown_ones_look_alike(
    app: FastAPI, ada: SignedInBrowser, cleo: SignedInBrowser, clock: Clock
) -> None:
    used, revoked, expired = (token_of(make_link(ada)) for _ in range(3))
    assert cleo.post("/join", data={"invitation": used}).status_code == 303
    listed = ada.get("/api/v1/invitations").json()
    assert ada.delete(f"/api/v1/invitations/{listed[0]['id']}").status_code == 204
    assert ada.delete(f"/api/v1/invitations/{listed[0]['id']}").status_code == 404
    clock.shift(timedelta(days=7, minutes=1))
    dora = sign_in(app, person("Dora"))

    for token in (used, revoked, expired, security.new_token(), "", "x" * 900):
        page = dora.get("/join", params={"invitation": token})
        assert page.status_code == 404, token
        assert GONE in page.text
        assert "Ada" not in page.text
        assert dora.post("/join", data={"invitation": token}).status_code == 404
    assert dora.get("/api/v1/auth/me").json()["household_name"] == "Household of Dora"


def test_of_two_who_bring_one_link_at_once_one_comes_in(ada: SignedInBrowser) -> None:
    token = people.invitation(ada.household_id, ada.user_id).token
    guests = [person(f"Guest{number}") for number in range(6)]

    def join(guest: people.Person) -> bool:
        try:
            with database.system_transaction() as session:
                invitations.accept(session, token, actor=Actor(guest.user_id))
        except AppError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        came_in = list(pool.map(join, guests))

    assert sum(came_in) == 1
    assert len(ada.get("/api/v1/members").json()) == 2


def test_a_new_person_registers_into_the_household_even_where_registration_is_closed(
    ada: SignedInBrowser, client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = settings.model_copy(update={"REGISTRATION_OPEN": False})
    monkeypatch.setattr(users, "settings", closed)
    link = make_link(ada)
    client.greet(link)
    body = {"email": f"new-{ada.person.email}", "password": PASSWORD}
    assert client.post("/api/v1/auth/register", json=body).status_code == 403
    form = {"invitation": token_of(link), "email": f"new-{ada.person.email}", "name": "Finn"}

    assert client.post("/join/register", data={**form, "password": "short"}).status_code == 422
    answer = client.post("/join/register", data={**form, "password": PASSWORD})

    assert answer.status_code == 303
    me = client.get("/api/v1/auth/me").json()
    assert (me["household_id"], me["role"]) == (str(ada.household_id), "member")
    assert len(client.get("/api/v1/households").json()) == 1


def test_an_invitation_that_is_gone_creates_nobody(ada: SignedInBrowser, client: Browser) -> None:
    token = people.invitation(ada.household_id, ada.user_id).token
    email = f"late-{ada.person.email}"
    invitations.register(token, f"first-{ada.person.email}", PASSWORD, "", Client())

    body = {"invitation": token, "email": email, "password": PASSWORD}
    refused = client.post("/api/v1/invitations/register", json=body)

    assert (refused.status_code, refused.json()["code"]) == (404, "invitation_not_valid")
    login = {"username": email, "password": PASSWORD}
    assert client.post("/api/v1/auth/login", data=login).status_code == 401


def test_signing_in_leads_back_to_the_invitation(ada: SignedInBrowser, client: Browser) -> None:
    link = make_link(ada)
    ben = person("Ben")
    [address] = re.findall(r'href="(/sign-in\?next=[^"]+)"', client.get(link).text)
    client.greet(address)
    form = re.findall(r'name="next" value="([^"]*)"', client.get(address).text)

    answer = client.post(
        "/sign-in", data={"email": ben.email, "password": PASSWORD, "next": form[0]}
    )

    assert answer.headers["location"] == link


def test_only_the_hash_of_a_link_is_stored(ada: SignedInBrowser) -> None:
    token = token_of(make_link(ada))
    with database.system_transaction() as session:
        rows = session.scalars(
            select(Invitation).where(Invitation.household_id == ada.household_id)
        ).all()

    assert [row.token_hash for row in rows] == [security.hash_token(token)]
    assert all(token not in str(vars(row)) for row in rows)
    assert token not in ada.get("/household").text


def test_who_belongs_already_does_not_use_the_invitation_up(
    ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    token = token_of(make_link(ada))

    assert ben.post("/join", data={"invitation": token}).status_code == 409
    assert cleo.post("/join", data={"invitation": token}).status_code == 303


def test_only_owners_invite_and_take_back(ada: SignedInBrowser, ben: SignedInBrowser) -> None:
    made = ada.post("/api/v1/invitations", json={"role": "viewer"}).json()

    refused = ben.post("/api/v1/invitations", json={})
    assert (refused.status_code, refused.json()["code"]) == (403, "owners_only")
    assert ben.delete(f"/api/v1/invitations/{made['id']}").status_code == 403
    assert ada.post("/api/v1/invitations", json={"role": "king"}).status_code == 422
    assert ada.post("/api/v1/invitations", json={"label": "a\x00b"}).status_code == 422


def test_what_a_former_owner_offered_is_taken_back(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    assert ada.put(f"/api/v1/members/{ben.user_id}", json={"role": "owner"}).status_code == 204
    token = token_of(make_link(sign_in(app, ben.person)))
    assert ada.put(f"/api/v1/members/{ben.user_id}", json={"role": "member"}).status_code == 204

    assert cleo.post("/join", data={"invitation": token}).status_code == 404


def test_at_most_twenty_invitations_are_open(ada: SignedInBrowser) -> None:
    for _ in range(invitations.OPEN_MAX):
        people.invitation(ada.household_id, ada.user_id)

    refused = ada.post("/household/invitations", data={"role": "member"})

    assert refused.status_code == 409
    assert "Take one back first" in refused.text
