"""The overview: its figures against sums made from the transactions themselves."""

import datetime as dt
import re
from decimal import Decimal
from html import unescape

import pytest
import time_machine

from app.core.database import household_transaction
from app.core.ids import uuid7
from app.domain.records import AccountRecord, BalanceRecord
from app.features.accounts import service as accounts
from app.features.dashboard import service
from app.features.journal import service as journal
from app.models import NO_CATEGORY
from app.simulator.stream import Added
from tests.features.connections.bank import query, row
from tests.features.tieout.days import lose, on, sync_on
from tests.features.transactions.ledgers import bring, open_ledger, record
from tests.queries import counted_queries

TODAY = dt.date(2026, 11, 20)
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
GROCERIES = "FOOD_AND_DRINK_GROCERIES"
COFFEE = "FOOD_AND_DRINK_COFFEE"
TRANSFER = "TRANSFER_OUT_ACCOUNT_TRANSFER"
CARD_PAYMENT = "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT"
MORTGAGE = "LOAN_PAYMENTS_MORTGAGE_PAYMENT"
WAGES = "INCOME_WAGES"


@pytest.fixture
def years(ada):
    """A household with eight months of rows of every sort, in two currencies."""
    made = open_ledger(ada.household_id)
    rows = []
    for number in range(240):
        day = TODAY - dt.timedelta(days=number)
        code = (GROCERIES, COFFEE, TRANSFER, MORTGAGE, CARD_PAYMENT, None)[number % 6]
        rows.append(
            record(
                f"r{number}",
                f"{-1 - number % 17}.{number % 100:02}",
                date=day,
                category=code,
                account=("checking", "card")[number % 2],
                currency="EUR" if number // 6 % 2 else "USD",
                pending=number < 4,
            )
        )
        if number % 30 == 0:
            rows.append(record(f"w{number}", "2000.10", date=day, category=WAGES))
    bring(made, *rows)
    # What was withdrawn counts nowhere.
    bring(made, removed=["r6", "r36"])
    return made


def overview_of(household_id):
    with household_transaction(household_id) as session:
        return service.get_overview(session, household_id, TODAY)


def state_balances(household_id, **balances):
    """Let the source of `open_ledger` state balances of its accounts."""
    with household_transaction(household_id) as session:
        page_id = journal.write(session, household_id, kind="test.accounts", payload=b"{}")
        accounts.store_accounts(
            session,
            household_id,
            [
                AccountRecord(
                    name,
                    name.title(),
                    kind,
                    None,
                    BalanceRecord("USD", Decimal(amount), as_of=NOON),
                )
                for name, (kind, amount) in balances.items()
            ],
            source="test",
            item_id=None,
            institution_name="First Platypus Bank",
            journal_page_id=page_id,
        )


def test_months_are_the_sums_of_their_transactions_per_currency(ada, years):
    found = overview_of(ada.household_id).months

    expected = query(
        ada.household_id,
        "SELECT date_trunc('month', date)::date, t.currency,"
        " coalesce(sum(amount) FILTER (WHERE amount > 0), 0),"
        " coalesce(sum(amount) FILTER (WHERE amount < 0), 0)"
        " FROM transactions t LEFT JOIN categories c ON c.id = t.category_id"
        " WHERE is_live AND coalesce(c.kind, '') <> 'transfer' AND date >= '2026-06-01'"
        " GROUP BY 1, 2 ORDER BY 1, 2",
    )
    assert [tuple(each) for each in found] == [tuple(each) for each in expected]
    assert {each.currency for each in found} == {"EUR", "USD"}
    assert len({each.month for each in found}) == service.MONTHS_OF_BARS


