"""Accounts as people know them, and the source accounts that feed them."""
