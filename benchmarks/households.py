"""Households in the database of the benchmarks, filled through our own apply."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import islice
from uuid import UUID

import psycopg

from app.core import database
from app.core.config import settings
from app.core.ids import uuid7
from app.domain import taxonomy
from app.domain.records import (
    AccountRecord,
    BalanceRecord,
    ChangeSet,
    SourceKey,
    TransactionRecord,
)
from app.features.accounts import service as accounts
from app.features.accounts.service import SourceAccountKey
from app.features.categories import service as categories
from app.features.changes import service as changes
from app.features.connections import repository
from app.features.journal import service as journal
from app.features.matching.service.rows import match_changes
from app.features.tieout import service as tieout
from app.features.transactions import service as transactions
from app.features.transactions.service import Applied
from app.features.users import service as users
from app.features.users import sessions
from app.features.users.sessions import Client
from benchmarks import generated
from benchmarks.measuring import POSTGRESQL, VALKEY, Processes

LOAD_ROWS = 20_000
OTHER_HOUSEHOLDS = 12
SMALL_ROWS = 10_000
JOURNAL_KIND = "plaid.transactions_sync"

servers = Processes((int(os.environ[POSTGRESQL]), int(os.environ[VALKEY])))
everything = Processes(servers.roots, own=True)


@dataclass(frozen=True, slots=True)
class Household:
    """A household with a person in it and accounts that a source feeds."""

    id: UUID
    user_id: UUID
    name: str
    item_id: UUID
    accounts: dict[str, SourceAccountKey]
    categories: dict[str, UUID]


def new_household() -> Household:
    """Make a person with a household, its key, its categories and its accounts."""
    name = f"h{uuid7().hex}"
    with database.system_transaction() as session:
        made = users.create_user(
            session, email=f"{name}@example.com", password_hash="-", name="Benchmark"
        )
    with database.household_transaction(made.household_id) as session:
        item_id = uuid7()
        item = {"household_id": made.household_id, "id": item_id, "provider": "plaid",
                "item_source_id": name, "institution_name": "First Platypus Bank"}  # fmt: skip
        repository.insert_item(session, item)
        page_id = journal.write(session, made.household_id, kind="plaid.accounts", payload=b"{}")
        keys = accounts.store_accounts(
            session,
            made.household_id,
            _accounts(name),
            source="plaid",
            item_id=item_id,
            institution_name="First Platypus Bank",
            journal_page_id=page_id,
        )
        by_code = categories.ids_by_code(session, made.household_id)
    ours = {
        each.code: by_code[code]
        for each in taxonomy.CATEGORIES
        if (code := taxonomy.find(each.code)) in by_code
    }
    return Household(made.household_id, made.user_id, name, item_id, keys, ours)


def write_journal(household: Household, payload: bytes) -> UUID:
    """Append a page to the journal, in a transaction of its own as the sync does."""
    with database.household_transaction(household.id) as session:
        return journal.write(session, household.id, kind=JOURNAL_KIND, payload=payload)


def book(
    household: Household, records: Sequence[TransactionRecord], pages: dict[SourceKey, UUID]
) -> Applied:
    """Do what a sync does with records that it has read: rows, matching, how accounts tie out."""
    joined = ChangeSet(None, "cursor", tuple(records))
    with database.household_transaction(household.id) as session:
        database.take_time(session)  # as a worker has it, also where the web was imported
        change_set_id = changes.open_change_set(session, household.id, kind="sync")
        applied = transactions.apply_changes(
            session,
            household.id,
            change_set_id,
            joined,
            accounts=household.accounts,
            categories=household.categories,
            pages=pages,
        )
        counts = {"added": applied.added, "modified": applied.modified}
        has_changes = any(counts.values())
        if has_changes:
            match_changes(session, household.id, change_set_id, joined, household.accounts)
        touched = {key.account_id for key in household.accounts.values()}
        tieout.after_booking(session, household.id, touched, has_changes=has_changes)
        changes.count(session, household.id, change_set_id, counts)
    return applied


def fill(household: Household, count: int, *, seed: int = 1) -> None:
    """Bring ten years of transactions into a household."""
    page_id = write_journal(household, b"{}")
    records = generated.records(household.name, count, seed=seed)
    while batch := list(islice(records, LOAD_ROWS)):
        applied = book(household, batch, dict.fromkeys((each.key for each in batch), page_id))
        assert applied.added == len(batch)


@dataclass(frozen=True, slots=True)
class World:
    """One household with very many transactions, and others beside it."""

    large: Household
    small: Household
    rows: int


@cache
def world(rows: int) -> World:
    """Return a large household of so many rows and a small one, among others."""
    others = [new_household() for _ in range(OTHER_HOUSEHOLDS)]
    for number, household in enumerate(others):
        fill(household, SMALL_ROWS, seed=number + 2)
    large = new_household()
    fill(large, rows)
    with owner() as connection:
        # What autovacuum does within a minute of such a load.
        connection.execute("VACUUM (ANALYZE)")
    return World(large, others[0], rows)


def owner() -> psycopg.Connection:
    """Connect as whoever owns the tables, past policies, without transactions."""
    return psycopg.connect(settings.DATABASE_URL.get_secret_value(), autocommit=True)


def bearer_token(household: Household) -> str:
    """Sign in a program of the household's person."""
    with database.system_transaction() as session:
        client = Client("127.0.0.1", "benchmarks")
        return sessions.open_api_session(session, household.user_id, client).access_token


def cookie(household: Household) -> str:
    """Sign in a browser of the household's person."""
    with database.system_transaction() as session:
        client = Client("127.0.0.1", "benchmarks")
        return sessions.open_browser_session(session, household.user_id, client).cookie


def _accounts(household: str) -> list[AccountRecord]:
    """Return what the bank says of the accounts, each with a balance."""
    balance = BalanceRecord("USD", Decimal(1_000))
    return [
        AccountRecord(each.account_id, each.name, "depository", "checking", balance)
        for each in generated.accounts_of(household)
    ]
