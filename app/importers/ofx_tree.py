"""OFX text into a tree: SGML without closing tags, XML, and what banks make of both."""

import html.entities
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.domain.text import storable
from app.importers.base import DEPTH_MAX, FIELD_CHARS_MAX, ROWS_MAX, StatementError, too_many_rows

TAGS_MAX = 40 * ROWS_MAX

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9._:-]{0,63})((?:\s[^<>]{0,500})?)(/?)>")
_CDATA = "<![CDATA["
_ENTITY = re.compile(r"&(#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_DOUBLE = re.compile(r"&(?:amp|lt|gt|quot|apos|#39);")

# Where an aggregate stands among the structural ones. Opening one closes whatever is still
# open at its level or below, so that a forgotten closing tag costs nothing.
_RANKS = {
    "OFX": 0,
    **dict.fromkeys("STMTTRNRS CCSTMTTRNRS INVSTMTTRNRS LOANSTMTTRNRS".split(), 2),
    **dict.fromkeys("STMTRS CCSTMTRS INVSTMTRS LOANSTMTRS".split(), 3),
    **dict.fromkeys("BANKTRANLIST BANKTRANLISTP INVTRANLIST INVPOSLIST LOANTRANLIST".split(), 4),
    **dict.fromkeys("LEDGERBAL AVAILBAL INVBAL BALLIST".split(), 4),
    **dict.fromkeys("STMTTRN STMTTRNP LOANSTMTTRN".split(), 6),
}
TRADES = frozenset(
    "BUYDEBT BUYMF BUYOPT BUYOTHER BUYSTOCK SELLDEBT SELLMF SELLOPT SELLOTHER SELLSTOCK "
    "INCOME REINVEST RETOFCAP INVEXPENSE MARGININTEREST JRNLFUND JRNLSEC TRANSFER SPLIT "
    "CLOSUREOPT INVBANKTRAN".split()
)
# Never leaves, whatever text a bank has put into them.
_STRUCTURE = frozenset(_RANKS)
_RANKS.update(dict.fromkeys(TRADES, 5))
_AGGREGATES = frozenset(_RANKS) | frozenset(
    "STATUS SONRS FI BANKACCTFROM BANKACCTTO CCACCTFROM CCACCTTO INVACCTFROM LOANACCTFROM PAYEE "
    "CURRENCY ORIGCURRENCY INVTRAN INVBUY INVSELL SECID SECINFO BAL ACCTINFO EXTDPAYEE".split()
)
# Leaves that banks leave empty and unclosed: never mistaken for an aggregate.
_LEAVES = frozenset(
    "TRNTYPE DTPOSTED DTUSER DTAVAIL DTTRADE DTSETTLE DTTRAN TRNAMT FITID CHECKNUM REFNUM NAME "
    "MEMO NAME2 SIC CURDEF ACCTID BANKID BRANCHID ACCTTYPE BROKERID BALAMT DTASOF DTSTART DTEND "
    "CODE SEVERITY MESSAGE ORG FID TOTAL UNITS UNITPRICE CURSYM CURRATE LANGUAGE DTSERVER PAYEEID "
    "TRNUID VALUEDATE CATEGORY ACCTBAL TRANSACTIONSPLIT SRVRTID UNIQUEID".split()
)


@dataclass(slots=True)
class Node:
    """One aggregate with its leaves; names are upper case."""

    name: str
    line: int
    parent: "Node | None" = None
    values: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    closed: bool = False
    """Its closing tag was there, or that of the aggregate around it."""
    ends_file: bool = False
    """It was still open where the file ends."""

    def text(self, *names: str) -> str:
        """Return the first of the leaves that is there and not empty, else ""."""
        for name in names:
            if value := self.values.get(name):
                return value
        return ""

    def child(self, *names: str) -> "Node | None":
        """Return the first direct child with one of the names."""
        return next((node for node in self.children if node.name in names), None)

    def find(self, *names: str) -> "Node | None":
        """Return the first node below this one with one of the names, in the file's order."""
        return next((node for node in self.walk() if node.name in names), None)

    def walk(self) -> Iterator["Node"]:
        """Yield every node below this one, in the file's order."""
        stack = list(reversed(self.children))
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))


def parse_tree(text: str) -> Node:
    """Read the body of an OFX file, however it closes its tags.

    Returns:
        A root node without name; its `closed` tells whether the file came to its end.

    Raises:
        StatementError: The file declares a document type or entities, is nested deeper than
            64 aggregates, or has more nodes than any statement.
    """
    return _Builder(text).build()


