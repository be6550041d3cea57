"""The requests whose parameters sqlmap fills: of every API operation, and of pages with forms."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from scripts.scan.target import Target

Document = dict[str, Any]
SPARED = ("/api/v1/auth/logout",)
"""What has no parameter, and ends the session that the others use."""
FILTER_OF = ("GET", "/api/v1/transactions/")
"""The list whose filter is attacked; it is read by the same code wherever else it may be given."""
SAMPLES: Mapping[str, Any] = {
    "amount_max": "1000",
    "amount_min": "1",
    "category_id": None,
    "client_id": None,
    "client_secret": None,
    "currency": "EUR",
    "date_from": "2026-01-01",
    "date_to": "2026-06-30",
    "direction": "out",
    "email": "ada@example.com",
    "format": None,  # one of two words, and an answer of megabytes
    "gap": "1.00",
    "grant_type": "password",
    "kind": "sync",
    "layout": None,
    "password": "wrong-horse-battery",
    "period": "30d",
    "role": "member",
    "scope": None,
    "search": "coffee",
    "wait": 0,
}
"""Values by name, where the type alone does not give one that is let in; None: left out."""
FILTER = "search=coffee&account={account_id}&category={account_id}&date_from=2026-01-01"
PAGES = (
    ("GET", "/transactions", f"{FILTER}&date_to=2026-06-30&amount_min=1&direction=out&after=", ""),
    ("GET", "/history", "kind=sync&account={account_id}&before=9", ""),
    ("GET", "/settings/audit", "action=signed_in&limit=9", ""),
    ("POST", "/transactions/{transaction_id}", "", "note=tea&counterparty=Bakery&category="),
    ("POST", "/transactions/edit", "search=coffee", "ids={transaction_id}&note=tea"),
    ("POST", "/settings/profile", "", "name=Demo&household_name=Demo&locale=en-GB&timezone=UTC"),
    ("POST", "/sign-in", "", "email=ada@example.com&password=wrong-horse&next=/accounts"),
    ("POST", "/register", "", "email=ada@example.org&password=wrong-horse-battery&name=Ada"),
)
"""Pages: method, path, query, form."""
EDGES = (
    "/api/v1/transactions/{transaction_id}*",
    "/api/v1/accounts/{account_id}*/tie-out",
    "/api/v1/history/{change_set_id}*",
)
"""Paths whose ids are attacked; the others are read in the same way."""
MARKED = ("#1*",)
"""How sqlmap calls what an asterisk marks."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent without an attack, and which of its parts are attacked."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    body: str
    parameters: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return how a finding calls it."""
        return f"{self.method} {self.path.partition('?')[0]}"

    @property
    def is_open(self) -> bool:
        """Tell whether the request itself shows who one is, and may show it wrongly."""
        return self.path.startswith(("/api/v1/auth/", "/sign-in"))


def all_of(document: Document, target: Target) -> list[Request]:
    """Return every request: operations that take something, pages, ids and headers."""
    found = [
        request
        for path, methods in document["paths"].items()
        if path.startswith("/api/v1/") and path not in SPARED
        for method, operation in methods.items()
        if (request := _of_operation(document, target, method, path, operation)).parameters
    ]
    return [*found, *_of_pages(target), *_of_edges(target)]


def _of_operation(
    document: Document, target: Target, method: str, path: str, operation: Document
) -> Request:
    query, headers = {}, {"Authorization": f"Bearer {target.token}"}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and not _is_attacked_there(document, method, path, parameter):
            value = _sample(document, target, parameter["name"], parameter["schema"])
            query |= {} if value is None else {parameter["name"]: value}
    place = path.format_map(_Ids(target.ids))
    body, kind, names = _body(document, target, operation)
    if kind:
        headers["Content-Type"] = kind
    query_text = f"?{urlencode(query, doseq=True)}" if query else ""
    return Request(method.upper(), place + query_text, headers, body, (*query, *names))


def _is_attacked_there(document: Document, method: str, path: str, parameter: Document) -> bool:
    """Tell whether a parameter is one of the filter, and this is not where that is attacked."""
    if (method.upper(), path) == FILTER_OF:
        return False
    first = document["paths"][FILTER_OF[1]][FILTER_OF[0].lower()]
    return "description" in parameter and parameter in first["parameters"]


class _Ids(dict[str, str]):
    """Ids of what is there, and one of nothing for the rest."""

    def __missing__(self, key: str) -> str:
        return "019ad000-0000-7000-8000-000000000001"


def _body(
    document: Document, target: Target, operation: Document
) -> tuple[str, str, tuple[str, ...]]:
    """Return the body of an operation, its type, and the names in it."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return "", "", ()
    [(kind, described)] = content.items()
    fields = _fields(document, target, described["schema"])
    if kind == "application/json":
        texts = tuple(name for name, value in fields.items() if isinstance(value, (str, int)))
        return json.dumps(fields), kind, texts
    if kind == "multipart/form-data":
        mark = "scan-boundary"
        return _multipart(fields, mark), f"{kind}; boundary={mark}", tuple(fields)
    return urlencode(fields), kind, tuple(fields)


