"""A household whose ledger has a bit of everything, and hands that break it on purpose."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

from sqlalchemy import text

from app.core import database
from app.core.ids import uuid7
from app.features.connections.service import sync
from app.features.imports.service.book import book
from app.features.imports.service.upload import preview
from app.features.transactions import service as transactions
from app.features.transactions.service import Edit
from app.providers.base import ProviderUnavailableError
from app.providers.plaid import pages
from app.simulator.rows import Account
from app.simulator.stream import Added, ItemStream, Modified, Posted, Removed
from tests.cast import SignedInBrowser
from tests.factories.files import csv, ofx
from tests.features.connections.bank import Bank, linked, open_bank, query, row
from tests.providers.plaid.bodies import account, encode


def fill(ada: SignedInBrowser) -> Bank:
    """Sync a bank three times, import two files, and edit a row."""
    bank = open_bank(rows=5)
    bank.page_rows = 2
    bank.stream.apply(Added(row(bank, "p", "9.99", pending=True)))
    with linked(ada.household_id, bank) as item_id:
        sync.sync_item(ada.household_id, item_id, "button")
        edit(ada, "p", note="with a tip", category=True)
        bank.stream.apply(Posted("p", row(bank, "q", "11.99")))
        bank.stream.apply(Modified(row(bank, "t1", "2.22")))
        bank.stream.apply(Removed("t0"))
        sync.sync_item(ada.household_id, item_id, "button")
        sync.sync_item(ada.household_id, item_id, "button")
    bring(ada, "march.ofx", ofx())
    bring(ada, "april.csv", csv("2026-04-02,BAKERY,-7.25", "2026-04-03,BAKERY,-7.25"))
    return bank


def fill_with_holdings(household_id: UUID) -> None:
    """Sync a bank with holdings; it fails when it is asked for the movements behind them."""
    accounts = [
        Account(account_id=f"checking-{uuid7()}", name="Everyday"),
        Account(account_id=f"broker-{uuid7()}", name="Brokerage", type="investment"),
    ]
    bank = Bank(ItemStream(f"item-{uuid7()}", accounts))
    bank.stream.apply(Added(row(bank, "a", "1.00")))
    holding = {
        "account_id": accounts[1].account_id,
        "security_id": "s1",
        "quantity": 3,
        "institution_price": 10,
        "institution_value": 30,
        "iso_currency_code": "USD",
    }
    listed = [account(each.account_id, type=each.type, name=each.name) for each in accounts]
    body = {
        "accounts": listed,
        "holdings": [holding],
        "securities": [{"security_id": "s1", "name": "All the world"}],
        "item": {"item_id": "i"},
    }
    listing = encode({"accounts": listed, "item": {"item_id": "i"}})
    bank.fetch_accounts = lambda _: pages.decode_page(pages.ACCOUNTS, listing, None)
    bank.fetch_holdings = lambda _: pages.decode_page(pages.HOLDINGS, encode(body), None)

    def refuse(*_: object) -> None:
        raise ProviderUnavailableError("DOWN", "Not now.")

    bank.fetch_investment_transactions = refuse
    with linked(household_id, bank) as item_id:
        sync.sync_item(household_id, item_id, "button")


def bring(ada: SignedInBrowser, name: str, data: bytes) -> UUID:
    """Import a file."""
    return book(
        ada.household_id, ada.user_id, preview(ada.household_id, ada.user_id, name, data)
    ).id


def edit(
    ada: SignedInBrowser, source_id: str, *, note: str | None = None, category: bool = False
) -> None:
    """Let the user say something of a row."""
    [(transaction_id,)] = query(
        ada.household_id, "SELECT id FROM transactions WHERE source_id = :id", id=source_id
    )
    [(category_id,)] = query(ada.household_id, "SELECT id FROM categories ORDER BY id LIMIT 1")
    given = {"note"} | ({"category_id"} if category else set())
    with ada.session() as session:
        wanted = Edit(frozenset(given), category_id=category_id, note=note)
        transactions.edit_transaction(
            session, ada.household_id, ada.user_id, transaction_id, wanted
        )


@contextmanager
def behind_the_back() -> Iterator[object]:
    """Open a transaction of the tables' owner in which no trigger fires."""
    with database.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection


def break_it(household_id: UUID, statement: str, **parameters: object) -> None:
    """Change the household's data as no code of ours does; it must hit something."""
    with behind_the_back() as connection:
        done = connection.execute(text(statement), {"household_id": household_id, **parameters})
        assert done.rowcount > 0


def amount_of(household_id: UUID, source_id: str) -> Decimal:
    """Return what the ledger says."""
    [(amount,)] = query(
        household_id, "SELECT amount FROM transactions WHERE source_id = :id", id=source_id
    )
    return amount
