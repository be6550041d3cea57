"""What one Item sees of a life: the accounts one picked, and the events of each day.

Everything here is a function of the life, the Item's id and the day, so an Item can be rebuilt
from the few facts that are kept about it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from app.simulator.identifiers import identifier
from app.simulator.institutions import INSTITUTIONS
from app.simulator.investing import QUANTITY_SCALE
from app.simulator.life import (
    CHURNED,
    LATE,
    MODIFIED,
    UNLINKED,
    VANISHES,
    WITHDRAWN,
    Life,
    Movement,
)
from app.simulator.people import AccountPlan
from app.simulator.rows import ZERO, Account, Row
from app.simulator.stream import Added, Churned, Event, Modified, Posted, Removed

_MOVEMENT_DAYS_MAX = 30
"""Nothing happens to a movement later than this after its authorisation."""


def cents(amount: int) -> Decimal:
    """Return minor units as an exact amount."""
    return Decimal(amount).scaleb(-2)


def amount_of(movement: Movement) -> Decimal:
    """Return what a movement amounts to once posted, with Plaid's sign."""
    return cents(movement.amount) if movement.exact is None else movement.exact


def _pending_amount(movement: Movement) -> Decimal:
    if movement.exact is not None:
        return movement.exact
    return cents(movement.amount if movement.pending is None else movement.pending)


def _pending_name(movement: Movement) -> str:
    """A third of the banks' pending rows are spelled differently."""
    spelled = movement.exact is None and movement.number % 3 == 0
    return f"PENDING - {movement.text}" if spelled else movement.text


def account_id(item_id: str, key: str) -> str:
    """Return the id under which an Item shows an account of its household."""
    return identifier(item_id, "account", key)


def accounts_held(life: Life, institution_id: str) -> list[AccountPlan]:
    """Return what a login shows at a bank: its accounts there, or all where it has none."""
    plans = list(life.household.accounts)
    return [plan for plan in plans if plan.institution_id == institution_id] or plans


