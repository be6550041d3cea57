"""Where the sources of one account tell different things of the days that both tell of."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.domain.matching import SAME_MOVEMENT_DAYS
from app.domain.matching.words import are_alike
from app.domain.money import Money
from app.features.matching.repository import rows as rows_sql
from app.features.matching.repository.rows import ToldByOne, Trace

SINCE = dt.timedelta(days=400)
ROWS_MAX = 200


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row of which one source tells something else than another one."""

    transaction_id: UUID
    date: dt.date
    text: str
    amount: Money
    told_by: str
    """The source's kind: `plaid`, `ofx`, `csv`."""
    other: str
    """The kind of the source that does not tell it, or tells it with another amount."""
    other_amount: Money | None
    """None: it does not tell it at all."""


@dataclass(frozen=True, slots=True)
class AccountReport:
    """What the sources of one account disagree on, in the last thirteen months."""

    account_id: UUID
    sources: Sequence[str]
    rows: Sequence[Disagreement]


def list_disagreements(session: Session, household_id: UUID) -> list[AccountReport]:
    """Compare the sources of each account that has several with rows."""
    by_account: defaultdict[UUID, list[Trace]] = defaultdict(list)
    for trace in rows_sql.traces(session, household_id):
        if trace.has_rows:
            by_account[trace.account_id].append(trace)
    return [
        AccountReport(
            account_id,
            [trace.source for trace in traces],
            list(_rows(session, household_id, account_id, traces)),
        )
        for account_id, traces in by_account.items()
        if len(traces) > 1
    ]


def _rows(
    session: Session, household_id: UUID, account_id: UUID, traces: Sequence[Trace]
) -> Iterator[Disagreement]:
    source = {trace.id: trace.source for trace in traces}
    rows = rows_sql.told_by_one(
        session,
        household_id,
        account_id,
        list(source),
        since=clock.today() - SINCE,
        limit=ROWS_MAX,
    )
    shown: set[UUID] = set()
    for row in rows:
        if row.id in shown:
            continue
        twins = (each for each in rows if each.id not in shown and _differs(row, each))
        twin = min(twins, key=lambda each: _distance(row, each), default=None)
        shown |= {row.id} | ({twin.id} if twin else set())
        yield Disagreement(
            transaction_id=row.id,
            date=row.date,
            text=row.text,
            amount=Money(row.amount, row.currency),
            told_by=source[row.source_account_id],
            other=source[row.missing_in],
            other_amount=Money(twin.amount, twin.currency) if twin else None,
        )


def _distance(row: ToldByOne, other: ToldByOne) -> tuple[bool, int, Decimal]:
    days = abs((row.date - other.date).days)
    return row.root != other.root, days, abs(row.amount - other.amount)


def _differs(row: ToldByOne, other: ToldByOne) -> bool:
    """Tell whether they are one movement for which two sources name different amounts."""
    if (row.source_account_id, row.missing_in) != (other.missing_in, other.source_account_id):
        return False
    if row.root == other.root:
        return True
    is_near = abs((row.date - other.date).days) <= SAME_MOVEMENT_DAYS
    is_like = row.amount != other.amount and (row.amount > 0) == (other.amount > 0)
    return is_near and is_like and are_alike(row.text, other.text)
