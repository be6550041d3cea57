"""CSV files: what is guessed, what the person can change, and what becomes of bad rows."""

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.importers import csv
from app.importers.base import FILE_BYTES_MAX, ROWS_MAX, StatementError
from app.importers.csv_dates import find_date
from app.importers.csv_layout import Decision


def guess(text: str, encoding: str = "utf-8") -> csv.CsvLayout:
    return csv.guess(text.encode(encoding))


def read(text: str, encoding: str = "utf-8"):
    data = text.encode(encoding)
    return csv.parse(data, csv.guess(data))


def amounts(text: str) -> list[str]:
    return [str(row.money.amount) for row in read(text).transactions]


@pytest.mark.parametrize(
    ("dates", "order", "sure"),
    [
        (["25/01/2026", "02/01/2026"], "DMY", True),
        (["01/25/2026", "01/02/2026"], "MDY", True),
        (["2026-01-25", "2026-01-02"], "YMD", True),
        (["20260125", "20260102"], "YMD", True),
        (["26-01-25", "26-01-31"], "YMD", True),
        (["02.01.2026", "03.01.2026"], "DMY", True),
        (["Jan 5, 2026", "Feb 6, 2026"], "YMD", True),
        (["5 févr. 2026", "6 août 2026"], "YMD", True),
        (["2026. 01. 05.", "2026. 01. 06."], "YMD", True),
        (["01/02/2026", "02/02/2026", "03/02/2026", "01/03/2026"], "DMY", True),
        (["04/09/2026", "04/05/2026", "04/03/2026", "04/03/2026"], "MDY", True),
        (["02/01/2026", "02/01/2026"], "DMY", False),
    ],
)
def test_the_whole_column_decides_the_order_of_day_and_month(dates, order, sure):
    lines = [f"{day};Shop {n};-1,00" for n, day in enumerate(dates)]
    layout = guess("\n".join(["Datum;Text;Betrag", *lines]))
    assert layout.date_order == order
    decision = layout.decision("date_order")
    assert decision is not None
    assert (decision.confidence > 0.6) is sure


@pytest.mark.parametrize(
    "cell", ["0001-01-01", "01/02/0003", "01010001", "2 Nov 0026", "Nov 2, 0026"]
)
def test_a_year_of_four_digits_is_not_one_of_two(cell):
    assert find_date(cell, "DMY") is None


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1,234.56", "-0.10"], ["1234.56", "-0.10"]),
        (["1.234,56", "-0,10"], ["1234.56", "-0.10"]),
        (["1 234,56", "-0,10"], ["1234.56", "-0.10"]),
        (["1\u202f234,56", "\u22120,10"], ["1234.56", "-0.10"]),
        (["1'234.56", "0.10-"], ["1234.56", "-0.10"]),
        (["(12.34)", "$1.00"], ["-12.34", "1.00"]),
        (["12.34 DR", "1.00 CR"], ["-12.34", "1.00"]),
        (["12.34DR", "1.00CR"], ["-12.34", "1.00"]),
        (["12,34 €", "-€1,00"], ["12.34", "-1.00"]),
        (["1,00,000.50", "-1.00"], ["100000.50", "-1.00"]),
        (["1.234.567,89", "-1,00"], ["1234567.89", "-1.00"]),
        (["- $21.59", "+ $3.00"], ["-21.59", "3.00"]),
        (["kr 12,50", "-1,00 kr"], ["12.50", "-1.00"]),
    ],
)
def test_amounts_are_read_in_every_notation(cells, expected):
    lines = [f'2026-01-0{n + 1};Shop;"{cell}"' for n, cell in enumerate(cells)]
    assert amounts("\n".join(["Date;Text;Amount", *lines])) == expected


