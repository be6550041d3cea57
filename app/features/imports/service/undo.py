"""Undo an import: what it added leaves the ledger, what it changed is as it was before."""

from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import events, jobs
from app.core.database import household_transaction
from app.core.errors import ConflictError, NotFoundError
from app.features.accounts import service as accounts
from app.features.changes import service as changes
from app.features.imports import repository
from app.features.imports.service import decision
from app.features.imports.service.book import Result, get_result
from app.features.imports.service.decision import BookedAccount, booked_rows
from app.features.imports.service.look import OpenFile, open_file
from app.features.journal import service as journal
from app.features.transactions import ledger_rows
from app.models import Import

log = structlog.get_logger(__name__)

LATER_IMPORTS_MAX = 30
"""Later files are read again, to keep the rows that they have as well."""


def undo(household_id: UUID, user_id: UUID, import_id: UUID) -> Result:
    """Take an import back; the file stays in the journal, and can be imported again.

    Rows that a later import has as well stay and belong to that one from now on. What people
    decided of the rows that leave stays with them, for when a file brings them back.

    Raises:
        NotFoundError: The household has no such import.
        ConflictError: It is not booked, or too many others were booked after it.
    """
    later = _read_later(household_id, import_id)
    with household_transaction(household_id) as session:
        row = _booked(session, household_id, import_id, lock=True)
        ledger_rows.lock(session, household_id)
        if {each.id for each in _later(session, household_id, row)} - {o.row.id for o in later}:
            raise ConflictError("Another file was imported just now. Try again.")
        removed = _take_back(session, household_id, user_id, row, later)
        jobs.after_commit(session, lambda: _announce(household_id, import_id, removed))
    return get_result(household_id, import_id)


def _booked(session: Session, household_id: UUID, import_id: UUID, *, lock: bool = False) -> Import:
    row = repository.find_import(session, household_id, import_id, lock=lock)
    if row is None or row.state == "discarded":
        raise NotFoundError("There is no such import.")
    if row.state != "booked":
        raise ConflictError("This import is not in the ledger.")
    return row


def _later(session: Session, household_id: UUID, row: Import) -> list[Import]:
    later = repository.booked_after(session, household_id, row, limit=LATER_IMPORTS_MAX + 1)
    if len(later) > LATER_IMPORTS_MAX:
        raise ConflictError(
            f"More than {LATER_IMPORTS_MAX} files were imported after this one. Undo the latest "
            "ones first."
        )
    mine = set(row.targets.values())
    return [each for each in later if mine & set(each.targets.values())]


def _read_later(household_id: UUID, import_id: UUID) -> list[OpenFile]:
    """Read the later files of the same accounts, while no transaction is open."""
    with household_transaction(household_id) as session:
        row = _booked(session, household_id, import_id)
        ids = [each.id for each in _later(session, household_id, row)]
    return [open_file(household_id, each) for each in ids]


def _take_back(
    session: Session, household_id: UUID, user_id: UUID, row: Import, later: list[OpenFile]
) -> int:
    assert row.change_set_id is not None  # it is booked
    undo_id = changes.open_change_set(session, household_id, kind="undo", actor_user_id=user_id)
    mine = decision.read(session, household_id, row.id).accounts
    for opened in later:
        _hand_over(session, household_id, row.change_set_id, mine, opened)
    removed = ledger_rows.take_back(
        session, household_id, row.change_set_id, [each.source_account_id for each in mine]
    )
    restored = ledger_rows.restore(session, household_id, row.change_set_id)
    changes.count(session, household_id, undo_id, {"removed": removed, "modified": restored})
    accounts.take_back_balances(session, household_id, row.journal_page_id)
    journal.forget_rejected(session, household_id, row.journal_page_id)
    empty = [
        each.account_id
        for each in mine
        if each.is_new and not ledger_rows.has_rows_of_account(
            session, household_id, each.account_id
        )
    ]  # fmt: skip
    accounts.hide(session, household_id, empty)
    repository.update_import(session, household_id, row.id, {"state": "undone"})
    return removed


def _hand_over(
    session: Session,
    household_id: UUID,
    former: UUID,
    mine: list[BookedAccount],
    opened: OpenFile,
) -> None:
    """Give rows that a later import has as well to that import."""
    assert opened.row.change_set_id is not None  # it is booked
    assert opened.reading.file is not None  # a file without rows is not booked
    shared = {each.source_account_id for each in mine}
    for place in decision.read(session, household_id, opened.row.id).accounts:
        if place.source_account_id not in shared:
            continue
        ledger_rows.hand_over(
            session,
            household_id,
            former,
            to_change_set_id=opened.row.change_set_id,
            journal_page_id=opened.row.journal_page_id,
            source_account_id=place.source_account_id,
            source_ids=[row.source_id for row in booked_rows(opened.reading.file, place)],
        )


def _announce(household_id: UUID, import_id: UUID, removed: int) -> None:
    log.info("import_undone", import_id=str(import_id), removed=removed)
    events.publish(household_id, "import_undone", import_id=str(import_id), removed=removed)
