"""What the overview shows."""

import datetime as dt
from dataclasses import dataclass

from app.domain.money import Money
from app.ui.views.accounts import NetWorth
from app.ui.views.transactions import TransactionRow


@dataclass(frozen=True, slots=True)
class LinePoint:
    """What accounts came to at the end of a day."""

    day: dt.date
    balance: Money


@dataclass(frozen=True, slots=True)
class WorthLine:
    """What cash and cards came to, month by month.

    Coordinates are of a box of 1000 by 200, from its upper left corner.
    """

    path: str
    points: tuple[LinePoint, ...]
    """The oldest first; at least two."""
    high: Money
    low: Money
    zero: int | None = None
    """Where zero lies, if it is between low and high."""

    @property
    def change(self) -> Money:
        """Return by how much the last point is above the first."""
        first, last = self.points[0].balance, self.points[-1].balance
        return Money(last.amount - first.amount, last.currency)


@dataclass(frozen=True, slots=True)
class WorthNow:
    """Net worth in one currency, and its line where transactions make one."""

    worth: NetWorth
    line: WorthLine | None = None


@dataclass(frozen=True, slots=True)
class GapRow:
    """An account whose transactions do not come to the balance that its bank states."""

    name: str
    url: str
    gap: Money
    since: dt.date | None = None


@dataclass(frozen=True, slots=True)
class UnprovenRow:
    """An account that cannot be proven yet, and why in one sentence."""

    name: str
    url: str
    words: str


@dataclass(frozen=True, slots=True)
class ProofStrip:
    """How far the accounts tie out."""

    tied: int
    accounts: int
    tied_through: dt.date | None = None
    """Of those that tie out, to which day all of them do."""
    gaps: tuple[GapRow, ...] = ()
    accepted: tuple[GapRow, ...] = ()
    """Differences that somebody accepted."""
    unproven: tuple[UnprovenRow, ...] = ()


@dataclass(frozen=True, slots=True)
class BankRow:
    """One connection.

    Its forms: POST /connections/{id}/repair, /connections/{id}/sync, /connections/link.
    """

    connection_id: str
    name: str
    state: str
    """As of `ConnectionCard`."""
    headline: str
    words: str
    seen_at: dt.datetime | None = None

    @property
    def needs_user(self) -> bool:
        """Tell whether nothing but a person gets it going again."""
        return self.state in ("needs_user", "held", "expiring", "parked", "dead")


@dataclass(frozen=True, slots=True)
class MonthBar:
    """What came in and went out in a month; heights are of 100."""

    month: dt.date
    url: str
    money_in: Money
    money_out: Money
    """Negative."""
    in_height: int
    out_height: int
    is_current: bool = False

    @property
    def net(self) -> Money:
        """Return what was left over; negative if more went out."""
        return Money(self.money_in.amount + self.money_out.amount, self.money_in.currency)


@dataclass(frozen=True, slots=True)
class MonthBars:
    """The last months in one currency, the oldest first."""

    currency: str
    bars: tuple[MonthBar, ...]


@dataclass(frozen=True, slots=True)
class CategoryBar:
    """What went out in one category this month."""

    name: str
    """"" for what has no category."""
    url: str
    """"" where no filter shows exactly these rows."""
    amount: Money
    """Negative."""
    percent: int
    """Of the largest; for the bar."""


@dataclass(frozen=True, slots=True)
class MonthSpending:
    """What went out this month in one currency: the largest categories, and the rest."""

    total: Money
    bars: tuple[CategoryBar, ...]
    others: int = 0
    """How many categories are not shown."""
    rest: Money | None = None
    """What they come to."""


@dataclass(frozen=True, slots=True)
class OverviewView:
    """dashboard/overview.html and its fragment dashboard/_overview.html.

    The fragment asks GET / again on the live event `accounts`.
    """

    month: dt.date
    """Any day of this month."""
    worth: tuple[WorthNow, ...]
    """One for each currency, the household's own first."""
    proof: ProofStrip
    banks: tuple[BankRow, ...] = ()
    """Those that need somebody first."""
    months: tuple[MonthBars, ...] = ()
    spending: tuple[MonthSpending, ...] = ()
    spending_url: str = "/transactions"
    """All that went out this month."""
    questions: int = 0
    """Possible duplicates that wait for a decision."""
    latest: tuple[TransactionRow, ...] = ()

    @property
    def urgent(self) -> tuple[BankRow, ...]:
        """Return the banks that need somebody."""
        return tuple(bank for bank in self.banks if bank.needs_user)

    @property
    def others(self) -> tuple[BankRow, ...]:
        """Return the banks that need nobody."""
        return tuple(bank for bank in self.banks if not bank.needs_user)