@pytest.mark.parametrize(
    "cell", ["12..34", "1.2.3", "NaN", "1e5", "12,34,5", "abc", "\uff11\uff12", "1" * 30]
)
def test_an_amount_that_is_none_is_reported_with_its_line(cell):
    file = read(f'Date,Text,Amount\n2026-01-01,Shop,-1.00\n2026-01-02,Shop,"{cell}"\n')
    assert len(file.transactions) == 1
    assert [(row.where, row.reason) for row in file.rejected] == [
        ("line 3, amount", "the amount cannot be read exactly")
    ]


HEADERS = [
    "Date;Description;Amount;Balance;Currency",
    "Buchungstag;Verwendungszweck;Betrag;Kontostand;Währung",
    "Date de l'opération;Libellé;Montant de l'opération;Solde;Devise",
    "Fecha;Concepto;Importe;Saldo;Divisa",
    "Data contabile;Causale;Importo;Saldo contabile;Valuta",
    "Boekdatum;Omschrijving;Bedrag;Saldo;Munt",
    "Data;Descrição;Valor;Saldo;Moeda",
    "Bokföringsdag;Meddelande;Belopp;Saldo;Valuta",
    "Bogføringsdato;Tekst;Beløb;Saldo;Valuta",
    "Bokføringsdato;Beskrivelse;Beløp;Saldo;Valuta",
    "Data operacji;Opis operacji;Kwota;Saldo po operacji;Waluta",
    "Datum zaúčtování;Popis;Částka;Zůstatek;Měna",
    "Kirjauspäivä;Selitys;Määrä;Saldo;Valuutta",
    "Könyvelés dátuma;Közlemény;Összeg;Egyenleg;Devizanem",
    "Дата операции;Описание;Сумма;Остаток;Валюта",
]


@pytest.mark.parametrize("header", HEADERS)
def test_columns_are_known_by_name_in_many_languages(header):
    layout = guess(f"{header}\n2026-01-31;Text;-1,50;98,50;EUR\n2026-02-01;Text;-2,00;96,50;EUR")
    assert layout.roles == ("date", "description", "amount", "balance", "currency")
    assert layout.currency == "EUR"


@pytest.mark.parametrize(
    "header",
    [
        "Date,Text,Debit,Credit",
        "Datum,Text,Soll,Haben",
        "Fecha,Concepto,Cargos,Abonos",
        "Data,Descrizione,Dare,Avere",
        "Date,Libellé,Débit,Crédit",
        "Dato,Tekst,Ut,Inn",
        "Date,Details,Paid out,Paid in",
        "Date,Details,Money Out,Money In",
    ],
)
def test_money_out_and_money_in_may_have_columns_of_their_own(header):
    rows = f"{header}\n2026-01-31,a,10.00,\n2026-02-01,b,,5.00\n2026-02-02,c,0.00,7.00"
    assert amounts(rows) == ["-10.00", "5.00", "7.00"]


def test_debits_with_a_sign_of_their_own_are_not_turned_round():
    rows = "Date,Text,Debit,Credit\n2026-01-31,a,-10.00,\n2026-02-01,b,,5.00"
    assert amounts(rows) == ["-10.00", "5.00"]


def test_a_running_balance_proves_that_positive_is_money_out():
    rows = "Date,Text,Amount,Balance\n2026-01-01,a,10.00,90.00\n2026-01-02,b,-5.00,95.00"
    file = read(f"{rows}\n2026-01-03,c,1.00,94.00")
    assert [row.money.amount for row in file.transactions] == [-10, 5, -1]
    assert file.statements[0].closing is not None
    assert file.statements[0].closing.amount == Decimal("94.00")
    assert file.statements[0].opening is not None
    assert file.statements[0].opening.amount == Decimal("100.00")


def test_balances_that_do_not_follow_are_told_and_make_no_anchor():
    rows = "Date,Text,Amount,Balance\n2026-01-01,a,10.00,90.00\n2026-01-02,b,-5.00,7.00"
    file = read(f"{rows}\n2026-01-03,c,1.00,12.00")
    assert file.statements[0].closing is None
    assert any("balances" in note for note in file.notes)


