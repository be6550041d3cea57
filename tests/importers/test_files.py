"""Any bytes at all: a file that is read, or one error that says what to do."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.importers import csv, ofx
from app.importers.base import StatementError, StatementFile
from app.importers.files import detect_format, read_file
from tests import effort

STATEMENTS = sorted(
    path for path in (Path(__file__).parent / "statements").iterdir() if path.suffix != ".json"
)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"OFXHEADER:100\n<OFX>", "ofx"),
        ("OFXHEADER:100\n<OFX>".encode("utf-16"), "ofx"),
        (b'<?xml version="1.0"?><?OFX?><ofx>', "ofx"),
        (b"Date,Amount\n2026-01-01,1", "csv"),
        (b"", "empty"),
        (b"\xef\xbb\xbf \n", "empty"),
        (b"%PDF-1.7", "pdf"),
        (b"PK\x03\x04", "zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "xls"),
        (b"!Type:Bank\nD1/1/26", "qif"),
        (b":20:ST1\n:25:1/2\n:28C:1\n", "mt940"),
        (b"ABNANL2A\r\n940\r\nABNANL2A\r\n:20:ABN\r\n:25:1\r\n", "mt940"),
        (b"{1:F01BANKDEFFAXXX0000000000}{4:\r\n:20:1\r\n:25:1\r\n", "mt940"),
        (b":61:2601020102D1,00NMSCNONREF\n", "mt940"),
        (b":)\n1;2\n", "csv"),
        (b"<n:Document xmlns:n='urn:x'><n:BkToCstmrStmt>", "camt"),
        (
            b'<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053">',
            "camt",
        ),
        (b'<?xml version="1.0"?><a/>', "xml"),
        (b"01,122099999,1,2\n02,0311,3\n", "bai2"),
        (b"<!DOCTYPE html><html>", "html"),
        (b'{"a": 1}', "json"),
        (b"GIF89a", "image"),
    ],
)
def test_the_content_says_what_a_file_is(data, kind):
    assert detect_format("statement.txt", data) == kind


@pytest.mark.parametrize("data", [b"%PDF-1.7", b"!Type:Bank\n", b"<html>", b"PK\x03\x04"])
def test_a_kind_that_cannot_be_read_is_named_with_a_way_out(data):
    with pytest.raises(StatementError, match=r"Choose|instead|Unpack|again"):
        read_file("x", data)


def outcome(data: bytes) -> StatementFile | None:
    try:
        return read_file("x.csv", data)
    except StatementError:
        return None


@given(st.binary(max_size=400))
@example(b"\xff\xfe\x00")
def test_any_bytes_give_a_file_or_the_one_error(data):
    outcome(data)


@given(st.text("0123456789.,;-/\"'\t\n\r €$ABdeDate amount<>&", max_size=300))
def test_any_text_like_a_table_gives_a_file_or_the_one_error(text):
    data = text.encode()
    outcome(data)
    with suppress(StatementError):
        csv.parse(data, csv.guess(data))


@given(
    st.lists(
        st.sampled_from(
            "<OFX> </OFX> <STMTRS> </STMTRS> <STMTTRN> </STMTTRN> <BANKTRANLIST> <NAME> <MEMO/> "
            "<TRNAMT>-1.00 <TRNAMT> <DTPOSTED>20260101 <DTPOSTED> <FITID>1 <CURDEF>USD <CURRENCY> "
            "<INVSTMTRS> <BUYSTOCK> <INVBUY> <TOTAL>5 <INVBANKTRAN> </INVBANKTRAN> <![CDATA[ ]]> "
            "<LEDGERBAL> <BALAMT>x < > & &amp; <REINVEST> <INVTRAN> <PAYEE> <X> </X>".split()
        ),
        max_size=60,
    )
)
def test_any_mixture_of_tags_loses_no_transaction(pieces):
    data = ("<OFX>" + "".join(pieces)).encode()
    try:
        file = ofx.parse(data)
    except StatementError:
        return
    if "<![CDATA[" not in pieces and not {"<BUYSTOCK>", "<REINVEST>", "<INVBANKTRAN>"} & {*pieces}:
        rows = len(file.transactions) + sum("BALAMT" not in row.where for row in file.rejected)
        assert rows == pieces.count("<STMTTRN>")


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.name)
def test_a_file_cut_anywhere_never_breaks_the_reader(path):
    data = path.read_bytes()
    for end in range(0, len(data), 37):
        outcome(data[:end])


@settings(max_examples=effort.examples(200))
@given(st.sampled_from(STATEMENTS), st.data())
def test_a_damaged_file_never_breaks_the_reader(path, data):
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    outcome(bytes(raw))


@pytest.mark.parametrize(
    "piece",
    [
        b'"\n',
        b'"',
        b",",
        b"1,",
        b"\n",
        b"\r",
        b"2026-01-01,1.00,",
        b'2026-01-01,"x,-1\n',
        b"1",
        b"a;",
        b'2026-01-01,x,1\n"',
        b"\xe9\n",
        b"(((",
        b"- - - ",
    ],
)
def test_hostile_repetition_in_a_table_is_read_to_its_end(piece):
    # What is quadratic in the size of the file never gets there.
    data = b"Date,Text,Amount\n" + piece * (150_000 // len(piece))
    outcome(data)


@pytest.mark.skipif("FINTECH_SHARED_DATA" not in os.environ, reason="needs the sample files")
def test_the_sample_files_are_read_as_their_tags_count():
    folder = Path(os.environ["FINTECH_SHARED_DATA"]) / "files"
    from scripts.try_statements import judge

    results = [judge(path, folder) for path in sorted(folder.glob("ofx/**/*")) if path.is_file()]
    counted = [result for result in results if result.expected and not result.investment]
    exact = [result for result in counted if result.found == result.expected]
    assert len(exact) >= 0.97 * len(counted)
    # What is not booked is reported.
    assert all(result.found + result.rejected >= result.expected for result in counted)
