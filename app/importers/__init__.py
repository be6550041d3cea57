"""Bank files in, domain records out; no session, no model, no network."""
