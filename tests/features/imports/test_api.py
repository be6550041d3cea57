"""Importing files through the JSON API."""

import json

import pytest
from starlette.testclient import TestClient

from tests.cast import SignedInBrowser
from tests.factories.files import CSV_MARCH, csv, ofx

URL = "/api/v1/imports/"


def send(who: TestClient, data: bytes, name: str = "march.ofx", **fields: str):
    return who.post(URL, files={"file": (name, data)}, data=fields)


def test_a_file_is_shown_then_booked(ada: SignedInBrowser) -> None:
    shown = send(ada, ofx())
    body = shown.json()

    assert shown.status_code == 201
    assert (body["state"], body["new"], body["known"]) == ("previewed", 4, 0)
    assert body["rows"][0]["amount"] == {"amount": "-4.50", "currency": "USD"}
    assert body["accounts"][0]["target"] == "new"
    assert ada.get("/api/v1/transactions/").json()["data"] == []

    booked = ada.post(f"{URL}{body['id']}/book").json()

    assert (booked["state"], booked["added"]) == ("booked", 4)
    rows = ada.get("/api/v1/transactions/").json()["data"]
    assert [row["description"] for row in rows] == ["SALARY", "RENT", "COFFEE BAR", "COFFEE BAR"]
    [account] = ada.get("/api/v1/accounts/").json()["data"]
    assert (account["current"], account["institution_name"]) == (
        "1671",
        "First Lantern Bank",
    )


def test_a_program_may_book_at_once_and_again_without_harm(ada: SignedInBrowser) -> None:
    first = send(ada, CSV_MARCH, "march.csv", book="true").json()
    second = send(ada, CSV_MARCH, "march.csv", book="true").json()

    assert (first["added"], second["added"], second["known"]) == (4, 0, 4)
    listed = ada.get(URL).json()["data"]
    assert [each["id"] for each in listed] == [second["id"], first["id"]]


def test_a_layout_can_be_sent_with_the_file_or_after_it(ada: SignedInBrowser) -> None:
    data = csv("03/04/2026,COFFEE,4.50")
    shown = send(ada, data, "card.csv", layout=json.dumps({"sign": "inverted"})).json()
    assert shown["rows"][0]["amount"]["amount"] == "-4.50"

    changed = ada.put(
        f"{URL}{shown['id']}/layout", json={"layout": {"date_order": "DMY"}, "currency": "EUR"}
    ).json()

    assert changed["rows"][0]["date"] == "2026-04-03"
    assert changed["rows"][0]["amount"] == {"amount": "-4.50", "currency": "EUR"}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"layout": "[1]"}, "layout"),
        ({"layout": '{"date_order": "XYZ"}'}, "date_order"),
        ({"layout": '{"roles": ["date", "date", "amount"]}'}, "roles"),
        ({"currency": "euro money"}, "currency"),
        ({"account_id": "01a20000-0000-7000-8000-000000000000"}, "account"),
    ],
)
def test_a_choice_that_cannot_be_meant_names_its_field(ada, fields, field) -> None:
    answer = send(ada, CSV_MARCH, "march.csv", **fields)

    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_an_unreadable_file_is_answered_with_what_to_do(ada: SignedInBrowser) -> None:
    answer = send(ada, b"%PDF-1.4", "statement.pdf")

    assert answer.status_code == 422
    assert "CSV instead" in answer.json()["detail"]
    [kept] = ada.get(URL).json()["data"]
    assert (kept["state"], kept["file_name"]) == ("failed", "statement.pdf")


def test_an_empty_file_is_refused(ada: SignedInBrowser) -> None:
    assert send(ada, b"", "empty.csv").status_code == 422


def test_a_name_with_a_path_or_controls_is_only_a_name(ada: SignedInBrowser) -> None:
    body = send(ada, ofx(), "../../etc/\u202emarch.ofx").json()

    assert body["file_name"] == "march.ofx"


def test_undoing_and_discarding(ada: SignedInBrowser) -> None:
    booked = send(ada, ofx(), book="true").json()
    assert ada.delete(f"{URL}{booked['id']}").status_code == 409
    assert ada.post(f"{URL}{booked['id']}/undo").json()["state"] == "undone"
    assert ada.get("/api/v1/transactions/").json()["data"] == []
    assert ada.get("/api/v1/transactions/totals").json()["data"] == []
    waiting = send(ada, ofx()).json()

    assert ada.delete(f"{URL}{waiting['id']}").status_code == 204
    assert ada.get(f"{URL}{waiting['id']}").status_code == 404


def test_a_stranger_finds_nothing(ada: SignedInBrowser, cleo: SignedInBrowser) -> None:
    url = f"{URL}{send(ada, ofx()).json()['id']}"

    answers = [
        cleo.get(url),
        cleo.put(f"{url}/layout", json={}),
        cleo.post(f"{url}/book"),
        cleo.post(f"{url}/undo"),
        cleo.delete(url),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert cleo.get(URL).json()["data"] == []


def test_nobody_imports_into_a_strangers_account(ada, cleo) -> None:
    send(ada, ofx(), book="true")
    [account] = ada.get("/api/v1/accounts/").json()["data"]

    answer = send(cleo, CSV_MARCH, "march.csv", account_id=account["id"], book="true")

    assert answer.status_code == 422
    assert len(ada.get("/api/v1/transactions/").json()["data"]) == 4


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (ofx(), "march.ofx", {"NAME": "RENT", "FITID": "m3", "TRNAMT": "-820.00"}),
        (CSV_MARCH, "march.csv", {"line": "4", "Description": "RENT", "Amount": "-820.00"}),
    ],
)
def test_a_transaction_shows_what_the_file_said_of_it(ada, data, name, said) -> None:
    send(ada, data, name, book="true")
    rows = ada.get("/api/v1/transactions/").json()["data"]
    rent = next(row for row in rows if row["description"] == "RENT")

    detail = ada.get(f"/api/v1/transactions/{rent['id']}").json()

    assert said.items() <= detail["source"]["said"].items()
    assert detail["source"]["journal_kind"] == f"file.{name[-3:]}"
