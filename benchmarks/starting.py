"""`fintech up` on an empty home and on one that has data: seconds to the first page, and memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from app.core.embedded import ports
from benchmarks import extent, measuring
from benchmarks.figures import Reading
from benchmarks.measuring import Processes

FIRST_PAGE = "/sign-in"
SECONDS_MAX = 120.0
SETTLED_SECONDS = 6.0
_ANNOUNCEMENT = "is running"


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took."""

    page_seconds: float
    """Until the first page was answered."""
    ready_seconds: float
    """Until everything ran and the program said so."""
    memory_megabytes: float
    """Resident memory of all processes, shared pages counted once."""
    memory_counted_each: float
    servers_megabytes: float
    """The part of PostgreSQL and Valkey."""


def cold() -> Reading:
    """Seconds to the first page on an empty home: databases, migrations and all."""
    starts, floor = _starts()
    notes = f"Ready with the demo household's banks linked after {starts[0].ready_seconds:.1f} s."
    return Reading(starts[0].page_seconds, measuring.median(floor), notes)


def warm() -> Reading:
    """Seconds to the first page on a home that has data."""
    starts, floor = _starts()
    ready = measuring.median([start.ready_seconds for start in starts[1:]])
    return Reading(
        measuring.median([start.page_seconds for start in starts[1:]]),
        measuring.median(floor),
        f"Everything ready after {ready:.1f} s.",
    )


def memory() -> Reading:
    """Megabytes resident, all processes together, after a first page was shown."""
    starts, _ = _starts()
    last = starts[1:]
    return Reading(
        measuring.median([start.memory_megabytes for start in last]),
        measuring.median([start.servers_megabytes for start in last]),
        f"{measuring.median([start.memory_counted_each for start in last]):.0f} MB when shared "
        "pages are counted for each process.",
    )


@cache
def _starts() -> tuple[list[Start], list[float]]:
    """Return a cold start and some warm ones, and how long an import of the program takes."""
    home = Path(mkdtemp(prefix="fintech-bench-"))
    if os.geteuid() == 0:
        home.chmod(0o711)  # the servers run as nobody
    try:
        starts, floor = [_start(home)], []
        for _ in range(extent.rounds(5)):
            floor.append(measuring.timed(_import))
            starts.append(_start(home))
    finally:
        rmtree(home, ignore_errors=True)
    return starts, floor


def _import() -> None:
    subprocess.run([sys.executable, "-c", "import app.main"], check=True)


def _start(home: Path) -> Start:
    port = ports.find_free()
    started = time.perf_counter()
    with _running(home, port) as process:
        _wait_for_page(port)
        page_seconds = time.perf_counter() - started
        assert process.stdout is not None
        while _ANNOUNCEMENT not in (line := process.stdout.readline()):
            assert line, "fintech up ended"
        ready_seconds = time.perf_counter() - started
        time.sleep(SETTLED_SECONDS)
        once, each = Processes((process.pid,)).memory_megabytes()
        servers = sum(
            Processes((child,)).memory_megabytes()[0]
            for child in measuring.children(process.pid)
            if measuring.name_of(child).startswith(("postgres", "valkey"))
        )
        return Start(page_seconds, ready_seconds, once, each, servers)


@contextmanager
def _running(home: Path, port: int) -> Iterator[subprocess.Popen[str]]:
    ours = ("DATABASE_", "REDIS_", "SECRET_", "LOG_", "APP_", "FINTECH_")
    environment = {name: each for name, each in os.environ.items() if not name.startswith(ours)}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("fintech"), "up", f"--port={port}"],
        env={**environment, "FINTECH_HOME": str(home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _wait_for_page(port: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not _is_answered(port):
        assert time.monotonic() < deadline, "fintech up did not show a page"
        time.sleep(0.02)


def _is_answered(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", FIRST_PAGE)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
