"""CAMT files: what is booked, when, by whom, and what makes a row the same row."""

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given

from app.importers import camt, identity
from app.importers.base import BalanceAnchor
from tests.importers.camt_texts import (
    IBAN,
    MESSAGES,
    SPACE,
    balance,
    document,
    entry,
    one,
    only,
    payment,
    rows_of,
    statement,
    written,
)


@pytest.mark.parametrize("kind", MESSAGES)
def test_statements_reports_and_notifications_hold_entries(kind):
    file = camt.parse(document(statement(entry("12.50"), kind=kind), kind=kind))
    (row,) = file.transactions
    assert (file.format, row.date, str(row.money.amount)) == ("camt", dt.date(2026, 1, 5), "-12.50")
    assert row.money.currency == "EUR"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(f' xmlns="{SPACE}"', ""),
        lambda text: (
            text.replace("<", "<c:")
            .replace("<c:/", "</c:")
            .replace("<c:?", "<?")
            .replace("xmlns=", "xmlns:c=")
        ),
        lambda text: text.replace("053.001.08", "053.001.01"),
        lambda text: text.replace("BkToCstmrStmt>", "BkToCstmrStmtV01>"),
        lambda text: "\ufeff\r\n " + text,
        lambda text: text.replace("><", ">\r\n  <!-- x --><"),
        lambda text: text[text.index("<Document") :],
        lambda text: text.replace("<Document", "<Envelope><Document") + "</Envelope>",
        lambda text: text.replace("BOOK", "<Cd>BOOK</Cd>"),
        lambda text: text.replace("<Sts>BOOK</Sts>", ""),
    ],
    ids=range(10),
)
def test_namespace_prefix_version_and_layout_make_no_difference(change):
    text = document(statement(entry(details=payment(cdtr="<Nm>Shop</Nm>")))).decode()
    changed = change(text)
    assert changed != text
    assert camt.parse(changed.encode()).transactions == camt.parse(text.encode()).transactions


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("cp1252", "ISO-8859-1"),
        ("iso8859-2", "ISO-8859-2"),
        ("cp1252", "windows-1252"),
        ("utf-8", "US-ASCII"),
        ("utf-8", "no-such-encoding"),
    ],
)
def test_the_text_is_read_in_the_encoding_that_it_is_in(encoding, declared):
    name = "Müller" if encoding != "iso8859-2" else "Dvořák"
    head = f'<?xml version="1.0" encoding="{declared}"?>'
    inner = statement(entry(details=payment(cdtr=f"<Nm>{name}</Nm>")))
    (row,) = camt.parse(document(inner, head=head).decode().encode(encoding)).transactions
    assert row.counterparty == name


@pytest.mark.parametrize(
    ("side", "reversal", "amount"),
    [
        ("CRDT", "", "5"),
        ("DBIT", "", "-5"),
        ("CRDT", "<RvslInd>true</RvslInd>", "5"),
        ("DBIT", "<RvslInd>true</RvslInd>", "-5"),
        ("DBIT", "<RvslInd>false</RvslInd>", "-5"),
    ],
)
def test_the_indicator_is_of_the_booking_also_of_a_reversal(side, reversal, amount):
    assert str(only(entry("5", side=side, more=reversal)).money.amount) == amount


@pytest.mark.parametrize(
    ("side", "reversal", "other"),
    [
        ("CRDT", "false", "Payer"),
        ("DBIT", "false", "Payee"),
        ("CRDT", "true", "Payee"),
        ("DBIT", "1", "Payer"),
    ],
)
def test_the_other_party_of_a_reversal_is_that_of_what_it_takes_back(side, reversal, other):
    both = payment(dbtr="<Nm>Payer</Nm>", cdtr="<Pty><Nm>Payee</Nm></Pty>")
    more = f"<RvslInd>{reversal}</RvslInd>"
    assert only(entry(side=side, more=more, details=both)).counterparty == other


def test_the_owner_of_the_account_is_not_the_other_party():
    account = f"<Id><IBAN>{IBAN}</IBAN></Id><Ownr><Nm>Jo  DOE</Nm></Ownr>"
    both = payment(dbtr="<Nm>Jo Doe</Nm>", cdtr="<Nm>Shop</Nm>")
    assert only(entry(side="CRDT", details=both), account=account).counterparty == "Shop"


@pytest.mark.parametrize(
    ("status", "pending"),
    [("BOOK", False), ("<Cd>PDNG</Cd>", True), ("PDNG", True), ("<Cd>FUTR</Cd>", True)],
)
def test_the_status_says_what_is_pending(status, pending):
    assert only(entry(status=status)).pending is pending


