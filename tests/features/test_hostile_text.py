"""F7: texts of strangers that no database, page or file was made for poison none of them."""

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from fastapi import FastAPI

from app.features.connections.service import sync
from app.features.journal import service as journal
from app.providers.plaid import pages
from app.simulator.stream import Added
from tests.cast import SignedInBrowser
from tests.factories import ledger
from tests.features.connections import bank as banks
from tests.features.connections.bank import linked, open_bank, query, row
from tests.routes import NOBODY, every_route

HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
NASTY = "a\0b\x1b[31m\ud800c\u202eEUR 9\u2069\u2028<i>"
LIVE = "SELECT id, description FROM transactions WHERE removed_at IS NULL ORDER BY source_id"


def say(bank: banks.Bank, texts: Sequence[str]) -> None:
    """Let the bank send these descriptions, escaped as JSON does, lone surrogates and all."""
    for number in range(len(texts)):
        bank.stream.apply(Added(row(bank, f"t{number}", f"{number + 1}.00", name=f"@{number}@")))

    def fetch(access_token: str, cursor: str | None) -> object:
        body = bank.stream.sync(cursor or "", bank.page_rows).as_json()
        for number, text in enumerate(texts):
            body = body.replace(b'"@%d@"' % number, json.dumps(text).encode())
        return pages.decode_page(pages.TRANSACTIONS, body, cursor)

    bank.fetch_transactions = fetch  # type: ignore[method-assign]


def test_F7_what_was_replaced_is_flagged_and_stands_in_the_journal(ada: SignedInBrowser) -> None:
    bank = open_bank()
    say(bank, [NASTY, "CAFFE NERO"])
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
    (odd, _), (plain, _) = query(ada.household_id, LIVE)
    [(page_id,)] = query(
        ada.household_id, "SELECT id FROM journal_pages WHERE kind = 'plaid.transactions_sync'"
    )

    assert "cannot be shown" in ada.get(f"/transactions/{odd}").text
    assert "cannot be shown" not in ada.get(f"/transactions/{plain}").text
    with ada.session() as session:
        entry = journal.read(session, ada.household_id, page_id)
    assert json.dumps(NASTY).encode() in entry.payload


def test_F7_what_a_person_types_loses_what_nobody_can_type(ada: SignedInBrowser) -> None:
    owned = ledger.everything(ada.household_id, ada.user_id)
    url = f"/api/v1/transactions/{owned.transaction_id}"

    for note, kept in ((NASTY.replace("\ud800", ""), "ab[31mcEUR 9<i>"), ("مقهى\nשלום", None)):
        answer = ada.put(url, json={"note": note, "counterparty": note})
        assert (answer.status_code, answer.json()["note"]) == (200, kept or note)
        form = {"note": note, "counterparty": "", "category": ""}
        assert ada.post(f"/transactions/{owned.transaction_id}", data=form).status_code == 303
        assert query(ada.household_id, "SELECT note FROM transactions") == [(kept or note,)]


def strings(schema: dict[str, Any], document: dict[str, Any]) -> Any:
    """Return a value of the schema's shape whose every text is nasty."""
    if reference := schema.get("$ref"):
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    if any_of := schema.get("anyOf"):
        return strings(any_of[0], document)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: strings(each, document) for name, each in properties.items()}
        case "array":
            return [strings(schema.get("items", {}), document)]
        case "boolean":
            return True
        case "integer" | "number":
            return 1
        case _:
            return NOBODY if schema.get("format") == "uuid" else NASTY


def test_F7_no_route_fails_over_a_text(app: FastAPI, ada: SignedInBrowser) -> None:
    """Lone surrogates come as escapes in JSON; NUL also in addresses, queries and forms."""
    document = app.openapi()
    seen = 0
    for route in every_route(app):
        if route.path in ("/events", "/sign-out", "/api/v1/auth/logout"):
            continue
        operation = document["paths"].get(route.path, {}).get(route.method.lower(), {})
        content = operation.get("requestBody", {}).get("content", {})
        parameters = [each["name"] for each in operation.get("parameters", [])]
        names = [*parameters, "search", "next", "cursor", "after", "email", "name", "token", "note"]
        url = route.url(**dict.fromkeys(route.parameters, "%00%ED%A0%80"))
        query_of = dict.fromkeys(names, NASTY.replace("\ud800", ""))
        requests: list[dict[str, Any]] = [{"params": query_of}]
        if "application/json" in content:
            body = strings(content["application/json"]["schema"], document)
            requests.append({"content": json.dumps(body), "headers": JSON})
        elif route.method != "GET":
            requests.append({"data": query_of})
        for each in requests:
            for address in (url, route.url()):
                answer = ada.request(route.method, address, **each)
                # 503 is what a route answers that needs a bank provider: there is none here.
                assert answer.status_code in {*range(200, 500), 503}, (str(route), each)
                assert "html" not in answer.headers.get("content-type", "") or not HIDDEN.search(
                    answer.text
                ), str(route)
                seen += 1
    assert seen > 100
    assert ada.get("/settings").status_code == 200, "some route ended the session before the rest"


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/auth/register", {"email": "e@example.org", "password": f"{NASTY}, a long one"}),
        ("/api/v1/auth/register", {"email": "e\ud800@example.org", "password": "violet-harbor-9"}),
        ("/api/v1/simplefin/claim-token", {"setup_token": NASTY}),
        ("/api/v1/plaid/exchange-token", {"public_token": NASTY}),
        ("/api/v1/auth/tokens", {"name": NASTY, "scopes": ["read"]}),
        ("/api/v1/household/erase", {"household_name": NASTY}),
    ],
)
def test_F7_a_text_that_cannot_be_kept_is_refused_in_words(
    ada: SignedInBrowser, path: str, body: dict[str, Any]
) -> None:
    answer = ada.post(path, content=json.dumps(body), headers=JSON)

    assert answer.status_code in {*range(400, 500), 503}  # 503: there is no bank provider
    assert answer.json()["detail"]
    assert not HIDDEN.search(answer.text)
