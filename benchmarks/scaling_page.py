"""`make scaling-model`: docs/scaling.md, by calculation from what `make load` measured last."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks import scaling
from benchmarks.crowd import page as load
from benchmarks.scaling import GIB, Costs, Habits, Limits, Need, Prices

PAGE = Path(__file__).parent.parent / "docs" / "scaling.md"
SIZES = (3, 30, 300, 3_000, 30_000, 100_000, 300_000, 1_000_000)

_HEAD = """# From one person to a million Items

By calculation. **Measured** are only the costs of single things on one machine
([Load](reference/load.md)); everything larger is multiplied from them, and nothing of it has been
run. What it is for: to see which part is full first, and which step moves that. Made by
`make scaling-model`; do not edit. `make scaling-model arguments='--core 40 --items-per-person 5'`
calculates with other assumptions and only prints.

## What goes in

| Measured | |
| --- | ---: |
"""
_ASSUMED = """
| Assumed | |
| --- | ---: |
"""
_TABLE = """
## What comes out

In the busiest hour, after {years:g} years of data. Cores are planned to be {share:.0%} busy.

"""
_COLUMNS = (
    "Items", "People", "Requests/s", "Syncs/s", "Web cores", "Worker cores", "PostgreSQL cores",
    "Connections", "Transactions", "Disk", "Calls/min",
)  # fmt: skip
_STEPS = """
| Items | Steps to have taken | Machines, $ a month | Provider, $ a month |
| ---: | --- | ---: | ---: |
"""
_FULL = """
## What is full first

| Without a further step | Full at |
| --- | ---: |
"""
_WAY = """
## The steps

1. **One small machine.** Everything of `fintech up` or the Compose file: web, worker, scheduler,
   PostgreSQL and Valkey.
2. **A larger machine.** PostgreSQL's memory first: the rows of people who are active this month
   should fit into it. Nothing is configured but `shared_buffers` and the like.
3. **More web servers and workers.** They keep nothing; each is one process and about one core.
   Workers of the queue `sync` wait for banks most of the time, and have a queue of their own, so
   that a flood there delays nothing else.