@pytest.mark.parametrize("status", ["INFO", "<Cd>INFO</Cd>"])
def test_what_only_informs_is_left_out_and_proves_nothing_wrong(status):
    informs = entry("900", day="2026-01-09", status=status)
    balances = balance("PRCD", "100", day="2026-01-04") + balance("CLBD", "107", day="2026-01-05")

    file = camt.parse(document(statement(f"{balances}{entry('7', side='CRDT')}{informs}")))

    assert [row.money.amount for row in file.transactions] == [7]
    assert file.rejected == ()
    assert file.notes == ("An entry that only informs, and moves no money, is left out.",)
    assert file.statements[0].closing == BalanceAnchor(dt.date(2026, 1, 5), Decimal(107))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (entry(status="<Prtry>X</Prtry>"), "Sts"),
        (entry(side=""), "CdtDbtInd"),
        (entry(side="C"), "CdtDbtInd"),
        (entry(amount=""), "Amt"),
        (entry(amount="NaN"), "Amt"),
        (entry(amount="Infinity"), "Amt"),
        (entry(amount="1E+1000000"), "Amt"),
        (entry(amount="-1.00"), "Amt"),
        (entry(amount="1,50"), "Amt"),
        (entry(amount="1.000.000"), "Amt"),
        (entry(amount="9" * 40), "Amt"),
        (entry(amount="\uff11"), "Amt"),
        (entry(currency="EURO"), "Amt"),
        (entry(day="2026-02-30"), "BookgDt"),
        (entry(day="99999999"), "BookgDt"),
    ],
)
def test_an_entry_that_cannot_be_booked_is_rejected_and_the_others_are_kept(bad, field):
    bad = bad.replace("</Ntry>", "<NtryRef>bad</NtryRef></Ntry>")
    file = camt.parse(document(statement(f"{entry('7')}\n\n{bad}{entry('8')}")))
    assert [str(row.money.amount) for row in file.transactions] == ["-7", "-8"]
    (rejected,) = file.rejected
    assert rejected.where == f"line 4, {field}"
    assert rejected.source_id == "bad"


def test_an_entry_outside_of_any_statement_is_reported():
    file = camt.parse(document(entry(), statement(entry("2"))))
    assert len(file.transactions) == 1
    assert "outside" in file.rejected[0].reason


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("<BookgDt><Dt>2026-01-05</Dt></BookgDt><ValDt><Dt>2026-01-09</Dt></ValDt>", 5),
        ("<BookgDt><DtTm>2026-01-05T23:59:59-11:00</DtTm></BookgDt>", 5),
        ("<BookgDt><Dt>2026-01-05+14:00</Dt></BookgDt>", 5),
        ("<ValDt><Dt>2026-01-09</Dt></ValDt>", 9),
        ("<ValDt><Dt>2026-02-02</Dt></ValDt>", 30),
        ("", 30),
    ],
)
def test_the_day_is_that_of_the_booking_else_the_value_date_else_the_statement_s(text, day):
    row = only(balance("CLBD", "1", "2026-01-30"), entry(day="", more=text))
    assert row.date == dt.date(2026, 1, day)


def test_a_statement_without_any_day_rejects_its_entries():
    file = camt.parse(document(statement(entry(day=""), created="")))
    assert not file.transactions
    assert file.rejected[0].where == "line 2, BookgDt"


@pytest.mark.parametrize(
    ("details", "more", "text"),
    [
        (payment(cdtr="<Nm>Shop</Nm>", text=("Invoice 1", "of May")), "", "Shop Invoice 1 of May"),
        (payment(cdtr="<Nm>Shop</Nm>", text=("Shop 12",)), "", "Shop 12"),
        (payment(cdtr="<Nm>Shop</Nm>"), "<AddtlNtryInf>Card</AddtlNtryInf>", "Shop"),
        (payment(), "<AddtlNtryInf>Card</AddtlNtryInf>", "Card"),
        (payment(more="<AddtlTxInf>Tx</AddtlTxInf>"), "", "Tx"),
        ("", "<AddtlNtryInf>Fee &amp; more</AddtlNtryInf>", "Fee & more"),
        (
            "<TxDtls><RmtInf><Strd><CdtrRefInf><Ref>RF18</Ref></CdtrRefInf></Strd></RmtInf></TxDtls>",
            "",
            "RF18",
        ),
        (
            "",
            "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RDDT</Cd></Fmly></Domn></BkTxCd>",
            "Direct debit",
        ),
        ("", "<BkTxCd><Prtry><Cd>N544</Cd></Prtry></BkTxCd>", "N544"),
        (payment(more="<Refs><EndToEndId>E2E</EndToEndId></Refs>"), "", "E2E"),
        ("", "", "Debit"),
    ],
)
def test_the_text_is_what_a_person_recognises(details, more, text):
    assert only(entry(details=details, more=more)).description == text


