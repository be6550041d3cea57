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
    def is_empty(self) -> bool:
        """Tell whether there is no account at all."""
        return not self.assets and not self.debts
