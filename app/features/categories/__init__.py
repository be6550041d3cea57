"""Each household's own tree of categories, seeded from Plaid's personal finance categories."""
