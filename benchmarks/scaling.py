"""What a service of any size needs, by calculation from measured costs of single things; pure.

Nothing here was measured at the sizes it speaks of: it says where each part's limit would be met
first if costs stay what they are on one machine, and which step moves that limit.
"""

from dataclasses import dataclass
from math import ceil

DAY_SECONDS = 86_400
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured: processor milliseconds, and bytes on disk with indexes."""

    web_ms: float
    """Of a request of the mix, in the web."""
    request_database_ms: float
    poll_worker_ms: float
    """Of a sync without news, in the worker."""
    poll_database_ms: float
    news_worker_ms: float
    """Of a sync with news, in the worker."""
    news_database_ms: float
    row_bytes: float
    """Of a transaction in all tables, the journal not counted."""
    journal_bytes: float
    """Of a transaction in the journal."""


@dataclass(frozen=True, slots=True)
class Habits:
    """What is assumed of people and banks."""

    items_per_person: float = 3.0
    requests_per_person_day: float = 40.0
    peak_share: float = 0.12
    """Of a day's requests, in its busiest hour."""
    polls_per_item_day: float = 4.0
    """By the schedule: SYNC_INTERVAL_MINUTES is 360."""
    news_per_item_day: float = 1.5
    rows_per_item_day: float = 3.0
    years_kept: float = 5.0
    bank_wait_seconds: float = 1.5
    """That a sync waits for the provider."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a part is full."""

    core_share: float = 0.6
    """Of a core that is planned with, so that a peak of minutes has room."""
    web_connections: int = 20
    worker_threads: int = 16
    connections: int = 200
    """That PostgreSQL holds well without a pooler."""
    database_cores: int = 32
    """Of one PostgreSQL server that is easily had."""
    database_disk_bytes: float = 4_000 * GIB
    """Of one server whose backup and restore are still a matter of hours."""
    provider_calls_minute: float = 2_500
    """That Plaid takes of one client for /transactions/sync."""
    scheduled_minute: float = 2_000
    """Syncs that the scheduler tells the workers of: 500 in each tick of 15 s."""
    read_share: float = 0.25
    """Of the database's work for requests that a replica can take: reports and exports."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars a month; assumed, to be replaced by one's own."""

    core: float = 25.0
    gibibyte: float = 0.15
    item: float = 0.30
    """At the provider."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a number of Items needs."""

    items: float
    people: float
    requests_second: float
    """In the busiest hour."""
    syncs_second: float
    web_cores: float
    worker_cores: float
    database_cores: float
    replica_takes: float
    """Of the database's cores."""
    web_processes: int
    workers: int
    connections: int
    """Held at PostgreSQL by all processes, without a pooler."""
    rows: float
    disk_bytes: float
    calls_minute: float
    """To the provider, for /transactions/sync."""

    @property
    def cores(self) -> float:
        """Return the cores of all parts."""
        return self.web_cores + self.worker_cores + self.database_cores


def need(items: float, costs: Costs, habits: Habits, limits: Limits) -> Need:
    """Return what so many Items need in the busiest hour, after the years that are kept."""
    people = items / habits.items_per_person
    requests = people * habits.requests_per_person_day * habits.peak_share / 3600
    polls = items * habits.polls_per_item_day / DAY_SECONDS
    news = items * habits.news_per_item_day / DAY_SECONDS
    share = 1000 * limits.core_share
    web = requests * costs.web_ms / share
    worker = (polls * costs.poll_worker_ms + news * costs.news_worker_ms) / share
    of_requests = requests * costs.request_database_ms / share
    of_syncs = (polls * costs.poll_database_ms + news * costs.news_database_ms) / share
    # A worker is full when its threads wait, or when its one core works.
    waiting = (polls + news) * habits.bank_wait_seconds / limits.worker_threads
    web_processes, workers = max(1, ceil(web)), max(1, ceil(max(worker, waiting)))
    rows = items * habits.rows_per_item_day * 365 * habits.years_kept
    return Need(
        items=items,
        people=people,
        requests_second=requests,
        syncs_second=polls + news,
        web_cores=web,
        worker_cores=worker,
        database_cores=of_requests + of_syncs,
        replica_takes=of_requests * limits.read_share,
        web_processes=web_processes,
        workers=workers,
        connections=web_processes * limits.web_connections + workers * limits.worker_threads,
        rows=rows,
        disk_bytes=rows * (costs.row_bytes + costs.journal_bytes),
        calls_minute=(polls + news) * 60,
    )


def steps(found: Need, limits: Limits) -> list[str]:
    """Return the steps that this size has to have taken, in the order in which to take them."""
    taken = []
    if found.cores > 2:
        taken.append("a larger machine")
    if found.web_processes > 1 or found.workers > 1:
        taken.append("more web servers and workers")
    if found.connections > limits.connections:
        taken.append("a pooler")
    if found.database_cores > limits.database_cores / 2:
        taken.append("a read replica")
    is_full = found.database_cores - found.replica_takes > limits.database_cores
    if is_full or found.disk_bytes > limits.database_disk_bytes:
        taken.append(f"{shards(found, limits)} database servers")
    if found.calls_minute > limits.scheduled_minute:
        taken.append("more Items in a tick of the scheduler")
    if found.calls_minute > limits.provider_calls_minute:
        taken.append("a higher limit at the provider")
    return taken or ["one small machine"]


def shards(found: Need, limits: Limits) -> int:
    """Return the database servers over which households have to be spread."""
    by_cores = (found.database_cores - found.replica_takes) / limits.database_cores
    return max(1, ceil(by_cores), ceil(found.disk_bytes / limits.database_disk_bytes))


def dollars_month(found: Need, prices: Prices) -> tuple[float, float]:
    """Return what machines cost a month, and what the provider takes for the Items."""
    cores = max(2.0, ceil(found.cores))
    return (
        cores * prices.core + found.disk_bytes / GIB * prices.gibibyte,
        found.items * prices.item,
    )


def full_at(costs: Costs, habits: Habits, limits: Limits) -> dict[str, float]:
    """Return the Items at which each part of one installation without further steps is full."""
    one = need(1_000_000, costs, habits, limits)
    per_item = {
        "one web process": one.web_cores,
        "one worker": max(
            one.worker_cores, one.syncs_second * habits.bank_wait_seconds / limits.worker_threads
        ),
        f"PostgreSQL on {limits.database_cores} cores": one.database_cores / limits.database_cores,
        "the disk of one server": one.disk_bytes / limits.database_disk_bytes,
        "the scheduler": one.calls_minute / limits.scheduled_minute,
        "the provider's limit": one.calls_minute / limits.provider_calls_minute,
    }
    return {name: 1_000_000 / load for name, load in per_item.items() if load}
