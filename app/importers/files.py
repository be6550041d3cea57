"""Tell what kind of file was uploaded, by its content, and read it if we can."""

import re
from collections.abc import Mapping
from typing import Protocol

from app.importers import camt, csv, mt940, ofx
from app.importers.base import StatementError, StatementFile, check_size


class Reader(Protocol):
    """What a module for such a format has."""

    def parse(self, data: bytes) -> StatementFile:
        """Read a file."""

    def find_fields(self, data: bytes, source_id: str) -> dict[str, str]:
        """Return all that a file says of one transaction."""


READERS: Mapping[str, Reader] = {"ofx": ofx, "camt": camt, "mt940": mt940}
"""The formats that say themselves what their fields mean, and what reads each."""

_HEAD_BYTES = 4096
_BINARY = (
    (b"%PDF-", "pdf"),
    (b"PK\x03\x04", "zip"),
    (b"\xd0\xcf\x11\xe0", "xls"),
    (b"\x1f\x8b", "gzip"),
    (b"7z\xbc\xaf", "archive"),
    (b"Rar!", "archive"),
    (b"\x89PNG", "image"),
    (b"GIF8", "image"),
    (b"\xff\xd8\xff", "image"),
)
_TEXT = (
    ("qif", re.compile(rb"\s*!(?:Type|Account|Option|Clear)", re.IGNORECASE)),
    (
        "camt",
        re.compile(rb"urn:iso:std:iso:20022:tech:xsd:camt|<(?:\w{1,20}:)?BkToCstmr", re.IGNORECASE),
    ),
    (
        "mt940",
        re.compile(
            rb"\A\s{0,20}:\d\d[A-Z]?:|(?:\{1:|(?:^|\n):20:)[^\0]{0,2000}:(?:25|28C?|60[FM]):"
        ),
    ),
    ("bai2", re.compile(rb"\s*01,[^\n]{0,200}\r?\n\s*02,")),
    ("html", re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)),
    ("xml", re.compile(rb"\s*<\?xml")),
    ("json", re.compile(rb"\s*[\[{]\s*[\"{\[\]}]")),
)
_INSTEAD = "Download the account activity as OFX, QFX, CAMT, MT940 or CSV instead."
_ADVICE = {
    "pdf": f"it is a PDF. {_INSTEAD}",
    "zip": "it is an archive or a spreadsheet (xlsx). Unpack it, or save the sheet as CSV.",
    "xls": "it is a spreadsheet. Open it and save the sheet as CSV.",
    "gzip": "it is compressed. Unpack it and import what is inside.",
    "archive": "it is an archive. Unpack it and import what is inside.",
    "image": f"it is a picture. {_INSTEAD}",
    "html": "it is a web page: the bank's session had ended. Sign in and download it again.",
    "json": f"it is JSON. {_INSTEAD}",
    "xml": f"it is XML, but neither OFX nor CAMT. {_INSTEAD}",
    "qif": f"it is a QIF file, which cannot be read yet. {_INSTEAD}",
    "bai2": f"it is a BAI2 file, which cannot be read yet. {_INSTEAD}",
}


def detect_format(filename: str, data: bytes) -> str:
    """Return what kind of file the bytes are; the name decides only what they leave open.

    Returns:
        One of READERS, `csv`, `empty`, or the name of a kind that cannot be read: `pdf`, `zip`,
        `xls`, `gzip`, `archive`, `image`, `html`, `json`, `xml`, `qif`, `bai2`.
    """
    head = data[:_HEAD_BYTES]
    if not head.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        return "empty"
    for magic, name in _BINARY:
        if head.startswith(magic):
            return name
    if ofx.is_ofx(data):
        return "ofx"
    narrow = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe")
    for name, pattern in _TEXT:
        if pattern.match(narrow) or (name in {"camt", "mt940"} and pattern.search(narrow)):
            return name
    return "ofx" if filename.lower().endswith((".ofx", ".qfx", ".qbo")) else "csv"


def read_file(filename: str, data: bytes) -> StatementFile:
    """Read a bank file of any kind we know, a CSV as we guess it.

    Raises:
        StatementError: It cannot be read; the message says what to do instead.
    """
    check_size(data)
    kind = detect_format(filename, data)
    if kind in READERS:
        return READERS[kind].parse(data)
    if kind in _ADVICE:
        raise StatementError(_ADVICE[kind])
    return csv.parse(data, csv.guess(data))
