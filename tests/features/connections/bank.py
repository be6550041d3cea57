"""A bank in this process: the simulator's model behind the provider protocol, no HTTP."""

import datetime as dt
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy import text

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.features.connections import repository
from app.features.connections.service import turns
from app.features.vault import service as vault
from app.providers import registry
from app.providers.base import Page, PaginationChangedError, ProviderError
from app.providers.plaid import pages
from app.providers.plaid.client import PlaidSettings
from app.providers.plaid.errors import rule_and_error
from app.providers.plaid.provider import PlaidProvider
from app.simulator.errors import invalid_field
from app.simulator.rows import Account, Row
from app.simulator.stream import Added, InvalidCursorError, ItemStream, MutationError

DAY = dt.date(2026, 11, 2)


@dataclass
class Bank:
    """One Item at a bank; what fails is put into `errors`, by the name of the call."""

    stream: ItemStream
    errors: dict[str, ProviderError] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    item_error: str | None = None
    page_rows: int = 500
    meanwhile: list[object] = field(default_factory=list)
    """Events that happen, one before each further page."""
    late: list[Callable[[], object]] = field(default_factory=list)
    """What happens between the last page of rows and the listing of accounts."""
    forgets: bool = False
    """The next cursor is refused."""
    name: str = "plaid"
    _plaid: PlaidProvider = field(
        default_factory=lambda: PlaidProvider(
            PlaidSettings("id", "secret", "http://127.0.0.1:9", "sandbox")
        )
    )

    def __getattr__(self, name: str) -> object:
        """Leave what needs no bank (decoding, explaining) to the real provider."""
        return getattr(self._plaid, name)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.errors:
            raise self.errors[name]

    def fetch_item(self, access_token: str) -> Page:
        """Describe the Item."""
        self._call("item")
        return pages.decode_page(pages.ITEM, self._item_body(), None)

    def fetch_accounts(self, access_token: str) -> Page:
        """List the accounts."""
        self._call("accounts")
        while self.late:
            self.late.pop(0)()
        shown = msgspec.json.decode(self.stream.sync("", 1).as_json())
        body = {**msgspec.json.decode(self._item_body()), "accounts": shown["accounts"]}
        return pages.decode_page(pages.ACCOUNTS, msgspec.json.encode(body), None)

    def fetch_transactions(self, access_token: str, cursor: str | None) -> Page:
        """Show what follows the cursor."""
        self._call("transactions")
        asked = cursor
        if cursor and self.forgets:
            self.forgets, asked = False, "forgotten"
        try:
            answer = self.stream.sync(asked or "", self.page_rows)
        except InvalidCursorError as error:
            body = msgspec.json.encode(invalid_field(f"cursor is invalid: {error}").body())
            raise rule_and_error(400, body)[1] from error
        except MutationError as error:
            raise PaginationChangedError("MUTATION", "changed") from error
        if answer.has_more and self.meanwhile:
            self.stream.apply(self.meanwhile.pop(0))
        return pages.decode_page(pages.TRANSACTIONS, answer.as_json(), cursor)

    def remove_item(self, access_token: str) -> None:
        """End access."""
        self._call("remove")

    def make_again(self, *, lost: Collection[str] = (), prefix: str = "") -> None:
        """Let the bank start over: it refuses old cursors, and gives ids anew with a prefix.

        Rows in `lost` were never there, as it says now.
        """
        old = self.stream
        self.stream = ItemStream(f"{old.name}-again", old.accounts.values())
        for each in old.rows():
            if each.transaction_id not in lost:
                new_id = f"{prefix}{each.transaction_id}"
                self.stream.apply(Added(msgspec.structs.replace(each, transaction_id=new_id)))

    def _item_body(self) -> bytes:
        error = {"error_type": "ITEM_ERROR", "error_code": self.item_error, "error_message": "x"}
        return msgspec.json.encode(
            {
                "item": {
                    "item_id": self.stream.name,
                    "institution_id": "ins_109508",
                    "institution_name": "First Platypus Bank",
                    "error": error if self.item_error else None,
                },
                "status": {
                    "transactions": {"last_successful_update": dt.datetime.now(dt.UTC).isoformat()}
                },
                "request_id": "r",
            }
        )


def open_bank(rows: int = 0) -> Bank:
    """Return a bank with one checking account and some posted rows."""
    account = Account(account_id=f"checking-{uuid7()}", name="Everyday Checking", mask="4321")
    bank = Bank(ItemStream(f"item-{uuid7()}", [account]))
    for number in range(rows):
        bank.stream.apply(Added(row(bank, f"t{number}", f"{number + 1}.00")))
    return bank


def row(bank: Bank, source_id: str, amount: str, **more: object) -> Row:
    """Return a row on the bank's account; positive is money out, as Plaid says it."""
    account_id = next(iter(bank.stream.accounts))
    values = {"date": DAY, "name": "CAFFE NERO 0042", **more}
    return Row(transaction_id=source_id, account_id=account_id, amount=Decimal(amount), **values)


@contextmanager
def linked(household_id: UUID, bank: Bank) -> Iterator[UUID]:
    """Link the bank: yield the Item's id; the bank is the provider meanwhile."""
    before = dict(registry._providers)
    registry._providers["plaid"] = bank
    try:
        yield store_item(household_id, bank)
    finally:
        registry._providers.clear()
        registry._providers.update(before)


def store_item(household_id: UUID, bank: Bank) -> UUID:
    """Store an Item as linking does."""
    return _store_item(household_id, "plaid", bank.stream.name)


def store_simplefin_item(household_id: UUID) -> UUID:
    """Store an Item as the claim of a setup token does."""
    return _store_item(household_id, "simplefin", f"simplefin-{uuid7()}")


def _store_item(household_id: UUID, provider: str, source_id: str) -> UUID:
    item_id = uuid7()
    with household_transaction(household_id) as session:
        key = vault.get_key(session, household_id)
        repository.insert_item(
            session,
            {
                "household_id": household_id,
                "id": item_id,
                "provider": provider,
                "item_source_id": source_id,
                "institution_name": "First Platypus Bank",
                "access_token": key.seal(b"access-1", place=turns.TOKEN_PLACE, row_id=item_id),
            },
        )
    return item_id


def query(household_id: UUID, statement: str, **parameters: object) -> list[tuple]:
    """Run a statement as the household."""
    with household_transaction(household_id) as session:
        result = session.execute(text(statement), parameters)
        return [tuple(each) for each in result] if result.returns_rows else []


def item_of(household_id: UUID, item_id: UUID):
    """Return the Item as it is now."""
    with household_transaction(household_id) as session:
        return repository.find_item(session, household_id, item_id)


def run_out_of_lease(household_id: UUID, item_id: UUID) -> None:
    """Let the time of whoever has the Item's turn run out."""
    query(
        household_id,
        "UPDATE items SET lease_until = now() - interval '1 second' WHERE id = :id",
        id=item_id,
    )
