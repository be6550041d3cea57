"""How much is measured: all, or what fits into a few minutes."""

QUICK = False
"""Set once, by the suite, before anything is measured."""


def rounds(full: int) -> int:
    """Return how many rounds to measure of so many in a full run."""
    return max(3, full // 3) if QUICK else full


def large_rows() -> int:
    """Return how many transactions the large household has."""
    return 100_000 if QUICK else 1_000_000
