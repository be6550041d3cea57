"""The generated people: deterministic, plausible, and with balances that tie out."""

import datetime as dt
from decimal import Decimal
from functools import cache

import pytest

from app.simulator.categories import DETAILED
from app.simulator.feed import Feed, cents
from app.simulator.life import Life, life_of
from app.simulator.people import DEMO, HOUSEHOLDS
from app.simulator.stream import Added, ItemStream
from app.simulator.truth import truth_of

TODAY = dt.date(2026, 11, 23)
households = pytest.mark.parametrize("household", HOUSEHOLDS.values(), ids=list(HOUSEHOLDS))


def lived(household, until: dt.date = TODAY) -> Life:
    life = Life(household, until.year - household.years)
    life.live_until(until.toordinal())
    return life


@cache
def life_of_today(household) -> Life:
    """Return a life that tests share and only read."""
    return lived(household)


@households
def test_two_lives_of_one_household_are_the_same(household) -> None:
    assert lived(household).movements == life_of_today(household).movements


@households
def test_living_on_changes_nothing_that_was(household) -> None:
    shorter, longer = lived(household, dt.date(2026, 6, 1)), life_of_today(household)

    pairs = zip(shorter.movements, longer.movements, strict=False)
    assert all(before == after for before, after in pairs)


@households
def test_stepping_day_by_day_leads_to_the_same_rows_as_a_fresh_look(household) -> None:
    life, today = lived(household), TODAY.toordinal()
    feed = Feed(life, "item", household.accounts)
    stream, fresh = (ItemStream("item", feed.accounts(today)) for _ in range(2))
    for row in feed.snapshot(life.first_day, today):
        stream.apply(Added(row))

    life.live_until(today + 45)
    for day in range(today + 1, today + 46):
        for event in feed.events(day):
            stream.apply(event)

    for row in feed.snapshot(life.first_day, today + 45):
        fresh.apply(Added(row))
    assert stream.truth() == fresh.truth()


@households
def test_investment_cash_and_trades_tie_out(household) -> None:
    life = life_of_today(household)
    for portfolio in life.portfolios.values():
        cash = portfolio.opening_cash - sum(trade.amount for trade in portfolio.trades)
        held = portfolio.holdings(life.lived_until)
        assert held.get("cash", (0, 0))[1] == cash
        for key in {trade.security for trade in portfolio.trades} - {None}:
            bought = sum(t.quantity for t in portfolio.trades if t.security == key)
            assert held[key][0] == bought


@households
def test_every_category_is_one_of_plaids_and_every_pair_is_mutual(household) -> None:
    life = life_of_today(household)
    for movement in life.movements:
        assert movement.facts.category in DETAILED
        if movement.pair is not None:
            other = life.movements[movement.pair]
            assert (other.pair, other.amount) == (movement.number, -movement.amount)
            assert other.account != movement.account
        if movement.refund_of is not None:
            assert life.movements[movement.refund_of].account == movement.account


@pytest.mark.parametrize("household", DEMO, ids=[each.login for each in DEMO])
def test_nobody_drowns_in_debt(household) -> None:
    life = life_of_today(household)
    for plan in household.accounts:
        if plan.type == "depository":
            assert life.balance(plan) > -500_000, plan.key
        if plan.type == "credit":
            assert -50_000 < life.balance(plan) < (plan.limit or 0)


def test_one_household_has_ten_years() -> None:
    life = life_of_today(HOUSEHOLDS["demo_decade"])

    assert life.lived_until - life.first_day >= 3_650
    assert 10_000 <= len(life.movements) <= 20_000


def test_life_has_tips_holds_refunds_price_changes_trips_and_lapsed_holds() -> None:
    life = life_of_today(HOUSEHOLDS["demo_family"])
    moves = life.movements

    assert any(m.pending and m.facts.category == "FOOD_AND_DRINK_RESTAURANT"
               and m.amount > m.pending for m in moves)  # fmt: skip
    assert any(m.facts.category == "TRANSPORTATION_GAS" and m.pending in (100, 12_500, 17_500)
               for m in moves)  # fmt: skip
    assert any(m.refund_of is not None for m in moves)
    assert {m.fate for m in moves} >= {"", "unlinked", "late", "vanishes", "modified"}
    assert len({m.amount for m in moves if m.series == "netflix"}) >= 3
    assert any(m.facts.category == "BANK_FEES_FOREIGN_TRANSACTION_FEES" for m in moves)


def test_the_truth_names_series_and_pairs() -> None:
    truth = truth_of(life_of(HOUSEHOLDS["demo_student"], 2025))
    life = life_of(HOUSEHOLDS["demo_student"], 2025)
    life.live_until(TODAY.toordinal())
    truth = truth_of(life)

    assert len(truth["series"]["rent"]) > 10
    assert truth["pairs"]
    first = truth["movements"][0]
    assert first["amount"] == cents(life.movements[0].amount)
    assert isinstance(first["amount"], Decimal)
