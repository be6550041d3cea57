"""Sends requests over many connections, as fast as they are answered, for some seconds.

`python -m benchmarks.load PORT CONNECTIONS SECONDS` reads paths and one header from standard
input, a line each, and prints what came of it as JSON. Run apart from what it measures.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import uvloop

from benchmarks import measuring


@dataclass(frozen=True, slots=True)
class Load:
    """What came of it."""

    requests_a_second: float
    median_ms: float
    p99_ms: float


def send(port: int, header: str, paths: Sequence[str], *, connections: int, seconds: float) -> Load:
    """Send requests from another process.

    Raises:
        CalledProcessError: An answer was not 200.
    """
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(connections), str(seconds)]
    lines = "\n".join([header, *paths])
    answer = subprocess.run(command, input=lines, text=True, stdout=subprocess.PIPE, check=True)
    return Load(**json.loads(answer.stdout))


class _Connection(asyncio.Protocol):
    """One connection that always has one request under way, until its time is over."""

    def __init__(self, requests: Iterator[bytes], until: float, times: list[float]) -> None:
        self._requests, self._until, self._times = requests, until, times
        self._transport: asyncio.Transport
        self._received, self._expected, self._sent = b"", 0, 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            head, found, _ = self._received.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 200 " not in head[:20]:
                self._end(RuntimeError(self._received[:500].decode("utf-8", "replace")))
                return
            _, _, rest = head.lower().partition(b"content-length:")
            self._expected = len(head) + 4 + int(rest.partition(b"\r\n")[0])
        if len(self._received) >= self._expected:
            self._times.append(time.perf_counter() - self._sent)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or RuntimeError("the server hung up"))

    def _next(self) -> None:
        now = time.perf_counter()
        if now >= self._until:
            self._end(None)
            return
        self._received, self._expected, self._sent = b"", 0, now
        self._transport.write(next(self._requests))

    def _end(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


async def _main(port: int, connections: int, seconds: float) -> None:
    header, *paths = sys.stdin.read().splitlines()
    requests = itertools.cycle(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode() for path in paths
    )
    times: list[float] = []
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(
            lambda: _Connection(requests, started + seconds, times), "127.0.0.1", port
        )
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    load = {
        "requests_a_second": len(times) / (time.perf_counter() - started),
        "median_ms": measuring.median(times) * 1000,
        "p99_ms": measuring.percentile(times, 99) * 1000,
    }
    print(json.dumps(load))


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
