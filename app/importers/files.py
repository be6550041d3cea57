"""Tell what kind of file was uploaded, by its content, and read it if we can."""

import re

from app.importers import csv, ofx
from app.importers.base import StatementError, StatementFile, check_size

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
    ("camt", re.compile(rb"urn:iso:std:iso:20022:tech:xsd:camt|<BkToCstmr", re.IGNORECASE)),
    ("mt940", re.compile(rb"(?:\{1:|(?:^|\n):20:)[^\0]{0,2000}:(?:25|28C?|60[FM]):")),
    ("bai2", re.compile(rb"\s*01,[^\n]{0,200}\r?\n\s*02,")),
    ("html", re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)),
    ("xml", re.compile(rb"\s*<\?xml")),
    ("json", re.compile(rb"\s*[\[{]\s*[\"{\[\]}]")),
)
_ADVICE = {
    "pdf": "it is a PDF. Download the account activity as OFX, QFX or CSV instead.",
    "zip": "it is an archive or a spreadsheet (xlsx). Unpack it, or save the sheet as CSV.",
    "xls": "it is a spreadsheet. Open it and save the sheet as CSV.",
    "gzip": "it is compressed. Unpack it and import what is inside.",
    "archive": "it is an archive. Unpack it and import what is inside.",
    "image": "it is a picture. Download the account activity as OFX, QFX or CSV instead.",
    "html": "it is a web page: the bank's session had ended. Sign in and download it again.",
    "json": "it is JSON. Download the account activity as OFX, QFX or CSV instead.",
    "xml": "it is XML, but not OFX. Download the account activity as OFX, QFX or CSV instead.",
    "qif": "it is a QIF file, which cannot be read yet. Choose OFX, QFX or CSV instead.",
    "camt": "it is a CAMT file, which cannot be read yet. Choose OFX, QFX or CSV instead.",
    "mt940": "it is an MT940 file, which cannot be read yet. Choose OFX, QFX or CSV instead.",
    "bai2": "it is a BAI2 file, which cannot be read yet. Choose OFX, QFX or CSV instead.",
}


def detect_format(filename: str, data: bytes) -> str:
    """Return what kind of file the bytes are; the name decides only what they leave open.

    Returns:
        `ofx`, `csv`, `empty`, or the name of a kind that cannot be read: `pdf`, `zip`, `xls`,
        `gzip`, `archive`, `image`, `html`, `json`, `xml`, `qif`, `camt`, `mt940`, `bai2`.
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
    if kind == "ofx":
        return ofx.parse(data)
    if kind in _ADVICE:
        raise StatementError(_ADVICE[kind])
    return csv.parse(data, csv.guess(data))
