"""OFX files: what is accepted, what is refused, and what makes a row the same row."""

import datetime as dt
from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.importers import ofx
from app.importers.base import ROWS_MAX, StatementError

HEAD = "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:USASCII\nCHARSET:1252\n\n"


def statement(rows: str, *, currency: str = "USD", around: str = "") -> bytes:
    return (
        f"{HEAD}<OFX><BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>{currency}<BANKACCTFROM>"
        f"<BANKID>1<ACCTID>42<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST>{rows}"
        f"</BANKTRANLIST>{around}</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
    ).encode()


def row(day="20260105", amount="-1.00", fitid="x", kind="DEBIT", name="Shop", more="") -> str:
    return (
        f"<STMTTRN><TRNTYPE>{kind}<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}<NAME>{name}"
        f"{more}</STMTTRN>"
    )


def only(data: bytes):
    (transaction,) = ofx.parse(data).transactions
    return transaction


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("-10.5", "-10.5"),
        ("+10.5", "10.5"),
        ("-2000,00", "-2000.00"),
        ("1,234.56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("-30.000", "-30.000"),
        ("1,234", "1.234"),
        ("R$ 5.326,43", "5326.43"),
        ("-.5", "-.5"),
        ("-0.00", "0.00"),
        ("\u221212.00", "-12.00"),
    ],
)
def test_amounts_are_kept_exactly_in_the_bank_s_notation(text, amount):
    transaction = only(statement(row(amount=text)))
    assert str(transaction.money.amount) == str(Decimal(amount))


def test_a_point_elsewhere_makes_a_comma_separate_thousands():
    file = ofx.parse(statement(row(amount="1,234") + row(amount="-0.50", fitid="y")))
    assert [t.money.amount for t in file.transactions] == [Decimal(1234), Decimal("-0.50")]


@pytest.mark.parametrize(
    "amount", ["", "NaN", "Infinity", "1E+1000000", "12..3", "1" * 40, "\uff11\uff12", "ten"]
)
def test_an_amount_that_is_none_rejects_its_row_and_keeps_the_others(amount):
    file = ofx.parse(statement(row(amount=amount, fitid="bad") + row()))
    assert len(file.transactions) == 1
    (rejected,) = file.rejected
    assert rejected.source_id == "bad"
    assert rejected.where == "line 7, TRNAMT"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20260105", dt.date(2026, 1, 5)),
        ("20260105235959.999[-12:XXX]", dt.date(2026, 1, 5)),
        ("20260105000000[+14]", dt.date(2026, 1, 5)),
        ("2026-01-05", dt.date(2026, 1, 5)),
        ("05/01/2026", dt.date(2026, 1, 5)),
        ("01/25/2026", dt.date(2026, 1, 25)),
    ],
)
def test_the_day_is_the_one_that_the_bank_wrote(text, day):
    assert only(statement(row(day=text))).date == day


@pytest.mark.parametrize("text", ["", "00000000", "20260230", "soon", "99990101"])
def test_a_day_that_is_none_rejects_its_row(text):
    file = ofx.parse(statement(row(day=text)))
    assert not file.transactions
    assert file.rejected[0].where == "line 7, DTPOSTED"


def test_closing_tags_and_line_breaks_make_no_difference():
    closed = (
        "<STMTTRN>\r\n<TRNTYPE>DEBIT</TRNTYPE>\r\n<DTPOSTED>20260105</DTPOSTED>\r\n"
        "<TRNAMT>-1.00</TRNAMT>\r\n<FITID>x</FITID>\r\n<NAME>Shop</NAME>\r\n</STMTTRN>\r\n"
    )
    assert ofx.parse(statement(closed)).transactions == ofx.parse(statement(row())).transactions


def test_a_statement_without_any_closing_tag_is_whole():
    data = statement(row() + row(fitid="y")).replace(b"</STMTTRN>", b"").replace(b"\n", b"\r\n")
    assert len(ofx.parse(data).transactions) == 2


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "1252"),
        ("cp1252", "1252"),
        ("cp1252", "8859-1"),
        ("cp1252", "NONE"),
        ("utf-16", "UNICODE"),
        ("utf-8-sig", "NONE"),
        ("utf-16-le", "NONE"),
    ],
)
def test_the_bytes_say_the_encoding_and_not_the_header(encoding, declared):
    text = (
        statement(row(name="Café Zürich")).decode().replace("CHARSET:1252", f"CHARSET:{declared}")
    )
    assert only(text.encode(encoding)).description == "Café Zürich"


@pytest.mark.parametrize("declared", ["zip", "idna", "undefined", "x" * 500, "utf-7", "rot13"])
def test_a_strange_declared_encoding_does_no_harm(declared):
    data = statement(row(name="Caf\u00e9")).decode().replace("CHARSET:1252", f"CHARSET:{declared}")
    assert only(data.encode("cp1252")).description == "Café"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("B.C. HYDRO &amp; POWER", "B.C. HYDRO & POWER"),
        ("AT&T", "AT&T"),
        ("&amp;lt;PAY&amp;gt;", "<PAY>"),
        ("&eacute;&#233;&#xE9;", "ééé"),
        ("&copyright", "&copyright"),
        ("a&#0;b&#xD800;", "a\ufffdb\ufffd"),
        ("<![CDATA[a <b> & c]]>", "a <b> & c"),
    ],
)
def test_character_references_become_characters(raw, text):
    assert only(statement(row(name=raw))).description == text