class _Builder:
    def __init__(self, text: str) -> None:
        self._text = text
        self._root = Node("", 1)
        self._stack = [self._root]
        self._transactions = 0
        self._closing_names = {
            name.upper() for name in re.findall(r"</([A-Za-z0-9._:-]{1,64})", text)
        }
        self._lines = 1
        self._counted = 0

    def build(self) -> Node:
        text, tags = self._text, 0
        leaf, leaf_at = "", 0
        for start, end, match in self._tokens():
            tags += 1
            if tags > TAGS_MAX:
                raise too_many_rows(self._line(start))
            closing, name = match[1], match[2].upper()
            if leaf:
                self._leaf(leaf, text[leaf_at:start])
                leaf = ""
            if closing:
                self._close(name)
            elif match[4] or match[3].endswith("/"):
                continue  # <MEMO/> says nothing
            elif name not in _LEAVES and self._opens_aggregate(name, end):
                self._open(name, self._line(start))
            else:
                leaf, leaf_at = name, end
        if leaf:
            self._leaf(leaf, text[leaf_at:])
        for node in self._stack[1:]:
            node.ends_file = True
        return self._root

    def _line(self, at: int) -> int:
        """Return the line of a place; places only ever grow."""
        self._lines += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._lines

    def _tokens(self) -> Iterator[tuple[int, int, "re.Match[str]"]]:
        """Yield the tags with their places, passing over CDATA."""
        text = self._text
        if _CDATA not in text:
            for match in _TAG.finditer(text):
                yield match.start(), match.end(), match
            return
        at, ends = 0, True
        while found := _TAG.search(text, at):
            cdata = text.find(_CDATA, at, found.start()) if ends else -1
            finish = text.find("]]>", cdata) if cdata >= 0 else -1
            if cdata >= 0:
                ends = finish >= 0
                at = finish + 3 if ends else found.start()
                continue
            yield found.start(), found.end(), found
            at = found.end()

    def _opens_aggregate(self, name: str, end: int) -> bool:
        """Tell an aggregate from a leaf: nothing but space before the next tag."""
        text = self._text
        if name in _STRUCTURE:
            return True
        following = _first_visible(text, end)
        if following >= len(text) or text[following] != "<":
            return False
        if text.startswith(_CDATA, following):
            return False
        if name in _AGGREGATES or name.endswith(("MSGSRSV1", "TRNRS", "LIST")):
            return not text.startswith(f"</{name}>", following)
        return name in self._closing_names and text[following + 1 : following + 2] != "/"

    def _open(self, name: str, line: int) -> None:
        rank = _RANKS.get(name, 1 if name.endswith("MSGSRSV1") else None)
        if rank is not None:
            self._close_down_to(rank)
        if rank == 6 or name in TRADES:
            self._transactions += 1
            if self._transactions > 2 * ROWS_MAX:
                raise too_many_rows(line)
        if len(self._stack) > DEPTH_MAX:
            raise StatementError(
                f"it is nested deeper than {DEPTH_MAX} levels, which no statement is. "
                "Download it from your bank again.",
                line=line,
            )
        node = Node(name, line, self._stack[-1])
        self._stack[-1].children.append(node)
        self._stack.append(node)

    def _close_down_to(self, rank: int) -> None:
        """Close aggregates that cannot contain one of this rank."""
        depth = len(self._stack)
        for index in range(len(self._stack) - 1, 0, -1):
            if _RANKS.get(self._stack[index].name, -1) >= rank:
                depth = index
        for node in self._stack[depth:]:
            node.closed = True
        del self._stack[depth:]

    def _close(self, name: str) -> None:
        """Close the innermost aggregate of this name and what is open inside it."""
        if name == "OFX":
            self._root.closed = True
        for index in range(len(self._stack) - 1, 0, -1):
            if self._stack[index].name == name:
                for node in self._stack[index:]:
                    node.closed = True
                del self._stack[index:]
                return

    def _leaf(self, name: str, raw: str) -> None:
        value = _leaf_text(raw)
        values = self._stack[-1].values
        if not value:
            values.setdefault(name, "")
        elif not values.get(name):
            values[name] = value
        elif name in {"MEMO", "NAME"} and value != values[name]:
            values[name] = f"{values[name]} {value}"[: 2 * FIELD_CHARS_MAX]


def _first_visible(text: str, start: int) -> int:
    """Return the place of the first character that is not white space."""
    match = _NOT_SPACE.search(text, start)
    return match.start() if match else len(text)


_NOT_SPACE = re.compile(r"\S")


def _leaf_text(raw: str) -> str:
    """Return the value of a leaf: CDATA as it is, elsewhere the entities decoded."""
    if _CDATA in raw:
        before, _, rest = raw.partition(_CDATA)
        inside, _, after = rest.partition("]]>")
        return storable(f"{decode_entities(before)}{inside}{decode_entities(after)}").strip()
    value = raw.strip()
    return decode_entities(value) if "&" in value else value


def decode_entities(text: str) -> str:
    """Replace character references; a bare `&` stays, as in `AT&T`."""
    decoded = _ENTITY.sub(_character, text)
    if "&amp;" in text and _DOUBLE.search(decoded):
        # Some banks escape twice: &amp;lt; is meant to be "<".
        decoded = _ENTITY.sub(_character, decoded)
    return storable(decoded)


def _character(match: "re.Match[str]") -> str:
    name = match[1]
    if name[0] != "#":
        return html.entities.html5.get(f"{name};", match[0])
    code = int(name[2:], 16) if name[1] in "xX" else int(name[1:])
    return chr(code) if code <= 0x10FFFF else match[0]
