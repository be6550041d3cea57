"""The list of transactions in a large household and in a small one, and search in the large."""

import random
import statistics
from functools import cache, partial
from urllib.parse import urlencode
from uuid import UUID

from app.core.database import household_transaction
from app.core.pagination import PageKey, decode_key
from app.domain import filters
from app.features.transactions import service
from benchmarks import extent, generated, households, measuring, requesting
from benchmarks.figures import Reading
from benchmarks.households import Household
from benchmarks.requesting import Client

PAGE = "/transactions"
API = "/api/v1/transactions/"
Pairs = list[tuple[str, str]]

TERMS = {
    "common": ("market", "ref", "a", "purchase authorized"),
    "rare": ("1234567", "9 duluth", "987654", "#4711"),
    "absent": ("zzzzzz", "no such words", "zq", "qqq"),
    "short": ("x", "77", "ca", "0"),
}


def page_at_scale() -> Reading:
    """Server milliseconds, 99th percentile, of pages with any filter at any depth."""
    large, small, parts = _pages()
    return Reading(large, small, parts)


def search_at_scale() -> Reading:
    """Server milliseconds, 99th percentile, over common, rare, absent and short terms."""
    found, plain, parts = _search()
    return Reading(measuring.percentile(found, 99), measuring.percentile(plain, 99), parts)


def overview_at_scale() -> Reading:
    """Server milliseconds, 99th percentile, of the overview and of the page of each account."""
    world = households.world(extent.large_rows())
    large: list[float] = []
    small: list[float] = []
    with requesting.running() as client_of:
        asking = (
            (client_of(world.large), _overviews(world.large), large),
            (client_of(world.small), _overviews(world.small), small),
        )
        for turn in range(extent.rounds(30)):
            for client, addresses, times in asking if turn % 2 else reversed(asking):
                found = [_milliseconds(client, address) for address in addresses]
                if turn:  # the first round warms caches and plans
                    times += found
    notes = f"At {world.rows:,} rows: median {statistics.median(large):.1f} ms."
    return Reading(measuring.percentile(large, 99), measuring.percentile(small, 99), notes)


def _overviews(household: Household) -> list[str]:
    return ["/", *(f"/accounts/{key.account_id}" for key in household.accounts.values())]


@cache
def _pages() -> tuple[float, float, str]:
    world = households.world(extent.large_rows())
    source = random.Random(5)
    large: dict[str, list[float]] = {}
    small: dict[str, list[float]] = {}
    statements: dict[str, list[float]] = {}
    with requesting.running() as client_of:
        asking = ((world.large, large), (world.small, small))
        clients = {household.id: client_of(household) for household, _ in asking}
        for turn in range(extent.rounds(30)):
            for household, times in asking if turn % 2 else reversed(asking):
                for kind, pairs in _questions(household, source).items():
                    seconds = clients[household.id].get(f"{PAGE}?{urlencode(pairs)}").seconds
                    if turn:  # the first round warms caches and plans
                        times.setdefault(kind, []).append(seconds * 1000)
                    if household is world.large:
                        taken = measuring.timed(partial(_select, household, pairs))
                        statements.setdefault(kind, []).append(taken * 1000)
    notes = "; ".join(
        f"{kind} {statistics.median(times):.1f} ms (SQL {statistics.median(statements[kind]):.1f})"
        for kind, times in large.items()
    )
    return _p99(large), _p99(small), f"Medians at {world.rows:,} rows: {notes}."


def _p99(times: dict[str, list[float]]) -> float:
    return measuring.percentile([each for of_kind in times.values() for each in of_kind], 99)


def _select(household: Household, pairs: Pairs) -> None:
    """Do what the page does for its rows, without rendering."""
    query = dict(pairs)
    after = decode_key(query.pop("after", ""))
    with household_transaction(household.id) as session:
        service.list_transactions(
            session, household.id, filters.parse(query.items()), after=after, limit=50
        )


def _questions(household: Household, source: random.Random) -> dict[str, Pairs]:
    """Return a filter of each kind, with values of this household."""
    accounts = [str(key.account_id) for key in household.accounts.values()]
    categories = [str(id_) for id_ in household.categories.values()]
    year = source.randrange(2017, 2026)
    return {
        "first page": [],
        "any depth": [("after", _depth(source))],
        "account": [("account", source.choice(accounts))],
        "account, any depth": [("account", source.choice(accounts)), ("after", _depth(source))],
        "category": [("category", source.choice(categories))],
        "category, any depth": [
            ("category", source.choice(categories)), ("after", _depth(source)),
        ],
        "two categories": [("category", each) for each in source.sample(categories, 2)],
        "a month": [("date_from", f"{year}-03-01"), ("date_to", f"{year}-03-31")],
        "account and category": [
            ("account", source.choice(accounts)), ("category", source.choice(categories)),
        ],
        "money in": [("direction", "in")],
        "amounts": [("amount_min", "20"), ("amount_max", f"{source.randrange(21, 25)}")],
        "large amounts": [("amount_min", "6000")],
        "no such amount": [("amount_min", f"{source.randrange(10**7, 10**8)}")],
        "pending": [("pending", "yes")],
        "account and amount": [
            ("account", source.choice(accounts)), ("amount_min", "6000"),
        ],
    }  # fmt: skip


def _depth(source: random.Random) -> str:
    day = generated.LAST_DAY.toordinal() - source.randrange(generated.DAYS)
    return PageKey(generated.LAST_DAY.fromordinal(day), UUID(int=source.getrandbits(128))).encode()


@cache
def _search() -> tuple[list[float], list[float], str]:
    world = households.world(extent.large_rows())
    times: dict[str, list[float]] = {kind: [] for kind in TERMS}
    plain: list[float] = []
    with requesting.running() as client_of:
        client = client_of(world.large)
        for turn in range(extent.rounds(12)):
            for kind, terms in TERMS.items():
                for term in terms:
                    found = _milliseconds(client, f"{API}?{urlencode({'search': term})}")
                    listed = _milliseconds(client, API)
                    if turn:
                        times[kind].append(found)
                        plain.append(listed)
    parts = (
        f"{kind} p50 {statistics.median(each):.0f}, p99 {measuring.percentile(each, 99):.0f} ms"
        for kind, each in times.items()
    )
    everything = [each for of_kind in times.values() for each in of_kind]
    return everything, plain, f"At {world.rows:,} rows: {'; '.join(parts)}."


def _milliseconds(client: Client, address: str) -> float:
    return client.get(address).seconds * 1000
