"""CAMT files written piece by piece, and what is read of them."""

import datetime as dt

from hypothesis import strategies as st

from app.importers import camt

SPACE = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
IBAN = "CH9300762011623852957"
MESSAGES = {"Stmt": "BkToCstmrStmt", "Rpt": "BkToCstmrAcctRpt", "Ntfctn": "BkToCstmrDbtCdtNtfctn"}


def document(
    *statements: str, head='<?xml version="1.0" encoding="UTF-8"?>\n', kind="Stmt"
) -> bytes:
    name = MESSAGES[kind]
    inner = "".join(statements)
    return f'{head}<Document xmlns="{SPACE}"><{name}>{inner}</{name}></Document>'.encode()


def statement(
    inner: str,
    *,
    kind="Stmt",
    number="1",
    account=f"<Id><IBAN>{IBAN}</IBAN></Id><Ccy>EUR</Ccy>",
    created="2026-01-31T06:00:00",
) -> str:
    return (
        f"<{kind}><Id>{number}</Id><CreDtTm>{created}</CreDtTm><Acct>{account}</Acct>"
        f"{inner}</{kind}>"
    )


def balance(code: str, amount: str, day: str, *, side="CRDT", currency="EUR", more="") -> str:
    when = f"<DtTm>{day}</DtTm>" if "T" in day else f"<Dt>{day}</Dt>"
    indicator = f"<CdtDbtInd>{side}</CdtDbtInd>" if side else ""
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry>{more}</Tp>"
        f'<Amt Ccy="{currency}">{amount}</Amt>{indicator}<Dt>{when}</Dt></Bal>'
    )


def entry(
    amount="1.00",
    *,
    side="DBIT",
    day="2026-01-05",
    status="BOOK",
    currency="EUR",
    ref="",
    more="",
    details="",
) -> str:
    booked = f"<BookgDt><Dt>{day}</Dt></BookgDt>" if day else ""
    servicer = f"<AcctSvcrRef>{ref}</AcctSvcrRef>" if ref else ""
    payment = f"<NtryDtls>{details}</NtryDtls>" if details else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        f"<Sts>{status}</Sts>{booked}{servicer}{payment}{more}</Ntry>"
    )


def payment(*, dbtr="", cdtr="", text=(), more="") -> str:
    parties = f"<Dbtr>{dbtr}</Dbtr>" * bool(dbtr) + f"<Cdtr>{cdtr}</Cdtr>" * bool(cdtr)
    lines = "".join(f"<Ustrd>{line}</Ustrd>" for line in text)
    return f"<TxDtls><RltdPties>{parties}</RltdPties><RmtInf>{lines}</RmtInf>{more}</TxDtls>"


def one(*inner: str, **how):
    (read,) = camt.parse(document(statement("".join(inner), **how))).statements
    return read


def only(*inner: str, **how):
    (row,) = one(*inner, **how).transactions
    return row


visible = st.characters(codec="utf-8", exclude_characters="<>&", exclude_categories=["C", "Z"])
names = st.text(visible, max_size=20)
amounts = st.decimals(0, 10**12, places=2)
days = st.dates(dt.date(1970, 1, 1), dt.date(2100, 1, 1))
rows_of = st.lists(st.tuples(days, amounts, st.sampled_from(["CRDT", "DBIT"]), names), max_size=12)


def written(rows) -> str:
    return "".join(
        entry(
            f"{amount:f}",
            side=side,
            day=day.isoformat(),
            more=f"<AddtlNtryInf>{name}</AddtlNtryInf>",
        )
        for day, amount, side, name in rows
    )
