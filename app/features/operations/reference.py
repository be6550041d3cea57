"""The API's description (OpenAPI) as a page shows it: groups of operations with their fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")
_DEPTH_MAX = 6
_PROBLEM = "Problem"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter, or one field of a body."""

    name: str
    type: str
    is_required: bool
    description: str
    place: str = ""
    """`path`, `query`, `header`; empty for fields of bodies."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What may come back."""

    status: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    summary: str
    paragraphs: tuple[str, ...]
    needs_token: bool
    parameters: tuple[Field, ...]
    body_type: str
    body: tuple[Field, ...]
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of one feature."""

    id: str
    title: str
    operations: tuple[Operation, ...]


def read_groups(description: Mapping[str, Any]) -> list[Group]:
    """Return the operations of an OpenAPI description, grouped by their first tag."""
    schemas = description.get("components", {}).get("schemas", {})
    groups: dict[str, list[Operation]] = {}
    for path, methods in description["paths"].items():
        for method in _METHODS:
            if method in methods:
                operation = methods[method]
                tag = (operation.get("tags") or ["other"])[0]
                groups.setdefault(tag, []).append(_operation(path, method, operation, schemas))
    return [
        Group(id=f"group-{tag}", title=tag.replace("-", " ").capitalize(), operations=tuple(found))
        for tag, found in groups.items()
    ]


def _operation(
    path: str, method: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]
) -> Operation:
    body_type, body = _content(operation.get("requestBody", {}), schemas)
    words = operation.get("description", "").strip()
    paragraphs = tuple(" ".join(part.split()) for part in words.split("\n\n") if part.strip())
    return Operation(
        id=operation.get("operationId", f"{method}{path}"),
        method=method.upper(),
        path=path,
        summary=operation.get("summary", path),
        paragraphs=paragraphs,
        needs_token=bool(operation.get("security")),
        parameters=tuple(
            Field(
                name=parameter["name"],
                type=_type(parameter.get("schema", {})),
                is_required=parameter.get("required", False),
                description=parameter.get("description", ""),
                place=parameter["in"],
            )
            for parameter in operation.get("parameters", ())
        ),
        body_type=body_type,
        body=body,
        answers=tuple(
            Answer(status, answer.get("description", ""), _content(answer, schemas)[1])
            for status, answer in operation.get("responses", {}).items()
        ),
    )


def _content(
    holder: Mapping[str, Any], schemas: Mapping[str, Any]
) -> tuple[str, tuple[Field, ...]]:
    for media_type, content in holder.get("content", {}).items():
        return media_type, tuple(_fields(content.get("schema", {}), schemas, "", 0))
    return "", ()


def _fields(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str, depth: int
) -> list[Field]:
    """Return the fields of an object, those of objects inside it under dotted names."""
    schema, prefix = _resolve(schema, schemas, prefix)
    found = []
    for name, inner in schema.get("properties", {}).items():
        found.append(
            Field(
                name=prefix + name,
                type=_type(inner),
                is_required=name in schema.get("required", ()),
                description=inner.get("description", ""),
            )
        )
        if depth < _DEPTH_MAX:
            found += _fields(inner, schemas, f"{prefix}{name}.", depth + 1)
    return found


def _resolve(
    schema: Mapping[str, Any], schemas: Mapping[str, Any], prefix: str
) -> tuple[Mapping[str, Any], str]:
    for _ in range(_DEPTH_MAX):
        if "$ref" in schema:
            schema = schemas.get(_name(schema), {})
        elif schema.get("type") == "array":
            schema, prefix = schema.get("items", {}), f"{prefix.rstrip('.')}[]."
        elif "anyOf" in schema:
            schema = next((part for part in schema["anyOf"] if part.get("type") != "null"), {})
        else:
            break
    return schema, prefix


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return _name(schema)
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "any")


def _name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
