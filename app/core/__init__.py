"""Plumbing that knows nothing of banking."""
