"""Use cases of tying out: keep what was found true of the ledger, raise the alarm, show it."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import clock, events, jobs
from app.domain.tieout_search import Explanation
from app.features.audit import service as audit
from app.features.tieout import repository
from app.features.tieout.examine import Examined, examine
from app.models import TieOut

log = structlog.get_logger(__name__)

JUST_STATED = dt.timedelta(days=3)
_COMPARED = (
    "state", "reason", "tied_from", "tied_through", "tied_amount", "stated", "stated_on",
    "computed", "broke_by", "currency", "treatment", "accepted_by",
)  # fmt: skip


def after_booking(
    session: Session,
    household_id: UUID,
    account_ids: Iterable[UUID],
    *,
    has_changes: bool,
    awaits_rows: bool = False,
) -> None:
    """Examine what a sync or an import touched; one statement if it brought nothing new.

    The caller has booked rows and balances, in this transaction. While the first rows are still
    awaited (`awaits_rows`), nobody knows what was pending when a balance was stated: it is noted
    with them.
    """
    ids = sorted(set(account_ids))
    fresh = set(ids) if awaits_rows else _note_pending(session, household_id, ids)
    _keep(session, household_id, ids if has_changes else sorted(fresh))


def refresh(session: Session, household_id: UUID, account_ids: Iterable[UUID]) -> None:
    """Bring what is stored of accounts to what their rows and stated balances say now.

    Call it at the end of the transaction that changed their rows or balances. Writes down and
    announces when an account stops tying out, and when it ties again.
    """
    _keep(session, household_id, sorted(set(account_ids)))


def _keep(session: Session, household_id: UUID, ids: Sequence[UUID]) -> None:
    if not ids:
        return
    rang = repository.with_alarm(session, household_id, ids)
    now = clock.now()
    found = examine(session, household_id, ids, now)
    values = ((each.account_id, values_of(each)) for each in found)
    repository.store(session, household_id, values, now)
    for each in found:
        if each.rings != (each.account_id in rang):
            _raise_or_end_alarm(session, household_id, each)


def refresh_all(session: Session, household_id: UUID) -> None:
    """Examine every account of a household."""
    refresh(session, household_id, repository.all_account_ids(session, household_id))


@dataclass(frozen=True, slots=True)
class Difference:
    """An account of which something else is stored than is true."""

    account_id: UUID
    fields: tuple[str, ...]


def find_differences(session: Session, household_id: UUID) -> list[Difference]:
    """Return the accounts whose stored tie-out is not what their ledger says; writes nothing."""
    ids = repository.all_account_ids(session, household_id)
    stored = repository.find(session, household_id, ids)
    different = []
    for account_id in ids:
        row = stored.get(account_id)
        # Which balances are looked at depends on the day: on the day that it was examined.
        at = row.checked_at if row else clock.now()
        [found] = examine(session, household_id, [account_id], at)
        values = values_of(found)
        fields = [name for name in _COMPARED if row and getattr(row, name) != values[name]]
        # An account that was never examined is one that no balance was ever stated of.
        if fields or (row is None and found.verdict.days):
            different.append(Difference(account_id, tuple(fields)))
    return different


def _note_pending(session: Session, household_id: UUID, ids: Sequence[UUID]) -> set[UUID]:
    since = clock.now() - JUST_STATED
    return repository.note_pending(session, household_id, ids, since)


def values_of(examined: Examined) -> dict[str, object]:
    """Return the columns of what was found."""
    verdict = examined.verdict
    last = verdict.days[-1] if verdict.days else None
    tied = verdict.tied if examined.reason is None else None
    return {
        "state": examined.state,
        "reason": examined.reason,
        "tied_from": verdict.tied_from.anchor.day if verdict.tied_from and tied else None,
        "tied_through": tied.anchor.day if tied else None,
        "tied_amount": tied.anchor.stated if tied else None,
        "stated": last.anchor.stated if last else None,
        "stated_on": last.anchor.day if last else None,
        "computed": last.computed if last and not examined.reason else None,
        "broke_by": verdict.broke_by.anchor.day if verdict.broke_by and tied else None,
        "currency": examined.currency,
        "treatment": examined.treatment,
        "explanation": [_stored(each) for each in examined.explanations],
        "accepted_by": examined.accepted.id if examined.accepted else None,
    }


def _stored(explanation: Explanation) -> dict[str, object]:
    return {
        "kind": explanation.kind,
        "confidence": str(explanation.confidence),
        "rows": [
            {
                "transaction_id": str(each.row_id),
                "twin_id": str(each.twin_id) if each.twin_id else None,
                "effect": str(each.effect),
            }
            for each in explanation.suspects
        ],
    }


def _raise_or_end_alarm(session: Session, household_id: UUID, found: Examined) -> None:
    ended = "tie_out_accepted" if found.accepted else "tie_out_found"
    name = "tie_out_lost" if found.rings else ended
    audit.record(
        session,
        household_id,
        f"account.{name}",
        object_id=found.account_id,
        details={"gap": str(found.verdict.gap), "currency": found.currency},
    )
    jobs.tell_after_commit(session, lambda: _announce(household_id, found.account_id, name))


def _announce(household_id: UUID, account_id: UUID, name: str) -> None:
    report = log.warning if name == "tie_out_lost" else log.info
    report(name, account_id=str(account_id))
    events.publish(household_id, "tie_out_changed", account_id=str(account_id))


def list_stored(
    session: Session, household_id: UUID, account_ids: Sequence[UUID]
) -> dict[UUID, TieOut]:
    """Return what is stored of these accounts, for those who show accounts."""
    return repository.find(session, household_id, account_ids)