def test_spending_is_what_went_out_this_month_by_the_topmost_category(ada, years):
    found = overview_of(ada.household_id).spending

    sums = {
        (code, currency): amount
        for code, currency, amount in query(
            ada.household_id,
            "SELECT c.code, t.currency, sum(amount)"
            " FROM transactions t LEFT JOIN categories c ON c.id = t.category_id"
            " WHERE is_live AND amount < 0 AND date >= '2026-11-01' GROUP BY 1, 2",
        )
    }
    for currency in ("EUR", "USD"):
        told = {each.category_id: each.amount for each in found if each.currency == currency}
        assert told == {
            years.categories["FOOD_AND_DRINK"]: sums[GROCERIES, currency] + sums[COFFEE, currency],
            # Card payments are transfers and stand beside it: their parent counts only in part.
            years.categories[MORTGAGE]: sums[MORTGAGE, currency],
            NO_CATEGORY: sums[None, currency],
        }


@pytest.mark.parametrize("code", ["FOOD_AND_DRINK", MORTGAGE, None])
def test_a_category_leads_to_exactly_the_rows_that_it_sums(ada, years, code):
    category_id = years.categories[code] if code else NO_CATEGORY
    [amount] = [
        each.amount
        for each in overview_of(ada.household_id).spending
        if (each.category_id, each.currency) == (category_id, "USD")
    ]
    with time_machine.travel(NOON):
        page = ada.get("/").text
    wanted = f"category={category_id if code else 'none'}"
    [url] = {unescape(u) for u in re.findall(r'href="(/transactions\?[^"]*)"', page) if wanted in u}

    totals = ada.get(url.replace("/transactions?", "/transactions/totals?")).text

    assert f"\N{MINUS SIGN}${-amount:.2f}" in totals


def test_the_line_ends_at_todays_balances_and_goes_back_by_the_transactions(ada, years):
    balances = {
        "checking": ("depository", "900.00"),
        "card": ("credit", "-120.50"),
        "house": ("loan", "-5000.00"),
        "shares": ("investment", "777.00"),
    }
    state_balances(ada.household_id, **balances)

    line = overview_of(ada.household_id).lines["USD"]

    assert (line[-1].day, line[-1].balance) == (TODAY, Decimal("779.50"))
    assert line[0].day == dt.date(2026, 3, 31)  # the first row is of April
    for point in line[:-1]:
        [[since]] = query(
            ada.household_id,
            "SELECT coalesce(sum(amount), 0) FROM transactions"
            " WHERE is_live AND NOT pending AND currency = 'USD' AND date > :day",
            day=point.day,
        )
        assert point.balance == Decimal("779.50") - since, point.day


def test_a_balance_with_pending_rows_in_it_goes_back_by_them_too(ada):
    made = open_ledger(ada.household_id, ["checking"])
    bring(
        made,
        record("a", "-10.00", date=dt.date(2026, 10, 5)),
        record("p", "-3.00", date=dt.date(2026, 11, 19), pending=True),
    )
    state_balances(ada.household_id, checking=("depository", "50.00"))

    def balances():
        return [point.balance for point in overview_of(ada.household_id).lines["USD"]]

    assert balances() == [Decimal("60.00"), Decimal("50.00"), Decimal("50.00")]
    query(
        ada.household_id,
        "INSERT INTO tie_outs (household_id, account_id, state, currency, treatment, checked_at)"
        " SELECT household_id, id, 'unproven', 'USD', 'pending', now() FROM accounts"
        " ON CONFLICT (household_id, account_id) DO UPDATE SET treatment = 'pending'"
        " RETURNING treatment",
    )
    assert balances() == [Decimal("63.00"), Decimal("53.00"), Decimal("50.00")]


def test_currencies_are_never_added_up_and_the_households_own_comes_first(ada, years):
    query(ada.household_id, "UPDATE households SET base_currency = 'EUR' RETURNING id")
    with time_machine.travel(NOON):
        page = ada.get("/").text

    months = page[page.index('id="months-title"') : page.index('id="spending-title"')]
    assert months.index(">EUR<") < months.index(">USD<")
    assert months.count('<ol class="month-bars">') == 2


