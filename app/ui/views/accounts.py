"""What the page of accounts shows. Balances are the owner's: what is owed is negative."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from app.domain.money import Money


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account."""

    account_id: str
    name: str
    institution_name: str
    mask: str
    kind_words: str
    """Such as "Checking", "Credit card"."""
    balance: Money | None
    available: Money | None = None
    credit_limit: Money | None = None
    as_of: dt.datetime | None = None
    state: str = ""
    """"" (fine), stale, missing (no longer listed by the bank) or file (fed by files)."""
    gap: Money | None = None
    """Stated balance minus ledger; None where it cannot be told, zero when tied out."""
    tied_through: dt.date | None = None
    """The last day whose stated balance the ledger comes to."""
    is_accepted: bool = False
    """Somebody has accepted the gap."""

    @property
    def is_untied(self) -> bool:
        """Tell whether the ledger comes to something else than the bank's balance, unaccepted."""
        return self.gap is not None and self.gap.amount != 0 and not self.is_accepted

    @property
    def used_percent(self) -> int | None:
        """Return how much of a credit limit is used, 0 to 100; None without a limit."""
        if self.balance is None or self.credit_limit is None or self.credit_limit.amount <= 0:
            return None
        used = -self.balance.amount / self.credit_limit.amount * Decimal(100)
        return max(0, min(100, round(used)))


@dataclass(frozen=True, slots=True)
class AccountGroup:
    """Accounts of one kind, with their total in each currency."""

    label: str
    totals: tuple[Money, ...]
    accounts: tuple[AccountRow, ...]


@dataclass(frozen=True, slots=True)
class NetWorth:
    """What is owned less what is owed, in one currency."""

    total: Money
    assets: Money
    debts: Money
    """Negative."""

    @property
    def assets_percent(self) -> int:
        """Return the assets' share of assets and debts together, 0 to 100; for the bar."""
        whole = self.assets.amount - self.debts.amount
        share = self.assets.amount / whole * Decimal(100) if whole > 0 else Decimal(100)
        return max(0, min(100, round(share)))


@dataclass(frozen=True, slots=True)
class AccountsView:
    """accounts/list.html and its fragment accounts/_groups.html.

    The fragment asks GET /accounts again on the live event `accounts`.
    """

    net_worth: tuple[NetWorth, ...]
    """One for each currency, the household's own first."""
    assets: tuple[AccountGroup, ...]
    debts: tuple[AccountGroup, ...]
    synced_at: dt.datetime | None = None
    """When the data were last fresh at every bank: the oldest of the connections."""
    connections_in_trouble: int = 0

    @property
    def untied(self) -> tuple[AccountRow, ...]:
        """Return the accounts that do not tie out."""
        groups = (*self.assets, *self.debts)
        return tuple(row for group in groups for row in group.accounts if row.is_untied)

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no account at all."""
        return not self.assets and not self.debts


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """A stated balance in the chart, in its coordinates."""

    x: int
    y: int
    is_tied: bool


@dataclass(frozen=True, slots=True)
class BalanceChart:
    """What the transactions come to day by day, and the balances that were stated.

    Coordinates are of a box of 1000 by 300, from its upper left corner.
    """

    path: str
    """Of the computed balance, as steps; "" where transactions do not make it."""
    points: tuple[ChartPoint, ...]
    high: Money
    low: Money
    first: dt.date
    last: dt.date
    zero: int | None = None
    """Where zero lies, if it is between low and high."""


@dataclass(frozen=True, slots=True)
class StatedBalance:
    """A balance that was stated, beside what the transactions come to."""

    day: dt.date
    stated: Money
    computed: Money | None
    gap: Money | None
    note: str
    """Where inside its day it was stated, unless at its end."""
    source: str
    """Such as "Plaid" or "OFX file"."""
    received_at: dt.datetime
    url: str = ""
    """Of the import that brought it."""

    @property
    def is_tied(self) -> bool:
        """Tell whether it is what the transactions come to."""
        return self.gap is not None and not self.gap.amount


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """A transaction that explains a gap."""

    url: str
    name: str
    date: dt.date
    amount: Money
    effect: Money
    """By how much the gap changes were it put right."""
    twin_url: str = ""
    """Of a duplicate: the transaction that it repeats."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Transactions that together close a gap to the cent."""

    words: str
    certainty: str
    """Very likely, Likely or Possible."""
    percent: int
    rows: tuple[ExplainedRow, ...]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepted a difference, when and why."""

    since: dt.date
    by: str
    at: dt.datetime
    reason: str
    url: str
    """Of the change set, which can be undone."""


@dataclass(frozen=True, slots=True)
class AccountPage:
    """tieout/account.html and its fragment tieout/_account.html.

    The fragment asks GET /accounts/{id} again on the live event `accounts`. Its form: POST
    /accounts/{id}/accept with `gap` and `reason`.
    """

    account: AccountRow
    state: str
    """tied, gap or unproven."""
    words: str
    """Of an unproven account: what is missing."""
    treatment: str
    """One sentence: whether the bank's balance has pending transactions in it; "" if unknown."""
    transactions_url: str
    tied_from: dt.date | None = None
    tied_amount: Money | None = None
    gap: Money | None = None
    gap_text: str = ""
    """The same as a plain number, for the form."""
    accepted: Acceptance | None = None
    error: str = ""
    """Why the difference was not accepted."""
    reason: str = ""
    """What was typed then."""
    stated: StatedBalance | None = None
    """The balance stated last."""
    broke_by: dt.date | None = None
    between_url: str = ""
    """The transactions of the days in which the gap opened."""
    hole: tuple[dt.date, dt.date] | None = None
    explanations: tuple[Explanation, ...] = ()
    rejected: int = 0
    chart: BalanceChart | None = None
    days: tuple[StatedBalance, ...] = ()
    """The last one first."""

    @property
    def untied_days(self) -> int:
        """Return how many stated balances the transactions do not come to."""
        return sum(each.gap is not None and not each.is_tied for each in self.days)
