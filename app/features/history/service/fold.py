"""Plan what the ledger's rows become without one change set, or with it again.

A row follows the last word in force. Words that changed a row left their trace in its history;
words that repeated what the ledger said already left none, and are looked up in the journal: but
only those that were said after something that no longer counts. Of words that say the same, one
after another, the first one brings its page, as in booking.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import ConflictError
from app.features.changes import service as changes
from app.features.history.repository import held, plan
from app.features.proof import words
from app.models import ChangeSet
from app.providers.base import ProviderError

DECIDING = ("edit",)
"""Kinds of change sets in which no source speaks and no row gets another name."""


def stage(session: Session, household_id: UUID, target: ChangeSet, *, in_force: bool) -> None:
    """Plan the rows of a change set as they are with it in force, or without it.

    The plan stands in tables of this transaction, where the functions of `repository.plan` find
    it. Nothing is written.

    Raises:
        ConflictError: The journal cannot be read any more.
    """
    held.begin(session, household_id)
    try:
        if target.kind not in DECIDING:
            _hold(session, household_id, target, in_force)
    except (LookupError, ProviderError) as error:
        raise ConflictError(
            "The journal of this change cannot be read by this version.", code="unreadable_journal"
        ) from error
    plan.stage(session, household_id, target.id, in_force=in_force)


def _hold(
    session: Session,
    household_id: UUID,
    target: ChangeSet,
    in_force: bool,  # noqa: FBT001  # private
) -> None:
    _speak_again(session, household_id, target, in_force)
    held.touch(session, household_id, target.id, in_force=in_force)
    loose = held.loose(session)
    if loose is None:
        return
    speakers = held.speakers(
        session,
        household_id,
        target.id,
        loose.source_account_ids,
        in_force=in_force,
        after=loose.since,
    )
    if speakers:
        held.name(session, household_id)
    for speaker in speakers:
        held.speak(
            session, words.repeats_of(session, household_id, speaker.kind, speaker.sync_run_id)
        )
        held.hear(session, speaker.sequence)
    held.settle(session, household_id, target.id, in_force=in_force)


def _speak_again(
    session: Session,
    household_id: UUID,
    target: ChangeSet,
    in_force: bool,  # noqa: FBT001
) -> None:
    """Take down of which keys a change set may have said what the ledger said already.

    They matter only where another word that said so was out of force at some time: whether or not
    it is now, the ledger may say so since then because of this change set alone.
    """
    if target.kind not in words.KINDS or target.counts.get(changes.REPEATED) == 0:
        return
    held.speak(session, words.repeats_of(session, household_id, target.kind, target.sync_run_id))
    if not held.speakers(
        session,
        household_id,
        target.id,
        held.spoken_accounts(session),
        in_force=in_force,
        ever_undone=True,
        but=target.id,
    ):
        held.speak(session, ())
