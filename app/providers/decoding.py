"""Decode bodies of JSON: fast when they keep the contract, row by row when they do not."""

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from app.domain.records import RejectedRecord
from app.providers.base import ProviderContractError, ProviderUnavailableError

ID_LENGTH_MAX = 255
TEXT_LENGTH_MAX = 2_000

Id = Annotated[str, Meta(min_length=1, max_length=ID_LENGTH_MAX)]
Text = Annotated[str, Meta(max_length=TEXT_LENGTH_MAX)]

Row = TypeVar("Row")
Record = TypeVar("Record")
StructType = TypeVar("StructType", bound=Struct)

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# Strings are matched whole, so that what looks like an escape or a constant is one.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair: a real character
    rb"|(\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
    rb"|\\.",
    re.DOTALL,
)
_CONSTANT = re.compile(rb'"(?:[^"\\]|\\.)*+"|-?\b(?:NaN|Infinity)\b', re.DOTALL)


class RowError(ValueError):
    """One row cannot be booked; `reason` is in plain words, `field` is the provider's name."""

    def __init__(self, reason: str, field: str) -> None:
        super().__init__(reason)
        self.reason, self.field = reason, field


def records_of(
    rows: Iterable[Row],
    record_of: Callable[[Row], Record],
    where: str,
    id_of: Callable[[Row], str],
    rejected: list[RejectedRecord],
) -> list[Record]:
    """Return the records of all good rows; report the others in `rejected`."""
    records = []
    for row in rows:
        try:
            records.append(record_of(row))
        except RowError as error:
            rejected.append(RejectedRecord(error.reason, f"{where}.{error.field}", id_of(row)))
    return records


def without_nul(payload: bytes) -> bytes:
    r"""Return the JSON text with `\u0000` replaced by U+FFFD; PostgreSQL cannot store it.

    Costs next to nothing for a body without escapes.
    """
    if b"\\" not in payload or b"\\u0000" not in payload:
        return payload
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], payload)


def repaired(payload: bytes) -> bytes:
    """Return text that a strict JSON parser can read where a lax one could read `payload`.

    Broken UTF-8, NUL and lone surrogates become U+FFFD. The constants NaN and Infinity become
    strings, which no amount accepts: the row is rejected by itself and not the page with it.
    """
    text = payload.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").encode()
    if b"\\" in text:
        text = _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], text)
    if b"NaN" in text or b"Infinity" in text:
        text = _CONSTANT.sub(
            lambda match: match[0] if match[0].startswith(b'"') else b'"%s"' % match[0], text
        )
    return text


def decode(body_type: type[StructType], payload: bytes) -> StructType:
    """Decode a body that is one object.

    Raises:
        ProviderUnavailableError: The body is not JSON: broken off, or a proxy's HTML page.
        ProviderContractError: It is JSON of the wrong shape.
    """
    try:
        return msgspec.json.decode(without_nul(payload), type=body_type)
    except DECODE_ERRORS:
        pass
    try:
        return msgspec.json.decode(repaired(payload), type=body_type)
    except DECODE_ERRORS as error:
        raise bad_body(error) from None


def decode_leniently(body_type: type[StructType], payload: bytes) -> StructType | None:
    """Decode an object, leaving out optional fields that are not valid; None if it is none."""
    rows = decode_rows(body_type, [Raw(repaired(payload))], "", "", [])
    return rows[0] if rows else None


def bad_body(error: Exception) -> ProviderUnavailableError | ProviderContractError:
    """Say what is wrong with a body, without quoting it."""
    if isinstance(error, (msgspec.ValidationError, RecursionError)):
        return ProviderContractError(
            "UNEXPECTED_ANSWER",
            "The bank data service sent something that we do not understand.",
        )
    return ProviderUnavailableError(
        "UNREADABLE_ANSWER",
        "The bank data service sent an incomplete answer. We will try again.",
    )


def decode_rows(
    row_type: type[StructType],
    rows: list[Raw] | None,
    where: str,
    id_field: str,
    rejected: list[RejectedRecord],
) -> list[StructType]:
    """Decode what can be decoded; report each other row in `rejected`."""
    decoded = []
    for number, raw in enumerate(rows or ()):
        try:
            decoded.append(_decode_row(row_type, raw))
        except _RowError as error:
            rejected.append(
                RejectedRecord(error.reason, f"{where}[{number}].{error.field}", error.id(id_field))
            )
    return decoded


class _RowError(Exception):
    def __init__(self, reason: str, field: str, fields: dict[str, Raw]) -> None:
        super().__init__(reason)
        self.reason, self.field, self.fields = reason, field, fields

    def id(self, id_field: str) -> str | None:
        try:
            return msgspec.json.decode(self.fields[id_field], type=str)[:255] or None
        except (KeyError, *DECODE_ERRORS):
            return None


def _decode_row(row_type: type[StructType], raw: Raw) -> StructType:
    try:
        return msgspec.json.decode(raw, type=row_type)
    except DECODE_ERRORS:
        return _decode_field_by_field(row_type, raw)


def _decode_field_by_field(row_type: type[StructType], raw: Raw) -> StructType:
    """Decode a row that breaks the contract; an optional field that does is left out."""
    try:
        given = msgspec.json.decode(raw, type=dict[str, Raw])
    except DECODE_ERRORS:
        raise _RowError("this is not an object", "", {}) from None
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(row_type):
        name = field.encode_name
        if name not in given:
            if field.required:
                raise _RowError("a required field is missing", name, given)
            continue
        try:
            values[field.name] = msgspec.json.decode(given[name], type=field.type)
        except DECODE_ERRORS:
            if field.required:
                raise _RowError("a required field is not valid", name, given) from None
            if field.type == Text | None:
                values[field.name] = _shortened(given[name])
    return row_type(**values)


def _shortened(raw: Raw) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str)[:TEXT_LENGTH_MAX]
    except DECODE_ERRORS:
        return None


def parse_object(raw: bytes) -> dict[str, object]:
    """Return a JSON object as plain Python values with exact numbers."""
    value = json.loads(bytes(raw), parse_float=Decimal, parse_int=_whole_number)
    return value if isinstance(value, dict) else {}


def _whole_number(text: str) -> int | Decimal:
    return int(text) if len(text) < 30 else Decimal(text)  # int() refuses 4,300 digits
