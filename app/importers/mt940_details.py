"""What field 86 of MT940 says in words: the other party, the purpose, the kind of booking."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

_LINE_CHARS = (61, 65)
"""A line of this length is full, without or with its tag: the text goes on without a space."""
_PURPOSE_CHARS = 27
_CODED = re.compile(r"\s{0,3}(\d{3})?\s{0,3}([?>~<^@])(?=\d\d)", re.ASCII)
_CODE = re.compile(r"\d\d", re.ASCII)
_PURPOSE = (*(f"{code:02}" for code in range(20, 30)), *(f"{code:02}" for code in range(60, 70)))
_NAME = ("32", "33")
_KIND = "00"
_NS = re.compile(r"(\d\d)(.*)", re.ASCII)
_NS_PURPOSE = tuple(f"{code:02}" for code in range(1, 15))
_NS_NAME = ("15", "16")
_NS_KIND = "17"
_SEPA = re.compile(r"(ABWA|ABWE|BIC|CDTR|COAM|CRED|DBTR|DEBT|EREF|IBAN|KREF|MREF|OAMT|PURP|SVWZ)\+")
_KEYED = re.compile(
    r"/(ACCW|ADDR|BBAN|BENM|BIC|BUSP|CHGS|CNTP|CSID|EREF|EXCH|IBAN|ID|ISDT|MARF|NAME|NRTX|OCMT"
    r"|ORDP|PREF|PURP|REMI|RTRN|SVCL|TRCD|TRTP|ULTB|ULTC|ULTD)/"
)
_LABELLED_NAME = re.compile(
    r"(?:^|[\s/])NAAM: {0,3}([^\s/]{1,70}(?: [^\s/]{1,70}){0,9})", re.MULTILINE
)
_UNSTRUCTURED = re.compile(r"^\s{0,3}999(?=[A-Za-z])")
"""The German code for a booking whose text has no codes."""
_NOTHING = frozenset({"", "NONREF", "NOTPROVIDED", "NOTPROVIDEDNOTPROVIDED"})


@dataclass(frozen=True, slots=True)
class Details:
    """A field 86 in words; each of them may be empty."""

    name: str = ""
    """Of the other party."""
    purpose: str = ""
    """What the payment is for, else the whole text."""
    kind: str = ""
    """The bank's word for such bookings."""
    fields: dict[str, str] = field(default_factory=dict)
    """What is marked by a code or a key, by it: `?20`, `/NAME/`."""

    @property
    def description(self) -> str:
        """Return what a person recognises the row by."""
        words = self.purpose or self.kind
        if self.name.casefold() in words.casefold():
            return words
        return f"{self.name} {words}".strip()


def read_details(text: str) -> Details:
    """Read a field 86 in any of the forms in which banks write it.

    With codes (`166?00…?20…?32…`, the mark may be another than `?`), with keys
    (`/NAME/…/REMI/…`), or free text.
    """
    whole = _unwrap(text)
    match = _CODED.match(whole)
    if match:
        return _coded(whole[match.end() - 1 :], match[2], match[1] or "")
    if whole.lstrip().startswith("/"):
        return _keyed(whole)
    name = _LABELLED_NAME.search(text)
    return Details(name[1] if name else "", _spaced(_UNSTRUCTURED.sub("", whole, count=1)))


def read_unmarked(text: str) -> Details:
    """Read a field `:NS:`, which is not of SWIFT: each line starts with a code of two digits."""
    found = [match for match in map(_NS.match, text.split("\n")) if match]
    codes = _by_code((match[1], match[2]) for match in found)
    return Details(
        name=_joined(codes, _NS_NAME),
        purpose=_joined(codes, _NS_PURPOSE),
        kind=_spaced(codes.get(_NS_KIND, "")),
        fields={f"NS {code}": value for code, value in codes.items()},
    )


def says_something(text: str) -> bool:
    """Tell whether a reference is one, and not the standard's word for none."""
    return text.strip().upper() not in _NOTHING


def _coded(text: str, mark: str, kind_code: str) -> Details:
    codes = _by_code(_split(text, mark))
    named = {f"{mark}{code}": value for code, value in codes.items()}
    return Details(
        name=_joined(codes, _NAME),
        purpose=_without_references(_joined(codes, _PURPOSE)),
        kind=_spaced(codes.get(_KIND, "")),
        fields=({"code": kind_code} if kind_code else {}) | named,
    )


def _split(text: str, mark: str) -> Iterator[tuple[str, str]]:
    """Yield each code behind a mark with its text, in which the mark may stand as well."""
    code, said = "", ""
    for part in text.split(mark)[1:]:
        if _CODE.match(part):
            if code:
                yield code, said
            code, said = part[:2], part[2:]
        else:
            said += mark + part
    if code:
        yield code, said


def _by_code(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    codes: dict[str, list[str]] = {}
    for code, value in pairs:
        codes.setdefault(code, []).append(value.rstrip())
    return {code: " ".join(values) for code, values in codes.items()}


def _joined(codes: dict[str, str], wanted: Iterable[str]) -> str:
    """Join texts that were cut every 27 characters, and keep apart those that were not."""
    parts = [codes[code] for code in wanted if codes.get(code)]
    return _spaced("".join(part if len(part) == _PURPOSE_CHARS else f"{part} " for part in parts))


def _without_references(purpose: str) -> str:
    """Return what the payment is for, without the numbers that SEPA sends along."""
    first, *parts = _SEPA.split(purpose)
    marked = dict(zip(parts[::2], parts[1::2], strict=True))
    for text in (marked.get("SVWZ", ""), first):
        if says_something(text):
            return text.strip()
    return purpose


def _keyed(whole: str) -> Details:
    _, *parts = _KEYED.split(whole)
    keys: dict[str, str] = {}
    for key, value in zip(parts[::2], parts[1::2], strict=True):
        keys.setdefault(key, _spaced(value))
    # /CNTP/account/bank/name/place
    party = [*keys.get("CNTP", "").split("/"), "", "", ""][2]
    name = (keys.get("NAME", "") or party).strip(" /")
    purpose = _remittance(keys.get("REMI", ""))
    kind = keys.get("TRTP", "").strip(" /")
    if not (name or purpose):
        purpose = _spaced(whole)
    return Details(name, purpose, kind, {f"/{key}/": value for key, value in keys.items()})


def _remittance(text: str) -> str:
    for prefix in ("USTD/", "STRD/"):
        text = text.removeprefix(prefix)
    text = text.strip(" /")
    return text if says_something(text) else ""


def _unwrap(text: str) -> str:
    """Join the lines of a field as they were before the bank cut them."""
    lines = text.split("\n")
    return "".join(line if len(line) in _LINE_CHARS else f"{line} " for line in lines)


def _spaced(text: str) -> str:
    return " ".join(text.split())