def test_name_and_memo_are_joined_without_saying_the_same_twice():
    rows = (
        row(name="SHOP", more="<MEMO>SHOP 123 BERN"),
        row(name="SHOP", fitid="b", more="<MEMO>Card 1"),
        row(name="", fitid="c", more="<MEMO>Only memo"),
        row(name="", fitid="d", kind="ATM"),
    )
    texts = [t.description for t in ofx.parse(statement("".join(rows))).transactions]
    assert texts == ["SHOP 123 BERN", "SHOP Card 1", "Only memo", "ATM"]


def test_a_bank_s_number_used_again_for_another_row_swallows_nothing():
    january = ofx.parse(statement(row(fitid="1") + row(fitid="2", name="Two")))
    february = ofx.parse(statement(row(fitid="1", day="20260205", amount="-9.00")))
    keys = {t.key for t in january.transactions} | {t.key for t in february.transactions}
    assert len(keys) == 3


def test_a_text_that_the_bank_completes_later_stays_the_same_row():
    before, after = only(statement(row())), only(statement(row(name="Shop, now with its town")))
    assert before.key == after.key


def test_signs_are_kept_when_types_and_amounts_disagree_in_one_row_only():
    rows = row(amount="5.00") + row(amount="-3.00", fitid="b") + row("20260106", "-1", "c")
    amounts = [t.money.amount for t in ofx.parse(statement(rows)).transactions]
    assert amounts == [Decimal("5.00"), Decimal("-3.00"), Decimal("-1")]


def test_amounts_without_any_sign_take_it_from_the_type():
    rows = row(amount="5.00") + row(amount="3.00", fitid="b") + row("20260106", "9", "c", "CREDIT")
    file = ofx.parse(statement(rows))
    assert [int(t.money.amount) for t in file.transactions] == [-5, -3, 9]
    assert file.notes


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]><OFX>&b;</OFX>',
        b"<OFX><!entity a SYSTEM 'file:///etc/passwd'></OFX>",
        b"<OFX></OFX>",
        b"<OFX>",
        b"OFXHEADER:100",
        b"",
        b"   \r\n",
    ],
)
def test_what_is_no_statement_is_refused_in_words(data):
    with pytest.raises(StatementError) as error:
        ofx.parse(data)
    assert len(str(error.value)) > 20


def test_a_bank_s_error_is_told_by_its_number():
    data = b"<OFX><SONRS><STATUS><CODE>15500<SEVERITY>ERROR</STATUS></SONRS></OFX>"
    with pytest.raises(StatementError, match="error 15500"):
        ofx.parse(data)


def test_nesting_has_a_limit():
    deep = "".join(f"<A{n}><B>1</B>" for n in range(100)) + "".join(f"</A{n}>" for n in range(100))
    with pytest.raises(StatementError, match="nested deeper"):
        ofx.parse(statement(deep))


@pytest.mark.slow
def test_more_rows_than_the_limit_are_refused_whole():
    with pytest.raises(StatementError, match="more than"):
        ofx.parse(statement(row() * (ROWS_MAX + 1)))


@pytest.mark.parametrize(
    "piece",
    [
        b"<",
        b"<A ",
        b"<A><B>",
        b"<STMTTRN>",
        b"<![CDATA[",
        b"<NAME><![CDATA[x]]>",
        b"</A>",
        b"&amp;",
        b"<NAME>a",
        b"<MEMO>ab",
        b"<A" + b" " * 400,
        b"<STMTTRN><TRNAMT>1,",
    ],
)
def test_hostile_repetition_is_read_to_its_end(piece):
    # What is quadratic in the size of the file never gets there.
    data = b"<OFX><STMTRS><STMTTRN><NAME>" + piece * (150_000 // len(piece))
    with suppress(StatementError):
        ofx.parse(data)


names = st.text(st.characters(codec="utf-8", exclude_characters="<>&\r\n\0"), max_size=40)
amounts = st.decimals(-(10**12), 10**12, places=2, allow_nan=False)
days = st.dates(dt.date(1970, 1, 1), dt.date(2100, 1, 1))


@given(st.lists(st.tuples(days, amounts, names), max_size=20))
def test_what_is_written_is_read(rows):
    body = "".join(
        row(f"{day:%Y%m%d}", f"{amount:f}", str(n), "OTHER", name)
        for n, (day, amount, name) in enumerate(rows)
    )
    read = ofx.parse(statement(body)).transactions
    assert [(t.date, t.money.amount) for t in read] == [(day, amount) for day, amount, _ in rows]
    for transaction, (_, _, name) in zip(read, rows, strict=True):
        assert transaction.description == (name.strip() or "OTHER")
