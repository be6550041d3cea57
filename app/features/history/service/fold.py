"""Plan what the ledger's rows become without one change set, or with it again.

A row follows the last word in force. Words that changed a row left their trace in its history;
words that repeated what the ledger said already left none, and are looked up in the journal: but
only those that were said while the ledger said something that no longer counts.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import ConflictError
from app.features.changes import service as changes
from app.features.history.repository import plan
from app.features.history.repository.plan import Held, Speaker, Touched
from app.features.proof import words
from app.features.proof.words import Key
from app.models import ChangeSet
from app.providers.base import ProviderError

DECIDING = ("edit",)
"""Kinds of change sets in which no source speaks and no row gets another name."""


def stage(session: Session, household_id: UUID, target: ChangeSet, *, in_force: bool) -> list[Held]:
    """Plan the rows of a change set as they are with it in force, or without it.

    The plan stands in a table of this transaction, where the functions of `repository.plan` find
    it. Nothing is written.

    Returns:
        The rows that follow another word than people's, and which.

    Raises:
        ConflictError: The journal cannot be read any more.
    """
    try:
        held = [] if target.kind in DECIDING else _held(session, household_id, target, in_force)
    except (LookupError, ProviderError) as error:
        raise ConflictError(
            "The journal of this change cannot be read by this version.", code="unreadable_journal"
        ) from error
    plan.stage(session, household_id, target.id, held, in_force=in_force)
    return held


def _held(
    session: Session,
    household_id: UUID,
    target: ChangeSet,
    in_force: bool,  # noqa: FBT001  # private
) -> list[Held]:
    spoken = _repeated(session, household_id, target, in_force)
    touched = plan.touched(session, household_id, target.id, spoken, in_force=in_force)
    loose = [row for row in touched if row.since is not None]
    silent = _last_repeaters(session, household_id, target, loose, in_force)
    return [silent.get(row.id) or Held(row.id, row.holder) for row in touched]


def _repeated(
    session: Session,
    household_id: UUID,
    target: ChangeSet,
    in_force: bool,  # noqa: FBT001
) -> list[UUID]:
    """Return the rows of which a change set may have said what the ledger said already.

    They matter only where another word that said so was out of force at some time: whether or not
    it is now, the ledger may say so since then because of this change set alone.
    """
    if target.kind not in words.KINDS:
        return []
    if target.counts.get(changes.REPEATED) == 0:
        return []
    said = words.repeats_of(session, household_id, target.kind, target.sync_run_id)
    if not said:
        return []
    accounts = {account_id for account_id, _ in said}
    undone = plan.speakers(
        session,
        household_id,
        target.id,
        accounts,
        in_force=in_force,
        ever_undone=True,
        but=target.id,
    )
    return plan.rows_of_keys(session, household_id, list(said)) if undone else []


def _last_repeaters(
    session: Session,
    household_id: UUID,
    target: ChangeSet,
    loose: Sequence[Touched],
    in_force: bool,  # noqa: FBT001
) -> dict[UUID, Held]:
    """Return, by row, the last change set in force that repeated what is no longer held."""
    if not loose:
        return {}
    names = _Names(session, household_id, loose)
    since = {row.id: row.since or 0 for row in loose}
    accounts = {row.source_account_id for row in loose}
    found: dict[UUID, Held] = {}
    for speaker in plan.speakers(
        session,
        household_id,
        target.id,
        accounts,
        in_force=in_force,
        after=min(since.values()),
    ):
        said = words.repeats_of(session, household_id, speaker.kind, speaker.sync_run_id)
        for row_id, page_id in names.rows(speaker, said):
            if row_id not in found and since[row_id] < speaker.sequence:
                found[row_id] = Held(row_id, speaker.sequence, page_id)
        if len(found) == len(loose):
            break
    return found


class _Names:
    """Which row had which name at its source, and when."""

    def __init__(self, session: Session, household_id: UUID, rows: Sequence[Touched]) -> None:
        former: dict[UUID, list[plan.Named]] = defaultdict(list)
        for name in plan.named(session, household_id, [row.id for row in rows]):
            former[name.id].append(name)
        self._rows: dict[Key, list[tuple[UUID, int, int | None]]] = defaultdict(list)
        for row in rows:
            start = 0
            for name in former[row.id]:
                key = (row.source_account_id, name.before)
                self._rows[key].append((row.id, start, name.sequence))
                start = name.sequence
            self._rows[row.source_account_id, row.source_id].append((row.id, start, None))

    def rows(self, speaker: Speaker, said: dict[Key, UUID]) -> Iterator[tuple[UUID, UUID]]:
        """Yield the rows that a change set's words named, and the page that spoke of each."""
        for key in self._rows.keys() & said.keys():
            for row_id, start, end in self._rows[key]:
                if start <= speaker.sequence and (end is None or speaker.sequence < end):
                    yield row_id, said[key]
