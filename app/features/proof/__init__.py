"""Proof: the ledger made again from the journal, by other code, and compared."""
