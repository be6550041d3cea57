"""T10: the API takes the fields that it declares, and tells those that it declares."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from jsonschema import Draft202012Validator

from app.core import problems
from tests.cast import SignedInBrowser, sign_in
from tests.factories import ledger, people
from tests.routes import NOBODY

Document = dict[str, Any]
SECRET = re.compile(r"password|secret|_hash$|sealed|wrapped|ciphertext|^token$")
MAY_SAY = {"token"}
"""Of a new API token or invitation, which is told once."""
ANYTHING = {"said", "counts", "before", "after"}
"""Fields that pass on what a source said or what columns there are, key by key."""
SAYS_NOTHING = {("POST", "/api/v1/household/erase")}
"""What is accepted without a word: the status says all."""
CSV = b"Date,Description,Amount\n2026-03-02,TEA,-4.50\n"

WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("PATCH", "/api/v1/transactions/", {"json": {"all": True, "note": "seen"}}),
    ("PUT", "/api/v1/transactions/{transaction_id}", {"json": {"note": "mine"}}),
    ("POST", "/api/v1/imports/", {"files": {"file": ("a.csv", CSV)}}),
    ("PUT", "/api/v1/imports/{import_id}/layout", {"json": {"currency": "EUR"}}),
    ("POST", "/api/v1/imports/{import_id}/book", {}),
    ("POST", "/api/v1/imports/{import_id}/undo", {}),
    ("POST", "/api/v1/plaid/sync-transactions/{item_id}", {"params": {"wait": "0"}}),
    ("POST", "/api/v1/connections/{item_id}/reread", {}),
    ("POST", "/api/v1/history/{edit_id}/undo", {}),
    ("POST", "/api/v1/history/{edit_id}/redo", {}),
    ("POST", "/api/v1/invitations", {"json": {}}),
]
"""In this order; the rest of what is written answers nothing, or is tried where it belongs."""


@pytest.fixture(scope="module")
def document(app: FastAPI) -> Document:
    """The API's description of itself."""
    return app.openapi()


@pytest.fixture(scope="module")
def owner(app: FastAPI) -> SignedInBrowser:
    """An owner with one of each thing."""
    return sign_in(app, people.person("Ada"))


@pytest.fixture(scope="module")
def ids(owner: SignedInBrowser) -> dict[str, str]:
    """Ids of what the owner has, by the names that routes give them."""
    made = dataclasses.asdict(ledger.everything(owner.household_id, owner.user_id))
    return {name: str(value) for name, value in made.items()}


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/"):
                yield method.upper(), path, operation


