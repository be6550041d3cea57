"""Use cases of privacy, one module each."""
