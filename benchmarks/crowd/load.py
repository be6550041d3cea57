"""Measures what a crowd's visits cost one installation; writes docs/reference/load.md."""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.cli.api import Api
from benchmarks import households
from benchmarks.crowd import installation, page, people, sending, visits
from benchmarks.crowd.installation import Installation
from benchmarks.crowd.people import Person
from benchmarks.crowd.sending import Choose, Crowd

MEASURED = Path(__file__).with_name("measured.json")
"""What the last run found: docs/reference/load.md and docs/scaling.md are made from it."""
EACH_SECONDS = 8.0
EACH_PEOPLE = 4
SYNCS = 60
SYNC_SECONDS_MAX = 240.0
_AROUND = ("simulator", "beat")
PAUSES = {"with pauses of a second": 1.0, "without pauses": 0.0}


@dataclass(slots=True)
class Part:
    """Some seconds of visits of one kind, or of the whole mix."""

    name: str
    people: int
    requests: int
    requests_a_second: float
    p50_ms: float
    p99_ms: float
    errors: dict[str, int]
    cpu_ms: dict[str, float]
    """Processor time of a request, by part of the installation."""
    busy: dict[str, float]
    """Processor cores that each part kept busy."""


@dataclass(slots=True)
class Measured:
    """All that a run found."""

    people: int
    rows: int
    cores: int
    taken_by_others: float
    """Processor cores that the machine's other work kept busy meanwhile."""
    mix: list[Part] = field(default_factory=list)
    each: list[Part] = field(default_factory=list)
    syncs: dict[str, dict[str, float]] = field(default_factory=dict)
    """Processor milliseconds of a sync: `news` with one new row, `nothing` without any."""
    bytes: dict[str, float] = field(default_factory=dict)
    """On disk with indexes: by table, of a transaction."""


class Watch:
    """Tells how many processor cores the machine's other work kept busy since it was made."""

    def __init__(self, running: Installation) -> None:
        self._running = running
        self._began = time.monotonic()
        self._before = self._others_seconds()

    def taken_by_others(self) -> float:
        """Return it, 0 at the least: clocks tick coarsely."""
        seconds = time.monotonic() - self._began
        return round(max(0.0, self._others_seconds() - self._before) / seconds, 3)

    def _others_seconds(self) -> float:
        ours = sum(self._running.cpu_seconds().values()) + time.process_time()
        return _machine_seconds() - ours


def main() -> None:
    """Measure and report."""
    options = argparse.ArgumentParser()
    options.add_argument("--people", type=int, required=True)
    options.add_argument("--rows", type=int, required=True)
    options.add_argument("--seconds", type=int, required=True)
    options.add_argument("--no-write", action="store_true")
    asked = options.parse_args()
    with installation.running() as running:
        crowd = people.gather(running, asked.people, asked.rows)
        with households.owner() as connection:
            connection.execute("VACUUM (ANALYZE)")
        sizes = bytes_of_a_row()
        watch = Watch(running)
        found = Measured(asked.people, asked.rows, os.cpu_count() or 1, 0.0, bytes=sizes)
        for name, pause in PAUSES.items():
            found.mix.append(measure(running, crowd, visits.choose, name, asked.seconds, pause))
        for visit in visits.MIX:
            if visit is not visits.bank_news:
                some = crowd[:EACH_PEOPLE]
                found.each.append(measure(running, some, lambda _, v=visit: v, "", EACH_SECONDS, 0))
        found.syncs = {"news": _news(running, crowd), "nothing": _nothing(running, crowd)}
        found.taken_by_others = watch.taken_by_others()
    text = json.dumps(asdict(found), indent=1)
    print(page.render(json.loads(text)))
    if not asked.no_write:
        MEASURED.write_text(f"{text}\n", encoding="utf-8")
        page.write()