def test_a_batch_is_one_row_that_names_its_payments():
    payments = "".join(payment(cdtr=f"<Nm>{name}</Nm>") for name in "ABCABCDEFG")
    row = only(entry("10", details=payments, more="<AddtlNtryInf>Salaries</AddtlNtryInf>"))
    assert row.description == "Salaries: 10 payments: A, B, C, D, E and 2 more"
    assert row.counterparty is None


def test_a_batch_of_which_only_the_number_is_told_says_so():
    assert only(entry(details="<Btch><NbOfTxs>20</NbOfTxs></Btch>")).description == "20 payments"


def test_equal_rows_of_one_day_both_count_with_and_without_a_reference():
    rows = one(entry(), entry(), entry(ref="A"), entry(ref="A")).transactions
    assert len({row.key for row in rows}) == 4


@pytest.mark.parametrize("ref", ["NONREF", "nonref", "NOTPROVIDED", "Not Provided", "000", "-"])
def test_what_banks_write_for_no_reference_is_none(ref):
    assert only(entry(ref=ref)).source_id == only(entry()).source_id


def test_a_row_with_a_reference_of_the_bank_keeps_its_id_when_its_text_changes():
    before = only(entry(ref="A1", more="<AddtlNtryInf>Card</AddtlNtryInf>"))
    after = only(entry(ref="A1", more="<AddtlNtryInf>Card, Shop</AddtlNtryInf>"))
    assert before.key == after.key
    assert before.key != only(entry(ref="A2")).key


def test_a_booking_is_the_same_row_in_a_report_a_notification_and_a_statement():
    keys = {
        camt.parse(document(statement(entry(ref="A1"), kind=kind), kind=kind)).transactions[0].key
        for kind in MESSAGES
    }
    assert len(keys) == 1


def test_an_end_to_end_id_is_no_id_of_the_bank_and_may_come_again():
    details = payment(more="<Refs><EndToEndId>RENT</EndToEndId></Refs>")
    rows = one(entry(details=details), entry(day="2026-01-06", details=details)).transactions
    assert len({row.source_id for row in rows}) == 2
    assert all(row.source_id.startswith("row1:") for row in rows)


@pytest.mark.parametrize(
    "number",
    [
        "<IBAN>12</IBAN>",
        "<Othr><Id>12</Id></Othr>",
        "<BBAN>12</BBAN>",
        "<PrtryAcct><Id>12</Id></PrtryAcct>",
    ],
)
def test_an_account_is_known_by_its_number_in_any_of_its_places(number):
    bank = "<Svcr><FinInstnId><BICFI>AAAADE2A</BICFI><Nm>The Bank</Nm></FinInstnId></Svcr>"
    kind = "<Tp><Cd>SVGS</Cd></Tp><Ccy>EUR</Ccy>"
    read = one(entry(), account=f"<Id>{number}</Id>{kind}{bank}")
    assert (read.account.mask, read.account.subtype) == ("12", "savings")
    assert read.account.name == "Savings 12"
    assert read.institution == "The Bank"
    other = one(entry(), account=f"<Id>{number.replace('12', '13')}</Id>{kind}{bank}")
    assert other.account.source_id != read.account.source_id


def test_an_iban_is_the_same_with_and_without_spaces_and_bank():
    spaced = f"<Id><IBAN>{IBAN[:4]} {IBAN[4:].lower()}</IBAN></Id><Ccy>EUR</Ccy>"
    bank = "<Svcr><FinInstnId><BIC>X</BIC></FinInstnId></Svcr>"
    assert one(entry(), account=spaced + bank).account.source_id == one(entry()).account.source_id


def test_the_currencies_of_one_number_are_accounts_of_their_own():
    dollars = f"<Id><IBAN>{IBAN}</IBAN></Id><Ccy>USD</Ccy>"
    file = camt.parse(
        document(statement(entry()), statement(entry(currency="USD"), account=dollars))
    )
    assert [each.currency for each in file.statements] == ["EUR", "USD"]
    assert len({each.account.source_id for each in file.statements}) == 2


