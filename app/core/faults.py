"""Named places at which a test lets this process die, wait or fail; they do nothing otherwise.

Nothing in the environment arms them: only code that imports this module and calls `arm` does, which
the tests do (`tests/faults`). A test asserts that each name is in the code and is reached.
"""

from collections.abc import Callable

POINTS = (
    "sync.leased",
    "sync.page",
    "sync.before_transaction",
    "ledger.mid_apply",
    "sync.before_cursor",
    "sync.before_commit",
    "sync.committed",
    "sync.before_ack",
    "link.before_exchange",
    "link.exchanged",
    "link.committed",
    "import.uploaded",
    "import.read",
    "import.previewed",
    "import.booking",
    "import.before_commit",
    "import.committed",
)

_action: Callable[[str], None] | None = None


def fault(name: str) -> None:
    """Mark a place where a crash would be at its worst."""
    if _action is not None:
        _action(name)


def arm(action: Callable[[str], None] | None) -> None:
    """Call `action` with the name of each place that is reached; None ends it."""
    global _action  # one switch for the process
    _action = action
