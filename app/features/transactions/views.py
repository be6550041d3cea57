"""What the list of transactions shows, made of what the services know."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from app.core.pagination import PageKey
from app.domain.filters import TransactionFilter
from app.domain.money import Money
from app.features.accounts.service import AccountName
from app.features.categories import service as categories
from app.features.categories.service import CategoryNode
from app.features.transactions import query
from app.features.transactions.query import ListQuery
from app.features.transactions.service import Total, TransactionPage
from app.features.transactions.service import TransactionRow as Row
from app.models import NO_CATEGORY, Transaction
from app.ui.views.transactions import (
    CurrencyTotals,
    Day,
    Options,
    RowsView,
    TotalsView,
    TransactionRow,
    TransactionsView,
)

UNCATEGORISED = "Uncategorised"
_INDENT = "\N{EM SPACE}"


class Names:
    """What accounts and categories are called, for everything a page says of them."""

    def __init__(self, accounts: Sequence[AccountName], nodes: Sequence[CategoryNode]) -> None:
        self._nodes = nodes
        self._accounts = accounts
        self.accounts = {account.id: account for account in accounts}
        self.categories = {node.id: node.name for node in nodes}

    def account(self, account_id: UUID) -> str:
        """Return the name of an account."""
        found = self.accounts.get(account_id)
        return found.name if found else "Unknown account"

    def category(self, category_id: UUID | None) -> str:
        """Return the name of a category, "" for none."""
        return self.categories.get(category_id, "") if category_id else ""

    @property
    def account_options(self) -> Options:
        """The accounts to choose from; the mask tells those of one name apart."""
        return tuple(
            (str(each.id), f"{each.name} ··{each.mask}" if each.mask else each.name)
            for each in self._accounts
        )

    @property
    def category_options(self) -> Options:
        """The categories to choose from, those below another one set in."""
        return tuple(
            (str(node.id), f"{_INDENT if node.parent_id else ''}{node.name}")
            for node in self._nodes
            if not node.is_archived
        )

    def expand(self, wanted: TransactionFilter) -> TransactionFilter:
        """Return the filter with the categories below those that it names."""
        ids = categories.with_children(self._nodes, wanted.category_ids)
        return replace(wanted, category_ids=ids)


def transactions_view(
    asked: ListQuery,
    page: TransactionPage,
    totals: Sequence[Total] | None,
    names: Names,
    *,
    after: PageKey | None,
) -> TransactionsView:
    """Return the page; without `totals` it asks for them when it is shown."""
    url = query.url(asked.wanted)
    is_first_page = after is None
    return TransactionsView(
        filter=asked.form,
        accounts=names.account_options,
        categories=names.category_options,
        chips=query.chips(
            asked.wanted,
            accounts={id_: names.account(id_) for id_ in names.accounts},
            categories=names.categories | {NO_CATEGORY: UNCATEGORISED},
        ),
        totals=totals_view(totals) if totals is not None else None,
        totals_url=query.url(asked.wanted, path=f"{query.PATH}/totals"),
        edit_url=query.url(asked.wanted, path=f"{query.PATH}/edit"),
        export_url=query.url(asked.wanted, path=f"{query.PATH}/export"),
        rows=rows_view(page, names, asked.wanted, after=after),
        url=url,
        is_ledger_empty=not page.rows and is_first_page and asked.wanted.is_empty
        and not asked.has_errors,
        is_first_page=is_first_page,
    )  # fmt: skip


def totals_view(totals: Sequence[Total]) -> TotalsView:
    """Return what the filter sums to."""
    return TotalsView(
        count=sum(total.transactions for total in totals),
        by_currency=tuple(
            CurrencyTotals(
                money_in=Money(total.money_in, total.currency),
                money_out=Money(total.money_out, total.currency),
                net=Money(total.money_in + total.money_out, total.currency),
            )
            for total in totals
        ),
    )


def rows_view(
    page: TransactionPage, names: Names, wanted: TransactionFilter, *, after: PageKey | None
) -> RowsView:
    """Return the rows by day; a day that is cut off by the page's edge has no sum."""
    days = [(date, tuple(rows)) for date, rows in groupby(page.rows, key=lambda row: row.date)]
    last = days[-1][0] if days else None
    has_more = page.next_key is not None
    next_url = query.url(wanted, after=page.next_key.encode()) if page.next_key else ""
    return RowsView(
        days=tuple(
            Day(
                date=date,
                rows=tuple(row_view(row, names) for row in rows),
                sums=() if is_continued or (has_more and date == last) else _sums(rows),
                is_continued=is_continued,
            )
            for date, rows in days
            for is_continued in [after is not None and after.date == date]
        ),
        next_url=next_url,
    )


def row_view(row: Row | Transaction, names: Names) -> TransactionRow:
    """Return one row."""
    name = row.counterparty or row.description
    says_more = row.description.casefold() != name.casefold()
    return TransactionRow(
        transaction_id=str(row.id),
        date=row.date,
        name=name or "No description",
        description=row.description if says_more else "",
        category=names.category(row.category_id),
        account_name=names.account(row.account_id),
        amount=Money(row.amount, row.currency),
        pending=row.pending,
        note=row.note or "",
    )


def _sums(rows: Sequence[Row]) -> tuple[Money, ...]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row.currency] += row.amount
    return tuple(Money(amount, currency) for currency, amount in sums.items())
