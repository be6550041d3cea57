"""T7, T9: what PostgreSQL shows a guest: what is shared with them, whatever the code asks."""

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core import database
from app.models import Base
from tests.cast import SignedInBrowser
from tests.factories import ledger, people
from tests.factories.ledger import Owned

OF_ACCOUNTS = {
    "account_shares": "account_id",
    "accounts": "id",
    "daily_totals": "account_id",
    "monthly_totals": "account_id",
    "source_accounts": "account_id",
    "transactions": "account_id",
}
"""Tables of which a guest sees the rows of shared accounts, and the column that says whose."""
READABLE = {*OF_ACCOUNTS, "categories", "tie_outs"}
PARTS = {"items": "id, institution_name"}
"""Of which they see some columns."""


@pytest.fixture
def shared(ada: SignedInBrowser) -> Owned:
    return ledger.everything(ada.household_id, ada.user_id, description="HARBOUR CAFE SHARED")


@pytest.fixture
def kept(ada: SignedInBrowser) -> Owned:
    return ledger.everything(ada.household_id, ada.user_id, description="HARBOUR CAFE KEPT")


@pytest.fixture
def gus(ada: SignedInBrowser, shared: Owned, kept: Owned) -> UUID:
    made = people.member(ada.person, "Gus", role="guest")
    people.share(ada.household_id, made.user_id, shared.account_id)
    return made.user_id


@contextmanager
def as_guest(ada: SignedInBrowser, user_id: UUID) -> Iterator[Session]:
    token = database.guest.set(user_id)
    try:
        with ada.session() as session:
            yield session
    finally:
        database.guest.reset(token)


def refuses(ask: Callable[[], object]) -> str | None:
    with pytest.raises(DBAPIError) as raised:
        ask()
    return getattr(raised.value.orig, "sqlstate", None)


@pytest.mark.parametrize("table", sorted(Base.metadata.tables))
def test_T9_a_guest_sees_rows_of_shared_accounts_and_of_no_other_table(
    ada: SignedInBrowser, gus: UUID, shared: Owned, table: str
) -> None:
    def read() -> list[tuple[object, ...]]:
        with as_guest(ada, gus) as session:
            column = OF_ACCOUNTS.get(table, "1")
            return [tuple(row) for row in session.execute(text(f"SELECT {column}, * FROM {table}"))]

    if table not in READABLE:
        assert refuses(read) == "42501"
        return
    rows = read()
    if table in OF_ACCOUNTS:
        assert {row[0] for row in rows} == {shared.account_id}


def test_T9_of_banks_a_guest_sees_the_names_of_those_of_shared_accounts(
    ada: SignedInBrowser, gus: UUID, shared: Owned
) -> None:
    with as_guest(ada, gus) as session:
        [row] = session.execute(text(f"SELECT {PARTS['items']} FROM items"))
    assert row.id == shared.item_id
    with as_guest(ada, gus) as session:
        assert refuses(lambda: session.execute(text("SELECT access_token FROM items"))) == "42501"


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE transactions SET note = 'mine'",
        "INSERT INTO account_shares (household_id, user_id, account_id)"
        " SELECT household_id, user_id, account_id FROM account_shares",
        "DELETE FROM account_shares",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT * FROM search_transactions('harbour')",
        "SELECT * FROM transactions_part_0",
    ],
)
def test_T9_a_guest_changes_nothing_and_goes_round_nothing(
    ada: SignedInBrowser, gus: UUID, attempt: str
) -> None:
    with as_guest(ada, gus) as session:
        assert refuses(lambda: session.execute(text(attempt))) in ("42501", "25006", "25001")


def test_T8_a_guests_search_behind_the_wall_finds_what_is_shared(
    ada: SignedInBrowser, gus: UUID, shared: Owned
) -> None:
    search = text("SELECT id FROM search_shared_transactions('harbour cafe')")

    with as_guest(ada, gus) as session:
        assert session.scalars(search).all() == [shared.transaction_id]
    with ada.session() as session:
        assert refuses(lambda: session.execute(search)) == "42501", "members have their own"


def test_T9_what_is_taken_back_is_gone_with_the_next_transaction(
    ada: SignedInBrowser, gus: UUID, kept: Owned
) -> None:
    seen = text("SELECT account_id FROM transactions")

    people.share(ada.household_id, gus, kept.account_id)
    with as_guest(ada, gus) as session:
        assert session.scalars(seen).all() == [kept.account_id]
    people.share(ada.household_id, gus)
    with as_guest(ada, gus) as session:
        assert session.scalars(seen).all() == []


def test_T7_a_guest_of_one_household_sees_nothing_of_another(
    ada: SignedInBrowser, cleo: SignedInBrowser, gus: UUID
) -> None:
    ledger.everything(cleo.household_id, cleo.user_id)

    with as_guest(cleo, gus) as session:
        assert session.scalar(text("SELECT count(*) FROM transactions")) == 0
        assert session.scalar(text("SELECT count(*) FROM accounts")) == 0


def test_T7_an_account_of_another_household_cannot_be_shared(
    ada: SignedInBrowser, cleo: SignedInBrowser, gus: UUID
) -> None:
    theirs = ledger.everything(cleo.household_id, cleo.user_id)

    assert refuses(lambda: people.share(ada.household_id, gus, theirs.account_id)) == "23503"


def test_T9_members_plans_do_not_know_of_guests(ada: SignedInBrowser) -> None:
    """One policy each, as before, so that their statements are planned as before."""
    with database.engine.connect() as connection:
        found = connection.execute(
            text("SELECT tablename, count(*) FROM pg_policies"
                 " WHERE 'fintech_tenant' = ANY (roles) GROUP BY tablename")
        ).all()  # fmt: skip
        assert {count for _, count in found} == {1}
    with ada.session() as session:
        plan = session.scalars(
            text("EXPLAIN SELECT id FROM transactions WHERE is_live ORDER BY date DESC, id DESC")
        ).all()
    assert "account_shares" not in "\n".join(plan)


def test_T9_a_background_task_is_no_guest() -> None:
    assert contextvars.Context().run(database.guest.get) is None
