"""A bank simulator: a separate ASGI app that speaks Plaid's API; see README.md."""
