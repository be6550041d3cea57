"""Connections: Items linked at providers, kept exactly in sync, repaired and unlinked.

PostgreSQL holds what is due and who works on it; the broker only carries hints.
"""