class Feed:
    """One Item's view of a life."""

    def __init__(self, life: Life, item_id: str, plans: Sequence[AccountPlan]) -> None:
        self.life = life
        self.item_id = item_id
        self.plans = list(plans)
        self._accounts = {plan.key: account_id(item_id, plan.key) for plan in plans}

    def accounts(self, day: int) -> list[Account]:
        """Return the accounts with the balances they had before the life's first movement.

        Investment accounts state their value at the end of `day`.
        """
        return [self._account(plan, day) for plan in self.plans]

    def _account(self, plan: AccountPlan, day: int) -> Account:
        fixed = None
        available = None if plan.available is None else cents(plan.available)
        if plan.type == "investment":
            portfolio = self.life.portfolios[plan.key]
            fixed = cents(portfolio.value(day))
            cash, _ = portfolio.holdings(day).get("cash", (0, 0))
            available = available or cents(cash * 100 // QUANTITY_SCALE)
        return Account(
            account_id=self._accounts[plan.key],
            name=plan.name,
            type=plan.type,
            subtype=plan.subtype,
            mask=plan.mask,
            official_name=plan.official_name,
            currency=plan.currency or None,
            unofficial_currency=plan.unofficial_currency,
            hides_available=plan.hides_available,
            opening=cents(plan.opening),
            limit=None if plan.limit is None else cents(plan.limit),
            persistent_account_id=(
                identifier("persistent", self.life.household.login, plan.key)
                if plan.type == "depository"
                else None
            ),
            counts_pending=INSTITUTIONS[plan.institution_id].counts_pending,
            fixed_current=fixed,
            fixed_available=available,
        )

    def id_of(self, key: str) -> str:
        """Return the id of an account."""
        return self._accounts[key]

    def rename_account(self, key: str, new_id: str) -> None:
        """Show an account under another id from now on."""
        self._accounts[key] = new_id

    def joined(self, other: "Feed", plans: Sequence[AccountPlan]) -> "Feed":
        """Return a feed of these plans that keeps the ids both feeds have given."""
        feed = Feed(self.life, self.item_id, plans)
        feed._accounts |= self._accounts | other._accounts
        return feed

    def ids(self, movement: Movement) -> dict[str, str]:
        """Return the ids a movement has while pending, once posted and after churn."""
        return {
            stage: identifier(self.item_id, movement.number, stage)
            for stage in ("pending", "posted", "churned")
        }

    def sees(self, movement: Movement) -> bool:
        """Whether the movement is on an account of this Item that has a change stream."""
        return (
            movement.account in self._accounts
            and self.life.accounts[movement.account].type != "investment"
        )

    def _pending_row(self, movement: Movement) -> Row:
        day = dt.date.fromordinal(movement.authorized)
        return Row(
            identifier(self.item_id, movement.number, "pending"),
            self._accounts[movement.account],
            day,
            _pending_amount(movement),
            pending=True,
            name=_pending_name(movement),
            authorized_date=day,
            facts=movement.facts,
            extra=movement.extra,
        )

    def _posted_row(self, movement: Movement, stage: str = "posted") -> Row:
        linked = movement.pending is not None and movement.fate != UNLINKED and stage == "posted"
        return Row(
            identifier(self.item_id, movement.number, stage),
            self._accounts[movement.account],
            dt.date.fromordinal(movement.posted),
            amount_of(movement),
            pending_transaction_id=(
                identifier(self.item_id, movement.number, "pending") if linked else None
            ),
            name=movement.text,
            authorized_date=dt.date.fromordinal(movement.authorized),
            facts=movement.facts,
            extra=movement.extra,
            check_number=movement.check_number,
        )

    def _modified_row(self, movement: Movement) -> Row:
        """The bank corrects its text and, for every other movement, the amount by a little."""
        row = self._posted_row(movement)
        correction = cents(37) if movement.number % 2 else Decimal(0)
        return msgspec.structs.replace(
            row, name=f"{row.name} CORRECTED", amount=row.amount + correction
        )

    def _churned_row(self, movement: Movement) -> Row:
        row = self._posted_row(movement, "churned")
        return msgspec.structs.replace(row, name=f"{row.name} ADJ", amount=row.amount + cents(1))

    def row_on(self, movement: Movement, day: int) -> Row | None:
        """Return the movement as it stands at the end of a day; None when it is not visible."""
        if day < movement.authorized:
            return None
        if day < movement.posted:
            late = movement.fate == LATE and day == movement.posted - 1
            return None if movement.pending is None or late else self._pending_row(movement)
        if movement.fate == VANISHES:
            return None
        if movement.fate_day and day >= movement.fate_day:
            match movement.fate:
                case "modified":
                    return self._modified_row(movement)
                case "churned":
                    return self._churned_row(movement)
                case "withdrawn":
                    return None
        return self._posted_row(movement)

    def snapshot(self, first_day: int, day: int) -> list[Row]:
        """Return the rows at the end of a day whose date is `first_day` or later."""
        rows = []
        first = dt.date.fromordinal(first_day)
        for movement in self.life.since(first_day - _MOVEMENT_DAYS_MAX):
            if movement.authorized > day:
                break
            if self.sees(movement):
                row = self.row_on(movement, day)
                if row is not None and row.date >= first:
                    rows.append(row)
        return rows

    def posted_before(self, first_day: int, day: int) -> dict[str, Decimal]:
        """Return per account the sum of what was posted by `day` and dated before `first_day`."""
        totals: dict[str, Decimal] = {}
        for movement in self.life.movements:
            if movement.authorized >= first_day:
                break
            if self.sees(movement) and movement.posted < first_day:
                row = self.row_on(movement, day)
                if row is not None:
                    key = row.account_id
                    totals[key] = totals.get(key, ZERO) + row.amount
        return totals

    def events(self, day: int) -> Iterator[Event]:
        """Yield what happens on one day, given all the days before."""
        for movement in self.life.since(day - _MOVEMENT_DAYS_MAX):
            if movement.authorized > day:
                break
            if self.sees(movement):
                yield from self._events_of(movement, day)

    def _events_of(self, movement: Movement, day: int) -> Iterator[Event]:
        was_pending = movement.pending is not None and movement.authorized < movement.posted
        pending_id = identifier(self.item_id, movement.number, "pending") if was_pending else ""
        if day == movement.authorized and was_pending:
            yield Added(self._pending_row(movement))
        elif day == movement.posted:
            yield from self._posting(movement, pending_id)
        elif was_pending and movement.fate == LATE and day == movement.posted - 1:
            yield Removed(pending_id)
        elif day == movement.fate_day:
            posted_id = identifier(self.item_id, movement.number, "posted")
            if movement.fate == MODIFIED:
                yield Modified(self._modified_row(movement))
            elif movement.fate == CHURNED:
                yield Churned(posted_id, self._churned_row(movement))
            elif movement.fate == WITHDRAWN:
                yield Removed(posted_id)

    def _posting(self, movement: Movement, pending_id: str) -> Iterator[Event]:
        if movement.fate == VANISHES:
            yield Removed(pending_id)
        elif not pending_id:
            yield Added(self._posted_row(movement))
        else:
            yield Posted(
                pending_id,
                self._posted_row(movement),
                linked=False,
                removal="none"
                if movement.fate == LATE
                else ("before", "after")[day_parity(movement)],
            )


def day_parity(movement: Movement) -> int:
    """Return 0 or 1: half of the removals come before their posted row, half after."""
    return movement.number % 2
