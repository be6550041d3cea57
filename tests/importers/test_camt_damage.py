"""CAMT files: what is refused, what is mended, and what hostile ones cost."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.importers import camt
from app.importers.base import ROWS_MAX, StatementError
from app.importers.camt_tree import NODES_MAX, STATEMENTS_MAX
from tests.importers.camt_texts import balance, document, entry, payment, statement


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \r\n",
        b"<Document/>",
        b"<Document>",
        b"not XML at all",
        b"\xff\xfe\x00",
        document("<GrpHdr/>"),
        b"<html><body>Sign in<br></body></html>",
    ],
)
def test_what_is_no_statement_is_refused_in_words(data):
    with pytest.raises(StatementError, match="again"):
        camt.parse(data)


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE D [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE D SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE D [<!ENTITY % a SYSTEM "http://127.0.0.1/a"> %a;]>',
        "<!DOCTYPE html>",
    ],
)
def test_a_document_type_is_refused(declaration):
    text = document(statement(entry(more="<AddtlNtryInf>&b;</AddtlNtryInf>"))).decode()
    with pytest.raises(StatementError, match="document type"):
        camt.parse(text.replace("<Document", f"{declaration}<Document").encode())


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("AT&T", "AT&T"),
        ("Ren&eacute;", "Ren&eacute;"),
        ("a&#0;b&#xD800;c&#x1;", "a\ufffdb\ufffdc\ufffd"),
        ("a\x07b", "a\ufffdb"),
        ("a\x00b", "a\ufffdb"),
        ("&#233;&#xE9;&lt;", "éé<"),
        ("<![CDATA[a <b> & c]]>", "a <b> & c"),
    ],
)
def test_what_banks_write_and_xml_forbids_costs_no_row(raw, text):
    file = camt.parse(document(statement(entry(more=f"<AddtlNtryInf>{raw}</AddtlNtryInf>"))))
    assert [row.description for row in file.transactions] == [text]
    assert not file.rejected


def test_a_damaged_file_is_read_up_to_the_damage_which_is_reported():
    whole = statement(balance("CLBD", "10", "2026-01-05") + entry("1") + entry("2"))
    data = document(whole)
    cut = data[: data.index(b"<Sts>", data.index(b"<Sts>") + 1)]
    file = camt.parse(cut)
    assert [str(row.money.amount) for row in file.transactions] == ["-1"]
    assert file.statements[0].closing is None
    assert [row.where for row in file.rejected] == ["line 2, Ntry", "line 2"]


def test_nesting_has_a_limit():
    with pytest.raises(StatementError, match="nested deeper"):
        camt.parse(document(statement("<A>" * 100 + "</A>" * 100)))


def test_statements_have_a_limit():
    with pytest.raises(StatementError, match="shorter periods"):
        camt.parse(document("<Stmt/>" * (STATEMENTS_MAX + 1)))


@pytest.mark.slow
def test_more_rows_than_the_limit_are_refused_whole():
    with pytest.raises(StatementError, match="more than"):
        camt.parse(document(statement("<Ntry/>" * (ROWS_MAX + 1))))


@pytest.mark.slow
def test_elements_held_at_once_have_a_limit():
    with pytest.raises(StatementError, match="larger element"):
        camt.parse(document(statement("<a/>" * (NODES_MAX + 1))))


@pytest.mark.parametrize(
    "piece",
    ["<", "<a>", "<a/>", "&", "&#1;", "<Ntry>", "<Ntry/>", "<Bal/>", "<![CDATA[", "<!--", "]]>"],
)
def test_hostile_repetition_is_read_to_its_end(piece):
    # What is quadratic in the size of the file never gets there.
    with suppress(StatementError):
        camt.parse(document(statement(entry(more=piece * (100_000 // len(piece))))))


whole = document(
    statement(balance("OPBD", "10", "2026-01-04") + entry(details=payment(cdtr="<Nm>A</Nm>")))
)


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf<a")
def test_any_bytes_give_a_file_or_the_one_error(data):
    with suppress(StatementError):
        camt.parse(data)


@given(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), max_size=6))
def test_a_damaged_file_never_breaks_the_reader(changes):
    data = bytearray(whole)
    for place, byte in changes:
        data[place] = byte
    with suppress(StatementError):
        camt.parse(bytes(data))


def test_a_file_cut_anywhere_never_breaks_the_reader():
    for end in range(0, len(whole), 7):
        with suppress(StatementError):
            assert len(camt.parse(whole[:end]).transactions) <= 1


TAGS = (
    "<Stmt> </Stmt> <Rpt> </Rpt> <Ntry> </Ntry> <Ntry/> <Acct> </Acct> <Bal> </Bal> <Amt> </Amt> "
    "1.00 <CdtDbtInd>DBIT</CdtDbtInd> <BookgDt><Dt>2026-01-05</Dt></BookgDt> <NtryDtls> "
    "</NtryDtls> <TxDtls> </TxDtls> & < <![CDATA[ ]]> <x:Stmt> </x:Stmt>"
).split()


@given(st.lists(st.sampled_from(TAGS), max_size=40))
def test_any_mixture_of_tags_gives_a_file_or_the_one_error(pieces):
    with suppress(StatementError):
        camt.parse(("<D>" + "".join(pieces)).encode())
