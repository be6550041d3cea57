"""Use cases of the proof: make the ledger again from the journal, compare, and mend."""

import hashlib
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.database import household_transaction, system_transaction
from app.core.encryption import SealError
from app.core.errors import AppError, ConflictError
from app.features.audit import digests
from app.features.changes import service as changes
from app.features.journal import service as journal
from app.features.proof import checks, mending, shadow, system
from app.features.proof.shadow import Difference, Speaking, TotalDifference
from app.features.proof.standing import Standing
from app.features.proof.words import Word, words_of
from app.features.tieout import service as tieout
from app.features.transactions import apply, ledger_rows
from app.features.transactions.service import Applied
from app.providers.base import ProviderError

DIFFERENCES_SHOWN = 50
DIFFERENCES_FOUND_MAX = 10_000
PAGES_OPENED = 200
"""Of the journal, unless all are asked for."""
_BATCH_WORDS = 5_000
_PART_ROWS = 10_000
_UNREADABLE = (AppError, LookupError, ProviderError, SealError)


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of making a household's ledger again."""

    household_id: UUID
    change_sets: int
    """In which a source speaks, and which are in force."""
    pages: int
    rows: int
    """Words that pages and files say of transactions."""
    seconds: float
    counts: dict[str, int] = field(default_factory=dict)
    """Rows that differ, by `Difference.kind`."""
    differences: Sequence[Difference] = ()
    """The first ones, field by field."""
    totals: Sequence[TotalDifference] = ()
    standing: Sequence[str] = ()
    """Balances and holdings that differ, in words."""
    unreadable: Sequence[str] = ()
    """Pages and files that cannot be read, in words; nothing was compared then."""
    mended: Applied | None = None

    @property
    def is_same(self) -> bool:
        """Whether journal and ledger tell the same."""
        return not (self.counts or self.totals or self.standing or self.unreadable)


def list_households() -> list[tuple[UUID, str]]:
    """Return id and name of each household; for the operator."""
    with system_transaction() as session:
        return system.list_households(session)


def replay(household_id: UUID) -> Replay:
    """Make the ledger again beside the ledger, as of now, and compare; writes nothing.

    Others may write meanwhile.
    """
    with household_transaction(household_id) as session:
        # One snapshot for all statements.
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return _replay(session, household_id)


