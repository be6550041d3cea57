"""ISO 20022 messages piece by piece: each entry when it is whole, so that few are held at once.

Names are local names: prefixes, namespaces and versions make no difference.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from app.domain.text import REPLACEMENT
from app.importers.base import DEPTH_MAX, FIELD_CHARS_MAX, ROWS_MAX, StatementError, too_many_rows

STATEMENTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
"""What holds the entries of one account in camt.053, camt.052 and camt.054."""
ENTRY = "Ntry"
NODES_MAX = 500_000
"""Elements held at once; an entry of ten thousand payments has fewer."""
NAME_CHARS_MAX = 64

STATEMENTS_MAX = 10_000
REFERENCES_MAX = 100_000
"""Bare `&` and broken references that are mended in one file."""

_CHUNK_BYTES = 1024 * 1024
# XML allows no other control characters, neither as they are nor as references.
_CONTROLS = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)(?:#([0-9]{1,7}|x[0-9A-Fa-f]{1,6});)?")


@dataclass(slots=True)
class Node:
    """One element: its text or its children, and the currency if it is an amount."""

    name: str
    line: int
    currency: str = ""
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    def every(self, *path: str) -> list["Node"]:
        """Return all elements that are reached by these names, one level each."""
        nodes = [self]
        for name in path:
            nodes = [child for node in nodes for child in node.children if child.name == name]
        return nodes

    def first(self, name: str) -> "Node | None":
        """Return the first child of a name."""
        for child in self.children:
            if child.name == name:
                return child
        return None

    def get(self, *paths: str) -> str:
        """Return the text of the first path, such as `Id/IBAN`, that leads to one, else ""."""
        for path in paths:
            for node in self.every(*path.split("/")):
                if node.text:
                    return node.text
        return ""


@dataclass(frozen=True, slots=True)
class Part:
    """An entry with the statement around it as far as it is read, or a whole statement."""

    statement: Node | None
    """Without its entries. None: the entry stands outside of any statement."""
    entry: Node | None = None
    """None: the statement is at its end."""
    is_cut: bool = False
    """The file broke off in here."""


class Document:
    """The text of a file, read once, from its start to its end or to where it is damaged."""

    def __init__(self, text: str) -> None:
        self.broken_at: int | None = None
        """The line behind which nothing could be read."""
        body = text.lstrip("\ufeff \t\r\n")
        self._text = _CONTROLS.sub(REPLACEMENT, body)
        self._lines_before = text.count("\n", 0, len(text) - len(body))
        self._open: list[Node] = []
        self._statement: Node | None = None
        self._entry: Node | None = None
        self._parts: list[Part] = []
        self._entries = 0
        self._statements = 0
        self._held = 0
        self._held_before: list[int] = []
        # What the text declares of its encoding is no longer so: it is decoded already.
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse

    def parts(self) -> Iterator[Part]:
        """Yield each entry, and each statement after its entries.

        Raises:
            StatementError: The file declares a document type or entities, is nested deeper than
                64 elements, or has more rows or larger elements than any statement.
        """
        data = self._text.encode("utf-8")
        for start in range(0, len(data), _CHUNK_BYTES):
            try:
                self._parser.Parse(data[start : start + _CHUNK_BYTES])
            except expat.ExpatError as error:
                self.broken_at = self._lines_before + error.lineno
            yield from self._take()
            if self.broken_at is not None:
                break
        else:
            self._finish()
        yield from self._cut()

    def _finish(self) -> None:
        try:
            self._parser.Parse(b"", True)  # noqa: FBT003 -- expat knows it by its place only
        except expat.ExpatError as error:
            self.broken_at = self._lines_before + error.lineno

    def _take(self) -> list[Part]:
        parts, self._parts = self._parts, []
        return parts

    def _cut(self) -> Iterator[Part]:
        """Yield what is open where the file breaks off."""
        if self._entry is not None:
            yield Part(self._statement, self._entry, is_cut=True)
        if self._statement is not None:
            yield Part(self._statement, is_cut=True)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        line = self._line()
        name = name.rpartition(":")[2]
        if len(self._open) >= DEPTH_MAX or self._held >= NODES_MAX or len(name) > NAME_CHARS_MAX:
            raise self._too_much(line)
        node = Node(name, line, attributes.get("Ccy", "").strip()[:FIELD_CHARS_MAX])
        if self._open:
            self._open[-1].text = ""
        if name == ENTRY and self._entry is None:
            self._entries += 1
            if self._entries > ROWS_MAX:
                raise too_many_rows(line)
            self._entry = node
            self._held_before.append(self._held)
        elif name in STATEMENTS and self._statement is None and self._entry is None:
            self._statements += 1
            if self._statements > STATEMENTS_MAX:
                raise self._too_much(line)
            self._statement = node
            self._held_before.append(self._held)
        elif self._statement is not None or self._entry is not None:
            self._open[-1].children.append(node)
            self._held += 1
        self._open.append(node)

    def _line(self) -> int:
        return self._lines_before + self._parser.CurrentLineNumber

    def _too_much(self, line: int) -> StatementError:
        if len(self._open) >= DEPTH_MAX:
            return StatementError(
                f"it is nested deeper than {DEPTH_MAX} levels, which no statement is. "
                "Download it from your bank again.",
                line=line,
            )
        return StatementError(
            "it has a larger element than any statement. Export shorter periods and import "
            "them one after the other.",
            line=line,
        )

    def _end(self, _name: str) -> None:
        node = self._open.pop()
        node.text = node.text.strip()
        if node is self._entry:
            self._parts.append(Part(self._statement, node))
            self._entry = None
            self._held = self._held_before.pop()
        elif node is self._statement:
            self._parts.append(Part(node))
            self._statement = None
            self._held = self._held_before.pop()

    def _characters(self, text: str) -> None:
        if not self._open:
            return
        node = self._open[-1]
        if not node.children and len(node.text) < FIELD_CHARS_MAX:
            node.text = (node.text + text)[:FIELD_CHARS_MAX]

    def _refuse(self, *_: object) -> NoReturn:
        raise StatementError(
            "it declares a document type or entities, which no statement needs. If it is a web "
            "page, sign in at your bank and download the file again.",
            line=self._line(),
        )


def mend(text: str) -> str:
    """Return the text with bare `&`, and references to what XML has no name for, made harmless."""
    return _AMPERSAND.sub(_reference, text, count=REFERENCES_MAX)


def _reference(match: "re.Match[str]") -> str:
    digits = match[1]
    if not digits:
        return "&amp;"
    code = int(digits[1:], 16) if digits[0] == "x" else int(digits)
    is_allowed = code in {0x9, 0xA, 0xD} or 0x20 <= code < 0xD800 or 0xDFFF < code <= 0x10FFFF
    return match[0] if is_allowed and code not in {0xFFFE, 0xFFFF} else REPLACEMENT


def fields_of(node: Node) -> dict[str, str]:
    """Return all texts below an element by their path: `NtryDtls.TxDtls[2].Refs.EndToEndId`.

    An element that stands there more than once is numbered; the currency of an amount is
    `Amt.Ccy`.
    """
    found: dict[str, str] = {}
    stack = [("", node)]
    while stack:
        path, parent = stack.pop()
        inner = []
        seen: dict[str, int] = {}
        for child in parent.children:
            seen[child.name] = count = seen.get(child.name, 0) + 1
            name = child.name if count == 1 else f"{child.name}[{count}]"
            inner.append((f"{path}.{name}" if path else name, child))
        for name, child in inner:
            if child.text:
                found[name] = child.text
            if child.currency:
                found[f"{name}.Ccy"] = child.currency
        stack.extend(reversed(inner))
    return found
