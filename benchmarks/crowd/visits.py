"""What people do: a mix of visits, each one HTTP request, with weights for how often."""

import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

from app.core import csrf
from benchmarks.crowd.people import Person

_WORDS = ("market", "cafe", "fuel", "pharmacy", "books", "transit", "salem", "ach", "pos", "sq")
_NOTES = ("shared", "reimbursed", "gift", "work", "holiday")
_numbers = itertools.count(1)
_OFX = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
ENCODING:USASCII
CHARSET:1252

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS><DTSERVER>20261101
<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1><BANKMSGSRSV1><STMTTRNRS><TRNUID>1
<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1
<ACCTID>{account}<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST><DTSTART>20261001<DTEND>20261031
{rows}
</BANKTRANLIST><LEDGERBAL><BALAMT>100.00<DTASOF>20261031</LEDGERBAL></STMTRS></STMTTRNRS>
</BANKMSGSRSV1></OFX>
"""
_FILE_ROWS = 20


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as bytes, and what it is for."""

    kind: str
    data: bytes
    to_bank: bool = False
    """To the simulator: something happens at the bank, of which a webhook tells the program."""


Visit = Callable[[Person, random.Random], Sent]


def _page(kind: str, path: str) -> Visit:
    return lambda person, _: Sent(kind, _request("GET", path, _cookie(person)))


def _search(person: Person, source: random.Random) -> Sent:
    path = f"/transactions?search={source.choice(_WORDS)}"
    return Sent("search", _request("GET", path, _cookie(person)))


def _filtered(person: Person, source: random.Random) -> Sent:
    month = source.randrange(1, 12)
    path = f"/transactions?date_from=2025-{month:02}-01&date_to=2025-{month + 1:02}-01"
    return Sent("filtered list", _request("GET", path, _cookie(person)))


def _detail(person: Person, source: random.Random) -> Sent:
    path = f"/transactions/{source.choice(person.transactions)}"
    return Sent("one transaction", _request("GET", path, _cookie(person)))


def _api_list(person: Person, _source: random.Random) -> Sent:
    return Sent("list, JSON", _request("GET", "/api/v1/transactions/", _bearer(person)))


def _edit(person: Person, source: random.Random) -> Sent:
    path = f"/api/v1/transactions/{source.choice(person.transactions)}"
    body = {"note": f"{source.choice(_NOTES)} {next(_numbers)}"}
    return Sent("edit", _request("PUT", path, _bearer(person), json.dumps(body).encode()))


def _import(person: Person, source: random.Random) -> Sent:
    rows = "\n".join(
        f"<STMTTRN><TRNTYPE>DEBIT<DTPOSTED>202610{day % 28 + 1:02}"
        f"<TRNAMT>-{source.randrange(100, 9_999) / 100:.2f}<FITID>{next(_numbers)}"
        f"<NAME>CROWD SHOP {day}</STMTTRN>"
        for day in range(_FILE_ROWS)
    )
    file = _OFX.format(account=next(_numbers) % 3, rows=rows)
    mark = f"mark{source.getrandbits(64):x}"
    body = (
        f'--{mark}\r\nContent-Disposition: form-data; name="book"\r\n\r\ntrue\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="crowd.ofx"\r\n\r\n'
        f"{file}\r\n--{mark}--\r\n"
    )
    kind = f"multipart/form-data; boundary={mark}"
    head = f"{_bearer(person)}\r\nContent-Type: {kind}"
    return Sent("import of 20 rows", _request("POST", "/api/v1/imports/", head, body.encode()))


def bank_news(person: Person, source: random.Random) -> Sent:
    """Let the person's bank have one more transaction, and say so by webhook."""
    body = {
        "item_id": person.bank_item,
        "event": "add",
        "account_id": person.bank_account,
        "amount": f"{source.randrange(100, 9_999) / 100:.2f}",
        "name": f"CROWD SHOP {next(_numbers)}",
    }
    data = _request("POST", "/simulator/events", "X-From: crowd", json.dumps(body).encode())
    return Sent("webhook and sync", data, to_bank=True)


MIX: dict[Visit, int] = {
    _page("overview", "/"): 14,
    _page("list", "/transactions"): 22,
    _filtered: 8,
    _search: 10,
    _detail: 8,
    _page("accounts", "/accounts"): 8,
    _page("connections", "/connections"): 3,
    _page("history", "/history"): 3,
    _api_list: 10,
    _edit: 8,
    _import: 2,
    bank_news: 4,
}
"""Visits and how many of a hundred each is."""


def choose(source: random.Random) -> Visit:
    """Draw one visit by weight."""
    [visit] = source.choices(list(MIX), list(MIX.values()))
    return visit


def _cookie(person: Person) -> str:
    return f"Cookie: {csrf.SESSION_COOKIE}={person.cookie}\r\nAccept: text/html"


def _bearer(person: Person) -> str:
    return f"Authorization: Bearer {person.token}"


def _request(method: str, path: str, head: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", head]
    if body:
        lines.append(f"Content-Length: {len(body)}")
        if "Content-Type" not in head:
            lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "\r\n"]).encode() + body
