"""Characters of other people's texts that cannot be stored, or that hide what a text says."""

import re

REPLACEMENT = "\ufffd"
"""Stands where a character could not be kept."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Controls but tab and line breaks, and what turns the direction of the text around it."""


def storable(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced; everything else is kept."""
    return _UNSTORABLE.sub(REPLACEMENT, text)


def typed(text: str) -> str:
    """Return what a person typed, without the characters that nobody can see or type."""
    return _HIDDEN.sub("", text)


def shown(text: str) -> str:
    """Return the text with each hidden character written out, such as `[U+202E]`.

    A description that turns its own direction could show another amount or payee than it has.
    """
    if text.isprintable():  # nearly every text, and many times faster
        return text
    return _HIDDEN.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def is_odd(text: str) -> bool:
    """Tell whether characters of the text were replaced, or are written out by `shown`."""
    return REPLACEMENT in text or (not text.isprintable() and _HIDDEN.search(text) is not None)
