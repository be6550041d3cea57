"""What the API says of transactions: the shape of each answer."""

import datetime as dt
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from app.features.transactions.service import Change


class EditedOut(BaseModel):
    """What an edit did; no change set where everything was so already."""

    change_set_id: UUID | None
    transactions: int


class TotalOut(BaseModel):
    """Sums in one currency; `money_out` is negative."""

    currency: str
    money_in: str
    money_out: str
    transactions: int


class TotalsOut(BaseModel):
    """One entry for each currency."""

    data: list[TotalOut]


class CategoryTotalOut(TotalOut):
    """Sums of one category in one currency."""

    category_id: UUID


class DayTotalOut(TotalOut):
    """Sums of one day in one currency."""

    date: dt.date


class PeriodOut(BaseModel):
    """From the first day to the last, both counted."""

    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")


class AnalyticsOut(BaseModel):
    """Income and spending of a period; by currency, spending negative."""

    period: PeriodOut
    income: dict[str, str]
    spending: dict[str, str]
    by_category: list[CategoryTotalOut]
    by_day: list[DayTotalOut]


class SaidOut(BaseModel):
    """One value as each of the three says it."""

    user: str | None
    enriched: str | None
    source: str | None


class ValuesOut(BaseModel):
    """Values that more than the source may say."""

    counterparty: SaidOut
    category_id: SaidOut


class SourceOut(BaseModel):
    """Where a transaction comes from."""

    transaction_id: str
    pending_transaction_id: str | None
    category_code: str | None
    journal_page_id: UUID
    journal_kind: str
    received_at: dt.datetime
    said: dict[str, Any]
    """All that the source's own page says of it, as it says it."""


class TransactionDetailOut(BaseModel):
    """Everything that is known of one transaction, and where each value comes from."""

    id: UUID
    account_id: UUID
    date: dt.date
    authorized_date: dt.date | None
    amount: str
    currency: str
    pending: bool
    description: str
    note: str | None
    reviewed_at: dt.datetime | None
    removed_at: dt.datetime | None
    counterparty: str | None
    category_id: UUID | None
    values: ValuesOut
    source: SourceOut
    history: list[Change]
