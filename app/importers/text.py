"""Text of bank files: find the real encoding, clean what no database can hold."""

import codecs
import re
from collections.abc import Iterable

from app.domain.text import REPLACEMENT, storable

_SAMPLE_BYTES = 64 * 1024
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WEST = "äöüßéèêëàâçîïôùûñáíóúåæøœãõºªÄÖÜÉÈÊÀÂÇÎÔÙÛÑÁÍÓÚÅÆØŒÃÕ"
_CENTRAL = "ěščřžýůťďňłąęśżźćńőűĚŠČŘŽÝŮŤĎŇŁĄĘŚŻŹĆŃŐŰ"
_PLAIN = "€£§°«»\u2013\u2014\u2018\u2019\u201c\u201d\u00b4\xa0ªº²³½·"
_SINGLE_BYTE = ("cp1252", "cp1250", "iso8859-2", "cp1251", "cp850", "cp852", "mac_roman")
_ALIASES = {
    "1252": "cp1252",
    "1250": "cp1250",
    "1251": "cp1251",
    "8859-1": "cp1252",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "us-ascii": "cp1252",
    "usascii": "cp1252",
    "ascii": "cp1252",
    "unicode": "utf-8",
    "utf8": "utf-8",
}


def decode(data: bytes, *, declared: str = "", words: Iterable[str] = ()) -> tuple[str, str]:
    """Return the text of a file and the name of the encoding that it is really in.

    What the bytes say beats what the header says: banks declare USASCII and write UTF-8.
    Bytes that fit nowhere become U+FFFD; this never fails.

    Args:
        data: The whole file.
        declared: The encoding that the file names, if it names one.
        words: Lower-case words with letters outside ASCII that such files use; they tell
            8-bit encodings apart.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            return storable(data.decode(name, errors="replace").lstrip("\ufeff")), name
    wide = _wide_encoding(data[:_SAMPLE_BYTES])
    if wide:
        return storable(data.decode(wide, errors="replace")), wide
    try:
        return storable(data.decode("utf-8")), "utf-8"
    except UnicodeDecodeError:
        pass
    if _is_damaged_utf8(data):
        return storable(data.decode("utf-8", errors="replace")), "utf-8"
    name = _declared_encoding(declared) or _single_byte_encoding(data, words)
    return storable(data.decode(name, errors="replace")), name


def decode_as(data: bytes, encoding: str) -> str:
    """Return the text of a file in an encoding that was chosen before.

    Raises:
        LookupError: There is no such encoding of text.
    """
    name = "utf-8-sig" if encoding in {"utf-8", "utf-8-sig"} else _text_codec(encoding)
    if name is None:
        raise LookupError(encoding)
    return storable(data.decode(name, errors="replace").lstrip("\ufeff"))


def _wide_encoding(sample: bytes) -> str | None:
    """Tell UTF-16 without a mark by where its zero bytes are."""
    if len(sample) < 8:
        return None
    half = len(sample) // 2
    if sample[1::2].count(0) > 0.7 * half and sample[0::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if sample[0::2].count(0) > 0.7 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _is_damaged_utf8(data: bytes) -> bool:
    """Tell whether most of the bytes outside ASCII are well-formed UTF-8 all the same."""
    text = data.decode("utf-8", errors="replace")
    damaged = text.count(REPLACEMENT)
    intact = sum(map(len, re.findall("[^\x00-\x7f\ufffd]+", text)))
    return intact >= damaged and intact > 0


def _declared_encoding(declared: str) -> str | None:
    """Return the codec for a declared encoding, if it says more than that it is 8-bit."""
    name = _ALIASES.get(declared.strip().lower(), declared.strip().lower())
    if not name or name in {"none", "utf-8"} or len(name) > 30:
        return None
    return _text_codec(name)


def _text_codec(name: str) -> str | None:
    """Return the proper name of an encoding of text, or None."""
    try:
        codec = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    # Python also has codecs from bytes to bytes (zip, hex), for host names and for Python code.
    unusable = {"idna", "punycode", "utf-7", "unicode-escape", "raw-unicode-escape", "undefined"}
    if not codec._is_text_encoding or codec.name in unusable:
        return None
    return codec.name


def _single_byte_encoding(data: bytes, words: Iterable[str]) -> str:
    """Choose the 8-bit encoding in which the text looks most like a language."""
    lines = [line for line in data[: 4 * _SAMPLE_BYTES].splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:_SAMPLE_BYTES]
    wanted = [word for word in words if not word.isascii()]
    scores = [_plausibility(sample, name, wanted) for name in _SINGLE_BYTE]
    best = max(scores)
    if best <= 0:
        return "cp1252"
    return _SINGLE_BYTE[scores.index(best)]


def _plausibility(sample: bytes, name: str, words: list[str]) -> float:
    text = sample.decode(name, errors="replace")
    lower = text.lower()
    score = sum(50.0 for word in words if word in lower)
    count = dict.fromkeys(text, 0)
    for character in re.findall("[^\x00-\x7f]", text):
        count[character] += 1
    for character, times in count.items():
        score += times * _letter_score(character, name)
    return score


def _letter_score(character: str, name: str) -> float:
    if character < "\x80":
        return 0
    # Western text must not be read as Cyrillic or from DOS: those need clearer signs.
    doubt = 0.0 if name == "cp1252" else 0.2
    if character in _WEST:
        return 1 - doubt
    if character in _CENTRAL:
        return 1 - 2 * doubt if name in {"cp1250", "iso8859-2"} else 0.3
    if "а" <= character.lower() <= "я" and name == "cp1251":  # noqa: RUF001 -- Cyrillic meant
        return 0.7
    if character in _PLAIN:
        return 0.3 - doubt
    return -2
