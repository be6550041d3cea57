"""One account with its whole proof: every stated balance, and the rows that explain a gap."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.domain.money import plain
from app.domain.tieout import Span
from app.domain.tieout_search import Explanation
from app.features.accounts import service as accounts
from app.features.accounts.service import AccountView
from app.features.tieout import repository, words
from app.features.tieout.examine import Examined, examine

DAYS_SHOWN_MAX = 400
CHART_DAYS_MIN, CHART_DAYS_MAX = 30, 366


@dataclass(frozen=True, slots=True)
class StatedDay:
    """A balance that was stated, beside what the rows come to."""

    day: dt.date
    stated: Decimal
    computed: Decimal | None
    """None where transactions cannot prove anything."""
    gap: Decimal | None
    cut: str
    """Where inside its day it ties: `end`, `reported` (by then) or `start`."""
    source: str
    """`plaid`, `simplefin`, or the format of a file: `ofx`, `camt`, `mt940`, `csv`."""
    received_at: dt.datetime
    import_id: UUID | None


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """A transaction that is part of an explanation."""

    transaction_id: UUID
    date: dt.date
    description: str
    amount: Decimal
    effect: Decimal
    """By how much the computed balance would change were it put right."""
    twin_id: UUID | None
    """Of a duplicate: the transaction that it repeats."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Rows that together close the gap exactly."""

    kind: str
    words: str
    confidence: Decimal
    """From 0 to 1."""
    rows: tuple[ExplainedRow, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """A difference that somebody accepted."""

    change_set_id: UUID
    since: dt.date
    """By this day it had opened."""
    at: dt.datetime
    user_id: UUID | None
    reason: str


@dataclass(frozen=True, slots=True)
class DayBalance:
    """What opening and booked rows come to at the end of a day."""

    day: dt.date
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Proof:
    """How far the rows of an account explain the balances that were stated of it."""

    account_id: UUID
    state: str
    reason: str | None
    """Why it is `unproven`, as a code; `words` says it to people."""
    words: str
    currency: str
    treatment: str
    """Whether the institution's balance has pending rows in it: `posted` or `pending`."""
    opening: Decimal | None
    """The balance before the first transaction that makes the stated ones come out."""
    tied_from: dt.date | None
    tied_through: dt.date | None
    tied_amount: Decimal | None
    gap: Decimal | None
    broke_by: dt.date | None
    """The gap opened after `tied_through`, and by this day."""
    accepted: Accepted | None
    """Who accepted this gap, so that it is no alarm."""
    hole: Span | None
    """Between these days rows are missing for whole months; what is said is of the time after."""
    explanations: tuple[Explained, ...]
    rejected: int
    """Rows that could not be read since the account last tied out."""
    days: tuple[StatedDay, ...]
    """The last one first."""


def get_proof(
    session: Session, household_id: UUID, account_id: UUID
) -> tuple[AccountView, Proof, list[DayBalance]]:
    """Return an account, its proof, and its balance day by day for the chart.

    Raises:
        NotFoundError: The household has no such account.
    """
    account = accounts.get_account(session, household_id, account_id)
    [examined] = examine(session, household_id, [account_id], clock.now(), every_day=True)
    proof = _proof(session, household_id, examined)
    return account, proof, _balances(session, household_id, examined)


def _proof(session: Session, household_id: UUID, examined: Examined) -> Proof:
    verdict = examined.verdict
    is_told = examined.reason is None
    tied = verdict.tied if is_told else None
    return Proof(
        account_id=examined.account_id,
        state=examined.state,
        reason=examined.reason,
        words=words.REASONS[examined.reason] if examined.reason else "",
        currency=examined.currency,
        treatment=examined.treatment,
        opening=plain(verdict.opening) if is_told else None,
        tied_from=verdict.tied_from.anchor.day if verdict.tied_from and tied else None,
        tied_through=tied.anchor.day if tied else None,
        tied_amount=tied.anchor.stated if tied else None,
        gap=plain(verdict.gap) if is_told else None,
        broke_by=verdict.broke_by.anchor.day if verdict.broke_by and tied else None,
        accepted=_accepted(session, household_id, examined),
        hole=verdict.hole,
        explanations=_explained(session, household_id, examined.explanations),
        rejected=examined.rejected,
        days=_days(session, household_id, examined),
    )


def _accepted(session: Session, household_id: UUID, examined: Examined) -> Accepted | None:
    found = examined.accepted
    if found is None:
        return None
    made = repository.find_change_set(session, household_id, found.id)
    return Accepted(found.id, found.by, made.created_at, made.actor_user_id, made.reason or "")


def _days(session: Session, household_id: UUID, examined: Examined) -> tuple[StatedDay, ...]:
    days = examined.verdict.days[-DAYS_SHOWN_MAX:]
    read = {
        page.anchor_id: page
        for page in repository.pages(session, household_id, [each.anchor.id for each in days])
    }
    is_told = examined.reason is None
    return tuple(
        StatedDay(
            day=each.anchor.day,
            stated=each.anchor.stated,
            computed=plain(each.computed) if is_told else None,
            gap=plain(each.gap) if is_told else None,
            cut=each.cut,
            source=read[each.anchor.id].source,
            received_at=read[each.anchor.id].received_at,
            import_id=read[each.anchor.id].import_id,
        )
        for each in reversed(days)
    )


def _explained(
    session: Session, household_id: UUID, found: Sequence[Explanation]
) -> tuple[Explained, ...]:
    ids = [suspect.row_id for each in found for suspect in each.suspects]
    rows = repository.transactions(session, household_id, ids)
    return tuple(
        Explained(
            each.kind,
            words.why(each.kind, len(each.suspects)),
            each.confidence,
            tuple(
                ExplainedRow(
                    suspect.row_id,
                    rows[suspect.row_id].date,
                    rows[suspect.row_id].counterparty or rows[suspect.row_id].description,
                    rows[suspect.row_id].amount,
                    suspect.effect,
                    suspect.twin_id,
                )
                for suspect in each.suspects
            ),
        )
        for each in found
    )


def _balances(session: Session, household_id: UUID, examined: Examined) -> list[DayBalance]:
    """Return the balance at the end of each day of the chart; empty where rows do not make it."""
    days = examined.verdict.days
    if examined.reason in ("value", "no_rows", "no_balance") or not days:
        return []
    last = days[-1].anchor.day
    earliest = max(days[0].anchor.day, last - dt.timedelta(days=CHART_DAYS_MAX))
    first = min(earliest, last - dt.timedelta(days=CHART_DAYS_MIN))
    sums = repository.by_day(
        session, household_id, examined.account_id, examined.currency, (first, last)
    )
    moved = {each.date: each.amount for each in sums}
    # Where a balance was stated, as it is compared with it: with what was pending, perhaps.
    computed = {each.anchor.day: each.computed for each in days if not each.gap}
    balance, found = days[-1].computed, []
    for back in range((last - first).days + 1):
        day = last - dt.timedelta(days=back)
        balance = computed.get(day, balance)
        found.append(DayBalance(day, balance))
        balance -= moved.get(day, Decimal(0))
    return found[::-1]
