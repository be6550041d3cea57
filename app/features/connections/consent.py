"""What a person agrees to who links a bank: the words, by version, the newest last.

A text that somebody may have agreed to is never edited: another version is added. Who agreed to
which stands in the audit trail with the link (`item.linked`, `consent`), where nobody can change
it unseen; it ends when the bank is disconnected.
"""

TEXTS: dict[str, tuple[str, ...]] = {
    "2026-11-29": (
        "You ask this server to read the accounts that you choose, at a bank that you choose, "
        "through Plaid or through a SimpleFIN server of yours.",
        "It reads accounts, balances, transactions and investments, as far back as the bank gives "
        "them, and from then on several times a day. It moves no money, and never sees the "
        "password of your bank.",
        "What it reads is kept on this server for your household. Everybody who belongs to the "
        "household sees it. It is given to nobody else, and sold to nobody.",
        "You may take this back at any time: disconnect the bank on its page. Reading ends at "
        "once; what was read stays until it or the household is deleted.",
    ),
}
"""Paragraphs, by the day that the version is of."""
CURRENT = next(reversed(TEXTS))
