"""Tied out: each account's rows against each balance that its institution stated.

Whoever changes the ledger of an account calls `service.refresh` at the end of the same
transaction; then what the pages say of it is true of the ledger they show.
"""
