"""Who belongs to a household, what an owner may do, and which household a session works in."""

from concurrent.futures import ThreadPoolExecutor
from typing import cast

from click.testing import CliRunner
from fastapi import FastAPI

from app.cli.household import command as household_command
from app.core import database
from app.core.errors import AppError
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.households.service import invitations, members
from app.features.users import sessions
from tests.cast import Browser, SignedInBrowser, sign_in
from tests.factories import ledger, people
from tests.factories.people import PASSWORD


def join(ada: SignedInBrowser, guest: SignedInBrowser, role: str = "member") -> None:
    """Let somebody with a household of their own into Ada's."""
    token = people.invitation(ada.household_id, ada.user_id, role).token
    assert guest.post("/join", data={"invitation": token}).status_code == 303


def sign_in_again(who: SignedInBrowser) -> SignedInBrowser:
    again = sign_in(cast("FastAPI", who.app), who.person)
    with database.system_transaction() as session:
        sessions.move(session, again.session_id, who.household_id)
    return again


def me(browser: Browser) -> tuple[str, str]:
    told = browser.get("/api/v1/auth/me").json()
    return told["household_id"], told["role"]


def roles(owner: SignedInBrowser) -> dict[str, str]:
    return {row["name"]: row["role"] for row in owner.get("/api/v1/members").json()}


def events(who: SignedInBrowser) -> list[tuple[str, str | None]]:
    with who.session() as session:
        return [
            (event.action, event.object_id)
            for event in audit.list_events(session, who.household_id)
        ]


def test_a_role_counts_from_the_next_request(ada: SignedInBrowser, ben: SignedInBrowser) -> None:
    path = f"/household/members/{ben.user_id}/role"
    assert ada.post(path, data={"role": "viewer"}).status_code == 303

    assert me(ben) == (str(ada.household_id), "viewer")
    assert roles(ada) == {"Ada": "owner", "Ben": "viewer"}
    assert ("member.role_changed", str(ben.user_id)) in events(ada)
    assert ada.post(path, data={"role": "king"}).status_code == 422


