"""MT940 and MT942: what banks write, and what makes a row the same row."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.importers import mt940
from tests.importers.mt940_messages import ROW, message, parse


def only(rows: str):
    (transaction,) = parse(message(rows)).transactions
    return transaction


def test_a_statement_is_read_with_account_days_and_balances():
    (statement,) = parse(message(closing=":62F:C260105EUR90,00\n:64:C260106EUR80,00")).statements
    (row,) = statement.transactions
    assert (row.date, row.money.amount, row.money.currency) == (
        dt.date(2026, 1, 5),
        Decimal("-10.00"),
        "EUR",
    )
    assert (row.description, row.pending, row.authorized_date) == ("Groceries", False, None)
    assert (statement.account.name, statement.account.mask) == ("Account 2051", "2051")
    assert (statement.opening.date, statement.opening.amount) == (dt.date(2026, 1, 2), 100)
    assert (statement.closing.date, statement.closing.amount) == (dt.date(2026, 1, 5), 90)
    assert (statement.available.date, statement.available.amount) == (dt.date(2026, 1, 6), 80)
    assert statement.account.balance.current == 90
    assert statement.account.balance.available == 80
    assert statement.lines == (5,)
    assert parse(message()).notes == ()


@pytest.mark.parametrize(
    ("mark", "amount"),
    [
        ("C", 5),
        ("D", -5),
        ("RC", -5),
        ("RD", 5),
        ("CR", 5),
        ("DR", -5),
        ("RCR", -5),
        ("RDR", 5),
        ("CK", 5),
        ("C ", 5),
        ("CR\n", 5),
    ],
)
def test_a_reversed_credit_is_money_out_and_a_funds_code_is_no_mark(mark, amount):
    row = only(f":61:2601050105{mark}5,00NTRFNONREF\n")
    assert row.money.amount == amount
    assert not row.pending


@pytest.mark.parametrize(("mark", "amount"), [("EC", 5), ("ED", -5)])
def test_what_is_expected_is_pending_and_in_no_balance(mark, amount):
    file = parse(message(f":61:2601050105{mark}5,00NTRFNONREF\n{ROW}"))
    assert [(t.money.amount, t.pending) for t in file.transactions] == [
        (amount, True),
        (-10, False),
    ]
    assert file.notes == ()


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10,", "10"),
        ("10,5", "10.5"),
        ("10,50", "10.50"),
        ("000000000010,50", "10.50"),
        ("0000000000000000,05", "0.05"),
        ("10.50", "10.50"),
        ("10", "10"),
        ("0,12345678", "0.12345678"),
        ("999999999999999,99", "999999999999999.99"),
        ("0,00", "0.00"),
    ],
)
def test_amounts_are_kept_exactly(text, amount):
    assert str(only(f":61:2601050105C{text}NTRFNONREF\n").money.amount) == amount


@pytest.mark.parametrize(
    "line",
    [
        "2601050105C1.234,56NTRFNONREF",
        "2601050105C1,234,56NTRFNONREF",
        "2601050105C0,123456789NTRFNONREF",
        "2601050105C1000000000000000,00NTRFNONREF",
        "2601050105CNaNNTRFNONREF",
        "2601050105C\uff11,00NTRFNONREF",
        "2601050105X1,00NTRFNONREF",
        "2601050105C-1,00NTRFNONREF",
        "260105",
        "",
    ],
)
def test_a_line_that_cannot_be_read_is_rejected_and_the_others_stay(line):
    file = parse(message(f":61:{line}\n:86:secret\n{ROW}"))
    assert [t.description for t in file.transactions] == ["Groceries"]
    (rejected,) = file.rejected
    assert rejected.where == "line 5, 61"
    assert "secret" not in rejected.reason


@pytest.mark.parametrize(
    ("days", "day"),
    [
        ("260105", "2026-01-05"),
        ("2601050107", "2026-01-07"),
        ("2512310102", "2026-01-02"),
        ("2601021231", "2025-12-31"),
        ("2402280229", "2024-02-29"),
        ("2401010229", "2024-02-29"),
        ("2602300302", "2026-03-02"),
        ("260230", "2026-02-28"),
        ("2601050000", "2026-01-05"),
        ("991231", "1999-12-31"),
        ("800101", "1980-01-01"),
        ("790101", "2079-01-01"),
    ],
)
def test_the_day_is_the_entry_date_in_the_year_next_to_the_value_date(days, day):
    assert only(f":61:{days}C1,00NTRFNONREF\n").date.isoformat() == day


@pytest.mark.parametrize(
    "days", ["260005", "261305", "260100", "260132", "2601051301", "260105023"]
)
def test_a_day_that_is_none_rejects_its_row(days):
    file = parse(message(f":61:{days}C1,00NTRFNONREF\n"))
    assert not file.transactions
    assert len(file.rejected) == 1


@pytest.mark.parametrize(
    ("details", "description", "name"),
    [
        ("Rent January", "Rent January", None),
        ("166?00GUTSCHRIFT?20Rent?32ANNA?33 BERG", "ANNA BERG Rent", "ANNA BERG"),
        (
            "166?00GUTSCHRIFT?109310?20EREF+A1?21SVWZ+Rent of January and ?22February?32ANNA",
            "ANNA Rent of January and February",
            "ANNA",
        ),
        ("105?20EREF+NOTPROVIDED?21SVWZ+number 789012345678901?222 bis",
         "number 7890123456789012 bis", None),
        ("105?00LASTSCHRIFT?32ANNA", "ANNA LASTSCHRIFT", "ANNA"),
        ("808?00ENTGELT", "ENTGELT", None),
        ("805?20ABSCHLUSS?21VOM 31.12.?60KONTO 1?61BLATT 2", "ABSCHLUSS VOM 31.12. KONTO 1 BLATT 2",
         None),
        ("106?20EREF+X?21KREF+Y", "EREF+X KREF+Y", None),
        ("000>100>20RENT>21 OF MAY>310390", "RENT OF MAY", None),
        ("020~00PRZELEW~20CZYNSZ~32ANNA~33KRAKOW", "ANNA KRAKOW CZYNSZ", "ANNA KRAKOW"),
        ("/TRTP/SEPA/IBAN/NL1/BIC/X/NAME/J. DOE/REMI/Rent 1/2/EREF/NOTPROVIDED",
         "J. DOE Rent 1/2", "J. DOE"),
        ("/BENM//NAME/Garage/REMI/Invoice 7/ISDT/2026-01-05", "Garage Invoice 7", "Garage"),
        ("/CNTP/NL1/ABNANL2A/B Bert///REMI/USTD//Rent/", "B Bert Rent", "B Bert"),
        ("/CNTP///J. DOE//REMI/STRD/CUR/99/", "J. DOE CUR/99", "J. DOE"),
        ("/NAME/J. DOE/TRTP/IDEAL", "J. DOE IDEAL", "J. DOE"),
        ("/OCMT/USD12,/PAYMENT", "/OCMT/USD12,/PAYMENT", None),
        ("REK: NL1/NAAM: BAKER BROS", "REK: NL1/NAAM: BAKER BROS", "BAKER BROS"),
        ("999PAYROLL", "PAYROLL", None),
        ("9991", "9991", None),
        ("ANNA  pays\nher   rent", "ANNA pays her rent", None),
    ],
)  # fmt: skip
def test_the_text_is_name_and_purpose_in_each_form_of_field_86(details, description, name):
    row = only(f":61:2601050105C1,00NTRFNONREF\n:86:{details}\n")
    assert (row.description, row.counterparty) == (description, name)


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("x" * 61 + "STRA", "SSE 1", "x" * 61 + "STRASSE 1"),
        ("y" * 57 + "STRA", "SSE 1", "y" * 57 + "STRASSE 1"),
        ("z" * 63, "SSE 1", "z" * 63 + " SSE 1"),
    ],
)
def test_a_full_line_goes_on_without_a_space(first, second, joined):
    assert only(f":61:2601050105C1,00NTRFNONREF\n:86:{first}\n{second}\n").description == joined


def test_a_line_that_starts_with_a_dash_or_a_colon_is_text():
    row = only(":61:2601050105C1,00NTRFNONREF\n:86:one\n-two\n:three\n:KO:four\n")
    assert row.description == "one -two :three :KO:four"


def test_several_fields_86_behind_a_row_are_its_text_and_those_behind_balances_are_not():
    rows = ":61:2601050105C1,00NTRFNONREF\n:86:one\n:86:two\n"
    data = message(
        f":86:of the statement\n{rows}", closing=":62F:C260105EUR101,00\n:86:of the statement"
    )
    assert parse(data).transactions[0].description == "one two"


@pytest.mark.parametrize(
    ("line", "description"),
    [
        ("D1,00NMSC0701313131319   J. DOE                    ", "J. DOE"),
        ("D1,00NCHK4711\nBy hand", "By hand 4711"),
        ("D1,00NCHK4711//55", "4711 55"),
        ("D1,00NCHGNONREF", "NCHG"),
        ("D1,00NONREF", "D"),
        ("D1,00//19239782213", "19239782213"),
    ],
)
def test_without_field_86_the_text_is_that_of_the_line(line, description):
    assert only(f":61:2601050105{line}\n").description == description


def test_fields_of_no_standard_are_read_as_german_programs_write_them():
    row = only(":61:2601050105C1,00S051\n:NS:01Rent\n02of May\n15ANNA\n16BERG\n17TRANSFER\n")
    assert (row.description, row.counterparty) == ("ANNA BERG Rent of May", "ANNA BERG")


@pytest.mark.parametrize(
    "around",
    [
        "{0}",
        "ABNANL2A\n940\nABNANL2A\n{0}",
        "\n:940:\n{0}",
        "An example\n----\n{0}",
        "{{1:F01BANKDEFFXXXX0000000000}}{{2:I940BANKDEFFXXXXN}}{{4:\n{0}-}}{{5:}}\n",
        "{{1:F01BANKDEFFXXXX0000000000}}\n{{2:I940X}}\n{{4:\n{0}-XXX\n",
        "\x01\n{0}\x03",
        "\ufeff{0}",
    ],
)
def test_what_banks_write_around_a_message_is_no_part_of_it(around):
    # Twice, as what follows one message comes before the next.
    text = around.format(message()) * 2
    assert [t.description for t in parse(text).transactions] == ["Groceries"] * 2
    plain = parse(message() * 2).transactions
    assert [t.key for t in parse(text).transactions] == [t.key for t in plain]


@pytest.mark.parametrize("end", ["\r\n", "\r", "@@"])
def test_line_ends_make_no_difference(end):
    assert parse(message().replace("\n", end)).transactions == parse(message()).transactions


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16", "utf-8-sig"])
def test_the_bytes_say_the_encoding(encoding):
    data = message(":61:2601050105C1,00NTRFNONREF\n:86:Überweisung Müller\n").encode(encoding)
    assert mt940.parse(data).transactions[0].description == "Überweisung Müller"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("NL50RABO0123456789 EUR", "NL50 RABO 0123 4567 89", True),
        ("1291.99.348EUR", "129199348", True),
        ("DE02120300000000202051\nBYLADEM1001", "DE02120300000000202051", True),
        ("12030000/202051", "12030000/202052", False),
        ("12030000/202051", "12040000/202051", False),
    ],
)
def test_an_account_is_known_by_its_number_however_it_is_written(one, other, is_same):
    first, second = parse(message(account=one), message(account=other)).statements
    assert (first.account.source_id == second.account.source_id) is is_same
    assert first.account.mask is not None
    assert first.account.mask.isdigit()


def test_two_currencies_under_one_number_are_two_accounts():
    euros, dollars = message(), message().replace("EUR", "USD")
    first, second = parse(euros, dollars).statements
    assert first.account.source_id != second.account.source_id
    assert [t.money.currency for t in parse(euros, dollars).transactions] == ["EUR", "USD"]


def test_without_account_or_currency_rows_are_kept_and_the_person_is_told():
    file = mt940.parse(ROW.encode())
    assert [t.money.currency for t in file.transactions] == ["XXX"]
    assert len(file.notes) == 2


def test_equal_rows_of_a_day_both_count_whether_in_one_statement_or_in_two():
    together = parse(message(ROW * 2, closing=":62F:C260105EUR80,00"))
    apart = parse(
        message(),
        message(opening=":60F:C260105EUR90,00", closing=":62F:C260105EUR80,00"),
    )
    assert len(apart.statements) == 2
    ids = [[t.source_id for t in file.transactions] for file in (together, apart)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_a_bank_s_own_number_keeps_a_row_the_same_when_its_text_is_completed():
    before = only(":61:2601050105C1,00NTRFNONREF//0724710333343453\n:86:Shop\n")
    after = only(":61:2601050105C1,00NTRFE1//0724710333343453\n:86:Shop, now with its town\n")
    assert before.key == after.key


@pytest.mark.parametrize("number", ["NONREF", "nota", "55555", "POS 2775118254", "Till kortkto"])
def test_what_is_no_number_of_the_bank_does_not_make_different_rows_the_same(number):
    rows = [f":61:2601050105C1,00NTRFNONREF//{number}\n:86:{text}\n" for text in ("One", "Two")]
    assert only(rows[0]).key != only(rows[1]).key


def test_where_lines_are_cut_does_not_make_a_row_another_one():
    whole = only(":61:2601050105C1,00NTRFNONREF\n:86:166?20Rent of May?32ANNA\n")
    cut = only(":61:2601050105C1,00NTRFNONREF\n:86:166\n?20Rent of\n May\n?32ANNA\n")
    assert whole.key == cut.key


def test_a_row_that_the_file_s_end_has_cut_is_rejected():
    text = message().partition("NTRF")[0]
    for end in (text, text[:-1], text[:-3], text + "NTR"):
        file = mt940.parse(end.encode())
        assert not file.transactions
        assert len(file.rejected) == 1


def test_a_pending_row_is_the_same_when_it_is_booked():
    report = f":20:T\n:25:1/2\n:34F:EUR0,\n{ROW}:90D:1EUR10,00\n-\n"
    booked = parse(message(account="1/2")).transactions[0]
    assert parse(report).transactions[0].key == booked.key


def test_all_that_the_file_says_of_a_row_is_found_by_its_id():
    line = "2601050104DR10,00NTRFinvoice 7//0724710333343453\nby standing order"
    data = message(f"{ROW}:61:{line}\n:86:166?00DAUER?20Rent\n?32ANNA\n").encode()
    row = mt940.parse(data).transactions[1]
    assert mt940.find_fields(data, row.source_id) == {
        "Statement Line": line,
        "Value Date": "260105",
        "Entry Date": "0104",
        "Debit/Credit Mark": "D",
        "Funds Code": "R",
        "Amount": "10,00",
        "Transaction Type Identification Code": "NTRF",
        "Reference for the Account Owner": "invoice 7",
        "Reference of the Account Servicing Institution": "0724710333343453",
        "Supplementary Details": "by standing order",
        "Information to Account Owner": "166?00DAUER?20Rent\n?32ANNA",
        "86 code": "166",
        "86 ?00": "DAUER",
        "86 ?20": "Rent",
        "86 ?32": "ANNA",
    }
    assert mt940.find_fields(data, "row1:other") == {}


days = st.dates(dt.date(1980, 6, 1), dt.date(2079, 6, 1))
cents = st.integers(0, 10**14)
words = st.text("abcdefghij 0123456789.,'()", max_size=40).map(str.strip)


@given(st.lists(st.tuples(days, st.integers(-40, 40), cents, st.booleans(), words), max_size=15))
def test_what_is_written_is_read(rows):
    text, expected = "", []
    for value, later, number, is_out, said in rows:
        entry, amount = value + dt.timedelta(days=later), Decimal(number) / 100
        mark = "D" if is_out else "C"
        text += f":61:{value:%y%m%d}{entry:%m%d}{mark}{written(amount)}NTRFNONREF\n:86:{said}\n"
        expected.append((entry, -amount if is_out else amount))
    read = parse(message(text)).transactions
    assert [(row.date, row.money.amount) for row in read] == expected
    for row, (*_, said) in zip(read, rows, strict=True):
        assert row.description == (" ".join(said.split()) or "NTRF")
    assert [row.key for row in parse(message(text)).transactions] == [row.key for row in read]


def written(amount: Decimal) -> str:
    return f"{abs(amount):f}".replace(".", ",")