@pytest.mark.parametrize(
    ("inner", "currency"),
    [
        (entry(currency="SEK"), "SEK"),
        (balance("CLBD", "1", "2026-01-05", currency="NOK") + entry(currency="SEK"), "NOK"),
        (entry(currency="SEK") + entry(currency="USD"), "XXX"),
        (entry().replace(' Ccy="EUR"', ""), "XXX"),
    ],
)
def test_a_currency_that_the_account_does_not_say_is_that_of_balances_or_entries(inner, currency):
    assert one(inner, account=f"<Id><IBAN>{IBAN}</IBAN></Id>").currency == currency


def test_an_entry_in_another_currency_keeps_it_and_a_note_says_so():
    file = camt.parse(document(statement(entry(currency="USD"))))
    assert file.transactions[0].money.currency == "USD"
    assert any("another currency" in note for note in file.notes)


def test_a_copy_of_a_statement_is_read_once_and_an_equal_one_twice():
    again = camt.parse(document(statement(entry()), statement(entry())))
    assert len(again.transactions) == 1
    assert any("twice" in note for note in again.notes)
    assert (
        len(camt.parse(document(statement(entry()), statement(entry(), number="2"))).transactions)
        == 2
    )


def test_the_period_is_as_stated_else_that_of_the_entries():
    period = (
        "<FrToDt><FrDtTm>2026-01-01T00:00:00</FrDtTm><ToDtTm>2026-01-31T23:59:59</ToDtTm></FrToDt>"
    )
    stated, unstated = one(period, entry()), one(entry(), entry(day="2026-01-07"))
    assert (stated.start, stated.end) == (dt.date(2026, 1, 1), dt.date(2026, 1, 31))
    assert (unstated.start, unstated.end) == (dt.date(2026, 1, 5), dt.date(2026, 1, 7))


def test_a_notification_covers_no_day_since_it_need_not_tell_all_entries():
    period = "<FrToDt><FrDtTm>2026-01-01</FrDtTm><ToDtTm>2026-01-31</ToDtTm></FrToDt>"
    read = one(period, entry(), kind="Ntfctn")
    assert (read.start, read.end) == (None, None)


def test_all_that_the_file_says_is_found_by_the_names_of_the_standard():
    payments = payment(cdtr="<Nm>A</Nm>", text=("x", "y")) + payment(cdtr="<Nm>B</Nm>")
    data = document(statement(entry("1") + entry("2", details=payments)), statement(entry("3")))
    row = camt.parse(data).transactions[1]
    assert camt.find_fields(data, row.source_id) == {
        "Amt": "2",
        "Amt.Ccy": "EUR",
        "CdtDbtInd": "DBIT",
        "Sts": "BOOK",
        "BookgDt.Dt": "2026-01-05",
        "NtryDtls.TxDtls.RltdPties.Cdtr.Nm": "A",
        "NtryDtls.TxDtls.RmtInf.Ustrd": "x",
        "NtryDtls.TxDtls.RmtInf.Ustrd[2]": "y",
        "NtryDtls.TxDtls[2].RltdPties.Cdtr.Nm": "B",
    }
    assert camt.find_fields(data, "id1:none") == {}


def test_rows_of_several_statements_of_an_account_are_told_apart():
    file = camt.parse(document(statement(entry()), statement(entry(), number="2")))
    numbered = identity.number_equal(file.transactions)
    assert len({row.key for row in numbered}) == 2


@given(rows_of)
def test_what_is_written_is_read(rows):
    read = camt.parse(document(statement(written(rows)))).transactions
    signed = [(day, amount if side == "CRDT" else -amount) for day, amount, side, _ in rows]
    assert [(row.date, row.money.amount) for row in read] == signed
    for row, (_, _, side, name) in zip(read, rows, strict=True):
        assert row.description == (name or {"CRDT": "Credit", "DBIT": "Debit"}[side])


@given(rows_of)
def test_reading_again_gives_the_same_keys_each_only_once_and_finds_each_row(rows):
    data = document(statement(written(rows)))
    keys = [row.key for row in camt.parse(data).transactions]
    assert [row.key for row in camt.parse(data).transactions] == keys
    assert len(set(keys)) == len(keys)
    for key, (day, amount, _, _) in zip(keys, rows, strict=True):
        said = camt.find_fields(data, key[1])
        assert (said["BookgDt.Dt"], said["Amt"]) == (day.isoformat(), f"{amount:f}")
