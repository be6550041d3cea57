"""Two banks, files, and what the ledger makes of them."""

import datetime as dt
from contextlib import contextmanager
from decimal import Decimal

from sqlalchemy import func, select

from app.features.connections.service import sync
from app.features.imports.service.book import Result, book
from app.features.imports.service.look import Choices, look, set_layout
from app.features.imports.service.upload import preview
from app.models import DailyTotal, MatchSuggestion, Transaction
from app.providers import registry
from app.simulator.rows import Account
from app.simulator.stream import Added, ItemStream
from tests.cast import SignedInBrowser
from tests.features.connections.bank import Bank, row, store_item

DAY = dt.date(2026, 11, 2)
SHOPS = ("BLUE BOTTLE", "WHOLE FOODS", "SHELL OIL", "NETFLIX", "CITY TRANSIT", "RITE AID",
         "HOME DEPOT", "LUIGIS TRATTORIA", "POWELLS BOOKS", "TRADER JOES")  # fmt: skip


def open_account(name: str = "Everyday Checking", mask: str | None = "6789", **more) -> Account:
    return Account(account_id=f"acc-{id(more)}-{name}", name=name, mask=mask, **more)


def bank_of(item: str, account: Account, count: int = 0, *, first: int = 0) -> Bank:
    """Return a bank with one account and some purchases, one a day, from DAY on."""
    bank = Bank(ItemStream(item, [account]))
    for number in range(first, first + count):
        bank.stream.apply(Added(purchase(bank, f"{item}-{number}", number)))
    return bank


def purchase(bank: Bank, source_id: str, number: int, **more):
    """Return the purchase of one day; the same number is the same purchase at any bank."""
    values = {
        "date": DAY + dt.timedelta(days=number),
        "name": f"{SHOPS[number % len(SHOPS)]} #{number}",
        **more,
    }
    return row(bank, source_id, f"{number + 7}.{number % 10}3", **values)


@contextmanager
def providers(bank: Bank):
    """Let the bank be the provider."""
    before = dict(registry._providers)
    registry._providers["plaid"] = bank
    try:
        yield
    finally:
        registry._providers.clear()
        registry._providers.update(before)


def link_and_sync(ada: SignedInBrowser, bank: Bank):
    """Link a bank as a new Item and bring all of it."""
    with providers(bank):
        item_id = store_item(ada.household_id, bank)
        assert sync.sync_item(ada.household_id, item_id, "link").state == "done"
    return item_id


def sync_again(ada: SignedInBrowser, bank: Bank, item_id) -> sync.Outcome:
    with providers(bank):
        return sync.sync_item(ada.household_id, item_id, "button")


def bring_file(ada: SignedInBrowser, data: bytes, name: str, account_id=None) -> Result:
    """Import a file, into the account if one is given."""
    import_id = preview(ada.household_id, ada.user_id, name, data)
    if account_id is not None:
        key = look(ada.household_id, import_id).accounts[0].key
        set_layout(ada.household_id, import_id, Choices(targets={key: str(account_id)}))
    return book(ada.household_id, ada.user_id, import_id)


def counts(ada: SignedInBrowser) -> tuple[int, int, int]:
    """Return how many rows there are, how many count, and how many are duplicates."""
    with ada.session() as session:
        return tuple(
            session.execute(
                select(
                    func.count(),
                    func.count().filter(Transaction.is_live),
                    func.count(Transaction.duplicate_of_id),
                )
            ).one()
        )


def total(ada: SignedInBrowser) -> Decimal:
    """Return what the views say everything comes to."""
    with ada.session() as session:
        summed = session.scalar(select(func.sum(DailyTotal.money_in + DailyTotal.money_out)))
    return summed or Decimal(0)


def questions(ada: SignedInBrowser) -> list[MatchSuggestion]:
    with ada.session() as session:
        return list(session.scalars(select(MatchSuggestion).order_by(MatchSuggestion.id)))


def find(ada: SignedInBrowser, source_id: str) -> Transaction:
    with ada.session() as session:
        return session.scalars(select(Transaction).where(Transaction.source_id == source_id)).one()