def _multipart(fields: Mapping[str, Any], mark: str) -> str:
    head = f"--{mark}\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    csv = "Date,Description,Amount\r\n2026-03-02,TEA,-4.50\r\n"
    parts.append(f'{head}"file"; filename="a.csv"\r\n\r\n{csv}--{mark}--\r\n')
    return "".join(parts)


def _fields(document: Document, target: Target, schema: Document) -> dict[str, Any]:
    schema = _resolved(document, schema)
    found = {
        name: _sample(document, target, name, each)
        for name, each in schema.get("properties", {}).items()
        if name != "file"
    }
    return {name: value for name, value in found.items() if value is not None}


def _resolved(document: Document, schema: Document) -> Document:
    while True:
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        elif "anyOf" in schema:
            schema = next(each for each in schema["anyOf"] if each.get("type") != "null")
        else:
            return schema


def _sample(document: Document, target: Target, name: str, schema: Document) -> Any:  # noqa: ANN401
    """Return a value that the description lets through; None: leave the field out."""
    if name in SAMPLES:
        return SAMPLES[name]
    schema = _resolved(document, schema)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "boolean":
            return None  # which is no text by the time it gets anywhere
        case "integer" | "number":
            return max(5, int(schema.get("minimum", 0)))
        case "array":
            return [_sample(document, target, name, schema.get("items", {}))]
        case "object":
            return None
    if schema.get("format") == "uuid":
        return target.ids["transaction_id" if name == "ids" else "account_id"]
    return "" if name in ("cursor", "totp_code") else "tea"


def _of_pages(target: Target) -> Iterator[Request]:
    for method, path, query, form in PAGES:
        query, form = query.format_map(target.ids), form.format_map(target.ids)
        headers = {"Cookie": target.cookie, "Origin": target.url}
        names = tuple(
            pair.partition("=")[0] for pair in (*query.split("&"), *form.split("&")) if pair
        )
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            headers["X-CSRF-Token"] = target.csrf_token
        place = path.format_map(target.ids) + (f"?{query}" if query else "")
        yield Request(method, place, headers, form, names)


def _of_edges(target: Target) -> Iterator[Request]:
    """Yield requests whose paths and headers are attacked, where an asterisk stands."""
    bearer = {"Authorization": f"Bearer {target.token}"}
    for path in EDGES:
        yield Request("GET", path.format_map(_Ids(target.ids)), bearer, "", MARKED)
    for path, headers in (
        ("/api/v1/auth/me", {"Authorization": "Bearer fta_tea*"}),
        ("/api/v1/auth/me", {**bearer, "User-Agent": "tea*"}),
        ("/accounts", {"Cookie": f"{target.cookie}*"}),
    ):
        yield Request("GET", path, headers, "", MARKED)