def measure(
    running: Installation,
    crowd: Sequence[Person],
    choose: Choose,
    name: str,
    seconds: float,
    pause: float,
) -> Part:
    """Let some people visit for some seconds, and measure what it costs each part."""
    places = (running.program.base_url, running.bank.base_url)
    before = running.cpu_seconds()
    done = sending.send(places, crowd, choose, seconds=seconds, pause=pause)
    after = running.cpu_seconds()
    name = name or next(iter(done.kinds))
    return _summary(done, name, len(crowd), _spent(before, after))


def _spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    return {each: after[each] - before[each] for each in before if each not in _AROUND}


def _summary(done: Crowd, name: str, count: int, spent: dict[str, float]) -> Part:
    answers = done.all
    return Part(
        name=name,
        people=count,
        requests=answers.count,
        requests_a_second=round(answers.count / done.seconds, 1),
        p50_ms=round(answers.milliseconds(50), 1),
        p99_ms=round(answers.milliseconds(99), 1),
        errors=answers.errors,
        cpu_ms={part: round(s * 1000 / max(1, answers.count), 2) for part, s in spent.items()},
        busy={part: round(s / done.seconds, 2) for part, s in spent.items()},
    )


def _news(running: Installation, crowd: Sequence[Person]) -> dict[str, float]:
    """Let something new happen at the banks, and wait until every webhook's sync is done."""
    source = random.Random(5)

    def tell(number: int) -> None:
        person = crowd[number % len(crowd)]
        body = json.loads(visits.bank_news(person, source).data.partition(b"\r\n\r\n")[2])
        running.bank.post("/simulator/events", body)

    return _of_syncs(running, len(crowd), tell)


def _nothing(running: Installation, crowd: Sequence[Person]) -> dict[str, float]:
    """Ask for syncs of banks that have nothing new, as the schedule does."""

    def ask(number: int) -> None:
        person = crowd[number]
        program = Api(running.program.base_url, person.token)
        program.post(f"/api/v1/plaid/sync-transactions/{person.connection}?wait=20")

    return _of_syncs(running, len(crowd), ask)


def _of_syncs(running: Installation, count: int, start: Callable[[int], None]) -> dict[str, float]:
    count = min(count, SYNCS)
    already = _syncs_done()
    before = running.cpu_seconds()
    for number in range(count):
        start(number)
    deadline = time.monotonic() + SYNC_SECONDS_MAX
    while (done := _syncs_done() - already) < count and time.monotonic() < deadline:
        time.sleep(0.5)
    after = running.cpu_seconds()
    assert done, "no sync was done"
    spent = {each: ms * 1000 / done for each, ms in _spent(before, after).items()}
    return {"count": done} | {part: round(ms, 2) for part, ms in spent.items()}


def _syncs_done() -> int:
    with households.owner() as connection:
        row = connection.execute("SELECT count(*) FROM sync_runs WHERE state = 'done'").fetchone()
    assert row is not None
    return int(row[0])


def bytes_of_a_row() -> dict[str, float]:
    """Return what a transaction takes on disk with all indexes, by table."""
    with households.owner() as connection:
        [(rows,)] = connection.execute("SELECT count(*) FROM transactions").fetchall()
        sizes = connection.execute(
            "SELECT coalesce(pg_partition_root(oid)::regclass::text, relname),"
            " sum(pg_total_relation_size(oid))::bigint FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY 1"
        ).fetchall()
        [(journaled, kept)] = connection.execute(
            "SELECT (SELECT count(*) FROM transactions AS t JOIN source_accounts AS a"
            " ON a.household_id = t.household_id AND a.id = t.source_account_id"
            " WHERE a.item_id IS NOT NULL), sum(pg_column_size(page)) FROM journal_pages AS page"
        ).fetchall()
    found = {name: round(size / rows, 1) for name, size in sizes if size / rows >= 1}
    return found | {"journal, of a synced row": round(float(kept) / journaled, 1)}


def _machine_seconds() -> float:
    """Return the processor seconds that the whole machine has worked so far."""
    worked = Path("/proc/stat").read_text(encoding="ascii").split()[1:4]  # user, nice, system
    return sum(map(int, worked)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
