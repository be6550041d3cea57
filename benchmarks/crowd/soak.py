"""Lets a crowd visit for hours and tells whether memory grows; writes docs/reference/soak.md."""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.crowd import installation, people, sending, visits
from benchmarks.crowd.growth import PER_HOUR_MAX, SHARE_MAX, Samples, verdict
from benchmarks.crowd.installation import Installation

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "soak.md"
SAMPLE_SECONDS = 10.0
PAUSE_SECONDS = 1.0
_PARTS = ("web", "worker", "beat", "PostgreSQL", "Valkey")
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
that was measured. Less than an hour says little: PostgreSQL's shared buffers and the caches of the
program still fill then, which looks the same as growing.

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
        ports = (running.web_port, int(running.bank.base_url.rpartition(":")[2]))
        with _sampling(running) as samples:
            done = sending.send(
                ports, crowd, visits.choose, seconds=asked.minutes * 60, pause=PAUSE_SECONDS
            )
    found = {name: verdict(samples[name]) for name in _PARTS}
    errors = sum(done.all.errors.values())
    rows = [
        f"| {name} | {each.first:.0f} MB | {each.last:.0f} MB | {each.most:.0f} MB |"
        f" {each.slope:+.1f} | {'**grows**' if each.grows else 'flat'} |\n"
        for name, each in found.items()
    ]
    text = _HEAD.format(
        people=asked.people, rows=asked.rows, minutes=done.seconds / 60,
        requests=done.all.count, errors=errors, per_hour=PER_HOUR_MAX, share=SHARE_MAX,
    ) + "".join(rows)  # fmt: skip
    print(text)
    if not asked.no_write:
        PAGE.write_text(text, encoding="utf-8")
    return 1 if errors or any(each.grows for each in found.values()) else 0


@contextmanager
def _sampling(running: Installation) -> Iterator[dict[str, Samples]]:
    """Read the memory of each part every few seconds until the block ends."""
    found: dict[str, Samples] = {name: [] for name in _PARTS}
    ended = threading.Event()

    def sample() -> None:
        started = time.monotonic()
        while not ended.wait(SAMPLE_SECONDS):
            for name, samples in found.items():
                once, _ = running.parts[name].memory_megabytes()
                samples.append((time.monotonic() - started, once))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
