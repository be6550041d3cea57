"""What follows a change set that is undone or redone, beside the rows themselves.

Stated balances, the quarantine, accounts that an import had opened, and the import's own state.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.features.accounts import service as accounts
from app.features.changes import service as changes
from app.features.history.repository import balances
from app.features.history.service import statements
from app.features.history.service.statements import Stated
from app.features.imports.service import book as imports
from app.features.journal import service as journal
from app.features.proof import words
from app.features.transactions import ledger_rows
from app.models import BalanceAnchor, ChangeSet

Meaning = tuple[UUID, dt.date, Decimal | None, str]
"""Source account, day, balance, currency: what makes two statements of a balance the same."""
BALANCES = "balances"
"""What an undo took back, in its counts: redo gives it back as it was."""


def count_balances(session: Session, household_id: UUID, target: ChangeSet) -> int:
    """Return how many balances the pages of a change set state, as far as we know them."""
    if target.kind not in words.KINDS or target.sync_run_id is None:
        return 0
    return len(balances.stated_by(session, household_id, target.sync_run_id))


def is_moved(session: Session, household_id: UUID, target: ChangeSet) -> bool:
    """Tell whether an import that is undone had its rows in another account than they'd be now."""
    if target.kind != "import" or target.undone_by is None:
        return False
    places = statements.places(session, household_id, target.kind, target.sync_run_id)
    fed = [(each.source_account_id, each.account_id) for each in places]
    return balances.any_feeds_other(session, household_id, fed)


def read_ahead(session: Session, household_id: UUID, target: ChangeSet) -> None:
    """Read the file that will be said again, and keep it: not under the ledger's lock."""
    if target.kind == "import":
        statements.read(session, household_id, target.kind, target.sync_run_id)


def follow(
    session: Session, household_id: UUID, target: ChangeSet, undo_id: UUID | None
) -> dict[str, object]:
    """Take back what a change set's pages say beside rows; or with `undo_id`, say it again.

    Args:
        session: An open transaction of the household, after the rows were written.
        household_id: Whose.
        target: The change set.
        undo_id: What had undone it, if it is being redone.

    Returns:
        What the change set that does so has to remember in its counts.
    """
    if target.kind not in words.KINDS or target.sync_run_id is None:
        return {}
    places = statements.places(session, household_id, target.kind, target.sync_run_id)
    opened = [each.account_id for each in places if each.is_new]
    if target.kind == "import":
        state = "undone" if undo_id is None else "booked"
        imports.set_state(session, household_id, target.sync_run_id, state)
    if undo_id is None:
        journal.forget_rejected(session, household_id, target.sync_run_id)
        accounts.hide(session, household_id, _empty(session, household_id, opened))
        taken = _take_back_balances(session, household_id, target)
        return {BALANCES: taken} if taken else {}
    said = statements.read(session, household_id, target.kind, target.sync_run_id)
    for page_id, record in said.rejected:
        journal.reject(session, household_id, page_id, [record])
    accounts.show(session, household_id, opened)
    _state_again(session, household_id, target, undo_id, said.balances)
    return {}


def _empty(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> list[UUID]:
    has_rows = ledger_rows.has_rows_of_account
    return [each for each in account_ids if not has_rows(session, household_id, each)]


def _take_back_balances(
    session: Session, household_id: UUID, target: ChangeSet
) -> list[dict[str, object]]:
    """Take back what a change set's pages stated, but for what others in force state as well."""
    assert target.sync_run_id is not None  # follow() has looked
    anchors = balances.stated_by(session, household_id, target.sync_run_id)
    if not anchors:
        return []
    others = _said_by_others(session, household_id, target, anchors)
    gone = []
    for anchor in anchors:
        page_id = others.get(_meaning(anchor))
        if page_id is None:
            gone.append(anchor)
        else:
            balances.hand_over(session, household_id, anchor.id, page_id)
    taken = [balances.to_json(anchor) for anchor in gone]
    balances.forget(session, household_id, [anchor.id for anchor in gone])
    balances.recount(session, household_id, list({each.source_account_id for each in gone}))
    return taken


def _said_by_others(
    session: Session, household_id: UUID, target: ChangeSet, anchors: Sequence[BalanceAnchor]
) -> dict[Meaning, UUID]:
    return {
        _meaning_of(stated, stated_at): stated.journal_page_id
        for kind, run_id, stated_at in balances.neighbours(
            session, household_id, target.id, anchors
        )
        for stated in statements.read_balances(session, household_id, kind, run_id)
    }


def _state_again(
    session: Session, household_id: UUID, target: ChangeSet, undo_id: UUID, said: Sequence[Stated]
) -> None:
    ids = list({stated.source_account_id for stated in said})
    taken = changes.counts_of(session, household_id, undo_id).get(BALANCES, [])
    balances.give_back(session, household_id, taken)
    known = {_meaning(anchor) for anchor in balances.of_accounts(session, household_id, ids)}
    for stated in said:
        if _meaning_of(stated, target.created_at) not in known:
            balance = replace(stated.balance, as_of=stated.balance.as_of or target.created_at)
            accounts.note_balance(
                session, household_id, stated.source_account_id, balance, stated.journal_page_id
            )
    balances.recount(session, household_id, ids)


def _meaning(anchor: BalanceAnchor) -> Meaning:
    day = anchor.as_of.astimezone(dt.UTC).date()
    return anchor.source_account_id, day, anchor.current, anchor.currency


def _meaning_of(stated: Stated, stated_at: dt.datetime) -> Meaning:
    day = stated.balance.day or stated_at.astimezone(dt.UTC).date()
    return stated.source_account_id, day, stated.balance.current, stated.balance.currency