def mend(household_id: UUID) -> Replay:
    """Write what the journal says now where the ledger says otherwise, as one change set.

    Nobody else writes to the household's ledger meanwhile. Totals are made anew from the rows.
    What people decided, balances and holdings are left as they are.

    Raises:
        ConflictError: Something in the journal cannot be read, so that nothing is certain.
    """
    with household_transaction(household_id) as session:
        ledger_rows.lock(session, household_id)
        found = _replay(session, household_id)
        if found.unreadable:
            raise ConflictError(found.unreadable[0])
        mended = _mend(session, household_id) if found.counts else None
        if mended or found.totals:
            mending.rebuild_totals(session, household_id)
            tieout.refresh_all(session, household_id)
        return replace(found, mended=mended)


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one check."""

    invariant: str
    name: str
    """What is true if `count` is 0."""
    count: int
    examples: Sequence[str]
    remedy: str
    seconds: float


def verify_database() -> list[Finding]:
    """Check walls, triggers and constraints of the database, for all households."""
    with system_transaction() as session:
        return [_look(session, check, None) for check in checks.OF_DATABASE]


def verify_audit_links(kept: Path) -> Finding:
    """Compare the chains of audit events with what was kept of them outside the database.

    Raises:
        OSError: The file is there and cannot be read.
    """
    started = time.monotonic()
    differences = list(islice(digests.find_differences(kept), DIFFERENCES_FOUND_MAX))
    return Finding(
        "audit",
        "The audit trail has every link that was kept outside the database",
        len(differences),
        differences[: checks.FINDINGS_SHOWN],
        "Its end was cut off or rewritten, or an older backup was restored: ask who could.",
        time.monotonic() - started,
    )


def verify(household_id: UUID, *, all_pages: bool = False) -> list[Finding]:
    """Check the invariants of one household's ledger; reads only, and others may write meanwhile.

    Args:
        household_id: Whose.
        all_pages: Open every page of the journal, not only some.
    """
    with household_transaction(household_id) as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        shadow.take_time(session)
        found = [_look(session, check, household_id) for check in checks.OF_HOUSEHOLD]
        limit = None if all_pages else PAGES_OPENED
        tied = _tie_out(session, household_id)
        return [*found, tied, _open_pages(session, household_id, limit)]


def _look(session: Session, check: checks.Check, household_id: UUID | None) -> Finding:
    started = time.monotonic()
    count, examples = checks.find(session, check, household_id)
    seconds = time.monotonic() - started
    return Finding(check.invariant, check.name, count, examples, check.remedy, seconds)


def _tie_out(session: Session, household_id: UUID) -> Finding:
    started = time.monotonic()
    found = tieout.find_differences(session, household_id)
    examples = [
        f"{each.account_id}: {', '.join(each.fields) or 'it was never examined'}" for each in found
    ]
    return Finding(
        "I4",
        "Every account says what its rows and stated balances come to",
        len(examples),
        examples[: checks.FINDINGS_SHOWN],
        "The next sync or import of these accounts examines them anew.",
        time.monotonic() - started,
    )


def _open_pages(session: Session, household_id: UUID, limit: int | None) -> Finding:
    started = time.monotonic()
    page_ids = checks.some_pages(session, household_id, limit=limit)
    examples = [
        words for page_id in page_ids if (words := _fault_of_page(session, household_id, page_id))
    ]
    return Finding(
        "I6",
        f"Journal pages open and are what came ({len(page_ids):,} pages)",
        len(examples),
        examples[: checks.FINDINGS_SHOWN],
        "Restore these pages from a backup; the journal is never changed by the program.",
        time.monotonic() - started,
    )


def _fault_of_page(session: Session, household_id: UUID, page_id: UUID) -> str | None:
    """Return in words what is wrong with a page; None if nothing is."""
    try:
        page = journal.read(session, household_id, page_id)
    except (SealError, zlib.error) as error:
        return f"{page_id}: {error}"
    is_whole = hashlib.sha256(page.payload).digest() == page.sha256
    return None if is_whole else f"{page_id}: its SHA-256 is another one"


def _replay(session: Session, household_id: UUID) -> Replay:
    started = time.monotonic()
    shadow.take_time(session)
    shadow.begin(session)
    told = _Telling(session, household_id, Standing(session, household_id))
    for speaking in shadow.speaking(session, household_id):
        told.hear(speaking)
    found = Replay(
        household_id,
        told.change_sets,
        len(told.pages),
        told.position,
        0,
        unreadable=told.unreadable,
    )
    if not told.unreadable:
        found = replace(
            found,
            counts=shadow.compare(session, household_id),
            differences=shadow.differences(session, household_id, limit=DIFFERENCES_SHOWN),
            totals=shadow.differing_totals(session, household_id),
            standing=told.standing.differences(),
        )
    return replace(found, seconds=time.monotonic() - started)


@dataclass(slots=True)
class _Telling:
    """All that the journal tells, change set after change set."""

    session: Session
    household_id: UUID
    standing: Standing
    change_sets: int = 0
    position: int = 0
    pages: set[UUID] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)

    def hear(self, speaking: Speaking) -> None:
        """Take in one change set; of one that was undone, what it says of holdings."""
        if speaking.sync_run_id is None:
            return
        try:
            self.standing.hear(speaking.kind, speaking.sync_run_id, in_force=speaking.in_force)
            if speaking.in_force:
                self._take(speaking)
        except _UNREADABLE as error:
            reason = error.message if isinstance(error, AppError | ProviderError) else str(error)
            self.unreadable.append(
                f"What change set {speaking.sequence} ({speaking.kind}) says cannot be read: "
                f"{reason}"
            )

    def _take(self, speaking: Speaking) -> None:
        self.change_sets += 1
        numbered = self._numbered(speaking)
        # A part at a time, since while they are copied nothing else can be asked.
        while part := list(islice(numbered, _BATCH_WORDS)):
            shadow.add_words(self.session, speaking.sequence, part)

    def _numbered(self, speaking: Speaking) -> Iterator[tuple[int, Word]]:
        said = words_of(self.session, self.household_id, speaking.kind, speaking.sync_run_id)
        for word in said:
            self.position += 1
            self.pages.add(word.journal_page_id)
            yield self.position, word


def _mend(session: Session, household_id: UUID) -> Applied | None:
    last = mending.prepare(session, household_id)
    gone = mending.keys_to_remove(session, household_id)
    if not last and not gone:
        return None
    change_set_id = changes.open_change_set(session, household_id, kind="replay")
    added = modified = 0
    for start in range(0, last, _PART_ROWS):
        rows = mending.rows_to_mend(session, start, start + _PART_ROWS)
        written = apply.upsert(session, household_id, change_set_id, rows, link_pending=False)
        added, modified = added + written[0], modified + written[1]
    modified += mending.name_pages(session, household_id)
    removed = apply.remove(session, household_id, gone)
    counts = {"added": added, "modified": modified, "removed": removed}
    changes.count(session, household_id, change_set_id, counts)
    return Applied(added, modified, removed)
