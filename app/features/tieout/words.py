"""What was found of an account, in plain words."""

REASONS = {
    "no_balance": "No balance was ever stated of this account, so there is nothing to compare "
    "with. A bank connection or a file with balances brings one.",
    "one_balance": "One balance was stated so far. Some opening balance always leads to it; the "
    "next one, of another day or from another statement, is the first that proves something.",
    "no_rows": "Balances are stated of this account, but no transactions: there is nothing to "
    "compare them with.",
    "value": "The balance of an investment account is what it is worth, and markets move it as "
    "well. Transactions cannot prove it.",
}

IN_SHORT = {
    "no_balance": "No balance was ever stated of it.",
    "one_balance": "One balance was stated so far; only the next one proves something.",
    "no_rows": "Balances are stated of it, but no transactions.",
    "value": "Markets move its value as well, so transactions cannot prove it.",
}
"""The same reasons in one sentence, beside the account's name."""

KINDS = {
    "removed": "The bank withdrew it from its list, and its balance still has it.",
    "set_aside": "It was set aside as a duplicate, and the bank counts it.",
    "changed": "The bank changed its amount, and its balance still has the earlier one.",
    "booked": "It is still pending here, and the bank has booked it.",
    "dropped": "It is still pending here, and no longer in the bank's balance.",
    "duplicate": "It is here twice, and the bank counts it once.",
    "early": "The bank booked it before the day it is dated.",
    "late": "The bank booked it after the day it is dated.",
    "sign": "It has the wrong sign: money in for money out, or the reverse.",
    "extra": "It is here, and the bank does not have it.",
    "repeated": "The bank stated the same balance again although transactions came: it may not be "
    "a new one.",
}
"""Of one row; `several` makes them speak of more."""

_SEVERAL = {
    "removed": "The bank withdrew them from its list, and its balance still has them.",
    "set_aside": "They were set aside as duplicates, and the bank counts them.",
    "changed": "The bank changed their amounts, and its balance still has the earlier ones.",
    "booked": "They are still pending here, and the bank has booked them.",
    "dropped": "They are still pending here, and no longer in the bank's balance.",
    "duplicate": "They are here twice, and the bank counts them once.",
    "early": "The bank booked them before the days they are dated.",
    "late": "The bank booked them after the days they are dated.",
}

CUTS = {
    "end": "",
    "reported": "as reported when it was stated",
    "start": "before the day's transactions",
}


def why(kind: str, rows: int) -> str:
    """Return how rows of a kind close a gap."""
    return _SEVERAL.get(kind, KINDS[kind]) if rows > 1 else KINDS[kind]


def certainty(percent: int) -> str:
    """Return how sure an explanation is."""
    if percent >= 75:
        return "Very likely"
    return "Likely" if percent >= 45 else "Possible"