4. **A pooler**, when processes want more connections than PostgreSQL serves well:
   [how](guides/scale.md#a-pooler).
5. **A read replica** for reports and exports; what decides about a write never reads there (D12).
6. **Partitions.** `transactions` is hash-partitioned by household from the beginning, eight parts.
   Every statement of pages, edits, files and syncs is planned for one part alone
   (`tests/scaling/test_partitions.py` explains them); vacuum, index builds and the crowded end of
   an index are an eighth each. `journal_pages` and `daily_totals` are next: each of their unique
   keys has the household in it, as partitions ask, and a partitioned copy is pruned as well.
7. **Several database servers, by household.** No statement crosses households but the few of
   `fintech_system` (signing in, webhooks, the schedule), and every key of what a household owns
   begins with `household_id`: the distribution column of Citus, or what tells installations apart.
   What Citus asks of a schema is tested (`tests/scaling/test_sharding.py`): each unique key of
   the tables that would be spread holds the household, each foreign key among them carries it at
   the same place, and nothing that stays whole points to them. `user_sessions`, `api_tokens` and
   `webhooks` are found before anybody knows whose they are, and stay whole. **Not tried on Citus
   itself**, which comes neither with PyPI's PostgreSQL nor with Debian's. What would be in its way:
   the triggers that keep totals and history and the lock of a household's ledger, which Citus
   takes on a table that it spreads only with `citus.enable_unsafe_triggers`, and the policies and
   roles, which have to be there on every node. Several installations behind a table of who is
   where need none of this, and `fintech export` with `fintech import-household` moves a
   household from one to the other with equal digests.

## What the calculation leaves out

The first sync of a new Item, which brings two years at once; exports and proofs; backups and the
archive of the write-ahead log; memory; networks; and whatever gets slower when a table no longer
fits into memory. A month in which many people join is a month of first syncs.
"""
_WORDS = {
    "web_ms": "a request of the mix, web, ms of processor",
    "request_database_ms": "the same, PostgreSQL",
    "poll_worker_ms": "a sync without news, worker",
    "poll_database_ms": "the same, PostgreSQL",
    "news_worker_ms": "a sync with one new row, worker",
    "news_database_ms": "the same, PostgreSQL",
    "row_bytes": "a transaction on disk with all indexes, bytes",
    "journal_bytes": "the same in the journal",
    "items_per_person": "Items of a person",
    "requests_per_person_day": "requests of a person a day",
    "peak_share": "of them in the busiest hour",
    "polls_per_item_day": "syncs of an Item a day by the schedule",
    "news_per_item_day": "syncs of an Item a day by webhook",
    "rows_per_item_day": "new transactions of an Item a day",
    "years_kept": "years of data",
    "bank_wait_seconds": "seconds that a sync waits for the provider",
    "core_share": "of a core planned with",
    "web_connections": "connections of a web server",
    "worker_threads": "threads and connections of a worker",
    "connections": "connections that PostgreSQL holds well",
    "database_cores": "cores of the largest database server",
    "database_disk_bytes": "its disk, bytes",
    "provider_calls_minute": "calls of /transactions/sync a minute that Plaid takes of a client",
    "scheduled_minute": "syncs a minute that the scheduler tells of",
    "read_share": "of the database's work for requests that a replica can take",
    "core": "$ for a core a month",
    "gibibyte": "$ for a GiB of disk a month",
    "item": "$ for an Item a month at the provider",
}


def costs_of(found: Mapping[str, Any]) -> Costs:
    """Return the costs that `make load` measured."""
    mix, polls, news = found["mix"][-1]["cpu_ms"], found["syncs"]["nothing"], found["syncs"]["news"]
    return Costs(
        web_ms=mix["web"],
        request_database_ms=mix["PostgreSQL"],
        poll_worker_ms=polls["worker"],
        poll_database_ms=polls["PostgreSQL"],
        news_worker_ms=news["worker"] + news["web"],
        news_database_ms=news["PostgreSQL"],
        row_bytes=load.row_bytes(found),
        journal_bytes=load.journal_bytes(found),
    )


def render(costs: Costs, habits: Habits, limits: Limits, prices: Prices) -> str:
    """Return the page."""
    needs = [scaling.need(items, costs, habits, limits) for items in SIZES]
    return "".join(
        [
            _HEAD,
            *_inputs(costs),
            _ASSUMED,
            *(line for part in (habits, limits, prices) for line in _inputs(part)),
            _TABLE.format(years=habits.years_kept, share=limits.core_share),
            f"| {' | '.join(_COLUMNS)} |\n|{' ---: |' * len(_COLUMNS)}\n",
            *map(_row, needs),
            _STEPS,
            *(_step(each, limits, prices) for each in needs),
            _FULL,
            *(
                f"| {name} | {items:,.0f} Items |\n"
                for name, items in sorted(
                    scaling.full_at(costs, habits, limits).items(), key=lambda each: each[1]
                )
            ),
            _WAY,
        ]
    )


def _inputs(part: Costs | Habits | Limits | Prices) -> list[str]:
    return [f"| {_WORDS[each.name]} | {getattr(part, each.name):,g} |\n" for each in fields(part)]


def _row(found: Need) -> str:
    cells = (
        f"{found.items:,.0f}", f"{found.people:,.0f}", f"{found.requests_second:,.3g}",
        f"{found.syncs_second:,.3g}", _cores(found.web_cores), _cores(found.worker_cores),
        _cores(found.database_cores), f"{found.connections:,}", f"{found.rows:,.0f}",
        _size(found.disk_bytes), f"{found.calls_minute:,.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |\n"


def _step(found: Need, limits: Limits, prices: Prices) -> str:
    machines, provider = scaling.dollars_month(found, prices)
    taken = ", ".join(scaling.steps(found, limits))
    return f"| {found.items:,.0f} | {taken} | {machines:,.0f} | {provider:,.0f} |\n"


def _cores(cores: float) -> str:
    return f"{cores:,.2f}" if cores < 1 else f"{cores:,.1f}"


def _size(size: float) -> str:
    return f"{size / GIB:,.2f} GiB" if size < GIB else f"{size / GIB:,.0f} GiB"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or print it for other assumptions; 1 when `--check` finds it stale."""
    options = argparse.ArgumentParser(prog="make scaling-model", description=__doc__)
    options.add_argument("--check", action="store_true", help="Only compare.")
    for kind in (Habits, Limits, Prices):
        for each in fields(kind):
            options.add_argument(
                f"--{each.name.replace('_', '-')}", type=float, help=_WORDS[each.name]
            )
    asked = vars(options.parse_args(arguments))
    is_check = asked.pop("check")
    given = {name: value for name, value in asked.items() if value is not None}
    parts = [
        kind(**{each.name: given[each.name] for each in fields(kind) if each.name in given})
        for kind in (Habits, Limits, Prices)
    ]
    text = render(costs_of(load.read()), *parts)  # type: ignore[arg-type]
    if given:
        print(text)
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if not is_check:
        PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.name}: {'out of date: make scaling-model' if is_check else 'written'}")
    return 1 if is_check else 0


if __name__ == "__main__":
    sys.exit(main())
