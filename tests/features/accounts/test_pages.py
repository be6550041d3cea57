"""The page of accounts: balances by kind, and net worth."""

import datetime as dt
from decimal import Decimal

import pytest

from app.core import clock
from app.core.database import household_transaction
from app.core.ids import uuid7
from app.domain.records import AccountRecord, BalanceRecord
from app.features.accounts import service
from app.features.accounts.views import kind_words
from app.features.journal import service as journal
from tests.features.connections.bank import open_bank, query, store_item
from tests.queries import counted_queries

PARTIAL = {"HX-Request": "true", "HX-Request-Type": "partial"}


def book(household_id, *records, item_id=None, seen_at=None):
    """Store accounts as a sync or an import does."""
    with household_transaction(household_id) as session:
        page_id = journal.write(session, household_id, kind="plaid.accounts", payload=b"{}")
        service.store_accounts(
            session,
            household_id,
            records,
            source="plaid" if item_id else "ofx",
            item_id=item_id,
            institution_name="First Platypus Bank",
            journal_page_id=page_id,
        )
    if item_id:
        query(
            household_id,
            "UPDATE items SET institution_seen_at = :at WHERE id = :id",
            at=seen_at or clock.now(),
            id=item_id,
        )


def account(name, kind="depository", subtype="checking", current="10.00", currency="USD"):
    amount = Decimal(current) if current is not None else None
    return AccountRecord(
        source_id=f"{name}-{uuid7()}",
        name=name,
        mask="4321",
        kind=kind,
        subtype=subtype,
        balance=BalanceRecord(currency=currency, current=amount, as_of=clock.now()),
    )


def test_no_accounts_are_an_invitation(ada):
    page = ada.get("/accounts")

    assert "No accounts yet" in page.text
    assert 'action="/connections/link"' in page.text


def test_debts_are_taken_off_the_net_worth(ada):
    book(
        ada.household_id,
        account("Everyday", current="1500.00"),
        account("Card", "credit", "credit card", "-400.25"),
    )

    page = ada.get("/accounts").text

    assert "$1,099.75" in page
    assert page.index("Everyday") < page.index("groups-debts") < page.index("Credit cards")


def test_a_bar_of_debts_alone_has_no_negative_width(ada):
    book(ada.household_id, account("Card", "credit", "credit card", "-400.25"))

    page = ada.get("/accounts").text

    assert 'class="bar-assets"' in page
    assert 'width="-' not in page


def test_each_currency_has_a_worth_of_its_own_the_households_first(ada):
    book(
        ada.household_id,
        account("Euros", current="5.00", currency="EUR"),
        account("More euros", current="6.00", currency="EUR"),
        account("Dollars", current="7.00"),
    )

    page = ada.get("/accounts").text

    assert page.index("Net worth in USD") < page.index("Net worth in EUR")
    assert "€11.00" in page


def test_a_balance_of_a_bank_that_was_not_reached_is_called_old(ada):
    item_id = store_item(ada.household_id, open_bank())
    seen_at = clock.now() - dt.timedelta(days=3)
    book(ada.household_id, account("Everyday"), item_id=item_id, seen_at=seen_at)

    page = ada.get("/accounts").text

    assert "All banks reached <time" in page
    assert "3 d ago" in page
    assert "as of" in page


def test_an_account_without_a_balance_is_a_dash_and_counts_nowhere(ada):
    book(ada.household_id, account("Brokerage", "investment", "401k", None), account("Everyday"))

    page = ada.get("/accounts").text

    assert "401(k)" in page
    assert "\N{EN DASH}" in page
    assert "$10.00" in page


def test_htmx_gets_the_groups_alone(ada):
    book(ada.household_id, account("Everyday"))

    page = ada.get("/accounts", headers=PARTIAL)

    assert page.text.lstrip().startswith('<div id="accounts"')
    assert "<html" not in page.text


def test_a_connection_in_trouble_is_told_on_every_page(ada):
    item_id = store_item(ada.household_id, open_bank())
    book(ada.household_id, account("Everyday"), item_id=item_id)
    query(ada.household_id, "UPDATE items SET state = 'needs_user'")

    assert "1 connection needs you" in ada.get("/accounts").text
    assert '<span class="count">1<' in ada.get("/transactions").text


def test_accounts_take_few_statements_however_many(ada):
    book(ada.household_id, *(account(f"Account {number}") for number in range(40)))

    with counted_queries() as statements:
        ada.get("/accounts")

    assert len(statements) <= 5, statements


def test_a_stranger_sees_no_account_of_it(ada, cleo):
    book(ada.household_id, account("Everyday"))

    assert "Everyday" not in cleo.get("/accounts").text


@pytest.mark.parametrize(
    ("kind", "subtype", "words"),
    [
        ("depository", "checking", "Checking"),
        ("depository", "cd", "Certificate of deposit"),
        ("credit", None, "Credit card"),
        ("investment", "401k", "401(k)"),
        ("somewhere", None, "Account"),
    ],
)
def test_kinds_are_told_in_plain_words(kind, subtype, words):
    assert kind_words(kind, subtype) == words
