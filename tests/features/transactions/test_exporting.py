"""The list as a file: all that the filter lets through, and nothing that a spreadsheet runs."""

import csv
import datetime as dt
import io
import json
import threading

import pytest

from app.core import downloads
from app.core.database import household_transaction
from app.features.audit import service as audit
from app.features.transactions import exporting
from tests.cast import SignedInBrowser
from tests.features.transactions import ledgers
from tests.features.transactions.ledgers import Ledger, record

FORMULA = '=HYPERLINK("https://evil.example","click")'


@pytest.fixture
def ledger(ada: SignedInBrowser) -> Ledger:
    return ledgers.open_ledger(ada.household_id)


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_the_page_sends_what_its_filter_lets_through(ada: SignedInBrowser, ledger: Ledger) -> None:
    ledgers.bring(
        ledger,
        record("a", "-4.50", description="COFFEE, BAR"),
        record("b", "-9.00", description="TEA"),
        record("c", "1000.00", description="COFFEE REFUND", date=dt.date(2026, 11, 3)),
    )

    page = ada.get("/transactions?search=coffee")
    answer = ada.post("/transactions/export?search=coffee", data={"format": "csv"})

    assert 'action="/transactions/export?search=coffee"' in page.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="transactions-')
    assert [(row["date"], row["amount"], row["description"]) for row in read_csv(answer.text)] == [
        ("2026-11-03", "1000", "COFFEE REFUND"),
        ("2026-11-02", "-4.5", "COFFEE, BAR"),
    ]
    assert {row["account"] for row in read_csv(answer.text)} == {"Checking"}


def test_F10_no_text_of_a_stranger_is_computed(ada: SignedInBrowser, ledger: Ledger) -> None:
    ledgers.bring(ledger, record("a", "-4.50", description=FORMULA))
    url = "/api/v1/transactions/export?format=csv"

    [defused] = read_csv(ada.post(url).text)
    [raw] = read_csv(ada.post(f"{url}&raw=true").text)

    assert defused["description"] == f"'{FORMULA}"
    assert defused["amount"] == "-4.5", "a number that we wrote stays one"
    assert raw["description"] == FORMULA


def test_F10_our_own_file_brings_back_every_text_as_it_was(
    ada: SignedInBrowser, cleo: SignedInBrowser, ledger: Ledger
) -> None:
    texts = [FORMULA, "'=1+1", "-10 % OFF", "+49 30 1234", "@HOME", 'COFFEE, "BAR"', "'TIS"]
    ledgers.bring(
        ledger, *(record(f"t{n}", f"-{n + 1}.50", description=t) for n, t in enumerate(texts))
    )

    taken = ada.post("/api/v1/transactions/export?format=csv").content
    sent = {"file": ("transactions.csv", taken)}
    cleo.post("/api/v1/imports/", files=sent, data={"book": "true"})

    rows = cleo.get("/api/v1/transactions/").json()["data"]
    assert sorted((row["description"], row["amount"]) for row in rows) == sorted(
        (text, f"-{n + 1}.5") for n, text in enumerate(texts)
    )


def test_F10_json_leaves_everything_as_it_is(ada: SignedInBrowser, ledger: Ledger) -> None:
    ledgers.bring(ledger, record("a", "-0.10", description=FORMULA), record("b", "7"))

    exported = json.loads(ada.post("/api/v1/transactions/export").text)["data"]

    assert exported == ada.get("/api/v1/transactions/").json()["data"]
    assert {row["amount"] for row in exported} == {"-0.1", "7"}


def test_an_export_of_nothing_is_a_whole_file(ada: SignedInBrowser) -> None:
    assert json.loads(ada.post("/api/v1/transactions/export").text) == {"data": []}
    assert len(ada.post("/api/v1/transactions/export?format=csv").text.splitlines()) == 1


def test_an_export_goes_on_after_its_first_part(ada: SignedInBrowser, ledger: Ledger) -> None:
    count = 2 * exporting.ROWS_AT_A_TIME + 1
    ledgers.bring(ledger, *(record(f"t{number}") for number in range(count)))

    assert len(json.loads(ada.post("/api/v1/transactions/export").text)["data"]) == count
    assert len(read_csv(ada.post("/api/v1/transactions/export?format=csv").text)) == count


def test_P3_who_took_an_export_stands_in_the_audit_trail(ada: SignedInBrowser) -> None:
    ada.post("/transactions/export?search=coffee", data={"format": "json"})

    with household_transaction(ada.household_id) as session:
        [event] = audit.list_events(session, ada.household_id, action="transactions.exported")
    assert event.actor.user_id == ada.user_id
    assert (event.details["format"], event.details["is_filtered"]) == ("json", True)


def test_a_stranger_exports_their_own_ledger(
    ada: SignedInBrowser, cleo: SignedInBrowser, ledger: Ledger
) -> None:
    ledgers.bring(ledger, record("a", description="CLEO MUST NOT READ THIS"))

    account = ledger.accounts["checking"].account_id
    for query in ("", f"&account={account}"):
        answer = cleo.post(f"/api/v1/transactions/export?format=csv{query}")
        assert len(answer.text.splitlines()) == 1


def test_a_filter_that_cannot_be_read_exports_nothing(ada: SignedInBrowser) -> None:
    for url in ("/transactions/export", "/api/v1/transactions/export"):
        answer = ada.post(f"{url}?date_from=yesterday")
        assert answer.status_code == 422


def test_no_more_than_a_few_downloads_are_under_way(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_places", threading.BoundedSemaphore(1))
    assert ada.post("/api/v1/transactions/export").status_code == 200, "each gives its place back"

    with downloads._places:
        refused = ada.post("/api/v1/transactions/export")

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "30"
    assert ada.post("/api/v1/transactions/export").status_code == 200
