"""Bank files, written by hand: OFX as a bank would, CSV from rows."""

from collections.abc import Iterable

_OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
ENCODING:USASCII
CHARSET:1252

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS>
<FI><ORG>First Lantern Bank<FID>1</FI></SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1><STMTTRNRS><STMTRS><CURDEF>{currency}
<BANKACCTFROM><BANKID>111<ACCTID>{number}<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>{start}<DTEND>{end}
{rows}
</BANKTRANLIST>
<LEDGERBAL><BALAMT>{balance}<DTASOF>{end}</LEDGERBAL>
</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""

Row = tuple[str, str, str, str]
"""Day as 20261103, amount, FITID, name."""
Stated = tuple[str, str]
"""A day, and the balance at its end."""

MARCH: tuple[Row, ...] = (
    ("20260302", "-4.50", "m1", "COFFEE BAR"),
    ("20260302", "-4.50", "m2", "COFFEE BAR"),
    ("20260310", "-820.00", "m3", "RENT"),
    ("20260325", "2500.00", "m4", "SALARY"),
)


def ofx(
    rows: Iterable[Row] = MARCH,
    *,
    number: str = "000123456789",
    balance: str = "1671.00",
    start: str = "20260301",
    end: str = "20260331",
    currency: str = "USD",
) -> bytes:
    """Return an OFX 1 statement of one checking account."""
    lines = "\n".join(
        f"<STMTTRN><TRNTYPE>{'CREDIT' if not amount.startswith('-') else 'DEBIT'}"
        f"<DTPOSTED>{day}<TRNAMT>{amount}<FITID>{fitid}<NAME>{name}</STMTTRN>"
        for day, amount, fitid, name in rows
    )
    text = _OFX.format(
        currency=currency, number=number, start=start, end=end, rows=lines, balance=balance
    )
    return text.encode("cp1252")


def csv(*rows: str, header: str = "Date,Description,Amount") -> bytes:
    """Return a CSV file of lines as given."""
    return "\n".join((header, *rows)).encode() + b"\n"


CSV_MARCH = csv(
    "2026-03-02,COFFEE BAR,-4.50",
    "2026-03-02,COFFEE BAR,-4.50",
    "2026-03-10,RENT,-820.00",
    "2026-03-25,SALARY,2500.00",
)


_MT940 = """:20:STARTUMS
:25:11100000/123456789
:28C:{number}/1
:60F:{opening}
{rows}
:62F:{closing}
-
"""


def mt940(rows: Iterable[Row], *, opening: Stated, closing: Stated, number: int = 1) -> bytes:
    """Return a SWIFT MT940 statement in euro."""
    lines = "\n".join(
        f":61:{day[2:]}{day[4:]}{_swift_amount(amount)}NMSCNONREF\n:86:{name}"
        for day, amount, _, name in rows
    )
    first, last = _swift_balance(*opening), _swift_balance(*closing)
    text = _MT940.format(number=number, rows=lines, opening=first, closing=last)
    return text.replace("\n", "\r\n").encode()


def _swift_balance(day: str, amount: str) -> str:
    return f"{_mark(amount)[0]}{day[2:]}EUR{amount.lstrip('-').replace('.', ',')}"


def _swift_amount(amount: str) -> str:
    return f"{_mark(amount)[0]}{amount.lstrip('-').replace('.', ',')}"


def _mark(amount: str) -> str:
    return "DBIT" if amount.startswith("-") else "CRDT"


_CAMT = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-05-01T06:00:00</CreDtTm></GrpHdr>
<Stmt><Id>S</Id><Acct><Id><IBAN>DE02111000000123456789</IBAN></Id><Ccy>EUR</Ccy></Acct>
{balances}
{rows}
</Stmt></BkToCstmrStmt></Document>
"""


def camt(rows: Iterable[Row], *, opening: Stated, closing: Stated) -> bytes:
    """Return an ISO 20022 camt.053 statement in euro."""
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f"{_xml_amount(amount)}<Dt><Dt>{_iso(day)}</Dt></Dt></Bal>"
        for code, (day, amount) in (("PRCD", opening), ("CLBD", closing))
    )
    entries = "\n".join(
        f"<Ntry>{_xml_amount(amount)}<Sts><Cd>BOOK</Cd></Sts>"
        f"<BookgDt><Dt>{_iso(day)}</Dt></BookgDt><ValDt><Dt>{_iso(day)}</Dt></ValDt>"
        f"<AcctSvcrRef>{reference}</AcctSvcrRef><AddtlNtryInf>{name}</AddtlNtryInf></Ntry>"
        for day, amount, reference, name in rows
    )
    return _CAMT.format(balances=balances, rows=entries).encode()


def _xml_amount(amount: str) -> str:
    plain = amount.lstrip("-")
    return f'<Amt Ccy="EUR">{plain}</Amt><CdtDbtInd>{_mark(amount)}</CdtDbtInd>'


def _iso(day: str) -> str:
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"
