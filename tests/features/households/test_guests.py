"""T9: guests, on the pages and in the API: what an owner shares, and no more."""

import csv
import io
from decimal import Decimal
from uuid import UUID

import pytest
from fastapi import FastAPI

from app.core import database
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.households.service import members
from tests.cast import Browser, SignedInBrowser, sign_in
from tests.factories import ledger, people
from tests.factories.ledger import Owned

GUEST_WORDS = "You are a guest here"


@pytest.fixture
def shared(ada: SignedInBrowser) -> Owned:
    return ledger.everything(ada.household_id, ada.user_id, description="SHARED COFFEE")


@pytest.fixture
def kept(ada: SignedInBrowser) -> Owned:
    return ledger.everything(ada.household_id, ada.user_id, description="KEPT COFFEE")


@pytest.fixture
def gus(app: FastAPI, ada: SignedInBrowser, shared: Owned, kept: Owned) -> SignedInBrowser:
    """Gus is a guest with whom Ada shares one of two accounts."""
    made = sign_in(app, people.member(ada.person, "Gus", role="guest"))
    share(ada, made, shared.account_id)
    return made


def share(owner: SignedInBrowser, guest: SignedInBrowser, *account_ids: UUID) -> None:
    body = {"account_ids": [str(each) for each in account_ids]}
    answer = owner.put(f"/api/v1/members/{guest.user_id}/accounts", json=body)
    assert answer.status_code == 204, answer.text


def seen(who: SignedInBrowser, query: str = "") -> set[str]:
    rows = who.get(f"/api/v1/transactions/?{query}").json()["data"]
    return {row["description"] for row in rows}


def test_T9_a_guest_sees_the_shared_account_its_rows_and_sums_of_them_alone(
    ada: SignedInBrowser, gus: SignedInBrowser, shared: Owned, kept: Owned
) -> None:
    assert seen(ada) == {"SHARED COFFEE", "KEPT COFFEE"}
    assert seen(gus) == seen(gus, "search=coffee") == {"SHARED COFFEE"}
    assert seen(gus, f"account={kept.account_id}") == seen(gus, "search=kept") == set()
    [account] = gus.get("/api/v1/accounts/").json()["data"]
    assert account["id"] == str(shared.account_id)
    assert gus.get("/api/v1/accounts/summary/overview").json()["accounts"] == 1
    sums = {who: who.get("/api/v1/transactions/totals").json()["data"][0] for who in (ada, gus)}
    assert (sums[ada]["transactions"], sums[gus]["transactions"]) == (2, 1)
    assert Decimal(sums[ada]["money_out"]) == 2 * Decimal(sums[gus]["money_out"]) != 0


def test_T9_a_guests_pages_show_it_and_lead_nowhere_else(gus: SignedInBrowser) -> None:
    assert gus.get("/").headers["location"] == "/accounts"
    for path in ("/accounts", "/transactions", "/transactions/totals"):
        page = gus.get(path)
        assert page.status_code == 200, page.text[:300]
        assert "KEPT COFFEE" not in page.text
    listed = gus.get("/transactions").text
    assert "SHARED COFFEE" in listed
    for away in ('href="/connections"', 'href="/history"', 'href="/imports"', "events-url"):
        assert away not in listed
    refused = gus.get("/history")
    assert refused.status_code == 403
    assert GUEST_WORDS in refused.text


def test_T9_a_guest_is_refused_in_words_and_changes_nothing(
    gus: SignedInBrowser, shared: Owned
) -> None:
    refused = gus.put(f"/api/v1/transactions/{shared.transaction_id}", json={"note": "mine"})

    assert (refused.status_code, refused.json()["code"]) == (403, "guest")
    assert GUEST_WORDS in refused.json()["detail"]


