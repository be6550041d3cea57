"""What the commands of the proof share: whom they are about, and what they cost."""

import resource
import sys
from pathlib import Path
from uuid import UUID

import click

from app.features.proof import service as proof


def chosen(household: str) -> list[tuple[UUID, str]]:
    """Return the households of an id or a name, all of them for an empty one.

    Raises:
        click.ClickException: There is none.
    """
    known = proof.list_households()
    found = [each for each in known if not household or household in (str(each[0]), each[1])]
    if household and not found:
        raise click.ClickException(f"There is no household {household!r}.")
    return found


def peak_megabytes() -> float:
    """Return how much memory this process has needed at most."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:  # not Linux
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
    # The kernel's `ru_maxrss` begins with what the process had that started this one.
    return int(status.partition("VmHWM:")[2].split()[0]) / 1e3
