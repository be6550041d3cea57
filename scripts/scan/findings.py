"""What a scanner says at its end."""

import os
import subprocess
import time
from collections.abc import Mapping
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


def run(
    command: list[str],
    log: Path,
    *,
    seconds_max: float,
    environment: Mapping[str, str] | None = None,
) -> int | None:
    """Run a scanner beside its log; return its status, or None when it did not end in time."""
    with log.open("wb") as file:
        try:
            done = subprocess.run(
                command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                timeout=seconds_max, check=False, cwd=log.parent,
                env={**os.environ, **(environment or {})},
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return None
    return done.returncode