def test_rows_of_several_accounts_become_several_statements():
    rows = "Date,Account Name,Description,Amount\n2026-01-01,Checking,a,-1\n2026-01-02,Savings,b,2"
    file = read(f"{rows}\n2026-01-03,Checking,c,3\n2026-01-03,Savings,c,4\n")
    assert [(s.account.name, len(s.transactions)) for s in file.statements] == [
        ("Checking", 2),
        ("Savings", 2),
    ]
    assert len({s.account.source_id for s in file.statements}) == 2


def test_every_line_is_accounted_for():
    text = "My bank\n\nDate,Text,Amount\n2026-01-01,a,-1\n\n,more of a,\n2026-01-02,b,\nTotal,,-1\n"
    file = read(text)
    assert [row.description for row in file.transactions] == ["a more of a"]
    assert [row.where for row in file.rejected] == ["line 7, amount", "line 8, date"]
    assert file.statements[0].lines == (4,)


def test_a_delimiter_inside_a_text_without_quotes_is_mended():
    rows = "Date,Description,Amount,Balance\n2026-01-01,Shop,-1.00,9.00\n"
    rows += "2026-01-02,A, B and C,-2.00,7.00"
    assert [row.description for row in read(rows).transactions] == ["Shop", "A,B and C"]


def test_a_row_that_was_not_carried_out_is_reported_and_one_that_waits_is_pending():
    rows = "Date,Description,Amount,Status\n2026-01-01,a,-1,Completed\n2026-01-02,b,-2,Pending"
    file = read(f"{rows}\n2026-01-03,c,-3,Declined")
    assert [row.pending for row in file.transactions] == [False, True]
    assert len(file.rejected) == 1


def test_a_layout_survives_json_and_the_person_s_changes():
    layout = guess("Date,Text,Amount\n2026-01-01,Shop,5.00")
    again = csv.CsvLayout.from_dict(json.loads(json.dumps(layout.to_dict())))
    assert again == layout
    changed = csv.CsvLayout.from_dict({**layout.to_dict(), "sign": "inverted", "currency": "CHF"})
    (row,) = csv.parse(b"Date,Text,Amount\n2026-01-01,Shop,5.00", changed).transactions
    assert (row.money.amount, row.money.currency) == (Decimal("-5.00"), "CHF")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("delimiter", ""),
        ("delimiter", '"'),
        ("delimiter", ";;"),
        ("roles", ["date", "date", "amount"]),
        ("roles", ["nonsense"]),
        ("date_order", "YDM"),
        ("decimal_mark", "'"),
        ("sign", "by_direction"),
        ("currency", "dollars"),
        ("first_line", 0),
        ("header_line", "x"),
        ("unknown", 1),
        ("names", None),
        ("decisions", [{"name": "x"}]),
    ],
)
def test_a_layout_that_cannot_be_meant_is_refused(field, value):
    layout = guess("Date,Text,Amount\n2026-01-01,Shop,5.00").to_dict()
    with pytest.raises(StatementError):
        csv.CsvLayout.from_dict({**layout, field: value})


@pytest.mark.parametrize("encoding", ["zip", "idna", "nonsense", "rot13", ""])
def test_an_encoding_that_is_none_is_refused(encoding):
    data = b"Date,Text,Amount\n2026-01-01,Shop,5.00"
    with pytest.raises(StatementError, match="encoding"):
        csv.parse(data, replace(csv.guess(data), encoding=encoding))


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252", "cp1252"), ("utf-16", "utf-16")],
)
def test_german_files_are_read_in_every_encoding_that_banks_use(encoding, name):
    text = "Buchungstag;Empfänger;Betrag;Währung\n31.01.2026;Bäckerei Größl;-4,50;EUR\n"
    file = read(text, encoding)
    assert file.encoding == name
    assert file.transactions[0].counterparty == "Bäckerei Größl"


