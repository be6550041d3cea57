"""Clocks: wall time, and processor time and memory of families of processes, from /proc."""

import os
import re
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

POSTGRESQL = "FINTECH_BENCH_POSTGRESQL"
VALKEY = "FINTECH_BENCH_VALKEY"
"""Name the processes of the servers in the environment of the suite."""

_TICKS = os.sysconf("SC_CLK_TCK")


def median(seconds: Sequence[float]) -> float:
    """Return the middle one."""
    return statistics.median(seconds)


def percentile(seconds: Sequence[float], percent: float) -> float:
    """Return the smallest one that at least so many percent do not exceed."""
    ordered = sorted(seconds)
    return ordered[max(0, -(-len(ordered) * int(percent * 10) // 1000) - 1)]


def timed(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes on the wall's clock."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def interleaved(rounds: int, *actions: Callable[[], float]) -> list[list[float]]:
    """Let each action measure itself once a round, so that all see the same neighbours."""
    found: list[list[float]] = [[] for _ in actions]
    for turn in range(rounds):
        for number in range(len(actions)):
            which = (number + turn) % len(actions)  # nobody always comes first
            found[which].append(actions[which]())
    return found


@dataclass(frozen=True, slots=True)
class Processes:
    """A family of processes, and this one if `own`."""

    roots: tuple[int, ...]
    own: bool = False

    def cpu_seconds(self) -> float:
        """Return user and system time so far, of ended children too."""
        total = time.process_time() if self.own else 0.0
        return total + sum(_cpu_ticks(each) for each in _families(self.roots)) / _TICKS

    def memory_megabytes(self) -> tuple[float, float]:
        """Return the resident memory: shared pages counted once, and counted for each process."""
        once = each = 0
        for process_id in _families(self.roots):
            fields = _fields(Path(f"/proc/{process_id}/smaps_rollup"))
            once += fields.get("Pss", 0)
            each += fields.get("Rss", 0)
        return once / 1024, each / 1024

    def count(self, title: re.Pattern[bytes]) -> int:
        """Return how many of them call themselves so, as servers do with their processes."""
        found = (_title(each) for each in _families(self.roots))
        return sum(title.match(each) is not None for each in found)

    def shared_megabytes(self) -> float:
        """Return what is resident of memory that they share on purpose, as database buffers."""
        files = (Path(f"/proc/{each}/smaps_rollup") for each in _families(self.roots))
        return sum(_fields(file).get("Pss_Shmem", 0) for file in files) / 1024


def cpu_of(processes: Processes, action: Callable[[], object]) -> float:
    """Return the processor seconds that an action costs all of these."""
    before = processes.cpu_seconds()
    action()
    return processes.cpu_seconds() - before


def children(process_id: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        threads = list(Path(f"/proc/{process_id}/task").glob("*/children"))
    except OSError:  # it has just ended
        return []
    return [int(each) for path in threads for each in _text(path).split()]


def name_of(process_id: int) -> str:
    """Return the name of a process's program, as the kernel has it."""
    return _text(Path(f"/proc/{process_id}/comm")).strip()


def _families(roots: Sequence[int]) -> list[int]:
    found = list(roots)
    for process_id in found:  # grows while it is read
        found += children(process_id)
    return found


def _cpu_ticks(process_id: int) -> int:
    """Return the ticks of a process, with those of its children that have ended."""
    _, _, rest = _text(Path(f"/proc/{process_id}/stat")).rpartition(")")
    return sum(map(int, rest.split()[11:15]))


def _fields(path: Path) -> dict[str, int]:
    lines = (line.split() for line in _text(path).splitlines())
    return {parts[0].rstrip(":"): int(parts[1]) for parts in lines if parts[-1] == "kB"}


def _title(process_id: int) -> bytes:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return b""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:  # it has just ended
        return ""
