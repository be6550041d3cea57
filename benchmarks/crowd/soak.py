"""Lets a crowd visit for hours and tells whether memory grows; writes docs/reference/soak.md."""

import argparse
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg

from app.core.config import settings
from benchmarks.crowd import installation, people, sending, visits
from benchmarks.crowd.growth import (
    PER_HOUR_MAX,
    SHARE_MAX,
    Samples,
    Verdict,
    at_constant,
    verdict,
)
from benchmarks.crowd.installation import Installation

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "soak.md"
SAMPLE_SECONDS = 10.0
PAUSE_SECONDS = 1.0
_SHARED = "PostgreSQL, shared"
_CONNECTIONS = "connections"
_CONNECTION = re.compile(rb"postgres: \S+ benchmarks ")
"""What PostgreSQL calls the process of a connection to our database."""
_PARTS = ("web", "worker", "beat", "PostgreSQL", _SHARED, "Valkey")
_HEAD = """# Soak

Whether the program's memory stays as it is while people use it for hours. Made by `make soak` from
its last run; do not edit.

```
make soak                   # two hours
make soak MINUTES=15
```

{people} people with {rows:,} transactions each did what they do in `make load`, with pauses of a
second, for **{minutes:.0f} minutes**: {requests:,} requests, {errors} of them failed. Every ten
seconds the resident memory of each part was read, pages that processes share counted once. The
first third is warming up and does not count; a line is laid through the rest (Theil and Sen's: the
median of all slopes, so that single peaks do not turn it). A part *grows* when that line rises by
more than {per_hour:.0f} MB an hour, and by more than {share:.0%} of the part's size within the time
that was measured. Less than an hour says little: the caches of the program still fill then, which
looks the same as growing. PostgreSQL sets its shared memory, {set_aside} MB, aside when it starts
and touches it by and by: that is *filling* until all of it is resident, and growing only beyond.
What it holds besides goes with the connections that are open, {fewest} to {most} of them here: more
where much is asked at once, fewer five minutes later. It is judged as it would be if there had been
{usual} all the time.

| Part | At first | In the end | Most | Line, MB an hour | Verdict |
| --- | ---: | ---: | ---: | ---: | --- |
"""


def main() -> int:
    """Run; 0 when nothing grows and nothing failed."""
    options = argparse.ArgumentParser()
    options.add_argument("--people", type=int, required=True)
    options.add_argument("--rows", type=int, required=True)
    options.add_argument("--minutes", type=float, required=True)
    options.add_argument("--no-write", action="store_true")
    asked = options.parse_args()
    with installation.running() as running:
        crowd = people.gather(running, asked.people, asked.rows)
        places = (running.program.base_url, running.bank.base_url)
        with _sampling(running) as samples:
            done = sending.send(
                places, crowd, visits.choose, seconds=asked.minutes * 60, pause=PAUSE_SECONDS
            )
        set_aside = _set_aside_megabytes()
    counts = [count for _, count in samples.pop(_CONNECTIONS)]
    usual = statistics.median_low(counts)
    samples["PostgreSQL"] = at_constant(samples["PostgreSQL"], counts, usual)
    found = {name: verdict(samples[name]) for name in _PARTS}
    if found[_SHARED].most <= set_aside:
        found[_SHARED] = replace(found[_SHARED], grows=False)
    errors = sum(done.all.errors.values())
    rows = [
        f"| {name} | {each.first:.0f} MB | {each.last:.0f} MB | {each.most:.0f} MB |"
        f" {each.slope:+.1f} | {_in_words(name, each)} |\n"
        for name, each in found.items()
    ]
    text = _HEAD.format(
        people=asked.people, rows=asked.rows, minutes=done.seconds / 60,
        requests=done.all.count, errors=errors, per_hour=PER_HOUR_MAX, share=SHARE_MAX,
        set_aside=set_aside, fewest=f"{min(counts):.0f}", most=f"{max(counts):.0f}",
        usual=f"{usual:.0f}",
    ) + "".join(rows)  # fmt: skip
    print(text)
    if not asked.no_write:
        PAGE.write_text(text, encoding="utf-8")
    return 1 if errors or any(each.grows for each in found.values()) else 0


def _in_words(name: str, found: Verdict) -> str:
    if found.grows:
        return "**grows**"
    return "filling" if name == _SHARED and found.slope > PER_HOUR_MAX else "flat"


def _set_aside_megabytes() -> int:
    with psycopg.connect(settings.DATABASE_URL.get_secret_value()) as connection:
        size = connection.execute(
            "SELECT setting::int FROM pg_settings WHERE name = 'shared_memory_size'"
        ).fetchone()
    assert size is not None  # PostgreSQL 15 has it
    return int(size[0])


def _sizes(running: Installation) -> dict[str, float]:
    """Return the megabytes of each part, those of PostgreSQL in two."""
    sizes = {name: running.parts[name].memory_megabytes()[0] for name in _PARTS if name != _SHARED}
    sizes[_SHARED] = running.parts["PostgreSQL"].shared_megabytes()
    sizes["PostgreSQL"] -= sizes[_SHARED]
    sizes[_CONNECTIONS] = running.parts["PostgreSQL"].count(_CONNECTION)
    return sizes


@contextmanager
def _sampling(running: Installation) -> Iterator[dict[str, Samples]]:
    """Read the memory of each part every few seconds until the block ends."""
    found: dict[str, Samples] = {name: [] for name in (*_PARTS, _CONNECTIONS)}
    ended = threading.Event()

    def sample() -> None:
        started = time.monotonic()
        while not ended.wait(SAMPLE_SECONDS):
            at = time.monotonic() - started
            for name, size in _sizes(running).items():
                found[name].append((at, size))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
