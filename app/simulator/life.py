"""The generated life of one household: every movement on every account, day by day.

A life is a deterministic function of the household and the year it starts in, and living on
never changes what was: a life until June is the beginning of the same life until July.
Amounts are in minor units with Plaid's sign: positive is money out of the account; on a card or
loan account that raises the debt.
"""

import datetime as dt
import random
from bisect import bisect_left
from collections import defaultdict
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from app.simulator.investing import Portfolio
from app.simulator.merchants import ABROAD, HABITS, Merchant
from app.simulator.people import AccountPlan, Household, Plan
from app.simulator.rows import Facts, PaymentMeta, Place

UNLINKED, LATE, VANISHES, MODIFIED, CHURNED, WITHDRAWN = (
    "unlinked late vanishes modified churned withdrawn".split()
)

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
_CHECKING_LOW, _CHECKING_HIGH = 120_000, 1_400_000


class Movement(msgspec.Struct, kw_only=True):
    """One movement on one account, from its authorisation to its last change."""

    number: int
    account: str
    authorized: int
    """Day, as a proleptic ordinal."""
    posted: int
    """Day on which the bank books it; for a hold that lapses, the day it vanishes."""
    amount: int
    text: str
    facts: Facts
    pending: int | None = None
    """The amount while pending; None when it is never shown as pending."""
    fate: str = ""
    """Something unusual: `unlinked`, `late`, `vanishes`, `modified`, `churned`, `withdrawn`."""
    fate_day: int = 0
    """The day on which a posted row is modified, churned or withdrawn."""
    series: str | None = None
    """Key of the plan it belongs to, for recurring payments."""
    pair: int | None = None
    """Number of the other side of a transfer between own accounts."""
    refund_of: int | None = None
    check_number: str | None = None
    exact: Decimal | None = None
    """The amount of a scripted movement, in place of `amount` and `pending`."""
    extra: dict[str, Any] | None = None


def business_day(day: int) -> int:
    """Return the day itself, or the Monday after a weekend."""
    weekday = (day - 1) % 7
    return day + (7 - weekday if weekday > 4 else 0)


@lru_cache(maxsize=4096)
def _month_days(year: int, month: int) -> int:
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    return (following - dt.timedelta(days=1)).day