def test_each_month_leads_to_its_transactions(ada, years):
    with time_machine.travel(NOON):
        page = unescape(ada.get("/").text)

    for first, last in [("2026-06-01", "2026-06-30"), ("2026-11-01", "2026-11-30")]:
        assert f'href="/transactions?date_from={first}&date_to={last}"' in page


@pytest.fixture
def bank(ada):
    """A bank that was read on its first day, and the Item's id."""
    from tests.features.connections.bank import linked, open_bank

    opened = open_bank(rows=5)
    with linked(ada.household_id, opened) as item_id:
        sync_on(opened, item_id, ada.household_id, 0)
        yield opened, item_id


def test_an_account_is_named_with_why_it_is_not_proven_its_day_or_its_gap(ada, bank):
    opened, item_id = bank
    [[account_id]] = query(ada.household_id, "SELECT id FROM accounts")
    assert "only the next one proves something" in ada.get("/").text

    sync_on(opened, item_id, ada.household_id, 1, Added(row(opened, "a", "7.10", date=on(1))))
    assert "1 of 1 account tied out to Nov 3, 2026" in ada.get("/").text

    lost = row(opened, "lost", "12.34", date=on(2))
    sync_on(opened, item_id, ada.household_id, 2, Added(lost))
    lose(ada.household_id, "lost")
    sync_on(opened, item_id, ada.household_id, 3, Added(row(opened, "b", "1.00", date=on(3))))
    page = ada.get("/").text
    proof = page[page.index('id="proof-title"') : page.index('id="months-title"')]
    assert "0 of 1 account tied out" in proof
    assert "\N{MINUS SIGN}$12.34" in proof
    assert f'href="/accounts/{account_id}"' in proof


def test_the_bank_that_needs_somebody_comes_first_with_what_mends_it(ada, bank):
    _, item_id = bank
    assert "needed-title" not in ada.get("/").text

    query(ada.household_id, "UPDATE items SET state = 'needs_user' RETURNING id")

    page = ada.get("/").text
    assert page.index("needed-title") < page.index("worth-title")
    assert f'action="/connections/{item_id}/repair"' in page
    assert "Needs you" in page


def test_the_latest_five_are_listed_with_their_accounts(ada, years):
    with time_machine.travel(NOON):
        page = ada.get("/").text

    latest = page[page.index('id="latest-title"') :]
    assert len(re.findall(r'href="/transactions/[0-9a-f-]{36}"', latest)) == service.LATEST
    assert latest.count("Pending") == 4
    assert "Checking" in latest


def test_a_stranger_sees_none_of_it(ada, cleo, years):
    open_ledger(cleo.household_id, ["purse"])

    page = cleo.get("/")

    assert page.status_code == 200
    assert "CAFFE NERO" not in page.text
    assert "Nothing came in or went out" in page.text
    assert overview_of(cleo.household_id).months == []


def test_an_empty_household_is_shown_how_to_begin(ada):
    page = ada.get("/").text

    assert "Welcome, Ada" in page
    assert 'action="/connections/link"' in page
    assert 'type="file"' in page


def test_nobody_is_sent_to_sign_in(client):
    answer = client.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_htmx_gets_the_overview_alone(ada, years):
    page = ada.get("/", headers={"HX-Request": "true", "HX-Request-Type": "partial"})

    assert page.text.lstrip().startswith('<div id="overview"')
    assert "<html" not in page.text


def test_more_rows_or_accounts_take_no_more_statements(ada, years):
    def statements():
        with counted_queries() as queries:
            ada.get("/")
        return len(queries)

    statements()  # who asks is remembered for a second
    before = statements()
    open_ledger(ada.household_id, ["checking", "card", *(f"more {n}" for n in range(20))])
    bring(years, *(record(f"n{uuid7()}", date=TODAY) for _ in range(300)))

    assert statements() == before <= 20
