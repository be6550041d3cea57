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