@pytest.mark.parametrize("encoding", ["cp1250", "cp1251"])
def test_other_8_bit_encodings_are_told_by_their_words(encoding):
    texts = {
        "cp1250": "Datum;Popis;Částka\n31.01.2026;Řízek a šťáva;-1,00\n",
        "cp1251": "Дата;Описание;Сумма\n31.01.2026;Хлебный магазин;-1,00\n",
    }
    file = read(texts[encoding], encoding)
    assert file.encoding == encoding
    assert file.transactions[0].description == texts[encoding].splitlines()[1].split(";")[1]


def test_nul_and_surrogates_cannot_reach_the_database():
    file = csv.parse(
        b"Date,Text,Amount\n2026-01-01,a\x00b\xed\xa0\x80,5.00",
        guess("Date,Text,Amount\n2026-01-01,Shop,5.00"),
    )
    text = file.transactions[0].description
    assert "\0" not in text
    assert text.startswith("a\ufffdb")
    text.encode("utf-8")


def test_a_preview_shows_columns_rows_and_doubts():
    data = b"Date,Text,Amount\n02/01/2026,Shop,5.00\n02/01/2026,Shop,x\n"
    shown = csv.preview(data, csv.guess(data))
    assert shown.samples[1] == ("Shop",)
    assert (shown.transactions, shown.rejected_count) == (1, 1)
    assert any("date_order" in problem for problem in shown.problems)
    assert any("sign" in problem for problem in shown.problems)


def test_a_preview_without_an_amount_column_says_what_to_choose():
    layout = guess("Date,Text,Amount\n2026-01-01,Shop,5.00")
    layout = replace(layout, roles=("date", "description", ""))
    assert layout.missing() == ("amount",)
    shown = csv.preview(b"Date,Text,Amount\n2026-01-01,Shop,5.00", layout)
    assert "amount" in shown.problems[0]
    with pytest.raises(StatementError, match="amount"):
        csv.parse(b"Date,Text,Amount\n2026-01-01,Shop,5.00", layout)


@pytest.mark.parametrize(
    "data",
    [b"", b" \n", b"\x00\x01\x02\x03" * 99, b"Date,Text,Amount\n", b"x" * (FILE_BYTES_MAX + 1)],
)
def test_what_is_no_table_is_refused_in_words(data):
    with pytest.raises(StatementError):
        csv.guess(data)


@pytest.mark.slow
def test_more_rows_than_the_limit_are_refused_whole():
    with pytest.raises(StatementError, match="more than"):
        read("Date,Text,Amount\n" + "2026-01-01,a,-1.00\n" * (ROWS_MAX + 200))


words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=30)
rows = st.lists(
    st.tuples(
        st.dates(dt.date(1990, 1, 1), dt.date(2060, 1, 1)),
        words,
        st.decimals(-(10**9), 10**9, places=2, allow_nan=False),
    ),
    min_size=1,
    max_size=20,
)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


@given(
    rows,
    st.sampled_from(",;\t|"),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"]),
    st.sampled_from(".,"),
)
def test_what_is_written_in_a_known_layout_is_read(entries, delimiter, date_format, mark):
    lines = [
        delimiter.join(
            (f"{day:{date_format}}", quoted(text), quoted(f"{amount:f}".replace(".", mark)))
        )
        for day, text, amount in entries
    ]
    data = "\n".join([delimiter.join(("Date", "Description", "Amount")), *lines]).encode()
    order = {"%Y": "YMD", "%d": "DMY", "%m": "MDY"}[date_format[:2]]
    layout = csv.CsvLayout(
        encoding="utf-8",
        delimiter=delimiter,
        header_line=1,
        first_line=2,
        names=("Date", "Description", "Amount"),
        roles=("date", "description", "amount"),
        date_order=order,
        decimal_mark=mark,
        sign="as_written",
        currency="EUR",
        decisions=(Decision("date", "column 1", 1.0, "chosen"),),
    )
    file = csv.parse(data, layout)
    assert not file.rejected
    read_back = [(t.date, t.description, t.money.amount) for t in file.transactions]
    assert read_back == [(day, text.strip(), amount) for day, text, amount in entries]