def test_T9_what_is_taken_back_is_gone_with_the_next_request(
    ada: SignedInBrowser, gus: SignedInBrowser, shared: Owned, kept: Owned
) -> None:
    share(ada, gus, shared.account_id, kept.account_id)
    assert seen(gus) == {"SHARED COFFEE", "KEPT COFFEE"}
    share(ada, gus, kept.account_id)
    assert seen(gus) == {"KEPT COFFEE"}
    share(ada, gus)
    assert seen(gus) == set()
    assert gus.get("/api/v1/transactions/totals").json()["data"] == []
    assert "Nothing is shared with you yet" in gus.get("/accounts").text


def test_T9_a_guests_file_and_token_have_what_is_shared(
    app: FastAPI, ada: SignedInBrowser, gus: SignedInBrowser
) -> None:
    file = gus.post("/api/v1/transactions/export?format=csv")
    rows = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert len(rows) == 1
    assert "KEPT COFFEE" not in file.text
    with ada.session() as session:
        [event, *_] = audit.list_events(session, ada.household_id, action="transactions.exported")
    assert event.actor.user_id == gus.user_id

    token = ledger.api_token(ada.household_id, gus.user_id, "read", "edit", "export").token
    bearer = {"Authorization": f"Bearer {token}"}
    listed = Browser(app).get("/api/v1/transactions/", headers=bearer).json()["data"]
    assert {row["description"] for row in listed} == {"SHARED COFFEE"}
    whole = Browser(app).post("/api/v1/household/export", headers=bearer)
    assert (whole.status_code, whole.json()["code"]) == (403, "guest")


def test_T9_a_guest_learns_of_nobody_else(ada: SignedInBrowser, gus: SignedInBrowser) -> None:
    page = gus.get("/household").text
    assert ada.person.email not in page
    assert gus.person.email in page
    assert gus.get("/api/v1/members").json()["code"] == "guest"


def test_T9_the_owner_invites_a_guest_and_shares_on_the_page(
    app: FastAPI, ada: SignedInBrowser, cleo: SignedInBrowser, shared: Owned, kept: Owned
) -> None:
    made = people.invitation(ada.household_id, ada.user_id, "guest")
    assert "accounts that are shared with you" in cleo.get(f"/join?invitation={made.token}").text
    assert cleo.post("/join", data={"invitation": made.token}).status_code == 303
    assert seen(cleo) == set()
    assert "sees 0 accounts" in ada.get("/household").text

    url = f"/household/members/{cleo.user_id}/accounts"
    assert ada.post(url, data={"account_ids": [str(shared.account_id)]}).status_code == 303

    assert seen(cleo) == {"SHARED COFFEE"}
    page = ada.get("/household").text
    assert "sees 1 account<" in page
    assert page.count("checked") == 1
    with ada.session() as session:
        [event, *_] = audit.list_events(session, ada.household_id, action="member.accounts_shared")
    assert event.details["shared"] == [str(shared.account_id)]


def test_T9_only_an_owner_shares_and_only_with_guests_what_is_the_households(
    app: FastAPI, ada: SignedInBrowser, ben: SignedInBrowser, cleo: SignedInBrowser,
    gus: SignedInBrowser, shared: Owned,
) -> None:  # fmt: skip
    foreign = ledger.everything(cleo.household_id, cleo.user_id)
    body = {"account_ids": [str(shared.account_id)]}
    of_gus, of_ben = (f"/api/v1/members/{who.user_id}/accounts" for who in (gus, ben))

    assert ben.put(of_gus, json=body).json()["code"] == "owners_only"
    assert ben.get(of_gus).json()["code"] == "owners_only"
    assert gus.put(of_gus, json=body).json()["code"] == "owners_only"
    assert ada.put(of_ben, json=body).json()["code"] == "not_a_guest"
    refused = ada.put(of_gus, json={"account_ids": [str(foreign.account_id)]})
    assert refused.status_code == 404
    assert ada.get(of_gus).json() == body


def test_T9_who_was_something_else_in_between_is_a_guest_without_shares(
    ada: SignedInBrowser, gus: SignedInBrowser
) -> None:
    for role in ("member", "guest"):
        with database.system_transaction() as session:
            members.change_role(
                session, ada.household_id, gus.user_id, role, actor=Actor(ada.user_id)
            )

    assert seen(gus) == set()
