"""The Hosted Link page, as a browser without JavaScript sees it."""

import re
from typing import Any

import pytest

from app.simulator.people import DEMO
from tests.simulator.conftest import title

REQUEST: dict[str, Any] = {
    "client_name": "Fintech", "language": "en", "country_codes": ["US"],
    "user": {"client_user_id": "u"}, "products": ["transactions"],
    "hosted_link": {"completion_redirect_uri": "http://app.example:8000/connections/done?x=1"},
}  # fmt: skip


@pytest.fixture
def opened(bank, receiver):
    def open_link(**change: Any):
        created = bank.post("/link/token/create", **(REQUEST | {"webhook": receiver.url} | change))
        return created, re.sub(r"^https?://[^/]+", "", created["hosted_link_url"])

    return open_link


def send(bank, path: str, action: str, **fields: Any):
    return bank.http.post(path, data={"action": action, **fields}, follow_redirects=False)


def linked(bank, path: str, **login: str):
    send(bank, path, "institution", institution_id="ins_900001")
    send(bank, path, "login", **(login or {"person": "demo_family"}))
    return send(bank, path, "accounts", account=["checking", "savings"])


def test_a_person_links_a_bank_and_comes_back_to_the_app(bank, opened, receiver) -> None:
    created, path = opened()
    page = bank.http.get(path)
    assert title(page.text) == "Select your bank"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' http://app.example:8000" in policy
    assert "<script" not in page.text
    assert "style=" not in page.text

    done = linked(bank, path)
    assert done.headers["location"] == "http://app.example:8000/connections/done?x=1"
    finished = receiver.wait("SESSION_FINISHED")[0]
    [result] = receiver.wait("ITEM_ADD_RESULT")
    assert finished["public_tokens"] == [result["public_token"]]

    known = bank.post("/link/token/get", link_token=created["link_token"])["link_sessions"][0]
    [added] = known["results"]["item_add_results"]
    assert [account["name"] for account in added["accounts"]] == [
        "Everyday Checking", "Rainy Day Savings",
    ]  # fmt: skip
    token = bank.post("/item/public_token/exchange", public_token=added["public_token"])
    accounts = bank.post("/accounts/get", access_token=token["access_token"])["accounts"]
    assert [account["account_id"] for account in accounts] == [
        account["id"] for account in added["accounts"]
    ]


def test_the_page_offers_the_demo_logins_and_searches_banks(bank, opened) -> None:
    _, path = opened()
    assert "Harbor &amp; Pine" in bank.http.get(path, params={"q": "harb"}).text
    assert "No bank matches" in bank.http.get(path, params={"q": "zzz<script>"}).text
    send(bank, path, "institution", institution_id="ins_900001")
    page = bank.http.get(path).text
    assert all(each.login in page for each in DEMO)


def test_cancelling_is_told_and_creates_nothing(bank, opened, receiver) -> None:
    created, path = opened()
    assert send(bank, path, "cancel").status_code == 303

    assert receiver.wait("SESSION_FINISHED")[0]["status"] == "EXITED"
    known = bank.post("/link/token/get", link_token=created["link_token"])["link_sessions"][0]
    assert known["on_exit"]["metadata"]["status"] == "requires_institution"
    assert bank.http.get("/simulator/items").json()["items"] == []


def test_an_oauth_bank_asks_to_continue_first(bank, opened) -> None:
    _, path = opened()
    send(bank, path, "institution", institution_id="ins_900002")
    assert title(bank.http.get(path).text) == "Continue to Cardinal Card Company"
    send(bank, path, "consent")
    assert title(bank.http.get(path).text) == "Sign in to Cardinal Card Company"


def test_a_wrong_login_a_forced_error_and_no_account_are_explained(bank, opened) -> None:
    _, path = opened()
    send(bank, path, "institution", institution_id="ins_109508")
    page = send(bank, path, "login", username="nobody", password="x")
    assert (page.status_code, "check what you entered" in page.text) == (422, True)
    page = send(bank, path, "login", username="user_good", password="error_ITEM_LOCKED")
    assert "locked" in page.text
    send(bank, path, "login", person="demo_student")
    assert "at least one" in send(bank, path, "accounts").text


def test_codes_are_asked_for(bank, opened) -> None:
    _, path = opened()
    send(bank, path, "institution", institution_id="ins_109508")
    send(bank, path, "login", username="user_good", password="mfa_device")
    assert title(bank.http.get(path).text) == "Confirm it is you"
    assert send(bank, path, "mfa", code="0000").status_code == 422
    send(bank, path, "mfa", code="1234")
    assert title(bank.http.get(path).text) == "Choose accounts"


def test_update_mode_mends_the_item_and_keeps_its_token(bank, opened, receiver) -> None:
    created, path = opened()
    linked(bank, path)
    known = bank.post("/link/token/get", link_token=created["link_token"])["link_sessions"][0]
    public = known["on_success"]["public_token"]
    token = bank.post("/item/public_token/exchange", public_token=public)["access_token"]
    cursor = bank.loop(token)[-1]["next_cursor"]
    bank.post("/sandbox/item/reset_login", access_token=token)

    _, path = opened(access_token=token, products=None)
    assert "Sign in again" in bank.http.get(path).text
    assert send(bank, path, "login", username="demo_student", password="x").status_code == 422
    assert send(bank, path, "login", username="demo_family", password="x").status_code == 303

    assert bank.post("/item/get", access_token=token)["item"]["error"] is None
    assert bank.sync(token, cursor)["added"] == []


def test_update_mode_can_change_the_accounts(bank, opened) -> None:
    created, path = opened()
    linked(bank, path)
    known = bank.post("/link/token/get", link_token=created["link_token"])["link_sessions"][0]
    public = known["on_success"]["public_token"]
    token = bank.post("/item/public_token/exchange", public_token=public)["access_token"]
    cursor = bank.loop(token)[-1]["next_cursor"]

    _, path = opened(access_token=token, products=None,
                     update={"account_selection_enabled": True})  # fmt: skip
    send(bank, path, "login", username="demo_family", password="x")
    send(bank, path, "accounts", account=["checking", "mortgage"])

    names = [a["name"] for a in bank.post("/accounts/get", access_token=token)["accounts"]]
    assert names == ["Everyday Checking", "Home Loan"]
    page = bank.sync(token, cursor)
    assert page["added"]
    assert page["removed"] == []


def test_filters_and_an_expired_link_are_respected(bank, opened) -> None:
    filters = {"depository": {"account_subtypes": ["checking"]}}
    _, path = opened(account_filters=filters)
    send(bank, path, "institution", institution_id="ins_900001")
    send(bank, path, "login", person="demo_family")
    page = bank.http.get(path).text
    assert ("Everyday Checking" in page, "Rainy Day" in page) == (True, False)
    assert bank.http.get("/link/nonsense").status_code == 404
