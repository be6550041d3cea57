"""API tokens as text: a prefix, random characters, and a checksum of both.

Scanners of code and logs know a leaked one by its form, and tell it from a lookalike without
asking us; so do we, without asking the database.
"""

import re
import secrets
import string
import zlib

PREFIX = "fta_"
HINT_LENGTH = 4
"""How many of the last characters are kept for people to know a token by."""
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 32
"""Of 62 characters each: 190 bits."""
_CHECKSUM_LENGTH = 6
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_RANDOM_LENGTH + _CHECKSUM_LENGTH}}}")


def new() -> str:
    """Return a token that nobody has."""
    text = PREFIX + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return text + _checksum(text)


def is_meant(text: str) -> bool:
    """Tell whether this is, or was once, one of these tokens rather than another kind."""
    return text.startswith(PREFIX)


def is_whole(text: str) -> bool:
    """Tell whether the token has the right form and checksum; it may still be nobody's."""
    is_formed = _FORM.fullmatch(text) is not None
    return is_formed and text[-_CHECKSUM_LENGTH:] == _checksum(text[:-_CHECKSUM_LENGTH])


def _checksum(text: str) -> str:
    """Return CRC-32 in base 62; it tells a slip from a token and keeps nothing secret."""
    rest, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        rest, digit = divmod(rest, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