class Life:
    """One household's movements from its first January to the day it has lived until."""

    def __init__(self, household: Household, year: int) -> None:
        """Start the life on 1 January of `year`; call `live_until` to fill it."""
        self.household = household
        self.first_day = dt.date(year, 1, 1).toordinal()
        self.lived_until = self.first_day - 1
        self.movements: list[Movement] = []
        self.accounts = {plan.key: plan for plan in household.accounts}
        self.portfolios = {
            plan.key: Portfolio(plan, self.first_day, household.seed)
            for plan in household.accounts
            if plan.type == "investment"
        }
        self._random = random.Random(household.seed * 10_007 + year)  # noqa: S311 - no secret
        self._balances = {plan.key: plan.opening for plan in household.accounts}
        self._statement: dict[str, int] = {}
        self._later: dict[int, list[Movement]] = defaultdict(list)
        self._facts: dict[tuple[str, ...], Facts] = {}
        self._plans = [plan for plan in household.plans if plan.account in self.accounts]
        self._payers = [key for key, _ in household.spends_from if key in self.accounts]
        self._weights = [weight for key, weight in household.spends_from if key in self.accounts]

    def live_until(self, day: int) -> None:
        """Let the days pass until `day` inclusive; a day that has passed changes nothing."""
        while self.lived_until < day:
            self.lived_until += 1
            self._live(self.lived_until)

    def since(self, day: int) -> list[Movement]:
        """Return the movements that were authorised on or after the day."""
        start = bisect_left(self.movements, day, key=lambda movement: movement.authorized)
        return self.movements[start:]

    def _live(self, day: int) -> None:
        date = dt.date.fromordinal(day)
        for movement in self._later.pop(day, ()):
            self._book(movement)
        self._follow_plans(day, date)
        self._spend(day, date)
        self._travel(day, date)
        if date.day == 20:
            self._pay_cards(day)
        if date.day == 26:
            for key in self.accounts:
                self._statement[key] = self._balances[key]
        if date.day == _month_days(date.year, date.month):
            self._end_month(day)
        for portfolio in self.portfolios.values():
            portfolio.live(day)

    def _below(self, limit: int) -> int:
        """Return a random number from 0 to one below the limit; much faster than randrange."""
        return int(self._random.random() * limit)

    # Booking

    def _book(self, movement: Movement) -> Movement:
        movement.number = len(self.movements)
        self.movements.append(movement)
        plan = self.accounts[movement.account]
        if movement.fate != VANISHES:
            owes = plan.type in ("credit", "loan")
            self._balances[plan.key] += movement.amount if owes else -movement.amount
        return movement

    def _make(
        self, account: str, day: int, amount: int, text: str, facts: Facts, **more: object
    ) -> Movement:
        posted = more.pop("posted", day)
        return Movement(
            number=0, account=account, authorized=day, posted=int(str(posted)), amount=amount,
            text=text, facts=facts, **more,  # type: ignore[arg-type]  # fields by name
        )  # fmt: skip

    def transfer(
        self, day: int, plan: Plan, amount: int, *, arrives_after: int = 0
    ) -> tuple[Movement, Movement]:
        """Book both sides of a transfer between own accounts; the amount leaves the first."""
        assert plan.to is not None
        mask, to_mask = self.accounts[plan.account].mask, self.accounts[plan.to].mask
        day_out = business_day(day)
        out = self._book(
            self._make(
                plan.account, day, amount, plan.text.format(mask=to_mask), self._plan_facts(plan),
                posted=day_out, series=plan.key,
                pending=amount if plan.category.startswith("LOAN") and day % 2 else None,
            )
        )  # fmt: skip
        facts = self._other_facts(plan)
        into = self._book(
            self._make(
                plan.to, day, -amount, plan.to_text.format(mask=mask), facts,
                posted=business_day(day_out + arrives_after), series=plan.key,
            )
        )  # fmt: skip
        out.pair, into.pair = into.number, out.number
        return out, into

    # What repeats

    def _follow_plans(self, day: int, date: dt.date) -> None:
        months = (date.year - dt.date.fromordinal(self.first_day).year) * 12 + date.month - 1
        for plan in self._plans:
            if not plan.first_month <= months <= plan.last_month or not _falls_on(plan, date):
                continue
            if plan.missing_percent and self._below(100) < plan.missing_percent:
                continue
            amount = self._plan_amount(plan, months)
            if plan.to is not None and plan.to in self.accounts:
                self.transfer(day, plan, amount, arrives_after=day % 2)
                if self.accounts[plan.to].type == "loan":
                    self._charge_interest(plan.to, day)
            else:
                self._pay_plan(plan, day, amount)
        if date.day == 4:
            self._contribute(day)

    def _plan_amount(self, plan: Plan, months: int) -> int:
        amount = plan.amount
        for from_month, price in plan.steps:
            if months >= from_month:
                amount = price
        for _ in range(months // 12 if plan.raise_percent else 0):
            amount += amount * plan.raise_percent // 100
        if plan.jitter:
            amount += amount * self._random.randint(-plan.jitter, plan.jitter) // 100
            amount += self._random.randint(-49, 50) if amount > 0 else 0
        return amount

    def _pay_plan(self, plan: Plan, day: int, amount: int) -> None:
        card = self.accounts[plan.account].type == "credit"
        text = plan.text.format(mask=f"{day % 9000 + 1000}")
        check = None
        if plan.text == "CHECK":
            check = str(1200 + day % 800)
            text = f"CHECK #{check}"
        self._book(
            self._make(
                plan.account, day, amount, text, self._plan_facts(plan),
                posted=business_day(day + (1 if card else 0)),
                pending=amount if card else None, series=plan.key, check_number=check,
            )
        )  # fmt: skip

    def _contribute(self, day: int) -> None:
        for key, portfolio in self.portfolios.items():
            account = self.accounts[key]
            if account.contribution and not account.from_payroll:
                plan = Plan(
                    f"to_{key}", "checking", account.contribution, "month:4",
                    f"{account.name.upper()} MONEYLINE {account.mask}",
                    "TRANSFER_OUT_INVESTMENT_AND_RETIREMENT_FUNDS", account.name,
                    "financial_institution",
                )  # fmt: skip
                self._pay_plan(plan, day, account.contribution)
            if account.contribution:
                portfolio.deposit(business_day(day), account.contribution)

    def _charge_interest(self, key: str, day: int) -> None:
        account = self.accounts[key]
        interest = self._balances[key] * account.rate // 10_000 // 12
        if interest > 0:
            facts = Facts(category="BANK_FEES_INTEREST_CHARGE", currency=account.currency)
            self._book(
                self._make(key, day, interest, "INTEREST CHARGE", facts, posted=business_day(day),
                           series=f"{key}_interest")
            )  # fmt: skip

    def _pay_cards(self, day: int) -> None:
        for account in self.household.accounts:
            due = self._statement.get(account.key, 0)
            if account.type != "credit" or due <= 0:
                continue
            bank = account.official_name or account.name
            plan = Plan(
                f"pay_{account.key}", "checking", due, "month:20",
                f"{bank.upper().split()[0]} CRD AUTOPAY {account.mask}",
                "LOAN_PAYMENTS_CREDIT_CARD_PAYMENT", bank, "financial_institution",
                to=account.key, to_text="AUTOPAY PAYMENT - THANK YOU",
                to_category="LOAN_PAYMENTS_CREDIT_CARD_PAYMENT",
            )  # fmt: skip
            self.transfer(day, plan, due, arrives_after=1)

    def _end_month(self, day: int) -> None:
        for account in self.household.accounts:
            interest = self._balances[account.key] * account.rate // 10_000 // 12
            if account.type == "depository" and interest > 0:
                facts = Facts(category="INCOME_INTEREST_EARNED", currency=account.currency)
                self._book(
                    self._make(account.key, day, -interest, "INTEREST PAYMENT", facts,
                               series=f"{account.key}_interest")
                )  # fmt: skip
        if "savings" not in self.accounts:
            return
        balance = self._balances["checking"]
        if balance < _CHECKING_LOW:
            self._sweep("savings", "checking", _CHECKING_HIGH // 4 - balance, day)
        elif balance > _CHECKING_HIGH:
            self._sweep("checking", "savings", balance - _CHECKING_HIGH // 2, day)

    def _sweep(self, source: str, target: str, amount: int, day: int) -> None:
        amount = -(-amount // 10_000) * 10_000
        plan = Plan(
            f"sweep_{source}", source, amount, "month:31", "TRANSFER TO {mask} CONF {mask}88",
            "TRANSFER_OUT_ACCOUNT_TRANSFER", "Own account", "financial_institution",
            to=target, to_text="TRANSFER FROM {mask} CONF {mask}88",
            to_category="TRANSFER_IN_ACCOUNT_TRANSFER",
        )  # fmt: skip
        for movement in self.transfer(day, plan, amount):
            movement.series = None

    # What happens by chance

    def _spend(self, day: int, date: dt.date) -> None:
        weekend = 1.35 if date.weekday() >= 5 else 0.86
        chance = self._random.random
        for group, visits in self.household.habits.items():
            # Chances are below one; a busy household visits twice on some days.
            rate = visits / 7 * weekend
            while rate > 0 and chance() < rate:
                merchants = HABITS[group]
                weights = [merchant.weight for merchant in merchants]
                self._purchase(day, self._random.choices(merchants, weights)[0])
                rate -= 1

    def _purchase(self, day: int, merchant: Merchant) -> None:
        pick = self._random
        account = pick.choices(self._payers, self._weights)[0]
        # Most prices lie near the low end.
        span = merchant.high - merchant.low
        amount = merchant.low + span * min(self._below(1000), self._below(1000)) // 1000
        lag = 1 + self._below(3)
        bought = self._make(
            account, day, amount, self._descriptor(merchant),
            self._merchant_facts(merchant, account), posted=business_day(day + lag), pending=amount,
        )  # fmt: skip
        self._settle(bought, merchant)
        self._book(bought)
        if merchant.kind == "returns" and self._below(100) < 6:
            self._return(bought)

    def _settle(self, bought: Movement, merchant: Merchant) -> None:
        """Decide how the posted row differs from the pending one."""
        pick, amount = self._random, bought.amount
        if merchant.kind == "tip":
            bought.amount = amount + amount * pick.choice((15, 18, 20, 20, 22, 25)) // 100
        elif merchant.kind == "fuel":
            bought.pending = pick.choice((100, 100, 12_500, 17_500))
        elif merchant.kind == "hold":
            bought.pending = amount + amount // 5
            if self._below(4) == 0:
                bought.fate, bought.posted = VANISHES, bought.posted + 5
        if bought.fate:
            return
        unusual = self._below(1000)
        if unusual < 15:
            bought.fate = UNLINKED
        elif unusual < 30:
            bought.fate = LATE
            bought.posted = business_day(bought.posted + 2)
        elif unusual < 55:
            bought.fate = pick.choice((MODIFIED, MODIFIED, CHURNED, WITHDRAWN))
            bought.fate_day = bought.posted + 2 + self._below(5)
        elif unusual < 85:
            bought.pending = None

    def _return(self, bought: Movement) -> None:
        pick = self._random
        day = bought.posted + 4 + self._below(20)
        part = bought.amount if self._below(3) else bought.amount * pick.randint(20, 80) // 100
        refund = self._make(
            bought.account, day, -part, bought.text, bought.facts,
            posted=business_day(day + 2), pending=-part if self._below(2) else None,
        )  # fmt: skip
        # Set when the purchase has its number: it is booked before the refund is made.
        refund.refund_of = bought.number
        self._later[day].append(refund)

    def _travel(self, day: int, date: dt.date) -> None:
        trips = self.household.trips
        account = self.household.trip_account
        if not trips or account not in self.accounts:
            return
        if not (date.month == 9 and 6 <= date.day <= 15):
            return
        country = trips[date.year % len(trips)]
        city, currency, merchants = ABROAD[country]
        for _ in range(self._random.randint(1, 4)):
            merchant = self._random.choice(merchants)
            amount = self._random.randint(merchant.low, merchant.high)
            facts = self._abroad_facts(merchant, city, country, currency)
            posted = business_day(day + 2)
            text = self._random.choice(merchant.texts).format(city=city, store=f"{day % 900 + 100}")
            # The rate of the day is known only when the charge posts.
            settled = amount + amount * self._random.randint(-15, 15) // 1000
            charge = self._make(account, day, settled, text, facts, posted=posted, pending=amount)
            self._book(charge)
            fee = Facts(category="BANK_FEES_FOREIGN_TRANSACTION_FEES")
            self._book(
                self._make(account, day, max(1, settled * 3 // 100), "FOREIGN TRANSACTION FEE", fee,
                           posted=posted)
            )  # fmt: skip

    # Words

    def _descriptor(self, merchant: Merchant) -> str:
        reference = "".join(_LETTERS[self._below(34)] for _ in range(8))
        return merchant.texts[self._below(len(merchant.texts))].format(
            ref=reference,
            store=f"{self.household.seed * 37 % 800 + self._below(3) * 111:03d}",
            city=self.household.city.upper(),
            region=self.household.region,
        )

    def _merchant_facts(self, merchant: Merchant, account: str) -> Facts:
        key = (merchant.name, account)
        if key not in self._facts:
            home = self.household
            place = Place() if merchant.online else Place(
                city=home.city, region=home.region, postal_code=home.postal_code, country="US"
            )  # fmt: skip
            self._facts[key] = Facts(
                currency=self.accounts[account].currency, merchant=merchant.name,
                category=merchant.category, channel="online" if merchant.online else "in store",
                website=merchant.website, place=place,
            )  # fmt: skip
        return self._facts[key]

    def _abroad_facts(self, merchant: Merchant, city: str, country: str, currency: str) -> Facts:
        key = (merchant.name, "abroad")
        if key not in self._facts:
            self._facts[key] = Facts(
                merchant=merchant.name, category=merchant.category, channel="in store",
                place=Place(city=city.title(), country=country), confidence="HIGH",
                payment=PaymentMeta(reason=f"charged in {currency}"),
            )  # fmt: skip
        return self._facts[key]

    def _plan_facts(self, plan: Plan) -> Facts:
        key = (plan.key, plan.account, "plan")
        if key not in self._facts:
            is_merchant = plan.party_type == "merchant"
            bank = plan.category.startswith(("TRANSFER", "LOAN", "INCOME"))
            self._facts[key] = Facts(
                currency=self.accounts[plan.account].currency,
                merchant=plan.party if is_merchant else None,
                counterparty=None if is_merchant else plan.party,
                counterparty_type=plan.party_type, category=plan.category, channel=plan.channel,
                payment=PaymentMeta(payment_method="ACH") if bank else PaymentMeta(),
            )  # fmt: skip
        return self._facts[key]

    def _other_facts(self, plan: Plan) -> Facts:
        assert plan.to is not None
        key = (plan.key, plan.to, "other side")
        if key not in self._facts:
            self._facts[key] = Facts(
                currency=self.accounts[plan.to].currency, category=plan.to_category,
                confidence="HIGH", payment=PaymentMeta(payment_method="ACH"),
            )  # fmt: skip
        return self._facts[key]

    def balance(self, account: AccountPlan) -> int:
        """Return the balance with everything authorised so far, as the bank states it."""
        return self._balances[account.key]


@lru_cache(maxsize=256)
def _parsed(every: str) -> tuple[str, tuple[int, ...]]:
    kind, _, when = every.partition(":")
    return kind, tuple(int(number) for number in when.replace("-", ",").split(","))


def _falls_on(plan: Plan, date: dt.date) -> bool:
    kind, numbers = _parsed(plan.every)
    if kind in ("month", "semimonth"):
        last = _month_days(date.year, date.month)
        return any(date.day == min(number, last) for number in numbers)
    if kind == "week":
        return date.weekday() == numbers[0]
    if kind == "biweek":
        return date.weekday() == numbers[0] and date.toordinal() // 7 % 2 == 0
    if kind == "quarter":
        return date.day == numbers[0] and date.month in (1, 4, 6, 9)
    return (date.month, date.day) == numbers


@lru_cache(maxsize=8)
def life_of(household: Household, year: int) -> Life:
    """Return the one life of a household that starts in `year`; it is shared and grows."""
    return Life(household, year)
