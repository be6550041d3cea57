"""Answers validate against Plaid's OpenAPI subset, where FINTECH_SHARED_DATA has it."""

import copy
import datetime as dt
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from tests.simulator.conftest import KEYS

_SHARED = os.environ.get("FINTECH_SHARED_DATA")
pytestmark = pytest.mark.skipif(not _SHARED, reason="FINTECH_SHARED_DATA is not set")


def _convert(node: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON Schema: nullable, references."""
    if isinstance(node, list):
        return [_convert(each) for each in node]
    if not isinstance(node, dict):
        return node
    node = {k: _convert(v) for k, v in node.items() if k not in ("example", "examples")}
    if isinstance(node.get("$ref"), str):
        reference = node["$ref"].replace("#/components/schemas/", "#/definitions/")
        plain: dict[str, Any] = {"$ref": reference}
        return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") else plain
    if node.pop("nullable", False):
        if isinstance(node.get("type"), str):
            node["type"] = [node["type"], "null"]
        if "enum" in node and None not in node["enum"]:
            node["enum"] = [*node["enum"], None]
        if "allOf" in node:
            node = {"anyOf": [copy.copy(node), {"type": "null"}]}
    return node


@cache
def _spec() -> tuple[dict[str, Any], dict[str, Any]]:
    path = Path(_SHARED or "") / "reference/plaid/openapi/plaid-subset.json"
    spec = json.loads(path.read_text())
    return spec, _convert(spec["components"]["schemas"])


def check(path: str, body: Any, status: str = "200") -> None:
    spec, definitions = _spec()
    responses = spec["paths"][path]["post"]["responses"]
    response = responses.get(status) or responses["default"]
    schema = _convert(response["content"]["application/json"]["schema"])
    validator = Draft7Validator({"allOf": [schema], "definitions": definitions})
    problems = [f"{list(e.absolute_path)}: {e.message[:160]}" for e in validator.iter_errors(body)]
    assert not problems, problems[:5]


@pytest.mark.parametrize("login", ["user_good", "demo_family", "user_transactions_dynamic"])
def test_every_answer_validates(bank, login) -> None:
    token = bank.link(login, products=["transactions", "investments", "liabilities"])
    today = str(dt.datetime.now(dt.UTC).date())
    window = {"access_token": token, "start_date": "2025-06-01", "end_date": today}
    access = {"access_token": token}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("/transactions/sync", access | {"count": 500}),
        ("/transactions/get", window),
        ("/transactions/recurring/get", access),
        ("/accounts/get", access), ("/accounts/balance/get", access), ("/item/get", access),
        ("/transactions/refresh", access),
        ("/item/webhook/update", access | {"webhook": "http://127.0.0.1:9/hook"}),
        ("/sandbox/item/fire_webhook", access | {"webhook_code": "DEFAULT_UPDATE"}),
        ("/institutions/get", {"count": 50, "offset": 0, "country_codes": ["US", "FR"]}),
        ("/institutions/get_by_id", {"institution_id": "ins_900007", "country_codes": ["US"],
         "options": {"include_optional_metadata": True, "include_status": True}}),
        ("/institutions/search", {"query": "bank", "country_codes": ["US"], "products": None}),
        ("/categories/get", {}),
        ("/webhook_verification_key/get", {"key_id": bank.sim.state.keys[0].kid}),
    ]  # fmt: skip
    if login != "user_transactions_dynamic":
        calls += [
            ("/investments/holdings/get", access),
            ("/investments/transactions/get", window),
            ("/investments/refresh", access),
            ("/liabilities/get", access),
        ]
    calls += [
        ("/sandbox/item/reset_login", access),
        ("/item/access_token/invalidate", access),
    ]
    for path, body in calls:
        answer = bank.http.post(path, json=body, headers=KEYS)
        assert answer.status_code == 200, (path, answer.text[:400])
        check(path, answer.json())
    error = bank.http.post("/item/get", json={"access_token": "x"}, headers=KEYS)
    check("/item/get", error.json(), "default")


def test_link_answers_validate(bank) -> None:
    created = bank.http.post("/link/token/create", headers=KEYS, json={
        "client_name": "App", "language": "en", "country_codes": ["US"], "hosted_link": {},
        "user": {"client_user_id": "u"}, "products": ["transactions"],
    }).json()  # fmt: skip
    check("/link/token/create", created)
    path = "/link/" + created["hosted_link_url"].rsplit("/", 1)[1]
    for form in (
        {"action": "institution", "institution_id": "ins_900001"},
        {"action": "login", "person": "demo_family"},
        {"action": "accounts", "account": "checking"},
    ):
        bank.http.post(path, data=form)
    body = {"link_token": created["link_token"]}
    known = bank.http.post("/link/token/get", json=body, headers=KEYS).json()
    check("/link/token/get", known)
    public = known["link_sessions"][0]["on_success"]["public_token"]
    body = {"public_token": public}
    exchanged = bank.http.post("/item/public_token/exchange", json=body, headers=KEYS).json()
    check("/item/public_token/exchange", exchanged)
