"""Sends visits over connections that stay open, and keeps how long each answer took."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks import measuring
from benchmarks.crowd.people import Person
from benchmarks.crowd.visits import Sent

TIMEOUT_SECONDS = 30.0
Places = tuple[str, str]
Choose = Callable[[random.Random], Callable[[Person, random.Random], Sent]]


@dataclass(slots=True)
class Answers:
    """What came of one kind of visit."""

    seconds: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)
    """By status, or `no answer`."""

    @property
    def count(self) -> int:
        """How many were sent."""
        return len(self.seconds) + sum(self.errors.values())

    def milliseconds(self, percent: float) -> float:
        """Return the time that so many percent of the good answers took at most; 0 if none."""
        return measuring.percentile(self.seconds, percent) * 1000 if self.seconds else 0.0


@dataclass(slots=True)
class Crowd:
    """What came of all visits."""

    seconds: float = 0.0
    kinds: dict[str, Answers] = field(default_factory=dict)

    @property
    def all(self) -> Answers:
        """Every kind together, but what went to the bank."""
        joined = Answers()
        for name, answers in self.kinds.items():
            if name != "webhook and sync":
                joined.seconds += answers.seconds
                for status, count in answers.errors.items():
                    joined.errors[status] = joined.errors.get(status, 0) + count
        return joined


def send(
    places: Places,
    people: Sequence[Person],
    choose: Choose,
    *,
    seconds: float,
    pause: float,
    seed: int = 1,
) -> Crowd:
    """Let everybody visit for some seconds.

    Args:
        places: Where the program is, and the bank.
        people: Each has one connection, and one request under way at most.
        choose: Draws the next visit.
        seconds: How long.
        pause: Seconds that a person looks at an answer, on average; 0: no time at all.
        seed: Of whoever does what.
    """
    crowd = Crowd()
    started = time.perf_counter()
    asyncio.run(_everybody(places, people, choose, crowd, (started + seconds, pause, seed)))
    crowd.seconds = time.perf_counter() - started
    return crowd


async def _everybody(
    places: Places,
    people: Sequence[Person],
    choose: Choose,
    crowd: Crowd,
    plan: tuple[float, float, int],
) -> None:
    until, pause, seed = plan
    visitors = [
        _visit(places, person, choose, crowd, random.Random(seed * 10_000 + number), until, pause)
        for number, person in enumerate(people)
    ]
    await asyncio.gather(*visitors)


async def _visit(
    places: Places,
    person: Person,
    choose: Choose,
    crowd: Crowd,
    source: random.Random,
    until: float,
    pause: float,
) -> None:
    lines = {False: _Line(places[0]), True: _Line(places[1])}
    if pause:
        await asyncio.sleep(source.uniform(0, pause))
    while time.perf_counter() < until:
        sent = choose(source)(person, source)
        started = time.perf_counter()
        status = await lines[sent.to_bank].ask(sent.data)
        took = time.perf_counter() - started
        answers = crowd.kinds.setdefault(sent.kind, Answers())
        if 200 <= status < 400:
            answers.seconds.append(took)
        else:
            name = str(status) if status else "no answer"
            answers.errors[name] = answers.errors.get(name, 0) + 1
        if pause:
            await asyncio.sleep(source.expovariate(1 / pause))
    for line in lines.values():
        line.close()


class _Line:
    """One connection, opened again when the other side hung up."""

    def __init__(self, place: str) -> None:
        self._place = urlsplit(place)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, data: bytes) -> int:
        """Send a request and read the whole answer; return its status, 0 when none came."""
        was_open = self._streams is not None
        try:
            return await asyncio.wait_for(self._ask(data), TIMEOUT_SECONDS)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            # A server hangs up on who was quiet for long, perhaps at this very moment: browsers
            # then ask again on a new connection, and nobody sees it.
            is_hung_up = isinstance(error, (ConnectionError, asyncio.IncompleteReadError))
            if was_open and is_hung_up and not getattr(error, "partial", b""):
                return await self.ask(data)
            return 0

    async def _ask(self, data: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._place.hostname, self._place.port, ssl=self._place.scheme == "https" or None
            )
        reader, writer = self._streams
        writer.write(data)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"transfer-encoding: chunked" in head:
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        else:
            _, _, rest = head.partition(b"content-length:")
            await reader.readexactly(int(rest.split(b"\r\n", 1)[0]))
        if b"connection: close" in head:
            self.close()
        return status

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
