"""Random provider histories, and what brings them into a real ledger without HTTP."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.core.database import household_transaction, system_transaction
from app.core.ids import uuid7
from app.domain.records import join_pages
from app.features.accounts import service as accounts
from app.features.categories import service as categories
from app.features.changes import service as changes
from app.features.connections import repository
from app.features.connections.service import sync
from app.features.connections.service.fetching import JournaledPage, ReadPages
from app.features.journal import service as journal
from app.features.transactions import service as transactions
from app.features.transactions.service import Applied
from app.features.vault import service as vault
from app.providers.base import Page
from app.providers.plaid import pages
from app.simulator.rows import Account, Row
from app.simulator.stream import (
    AccountChurned,
    Added,
    Churned,
    ItemStream,
    Modified,
    MutationError,
    Noise,
    Posted,
    Removed,
)

FIRST_DAY = dt.date(2026, 1, 1)
Live = dict[str, tuple[str, dt.date, Decimal, bool]]
"""By source id: account, date, amount with our sign, pending."""


def new_household() -> UUID:
    """Make a household that has its key and its categories."""
    household_id = uuid7()
    with system_transaction() as session:
        session.execute(
            text("INSERT INTO households (id, name) VALUES (:id, 'Histories')"),
            {"id": household_id},
        )
        vault.create_key(session, household_id)
        categories.seed(session, household_id)
    return household_id


@dataclass
class History:
    """A stream to which things happen, one small step after another."""

    stream: ItemStream
    steps: int = 0
    removed_early: list[str] = field(default_factory=list)
    """Pending rows that vanished and are posted only later."""

    def step(self, kind: str, pick: int, cents: int) -> None:
        """Let one thing happen; what makes no sense right now does nothing."""
        self.steps += 1
        rows = self.stream.rows()
        pending = [row for row in rows if row.pending]
        match kind:
            case "add pending":
                self.stream.apply(Added(self._row(pick, cents, pending=True)))
            case "add posted":
                self.stream.apply(Added(self._row(pick, cents)))
            case "post" | "post after" | "post unlinked" if pending:
                old = pending[pick % len(pending)]
                self.stream.apply(
                    Posted(
                        old.transaction_id,
                        self._row(pick, cents, account_id=old.account_id),
                        linked=kind != "post unlinked",
                        removal="after" if kind == "post after" else "before",
                    )
                )
            case "vanish" if pending:
                old = pending[pick % len(pending)]
                self.stream.apply(Removed(old.transaction_id))
                self.removed_early.append(old.transaction_id)
            case "post late" if self.removed_early:
                old_id = self.removed_early.pop(pick % len(self.removed_early))
                self.stream.apply(Posted(old_id, self._row(pick, cents), removal="none"))
            case "modify" if rows:
                old = rows[pick % len(rows)]
                row = self._row(pick, cents, account_id=old.account_id, pending=old.pending)
                self.stream.apply(Modified(_named(row, old.transaction_id)))
            case "remove" if rows:
                self.stream.apply(Removed(rows[pick % len(rows)].transaction_id))
            case "churn" if rows:
                old = rows[pick % len(rows)]
                row = self._row(pick, cents, account_id=old.account_id)
                self.stream.apply(Churned(old.transaction_id, row))
            case "churn account":
                old_id = sorted(self.stream.accounts)[pick % len(self.stream.accounts)]
                self.stream.apply(AccountChurned(old_id, f"a-{self.steps}-{self.stream.name}"))

    def _row(
        self, pick: int, cents: int, *, account_id: str | None = None, pending: bool = False
    ) -> Row:
        ids = sorted(self.stream.accounts)
        return Row(
            transaction_id=f"t{self.steps}",
            account_id=account_id or ids[pick % len(ids)],
            date=FIRST_DAY + dt.timedelta(days=pick % 40),
            amount=Decimal(cents).scaleb(-2),
            pending=pending,
            name=f"SHOP {pick % 7}",
        )


def _named(row: Row, transaction_id: str) -> Row:
    return Row(
        transaction_id=transaction_id,
        account_id=row.account_id,
        date=row.date,
        amount=row.amount,
        pending=row.pending,
        name=row.name,
    )


KINDS = (
    "add pending", "add pending", "add posted", "post", "post after", "post unlinked", "vanish",
    "post late", "modify", "remove", "churn", "churn account",
)  # fmt: skip
steps = st.tuples(st.sampled_from(KINDS), st.integers(0, 60), st.integers(-50_000, 50_000))
rounds = st.lists(st.lists(steps, max_size=8), min_size=1, max_size=5)
"""What happens before each sync."""
noises = st.builds(
    Noise,
    split_pairs=st.booleans(),
    repeat_rows=st.integers(0, 2),
    swap_added_modified=st.booleans(),
    unknown_removals=st.booleans(),
    raw_log=st.booleans(),
    page_rows_max=st.integers(1, 6),
)


def new_history(name: str, noise: Noise) -> History:
    """Return a history of two empty accounts at a bank with bad manners."""
    accounts_ = [Account(account_id=f"a{n}-{name}", name=f"Account {n}") for n in (1, 2)]
    found = History(ItemStream(name, accounts_))
    found.stream.noise = noise
    return found


@dataclass
class Reader:
    """Reads a stream into the ledger as the sync does, less the network and the journal."""

    household_id: UUID
    stream: ItemStream
    item_id: UUID = field(default_factory=uuid7)
    cursor: str | None = None
    keys: dict[str, accounts.SourceAccountKey] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with household_transaction(self.household_id) as session:
            repository.insert_item(
                session,
                {
                    "household_id": self.household_id,
                    "id": self.item_id,
                    "provider": "plaid",
                    "item_source_id": self.stream.name,
                    "institution_name": "First Platypus Bank",
                },
            )

    def fetch(self, meanwhile: Iterable[Callable[[], object]] = ()) -> list[Page]:
        """Read to the end of the loop; between two pages the next of `meanwhile` happens."""
        interruptions = iter(meanwhile)
        for _ in range(20):
            try:
                return self._loop(interruptions)
            except MutationError:
                continue
        raise AssertionError("the stream never settles")

    def _loop(self, interruptions: Iterable[Callable[[], object]]) -> list[Page]:
        found: list[Page] = []
        cursor = self.cursor
        while True:
            answer = self.stream.sync(cursor or "", 500)
            found.append(pages.decode_page(pages.TRANSACTIONS, answer.as_json(), cursor))
            if not found[-1].has_more:
                return found
            cursor = found[-1].changes.to_cursor
            for interrupt in interruptions:
                interrupt()
                break

    def book(self, found: list[Page]) -> Applied:
        """Journal and apply what was read, in one transaction."""
        with household_transaction(self.household_id) as session:
            run_id = uuid7()
            pages = [
                JournaledPage(
                    journal.write(
                        session,
                        self.household_id,
                        kind=page.kind,
                        payload=page.payload,
                        item_id=self.item_id,
                        sync_run_id=run_id,
                        sequence=sequence,
                        cursors=(page.changes.from_cursor, page.changes.to_cursor),
                    ),
                    self.item_id,
                    page,
                    sequence,
                )
                for sequence, page in enumerate(found)
            ]
            return self._apply(session, ReadPages(run_id, pages))

    def _apply(self, session: Session, read: ReadPages) -> Applied:
        joined = join_pages(each.page.changes for each in read.pages)
        change_set_id = changes.open_change_set(
            session, self.household_id, kind="sync", sync_run_id=read.run_id
        )
        for journaled in sync.account_pages(read.pages, as_of_rows=True):
            self.keys |= accounts.store_accounts(
                session,
                self.household_id,
                journaled.page.changes.accounts,
                source="plaid",
                item_id=self.item_id,
                institution_name=None,
                journal_page_id=journaled.id,
            )
        pages = {
            key: journaled.id
            for journaled in read.pages
            for changed in [journaled.page.changes]
            for key in [*(record.key for record in changed.upserts), *changed.removed]
        }
        self.cursor = joined.to_cursor
        return transactions.apply_changes(
            session,
            self.household_id,
            change_set_id,
            joined,
            accounts=self.keys,
            categories=sync.categories_of(session, self.household_id, joined),
            pages=pages,
        )


def ledger_of(household_id: UUID, source_account_ids: Iterable[UUID]) -> Live:
    """Return what the ledger shows of some source accounts."""
    with household_transaction(household_id) as session:
        rows = session.execute(
            text(
                "SELECT t.source_id, s.account_source_id, t.date, t.amount, t.pending"
                " FROM transactions t JOIN source_accounts s"
                " ON s.household_id = t.household_id AND s.id = t.source_account_id"
                " WHERE t.household_id = :household_id AND t.removed_at IS NULL"
                " AND t.source_account_id = ANY(:ids)"
            ),
            {"household_id": household_id, "ids": list(source_account_ids)},
        )
        return {row[0]: (row[1], row[2], row[3], row[4]) for row in rows}


def truth_of(stream: ItemStream) -> Live:
    """Return what the bank says, with our sign."""
    return {
        source_id: (account_id, date, -amount, pending)
        for source_id, (account_id, date, amount, pending) in stream.truth().items()
    }
