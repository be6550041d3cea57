"""Whether two texts name the same party, in spite of what banks add, cut and shout."""

import re
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
_SHARE = 0.5
"""Of the words of the shorter text, how many the longer one has as well."""
_SHORTEST_WORD = 3
_SHORTEST_NAME = 5

# Said by banks of any movement, so that two texts which share them share nothing.
_SAID_OF_ALL = frozenset(
    """
    ach atm auth authorized bank card cash check checkcard com contactless crd credit crdt deb
    debit des direct for from fund funds gmbh inc indn ltd llc mastercard merchant mobile online
    payment pmt point pos ppd purchase recurring ref sale sent tel the trace transaction transfer
    trn tst visa web wire with withdrawal www xfer you
    """.split()
)


@lru_cache(maxsize=50_000)
def words(text: str) -> tuple[str, ...]:
    """Return the words that tell a text from others, in their order; digits are references."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(each for each in letters if not unicodedata.combining(each))
    found = (word for word in _WORD.findall(plain) if len(word) >= _SHORTEST_WORD)
    return tuple(dict.fromkeys(word for word in found if word not in _SAID_OF_ALL))


def are_alike(one: str, other: str) -> bool:
    """Tell whether two texts seem to name the same party.

    True when the shorter has half of its words in common with the longer, or when one, written
    together, begins with the other: `SQ *BLUEBOTTLE 0042` and `Blue Bottle Coffee`. False as
    well when one of them says nothing.
    """
    mine, theirs = words(one), words(other)
    if not mine or not theirs:
        return bool(one) and " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
    shorter, longer = sorted((mine, theirs), key=len)
    common = len(set(shorter) & set(longer))
    if common and common >= _SHARE * len(shorter):
        return True
    short, long = sorted(("".join(mine), "".join(theirs)), key=len)
    return len(short) >= _SHORTEST_NAME and short in long
