"""Statements as OFX files, as a bank's website offers them for download."""

import datetime as dt
from decimal import Decimal
from xml.sax.saxutils import escape

from app.simulator.items import LiveItem
from app.simulator.rows import ZERO, Account, Row

SPAN_DAYS = 20
AGE_DAYS = 8
"""The last day of a statement is so many days ago: what was pending then is posted by now."""

_FILE = """<?xml version="1.0" encoding="UTF-8"?>
<?OFX OFXHEADER="200" VERSION="220" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>
<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>
<DTSERVER>{today}</DTSERVER><LANGUAGE>ENG</LANGUAGE></SONRS></SIGNONMSGSRSV1>
<{family}MSGSRSV1><{kind}STMTTRNRS><TRNUID>1</TRNUID>
<STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>
<{kind}STMTRS><CURDEF>{currency}</CURDEF>{account}
<BANKTRANLIST><DTSTART>{first}</DTSTART><DTEND>{last}</DTEND>
{rows}
</BANKTRANLIST>
<LEDGERBAL><BALAMT>{balance}</BALAMT><DTASOF>{last}</DTASOF></LEDGERBAL>
</{kind}STMTRS></{kind}STMTTRNRS></{family}MSGSRSV1></OFX>
"""
_ROW = (
    "<STMTTRN><TRNTYPE>{kind}</TRNTYPE><DTPOSTED>{day}</DTPOSTED><TRNAMT>{amount}</TRNAMT>"
    "<FITID>{number}</FITID><NAME>{name}</NAME></STMTTRN>"
)


def statement_of(item: LiveItem, account: Account) -> str:
    """Return the statement of one account: three weeks of posted rows and the balance after them.

    Amounts are written with the owner's sign, as OFX wants them: what is owed is negative. The
    rows are those that the bank shows today, so a file and the feed agree about every one.
    """
    today = item.today.toordinal()
    last = today - AGE_DAYS
    first = last - SPAN_DAYS
    rows = [
        row
        for row in item.feed.snapshot(first, today)
        if row.account_id == account.account_id and not row.pending and row.date.toordinal() <= last
    ]
    moved = item.feed.posted_before(last + 1, today).get(account.account_id, ZERO)
    family, kind, named = _words(account)
    return _FILE.format(
        family=family,
        kind=kind,
        account=named,
        currency=account.currency or "USD",
        today=_day(item.today),
        first=_day(dt.date.fromordinal(first)),
        last=_day(dt.date.fromordinal(last)),
        balance=-(account.opening + moved) if account.owes else account.opening - moved,
        rows="\n".join(_row(row) for row in rows),
    )


def has_statements(account: Account) -> bool:
    """Whether the bank offers files of an account: of those in money, with transactions."""
    return account.type in ("depository", "credit") and account.currency is not None


def _words(account: Account) -> tuple[str, str, str]:
    number = f"<ACCTID>000000{account.mask}</ACCTID>"
    if account.type == "credit":
        return "CREDITCARD", "CC", f"<CCACCTFROM>{number}</CCACCTFROM>"
    kind = "SAVINGS" if account.subtype == "savings" else "CHECKING"
    bank = f"<BANKID>000000000</BANKID>{number}<ACCTTYPE>{kind}</ACCTTYPE>"
    return "BANK", "", f"<BANKACCTFROM>{bank}</BANKACCTFROM>"


def _row(row: Row) -> str:
    amount: Decimal = -row.amount
    return _ROW.format(
        kind="DEBIT" if amount < 0 else "CREDIT",
        day=_day(row.date),
        amount=amount,
        number=row.transaction_id,
        name=escape(row.name),
    )


def _day(day: dt.date) -> str:
    return day.strftime("%Y%m%d")
