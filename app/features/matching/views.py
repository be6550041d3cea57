"""What the page of possible duplicates shows, made of what the services know."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from app.domain.money import Money
from app.features.accounts.service import AccountName
from app.features.matching.service.disagreements import AccountReport, Disagreement
from app.features.matching.service.questions import AccountQuestion, RowQuestion, Side
from app.models import Account
from app.ui.sources import source_name
from app.ui.views.matching import (
    AccountDisagreements,
    DisagreementRow,
    MatchesView,
    PairCard,
    PairSide,
)

_TITLES = {
    "pending_posted": "Was this pending transaction posted as the other?",
    "same_movement": "Is this one transaction, told twice?",
}
_MERGE_ROWS = (
    "One of the two counts. The other is kept, and counts if the first is ever withdrawn. "
    "What you wrote on either stays."
)
_MERGE_ACCOUNTS = (
    "Both sources feed one account from then on. Transactions that both tell count once."
)


def matches_view(
    rows: Iterable[RowQuestion],
    accounts: Iterable[AccountQuestion],
    reports: Sequence[AccountReport],
    names: Sequence[AccountName],
) -> MatchesView:
    """Return the page."""
    known = {name.id: name for name in names}
    return MatchesView(
        pairs=(
            *(_accounts_card(each) for each in accounts),
            *(_rows_card(each, known) for each in rows),
        ),
        disagreements=tuple(_report(each, known) for each in reports if each.rows),
    )


def _rows_card(asked: RowQuestion, names: Mapping[UUID, AccountName]) -> PairCard:
    left, right = _facts_of_row(asked.left, names), _facts_of_row(asked.right, names)
    return PairCard(
        pair_id=str(asked.id),
        title=_TITLES.get(asked.kind, _TITLES["same_movement"]),
        reason=asked.reason,
        percent=int(asked.confidence * 100),
        left=_side_of_row(asked.left, _compared(left, right)),
        right=_side_of_row(asked.right, _compared(right, left)),
        consequence=_MERGE_ROWS,
    )


def _side_of_row(side: Side, facts: tuple[tuple[str, str, bool], ...]) -> PairSide:
    row = side.row
    return PairSide(
        name=row.counterparty or row.description or "No description",
        url=f"/transactions/{row.id}",
        told_by=source_name(side.source),
        facts=facts,
        amount=Money(row.amount, row.currency),
        date=row.date,
        pending=row.pending,
        is_removed=row.removed_at is not None,
    )


def _facts_of_row(side: Side, names: Mapping[UUID, AccountName]) -> dict[str, str]:
    row = side.row
    account = names.get(row.account_id)
    return {
        "Description": row.description,
        "Account": account.name if account else "",
        "State": "Pending" if row.pending else "Posted",
        "Your note": row.note or "",
    }


def _accounts_card(asked: AccountQuestion) -> PairCard:
    left, right = _facts_of_account(asked.left), _facts_of_account(asked.right)
    return PairCard(
        pair_id=str(asked.id),
        title="Are these the same account?",
        reason=asked.reason,
        percent=int(asked.confidence * 100),
        left=_side_of_account(asked.left, _compared(left, right)),
        right=_side_of_account(asked.right, _compared(right, left)),
        consequence=_MERGE_ACCOUNTS,
    )


def _side_of_account(account: Account, facts: tuple[tuple[str, str, bool], ...]) -> PairSide:
    return PairSide(
        name=account.name_user or account.name,
        url=f"/transactions?account={account.id}",
        told_by=account.institution_name or "",
        facts=facts,
    )


def _facts_of_account(account: Account) -> dict[str, str]:
    return {
        "Bank": account.institution_name or "",
        "Name": account.name,
        "Number": f"··{account.mask}" if account.mask else "",
        "Kind": account.subtype or account.kind,
        "Currency": account.currency,
    }


def _compared(
    mine: Mapping[str, str], other: Mapping[str, str]
) -> tuple[tuple[str, str, bool], ...]:
    return tuple(
        (label, value or "none", value == other[label])
        for label, value in mine.items()
        if value or other[label]
    )


def _report(report: AccountReport, names: Mapping[UUID, AccountName]) -> AccountDisagreements:
    account = names.get(report.account_id)
    sources = list(dict.fromkeys(map(source_name, report.sources)))
    return AccountDisagreements(
        account_name=account.name if account else "Account",
        account_url=f"/transactions?account={report.account_id}",
        sources=" and ".join(sources),
        rows=tuple(_disagreement(each) for each in report.rows),
    )


def _disagreement(row: Disagreement) -> DisagreementRow:
    told_by, other = source_name(row.told_by), source_name(row.other)
    if told_by == other:
        told_by, other = f"One {told_by}", "another one"
    words = f"{told_by} tells it, {other} does not."
    if row.other_amount is not None:
        words = f"{told_by} tells this amount, {other} tells"
    return DisagreementRow(
        date=row.date,
        name=row.text,
        url=f"/transactions/{row.transaction_id}",
        amount=row.amount,
        words=words,
        other_amount=row.other_amount,
    )
