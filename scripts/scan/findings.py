"""What a scanner says at its end."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

STARTED = time.monotonic()


def say(words: str) -> None:
    """Print a line with the time since the start."""
    print(f"{time.monotonic() - STARTED:7.1f} s  {words}", flush=True)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How much was tried, and what is wrong with it."""

    summary: str
    """With counts, in one line."""
    findings: tuple[str, ...] = ()


def run(command: list[str], log: Path, *, seconds_max: int) -> int | None:
    """Run a scanner beside its log; return its status, or None when it did not end in time."""
    with log.open("wb") as file:
        try:
            done = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                timeout=seconds_max, check=False, cwd=log.parent,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
    return done.returncode