def test_who_is_removed_is_out_at_once_and_keeps_a_household_of_their_own(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    own = str(cleo.household_id)
    join(ada, cleo)
    assert me(cleo)[0] == str(ada.household_id)

    assert ada.post(f"/household/members/{cleo.user_id}/remove").status_code == 303

    assert cleo.get("/accounts").status_code == 303
    assert cleo.get("/api/v1/auth/me").status_code == 401
    form = {"username": cleo.person.email, "password": PASSWORD}
    token = cleo.post("/api/v1/auth/login", data=form).json()["access_token"]
    again = cleo.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"}).json()
    assert (again["household_id"], again["role"]) == (own, "owner")
    assert roles(ada) == {"Ada": "owner"}


def test_api_tokens_end_with_the_membership_also_for_those_who_come_back(
    ada: SignedInBrowser, cleo: SignedInBrowser, client: Browser
) -> None:
    join(ada, cleo)
    there = ledger.api_token(ada.household_id, cleo.user_id).token
    at_home = ledger.api_token(cleo.household_id, cleo.user_id).token

    def status(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return client.get("/api/v1/accounts/", headers=headers).status_code

    assert (status(there), status(at_home)) == (200, 200)
    assert ada.delete(f"/api/v1/members/{cleo.user_id}").status_code == 204
    assert (status(there), status(at_home)) == (401, 200)
    join(ada, sign_in_again(cleo))
    assert (status(there), status(at_home)) == (401, 200)


def test_nobody_is_ever_without_a_household(ada: SignedInBrowser, client: Browser) -> None:
    token = people.invitation(ada.household_id, ada.user_id).token
    client.greet()
    form = {"invitation": token, "email": f"finn-{ada.person.email}", "password": PASSWORD}
    client.post("/join/register", data={**form, "name": "Finn"})
    assert me(client) == (str(ada.household_id), "member")
    client.greet("/settings")

    assert client.post("/household/leave").status_code == 303

    told = client.get("/api/v1/auth/me").json()
    assert (told["household_name"], told["role"]) == ("Household of Finn", "owner")
    assert client.get("/transactions").status_code == 200


def test_the_last_owner_neither_leaves_nor_steps_down(
    ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    for refused in (
        ada.post("/api/v1/households/leave"),
        ada.put(f"/api/v1/members/{ada.user_id}", json={"role": "member"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    page = ada.post("/household/leave")
    assert page.status_code == 409
    assert "Make somebody else an owner first." in page.text
    assert ada.delete(f"/api/v1/members/{ada.user_id}").json()["code"] == "leave_instead"

    assert ada.post(f"/household/members/{ben.user_id}/transfer").status_code == 303
    assert roles(ada) == {"Ada": "member", "Ben": "owner"}
    assert ada.post("/household/leave").status_code == 303
    assert roles(ben) == {"Ben": "owner"}


def test_of_two_owners_who_go_at_once_one_stays(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    ada.put(f"/api/v1/members/{ben.user_id}", json={"role": "owner"})

    def leave(who: SignedInBrowser) -> bool:
        try:
            with database.system_transaction() as session:
                actor = Actor(who.user_id, who.session_id)
                members.leave(session, ada.household_id, actor=actor)
        except AppError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        left = list(pool.map(leave, (ada, ben)))

    assert sorted(left) == [False, True]


def test_only_owners_change_who_belongs(ada: SignedInBrowser, ben: SignedInBrowser) -> None:
    for answer in (
        ben.put(f"/api/v1/members/{ben.user_id}", json={"role": "owner"}),
        ben.delete(f"/api/v1/members/{ada.user_id}"),
        ben.post(f"/api/v1/members/{ben.user_id}/transfer"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "owners_only")
    assert roles(ada) == {"Ada": "owner", "Ben": "member"}
    page = ben.get("/household").text
    assert "Remove" not in page
    assert "Make a link" not in page


def test_a_browser_goes_from_one_household_to_the_other_and_back(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    own = cleo.household_id
    join(ada, cleo, "viewer")
    listed = cleo.get("/api/v1/households").json()
    assert [(row["role"], row["is_current"]) for row in listed] == [
        ("owner", False),
        ("viewer", True),
    ]

    assert cleo.post("/household/open", data={"household_id": str(own)}).status_code == 303
    assert me(cleo) == (str(own), "owner")
    for nothing in (ada.household_id, "nothing"):
        there = ada.post("/household/open", data={"household_id": str(own)})
        assert there.status_code == 404, nothing
    assert me(ada)[0] == str(ada.household_id)


def test_the_next_sign_in_opens_the_household_that_was_used_last(
    app: FastAPI, ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    join(ada, cleo)

    again = Browser(app)
    opened = sessions.sign_in_browser(cleo.person.email, PASSWORD, sessions.Client())
    assert isinstance(opened, sessions.SignedInBrowser)
    again.cookies.set("fintech_session", opened.cookie)

    assert me(again)[0] == str(ada.household_id)


def test_a_token_opens_the_household_it_was_made_for_and_no_other(
    ada: SignedInBrowser, client: Browser, cleo: SignedInBrowser
) -> None:
    own = str(cleo.household_id)
    pair = people.api_session(cleo.person)
    with database.system_transaction() as session:
        token = people.invitation(ada.household_id, ada.user_id).token
        invitations.accept(session, token, actor=Actor(cleo.user_id))
    before = {"Authorization": f"Bearer {pair.access_token}"}
    body = {"household_id": str(ada.household_id)}

    moved = client.post("/api/v1/households/current", json=body, headers=before).json()

    stale = client.get("/api/v1/auth/me", headers=before)
    assert (stale.status_code, stale.json()["code"]) == (401, "household_changed")
    after = {"Authorization": f"Bearer {moved['access_token']}"}
    told = client.get("/api/v1/auth/me", headers=after).json()
    assert told["household_id"] == str(ada.household_id) != own
    fresh = client.post("/api/v1/auth/refresh", json={"refresh_token": pair.refresh_token}).json()
    headers = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert client.get("/api/v1/auth/me", headers=headers).json() == told


def test_a_browser_gets_no_token_for_switching(cleo: SignedInBrowser) -> None:
    body = {"household_id": str(cleo.household_id)}

    assert cleo.post("/api/v1/households/current", json=body).json()["access_token"] is None


def test_pages_that_were_open_stop_listening_to_the_household_that_was_left(
    ada: SignedInBrowser, cleo: SignedInBrowser
) -> None:
    own = cleo.household_id
    assert sessions.may_listen(cleo.session_id, own)

    join(ada, cleo)

    assert not sessions.may_listen(cleo.session_id, own)
    assert sessions.may_listen(cleo.session_id, ada.household_id)

    ada.put(f"/api/v1/members/{cleo.user_id}", json={"role": "guest"})
    assert not sessions.may_listen(cleo.session_id, ada.household_id)


def test_somebody_who_left_sees_nothing_with_another_session(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    other = sign_in(app, ben.person)
    assert me(other)[0] == str(ada.household_id)

    assert ben.post("/household/leave").status_code == 303

    assert other.get("/api/v1/auth/me").status_code == 401
    assert me(ben)[0] != str(ada.household_id)


def test_the_operator_lists_people_and_makes_an_owner(
    ada: SignedInBrowser, ben: SignedInBrowser
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(household_command, arguments)
        return done.exit_code, done.output

    assert run("list", ada.person.email) == (
        0,
        f"{ada.household_id}  Household of Ada\n"
        f"    owner   {ada.person.email}\n    member  {ben.person.email}\n",
    )
    assert run("set-role", str(ada.household_id), ben.person.email, "owner")[0] == 0
    assert roles(ada) == {"Ada": "owner", "Ben": "owner"}
    assert ("member.role_changed", str(ben.user_id)) in events(ada)
    ada.put(f"/api/v1/members/{ben.user_id}", json={"role": "viewer"})
    status, output = run("set-role", str(ada.household_id), ada.person.email, "member")
    assert (status, "needs an owner" in output) == (1, True)
    assert run("list", "nobody@example.com")[0] == 1
