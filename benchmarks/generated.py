"""Ten years of plausible, noisy transactions from a seed: as records, and as Plaid's JSON."""

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.domain import taxonomy
from app.domain.money import Money
from app.domain.records import TransactionRecord
from app.simulator.rows import Account, Facts, Place, Row
from app.simulator.stream import Backfilled, ItemStream

LAST_DAY = dt.date(2026, 11, 20)
DAYS = 3_652
ACCOUNTS = 8
MERCHANTS = 600
_SYLLABLES = "ka lo mi re san tor vel dun ba shi pra nor gel fi mar os ul tan bri cor".split()
_TRADES = "MARKET CAFE FUEL PHARMACY HARDWARE DINER BOOKS TRANSIT ENERGY STUDIO GARAGE".split()
_FORMS = (
    "SQ *{name} {number}", "{name} #{short} {city}", "PURCHASE AUTHORIZED {name} REF {number}",
    "POS DEBIT {number} {name} {city}", "{name}*{number}", "ACH {name} ID:{number} WEB",
)  # fmt: skip
_CITIES = ("POWAY CA", "AUSTIN TX", "SALEM OR", "ITHACA NY", "DULUTH MN", "MOAB UT")
_CODES = [category.code for category in taxonomy.CATEGORIES if category.parent][:100]


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who takes the money, and how a bank writes it."""

    name: str
    form: str
    city: str
    facts: Facts
    usual: float
    """The typical amount."""


def account_ids(household: str) -> list[str]:
    """Return the source's ids of the household's accounts."""
    return [f"{household}-account-{number}" for number in range(ACCOUNTS)]


def rows(household: str, count: int, *, seed: int = 1, days: int = DAYS) -> Iterator[Row]:
    """Yield transactions in the order in which they were booked, with Plaid's sign."""
    source = random.Random(seed)
    merchants = _merchants()
    weights = [1 / (rank + 5) for rank in range(MERCHANTS)]
    accounts = account_ids(household)
    first = LAST_DAY - dt.timedelta(days=days - 1)
    for number in range(count):
        merchant = source.choices(merchants, weights)[0]
        day = first + dt.timedelta(days=number * days // count)
        reference = source.getrandbits(148)
        yield Row(
            transaction_id=f"{reference:037x}",
            account_id=accounts[int(source.random() ** 2 * ACCOUNTS)],
            date=day,
            amount=Decimal(round(source.lognormvariate(0, 0.7) * merchant.usual * 100)) / 100,
            pending_transaction_id=f"{reference ^ 1:037x}" if number % 7 == 0 else None,
            name=merchant.form.format(
                name=merchant.name.upper(),
                number=reference % 10_000_000,
                short=reference % 9_000,
                city=merchant.city,
            ),
            authorized_date=day - dt.timedelta(days=number % 3),
            facts=merchant.facts,
        )


def record_of(row: Row) -> TransactionRecord:
    """Return what our provider makes of the row, with our sign."""
    return TransactionRecord(
        row.account_id,
        row.transaction_id,
        row.date,
        Money(-row.amount, "USD"),
        row.name,
        row.pending,
        row.facts.merchant,
        row.authorized_date,
        row.facts.category,
        row.pending_transaction_id,
    )


def records(household: str, count: int, *, seed: int = 1) -> Iterator[TransactionRecord]:
    """Yield transactions with our sign."""
    return map(record_of, rows(household, count, seed=seed))


def accounts_of(household: str) -> list[Account]:
    """Return the household's accounts as a bank knows them."""
    return [
        Account(
            account_id=account_id,
            name=f"Account {number}",
            type="credit" if number % 3 == 2 else "depository",
            subtype="credit card" if number % 3 == 2 else "checking",
            mask=f"{1000 + number}",
        )
        for number, account_id in enumerate(account_ids(household))
    ]


def plaid_pages(household: str, count: int, *, seed: int = 1, page_rows: int = 500) -> list[bytes]:
    """Return the bodies that Plaid's /transactions/sync would answer with, in order."""
    stream = ItemStream(household, accounts_of(household))
    stream.apply(Backfilled(list(rows(household, count, seed=seed, days=730))))
    bodies, cursor, has_more = [], "", True
    while has_more:
        page = stream.sync(cursor, page_rows)
        bodies.append(page.as_json())
        cursor, has_more = page.next_cursor, page.has_more
    return bodies


def _merchants() -> list[Merchant]:
    source = random.Random("merchants")
    found = []
    for number in range(MERCHANTS):
        name = "".join(source.sample(_SYLLABLES, 3)).capitalize()
        name = f"{name} {source.choice(_TRADES).capitalize()}"
        city = source.choice(_CITIES)
        code = _CODES[number % len(_CODES)]
        income = code.startswith("INCOME")
        facts = Facts(
            merchant=name,
            category=code,
            channel=source.choice(("in store", "online")),
            website=f"{name.split()[0].lower()}.example",
            place=Place(
                address=f"{source.randrange(1, 9_999)} Main Street",
                city=city[:-3].title(),
                region=city[-2:],
                postal_code=f"{source.randrange(10_000, 99_999)}",
                country="US",
                lat=Decimal(source.randrange(25_000_000, 49_000_000)) / 1_000_000,
                lon=-Decimal(source.randrange(70_000_000, 120_000_000)) / 1_000_000,
                store_number=f"{number}",
            ),
        )
        usual = -source.uniform(500, 3_000) if income else source.uniform(4, 150)
        found.append(Merchant(name, source.choice(_FORMS), city, facts, usual))
    return found
