"""XG1 to XG6: values that are none are set aside with a word; what stands beside them counts."""

import json
from typing import Any

import pytest

from app.features.connections.service import sync
from app.providers.plaid import pages
from app.simulator.stream import Added
from tests.cast import SignedInBrowser
from tests.factories import files, ledger
from tests.features.connections.bank import linked, open_bank, query, row

HUGE = "x" * 10_000_000
LIVE = "SELECT source_id FROM transactions WHERE removed_at IS NULL ORDER BY source_id"
AMOUNTS = ["NaN", "Infinity", "-Infinity", "1e400", "1E+1000000", "1e-400", "123456789012345678.00"]


def sync_with(browser: SignedInBrowser, field: str, value: str) -> list[tuple[str, ...]]:
    """Sync a good row and one whose field is this JSON; return what was set aside."""
    bank = open_bank(rows=1)
    bank.stream.apply(Added(row(bank, "bad", "2.00", extra={field: "@bad@"})))

    def fetch(access_token: str, cursor: str | None) -> object:
        body = bank.stream.sync(cursor or "", bank.page_rows).as_json()
        assert b'"@bad@"' in body
        return pages.decode_page(
            pages.TRANSACTIONS, body.replace(b'"@bad@"', value.encode()), cursor
        )

    bank.fetch_transactions = fetch  # type: ignore[method-assign]
    with linked(browser.household_id, bank) as item_id:
        outcome = sync.sync_item(browser.household_id, item_id, "button")
        assert outcome.error is None
        page = browser.get(f"/connections/{item_id}").text
    set_aside = query(browser.household_id, "SELECT source_id, reason FROM rejected_rows")
    assert not set_aside or str(set_aside[0][1]) in page
    return set_aside


@pytest.mark.parametrize("amount", AMOUNTS)
def test_XG_an_amount_of_a_bank_that_is_none(ada: SignedInBrowser, amount: str) -> None:
    [(source_id, reason)] = sync_with(ada, "amount", amount)

    assert source_id == "bad"
    assert reason
    assert query(ada.household_id, LIVE) == [("t0",)]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("date", '"0001-01-01"'),
        ("date", '"9999-12-31"'),
        ("date", '"2026-02-30"'),
        ("iso_currency_code", '"NOT A CURRENCY"'),
        ("iso_currency_code", "17"),
        ("transaction_id", '"' + "x" * 300 + '"'),
    ],
)
def test_XG_a_day_a_currency_or_an_id_of_a_bank_that_is_none(
    ada: SignedInBrowser, field: str, value: str
) -> None:
    [(_, reason)] = sync_with(ada, field, value)

    assert reason
    assert query(ada.household_id, LIVE) == [("t0",)]


def test_XG_a_description_of_ten_megabytes_is_shortened(ada: SignedInBrowser) -> None:
    assert sync_with(ada, "original_description", json.dumps(HUGE)) == []

    assert query(ada.household_id, LIVE) == [("bad",), ("t0",)]
    [length] = query(ada.household_id, "SELECT max(length(description)) FROM transactions")
    assert length == (2_000,)


BAD_ROWS = [
    *(("20261102", amount) for amount in (*AMOUNTS, "1,2,3.4", "\u0661")),
    *((day, "-2.00") for day in ("00010101", "99991231", "20260230")),
]


@pytest.mark.parametrize(("day", "amount"), BAD_ROWS)
@pytest.mark.parametrize("kind", ["csv", "ofx"])
def test_XG_a_row_of_a_file_that_is_none(
    ada: SignedInBrowser, kind: str, day: str, amount: str
) -> None:
    dashed = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    good = [("2026110" + str(n), f"-{n}.50", f"g{n}", f"SHOP {n}") for n in (3, 4, 5)]
    if kind == "csv":
        lines = [f"2026-11-0{n},SHOP {n},-{n}.50" for n in (3, 4, 5)]
        data = files.csv(*lines, f'{dashed},BAD,"{amount}"')
    else:
        data = files.ofx(good, start="20261101", end="20261130").replace(
            b"</BANKTRANLIST>",
            f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>{day}<TRNAMT>{amount}<FITID>bad<NAME>BAD</STMTTRN>\n"
            "</BANKTRANLIST>".encode(),
        )

    shown = ada.post("/api/v1/imports/", files={"file": (f"a.{kind}", data)}).json()
    booked = ada.post(f"/api/v1/imports/{shown['id']}/book")

    assert booked.status_code == 200, booked.text
    names = query(ada.household_id, "SELECT description FROM transactions ORDER BY 1")
    assert names == [("SHOP 3",), ("SHOP 4",), ("SHOP 5",)]
    assert query(ada.household_id, "SELECT count(*) FROM rejected_rows WHERE reason > ''") == [(1,)]


@pytest.mark.parametrize(
    "query_of",
    [
        {"amount_min": "NaN"},
        {"amount_max": "1e400"},
        {"amount_min": "Infinity"},
        {"date_from": "0000-01-01"},
        {"date_to": "10000-01-01"},
        {"period": "99999999d"},
    ],
)
def test_XG_a_question_that_cannot_be_meant(ada: SignedInBrowser, query_of: dict[str, str]) -> None:
    path = "analytics" if "period" in query_of else ""

    answer = ada.get(f"/api/v1/transactions/{path}", params=query_of)

    assert answer.status_code == 422
    assert answer.json()["detail"]
    assert ada.get("/transactions", params=query_of).status_code < 500


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_XG_the_first_and_the_last_day_there_is(ada: SignedInBrowser, day: str) -> None:
    for path in ("/api/v1/transactions/", "/api/v1/transactions/totals", "/transactions"):
        for name in ("date_from", "date_to"):
            assert ada.get(path, params={name: day}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/api/v1/transactions/{transaction_id}", {"note": HUGE}),
        ("PUT", "/api/v1/transactions/{transaction_id}", {"note": "x" * 2_001}),
        ("PUT", "/api/v1/imports/{import_id}/layout", {"currency": "NOT A CURRENCY"}),
        ("POST", "/api/v1/accounts/{account_id}/tie-out/accept", {"gap": "NaN", "reason": "x"}),
        ("POST", "/api/v1/accounts/{account_id}/tie-out/accept", {"gap": "1e400", "reason": "x"}),
    ],
)
def test_XG_a_body_that_cannot_be_meant(
    ada: SignedInBrowser, method: str, path: str, body: dict[str, Any]
) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    ids = {name: str(getattr(owned, name)) for name in owned.__slots__}

    answer = ada.request(method, path.format(**ids), json=body)

    assert answer.status_code in (413, 422)
    assert answer.json()["detail"]
    assert len(answer.content) < 4_096
