"""The journal: whatever a source sent, kept before it is interpreted, never changed."""
