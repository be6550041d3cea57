"""How many pages of JSON a process answers, beside a bare application that does the same."""

import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from uuid import UUID

from app.core.embedded import ports
from app.core.pagination import PageKey
from benchmarks import bare, extent, generated, households, load, measuring
from benchmarks.figures import Reading
from benchmarks.households import Household
from benchmarks.load import Load
from benchmarks.measuring import Processes

CONNECTIONS = 16
SECONDS = 5.0
PATHS = 200
START_SECONDS_MAX = 30.0


class Server:
    """An application under uvicorn."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, header: str) -> None:
        self._port, self._header = port, header
        self._processes = Processes((process.pid,))
        self.loads: list[Load] = []
        self.cpu_microseconds: list[float] = []
        """Of a request, in the application's process."""

    def measure(self, paths: list[str]) -> float:
        """Return the requests a second of a few seconds of load."""
        before = self._processes.cpu_seconds()
        done = load.send(self._port, self._header, paths, connections=CONNECTIONS, seconds=SECONDS)
        spent = self._processes.cpu_seconds() - before
        self.loads.append(done)
        self.cpu_microseconds.append(spent / (done.requests_a_second * SECONDS) * 1e6)
        return done.requests_a_second

    def summary(self) -> str:
        """Return what else was seen, in words."""
        return (
            f"p50 {statistics.median(each.median_ms for each in self.loads):.1f} ms, "
            f"p99 {statistics.median(each.p99_ms for each in self.loads):.1f} ms, "
            f"{statistics.median(self.cpu_microseconds):.0f} µs of its processor a request"
        )


def list_endpoint() -> Reading:
    """Requests a second of `/api/v1/transactions/`, 50 rows at random depths, 16 connections."""
    world = households.world(extent.large_rows())
    header = f"Authorization: Bearer {households.bearer_token(world.large)}"
    paths = _paths(random.Random(3))
    with (
        _serving("app.main:app", world.large, header) as ours,
        _serving("benchmarks.bare:app", world.large, header) as floor,
    ):
        for server in (ours, floor):
            server.measure(paths)  # warms plans and pools
            server.loads.clear()
            server.cpu_microseconds.clear()
        found = measuring.interleaved(
            extent.rounds(9), partial(ours.measure, paths), partial(floor.measure, paths)
        )
    return Reading(
        measuring.median(found[0]),
        measuring.median(found[1]),
        f"Ours: {ours.summary()}. Floor: {floor.summary()}.",
    )


def _paths(source: random.Random) -> list[str]:
    keys = []
    for _ in range(PATHS):
        day = generated.LAST_DAY.toordinal() - source.randrange(generated.DAYS - 60)
        key = PageKey(generated.LAST_DAY.fromordinal(day), UUID(int=source.getrandbits(128)))
        keys.append(f"/api/v1/transactions/?cursor={key.encode()}")
    return keys


@contextmanager
def _serving(application: str, household: Household, header: str) -> Iterator[Server]:
    port = ports.find_free()
    environment = {
        **os.environ,
        "LOG_LEVEL": "INFO",
        bare.HOUSEHOLD: str(household.id),
    }
    # As `fintech up` starts it.
    command = [
        sys.executable, "-m", "uvicorn", application, "--host=127.0.0.1", f"--port={port}",
        "--no-server-header",
    ]  # fmt: skip
    if application.startswith("benchmarks."):
        command += ["--no-access-log", "--log-level=warning"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait(port)
        yield Server(process, port, header)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.connect()
        except (OSError, HTTPException):
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