def closed(schema: Any) -> Any:
    """Return a schema by which an object has no property that is not declared."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: closed(value) for name, value in schema.items()}
    if "properties" in found and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found


def check(document: Document, operation: Document, answer: httpx2.Response) -> None:
    declared = operation["responses"][str(answer.status_code)]["content"]["application/json"]
    schema = {**closed(declared["schema"]), "components": closed(document["components"])}
    errors = Draft202012Validator(schema).iter_errors(answer.json())
    assert not [f"{error.json_path}: {error.message[:200]}" for error in errors]


def keys(value: Any) -> Iterator[str]:
    """Yield the names of all fields, however deep, but of those that pass on something else."""
    if isinstance(value, list):
        for each in value:
            yield from keys(each)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            if name not in ANYTHING:
                yield from keys(inner)


def test_T10_every_answer_in_json_has_a_declared_shape(document: Document) -> None:
    seen = 0
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if status.startswith("2") and schema is not None:
                if (method, path) in SAYS_NOTHING:
                    assert schema == {}, path
                    continue
                assert schema, f"{method} {path} says nothing of its answer"
                seen += 1
    assert seen > 25


def test_T10_what_is_read_is_what_is_declared(
    document: Document, owner: SignedInBrowser, ids: dict[str, str]
) -> None:
    seen = 0
    for method, path, operation in operations(document):
        if method == "GET":
            answer = owner.get(path.format(**ids))
            assert answer.status_code == 200, (path, answer.text[:300])
            check(document, operation, answer)
            assert not {name for name in keys(answer.json()) if SECRET.search(name)}, path
            seen += 1
    assert seen > 15


def test_T10_what_writing_answers_is_what_is_declared(app: FastAPI, document: Document) -> None:
    owner = sign_in(app, people.person("Ada"))
    made = dataclasses.asdict(ledger.everything(owner.household_id, owner.user_id))
    ids = {name: str(value) for name, value in made.items()}
    described = {(method, path): operation for method, path, operation in operations(document)}
    for method, path, request in WRITES:
        url = path.format(**ids)
        answer = owner.request(method, url, **request)
        assert answer.is_success, (method, path, answer.text[:300])
        if "{edit_id}" in path:
            path = path.replace("edit_id", "change_set_id")
        check(document, described[method, path], answer)
        if path == "/api/v1/transactions/":
            ids["edit_id"] = answer.json()["change_set_id"]


def test_T10_a_field_that_nobody_declared_is_refused(
    document: Document, app: FastAPI, owner: SignedInBrowser
) -> None:
    seen = 0
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" not in content:
            continue
        names = re.findall(r"\{(\w+)\}", path)
        body = {"surprise": "field", "household_id": NOBODY, "role": "owner"}
        answer = owner.request(method, path.format(**dict.fromkeys(names, NOBODY)), json=body)
        assert answer.status_code == 422, (method, path)
        refused = {each["field"] for each in answer.json()["errors"]}
        assert "body.surprise" in refused, (method, path, answer.text)
        seen += 1
    assert seen > 10


def test_T10_a_truth_or_number_in_json_is_not_guessed_from_another_type(
    document: Document, owner: SignedInBrowser
) -> None:
    guessed = {"boolean": (0, "true"), "integer": (True, "7")}
    seen = set()
    for method, path, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        named = re.findall(r"#/components/schemas/(\w+)", json.dumps(content))
        for schema in (document["components"]["schemas"][name] for name in named):
            for field, declared in schema["properties"].items():
                kinds = {each.get("type") for each in declared.get("anyOf", [declared])}
                for value in (value for kind in kinds for value in guessed.get(kind, ())):
                    url = path.format(**dict.fromkeys(re.findall(r"\{(\w+)\}", path), NOBODY))
                    answer = owner.request(method, url, json={field: value})
                    refused = {each["field"] for each in answer.json().get("errors", ())}
                    assert f"body.{field}" in refused, (method, path, field, value, answer.text)
                    seen.add(field)
    assert {"all", "reviewed", "expires_in_days"} <= seen


@pytest.mark.parametrize(
    "name", ["account", "category", "date_from", "date_to", "amount_min", "direction", "pending"]
)
def test_T10_a_filter_is_read_wherever_it_is_declared(
    document: Document, owner: SignedInBrowser, name: str
) -> None:
    seen = 0
    for method, path, operation in operations(document):
        declared = [each["name"] for each in operation.get("parameters", ())]
        if name in declared and "search" in declared:
            body = {"json": {"ids": [], "note": "tea"}} if "requestBody" in operation else {}
            wrong = owner.request(method, path, params={name: "null"}, **body)
            assert (wrong.status_code, wrong.json()["field"]) == (422, name), (method, path)
            empty = owner.request(method, path, params={name: ""}, **body)
            assert empty.status_code == 200, (method, path, empty.text[:300])
            seen += 1
    assert seen == 4


def test_T10_no_answer_declares_a_secret(document: Document) -> None:
    told = set()
    for _, _, operation in operations(document):
        told |= set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(operation["responses"])))
    assert len(told) > 10
    for name in told:
        properties = document["components"]["schemas"][name].get("properties", {})
        assert not {field for field in properties if SECRET.search(field)} - MAY_SAY, name


def test_problems_are_sent_by_the_type_that_is_declared(
    document: Document, owner: SignedInBrowser
) -> None:
    for method, path, operation in operations(document):
        names = re.findall(r"\{(\w+)\}", path)
        answer = owner.request(
            method,
            path.format(**dict.fromkeys(names, "none")),
            headers={"Authorization": "Bearer none", "Idempotency-Key": "none"},
        )
        assert answer.status_code in (401, 422), (method, path, answer.text[:300])
        declared = operation["responses"]["default"]["content"]
        assert list(declared) == [answer.headers["content-type"]], (method, path)
        schema = {**closed(declared[problems.MEDIA_TYPE]["schema"])}
        schema["components"] = closed(document["components"])
        assert Draft202012Validator(schema).is_valid(answer.json()), (method, path)
