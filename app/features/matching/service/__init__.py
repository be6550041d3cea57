"""Use cases of matching."""
