"""Write docs/reference/api.md from the application's own OpenAPI description.

`--check` writes nothing and fails when the page is not what it should be.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reference_pages import REFERENCE, ROOT, cell, give_settings, write_pages

PAGE = REFERENCE / "api.md"
TITLES = {
    "auth": "People and tokens",
    "households": "Households",
    "accounts": "Accounts",
    "transactions": "Transactions",
    "connections": "Connections",
    "imports": "Files",
    "operations": "Operations",
}
Schema = Mapping[str, Any]

HEAD = """# The JSON API

Made by `scripts/api_reference.py` from the application's OpenAPI description; do not edit. A
running server shows the same at `/docs` and `/redoc`, and as data at `/openapi.json`.

* Send `Authorization: Bearer TOKEN`, with the token from `POST /api/v1/auth/login`, or an API token
  that has the scope which the route names. Routes marked *open* need none.
* Amounts are decimal numbers written as text, with the currency beside them. Negative is money out
  of the account, for every kind of account. What is owed is negative.
* Instants are UTC in ISO 8601, days are `YYYY-MM-DD`, ids are UUIDs.
* A list that may be long answers `{"data": [...], "next_cursor": ...}`; send the cursor back
  as `cursor` until it is null.
* Everything belongs to the caller's household. What is another's answers 404, like what is not
  there.
* A field that a body does not know is refused, not ignored.
* A POST that shows the header `Idempotency-Key` acts once for each key, however often it is sent:
  see [Use the API](../guides/use-the-api.md#send-it-again-without-doing-it-twice).
* An API token may make `API_TOKEN_REQUESTS_PER_MINUTE` requests a minute; then 429 with
  `Retry-After`.
* Every answer but success is a problem document: see [errors](errors.md).
"""


def describe() -> Mapping[str, Any]:
    """Return the OpenAPI document of the application."""
    give_settings()
    sys.path.insert(0, str(ROOT))
    from app.main import app  # noqa: PLC0415 - the settings are read when it is loaded

    return app.openapi()


def needed(operation: Schema, method: str) -> str | None:
    """Return the scope that an API token needs; None: the route takes none."""
    from app.core import scopes  # noqa: PLC0415 - as above

    return scopes.needed(operation, method)


def page(document: Mapping[str, Any]) -> str:
    """Return docs/reference/api.md."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines = route(document, path, method.upper(), operation)
            groups.setdefault(operation["tags"][0], []).extend(lines)
    order = sorted(groups, key=lambda tag: (list(TITLES).index(tag) if tag in TITLES else 99, tag))
    lines = [HEAD]
    for tag in order:
        lines += [f"## {TITLES.get(tag, tag.capitalize())}", "", *groups[tag]]
    return "\n".join(lines).rstrip() + "\n"


def route(document: Mapping[str, Any], path: str, method: str, operation: Schema) -> list[str]:
    """Return the section of one route."""
    is_open = "security" not in operation
    lines = [f"### `{method} {path}`", ""]
    text = operation.get("description", "").strip().partition("\n\nRaises:")[0]
    lines += [text + (" *Open.*" if is_open else ""), ""]
    scope = needed(operation, method)
    if not is_open:
        lines += [f"API token: `{scope}`." if scope else "Takes no API token.", ""]
    rows = [
        (
            each["name"], each["in"], each["schema"], each.get("required", False),
            each.get("description", ""),
        )
        for each in operation.get("parameters", [])
    ]  # fmt: skip
    rows += body(document, operation)
    if rows:
        lines += ["| Name | In | Takes | Default | Meaning |", "| --- | --- | --- | --- | --- |"]
        lines += [row(document, *each) for each in rows] + [""]
    codes = [code for code in operation["responses"] if code != "default"]
    lines += [f"Answers {', '.join(codes)}, or a problem.", ""]
    return lines


def body(
    document: Mapping[str, Any], operation: Schema
) -> list[tuple[str, str, Schema, bool, str]]:
    """Return the fields of the request's body."""
    content = operation.get("requestBody", {}).get("content", {})
    rows = []
    for kind, media in content.items():
        schema = resolve(document, media["schema"])
        where = "form" if "form" in kind else "JSON"
        required = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            rows.append((name, where, field, name in required, field.get("description", "")))
    return rows


def row(
    document: Mapping[str, Any],
    name: str,
    where: str,
    schema: Schema,
    needed: bool,  # noqa: FBT001 - one of the values of a row
    text: str,
) -> str:
    """Return one line of a table of parameters."""
    given = schema.get("default")
    default = "required" if needed else "" if given in (None, "") else f"`{str(given).lower()}`"
    takes = cell(words(document, schema))
    return f"| `{name}` | {where} | {takes} | {default} | {cell(text)} |"


def resolve(document: Mapping[str, Any], schema: Schema) -> Schema:
    """Follow a reference, and leave out that a value may be null or empty."""
    options = [
        each
        for each in schema.get("anyOf", [])
        if each.get("type") != "null" and each.get("maxLength") != 0
    ]
    if len(options) == 1:
        return resolve(document, options[0])
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found: Schema = document["components"]["schemas"][name]
        return found
    return schema


def words(document: Mapping[str, Any], schema: Schema) -> str:
    """Return what a value may be, for people."""
    schema = resolve(document, schema)
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = str(schema.get("type", "any"))
    if "contentMediaType" in schema or schema.get("format") == "binary":
        return "file"
    if kind == "array":
        return f"{words(document, schema['items'])}, several times"
    named = {"string": "text", "integer": "number", "boolean": "true or false"}
    text = {"uuid": "id", "date": "day"}.get(schema.get("format", ""), named.get(kind, kind))
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f"{text}, {least:,} to {most:,}"
    if "maxLength" in schema:
        return f"{text}, at most {schema['maxLength']:,} characters"
    return f"{text} like `{schema['pattern']}`" if "pattern" in schema else text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; return the exit status."""

    def pages() -> dict[Path, str]:
        return {PAGE: page(describe())}

    return write_pages(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
