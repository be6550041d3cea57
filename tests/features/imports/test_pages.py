"""Importing a file on the pages, as somebody without JavaScript would."""

import re

import pytest

from tests.cast import SignedInBrowser
from tests.factories.files import CSV_MARCH, csv, ofx


def bring(ada: SignedInBrowser, data: bytes, name: str) -> str:
    answer = ada.post("/imports", files={"file": (name, data)})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def column_of(page: str, heading: str) -> str:
    """Return the name of the field that says what a column means."""
    found = re.search(rf">{heading}</span>.*?name=\"(column-\d+)\"", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_file_is_checked_booked_and_undone(ada: SignedInBrowser) -> None:
    assert "Drop a file here" in ada.get("/imports").text
    url = bring(ada, ofx(), "march.ofx")
    page = ada.get(url).text
    assert "Add 4 transactions" in page
    assert "COFFEE BAR" in page

    assert ada.post(f"{url}/book").headers["location"] == url
    result = ada.get(url).text
    assert "4 transactions added to the ledger" in result
    assert "RENT" in ada.get("/transactions").text

    ada.post(f"{url}/undo")
    assert "Undone" in ada.get(url).text
    assert "RENT" not in ada.get("/transactions").text


def test_the_same_file_again_has_nothing_to_add(ada: SignedInBrowser) -> None:
    ada.post(f"{bring(ada, ofx(), 'march.ofx')}/book")

    page = ada.get(bring(ada, ofx(), "march.ofx")).text

    assert "Nothing new to add" in page
    assert "march.ofx" in ada.get("/imports").text


def test_a_column_that_was_guessed_wrong_is_changed(ada: SignedInBrowser) -> None:
    data = csv("2026-03-02,COFFEE,-4.50,9", header="Date,Description,Amount,Points")
    url = bring(ada, data, "card.csv")
    page = ada.get(url).text
    fields = {column_of(page, "Points"): "amount", "sign": "inverted", "currency": "eur"}

    answer = ada.post(f"{url}/layout", data=fields)

    assert answer.headers["location"] == url
    changed = ada.get(url).text
    assert re.search(r"[-\u2212]\s*€?\s*9\.00", changed)
    fragment = ada.post(
        f"{url}/layout",
        data={column_of(page, "Amount"): "amount", "sign": "as_written"},
        headers={"HX-Request-Type": "partial"},
    )
    assert fragment.status_code == 200
    assert "<html" not in fragment.text
    assert "4.50" in fragment.text


def test_a_choice_that_fails_is_explained_beside_the_rows(ada: SignedInBrowser) -> None:
    ada.post(f"{bring(ada, ofx(), 'march.ofx')}/book")
    ada.post(f"{bring(ada, ofx(number='777'), 'other.ofx')}/book")
    url = bring(ada, ofx(), "march.ofx")
    page = ada.get(url).text
    name = re.search(r'name="(account-[^"]+)"', page)[1]
    others = re.findall(r'<option value="([0-9a-f-]{36})">', page)

    answer = ada.post(f"{url}/layout", data={name: others[0]})

    assert answer.status_code == 409
    assert "Undo those imports first" in answer.text


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (b"%PDF-1.4", "statement.pdf", "It is a PDF"),
        (b"", "empty.csv", "The file is empty"),
        (b"<html><body>Sign in</body></html>", "march.ofx", "web page"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(ada, data, name, words) -> None:
    answer = ada.post("/imports", files={"file": (name, data)})

    assert answer.status_code == 422
    assert words.casefold() in answer.text.casefold()


def test_a_form_without_a_file_says_so(ada: SignedInBrowser) -> None:
    assert ada.post("/imports", data={"other": "x"}).status_code == 422


def test_markup_in_a_file_and_its_name_is_text(ada: SignedInBrowser) -> None:
    data = csv("2026-03-02,<script>alert(1)</script>,-4.50")

    url = bring(ada, data, "<img src=x onerror=alert(1)>.csv")

    page = ada.get(url).text
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page + ada.get("/imports").text


def test_a_discarded_file_is_gone(ada: SignedInBrowser) -> None:
    url = bring(ada, CSV_MARCH, "march.csv")

    assert ada.post(f"{url}/discard").headers["location"] == "/imports"
    assert ada.get(url).status_code == 404


def test_a_stranger_finds_no_page(ada: SignedInBrowser, cleo: SignedInBrowser) -> None:
    url = bring(ada, ofx(), "march.ofx")

    assert cleo.get(url).status_code == 404
    for action in ("layout", "book", "undo", "discard"):
        assert cleo.post(f"{url}/{action}").status_code == 404


def test_a_visitor_is_sent_to_sign_in(client) -> None:
    assert client.get("/imports").headers["location"].startswith("/sign-in")
