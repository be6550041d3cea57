"""The ledger's transactions: brought in from sources, listed, searched, edited.

Sources write the source's columns alone, people the user's; see `app.models.ledger`.
"""
