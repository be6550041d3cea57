"""What a source's own page or file says of one transaction."""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from app.features.journal import service as journal
from app.importers import identity, reading
from app.importers.base import StatementError
from app.models import Transaction
from app.providers import registry

DECISION = "file.decision"
"""The journal's kind for how a file was booked."""


class FileAccount(msgspec.Struct):
    """What this module needs to know of one account of a file."""

    source_account_id: UUID
    renamed: dict[str, str]
    """Rows that the ledger knows under another id than the file: theirs to ours."""


class FileDecision(msgspec.Struct):
    """What this module needs to know of how a file was booked."""

    layout: dict[str, object] | None
    accounts: list[FileAccount]


def said_by_source(
    session: Session, household_id: UUID, page: journal.Entry, row: Transaction
) -> Mapping[str, object]:
    """Return all that a page of the journal says of a transaction, in the source's words."""
    if page.kind in reading.PAGE_KINDS:
        return _said_by_file(session, household_id, page, row)
    provider = page.kind.partition(".")[0]
    if provider not in registry.names():
        return {}
    return registry.get(provider).find_transaction(page.kind, page.payload, row.source_id)


def _said_by_file(
    session: Session, household_id: UUID, page: journal.Entry, row: Transaction
) -> Mapping[str, object]:
    assert page.sync_run_id is not None  # the import's id
    decided = journal.read_last(session, household_id, page.sync_run_id, DECISION)
    if decided is None:
        return {}
    decision = msgspec.json.decode(decided.payload, type=FileDecision)
    theirs = {
        our: their
        for account in decision.accounts
        if account.source_account_id == row.source_account_id
        for their, our in account.renamed.items()
    }
    source_id = identity.without_number(theirs.get(row.source_id, row.source_id))
    try:
        return reading.find_fields(
            page.kind, page.payload, source_id, day=row.date, layout=decision.layout
        )
    except StatementError:
        # It was read once; a newer version of us may be stricter. The file itself is kept.
        return {}
