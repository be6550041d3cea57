"""Reading everything again: because the provider refuses our cursor, or because somebody asks.

A full answer names no withdrawals: what it does not tell any more is gone. That is withdrawn as
if the provider had said so, and the journal keeps a page that names it beside what came. An answer
that would withdraw much is more likely wrong than right, so then nothing is booked and a person is
asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from app.core.errors import ConflictError
from app.domain.records import SourceKey
from app.features.accounts.service import SourceAccountKey
from app.features.audit import service as audit
from app.features.connections import repository
from app.features.connections.service import link, turns
from app.features.connections.service.fetching import UNTOLD, JournaledPage, moves_cursor
from app.features.connections.service.turns import Turn
from app.features.journal import service as journal
from app.features.transactions import apply
from app.models import Item
from app.providers.base import ProviderError, ProviderUnavailableError

LOST_SHARE = 5
"""Nothing is booked without a person's word when more than one row in so many would go …"""
LOST_ROWS = 10
"""… and more rows than this."""
_KEYS_PER_PAGE = 50_000


class WithdrawalHeldError(ProviderError):
    """A full reading would withdraw so much that a person has to say whether it is right."""

    def __init__(self, lost: int, live: int) -> None:
        super().__init__(
            turns.HELD,
            f"Your bank now tells {lost:,} of {live:,} transactions fewer than before. Nothing was "
            "changed. If that is right, accept what the bank says now.",
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is needed to withdraw what a full answer does not tell."""

    told_anew: tuple[UUID, ...]
    """The source accounts of which it tells everything."""
    names: Mapping[UUID, str]
    """What the source calls each of them."""
    live: int
    """Rows of the Item that counted before."""


def ask(session: Session, household_id: UUID, item_id: UUID) -> None:
    """Ask for a sync that reads everything from the beginning.

    Raises:
        NotFoundError: The household has no such connection.
    """
    link.get_item(session, household_id, item_id)
    link.want_sync(session, household_id, item_id, turns.REREAD)


def accept(session: Session, household_id: UUID, user_id: UUID, item_id: UUID) -> None:
    """Let the next sync, and no other, book all that a full answer says.

    Raises:
        NotFoundError: The household has no such connection.
        ConflictError: Nobody asked.
    """
    item = link.get_item(session, household_id, item_id)
    if item.error_code != turns.HELD:
        raise ConflictError("This connection asks nothing at the moment.")
    link.want_sync(session, household_id, item_id, turns.ACCEPT)
    audit.record(
        session,
        household_id,
        "item.reading_accepted",
        actor=audit.Actor(user_id),
        object_id=item_id,
    )


def is_full(turn: Turn, pages: Sequence[JournaledPage]) -> bool:
    """Tell whether pages read from the beginning what was read before."""
    first = next(each.page for each in pages if moves_cursor(each.page))
    return turn.cursor is not None and first.changes.from_cursor is None


def check_complete(item: Item, pages: Sequence[JournaledPage]) -> None:
    """Refuse a full answer that the provider has not finished yet: it would withdraw the rest.

    Some Items never say that their history is complete; of those it is not expected.

    Raises:
        ProviderUnavailableError: More is to come.
    """
    last = next(each.page for each in reversed(pages) if moves_cursor(each.page))
    if not last.ready or (item.history_complete and not last.history_complete):
        raise ProviderUnavailableError(
            "FULL_READING_INCOMPLETE",
            "The bank data service is collecting your whole history again. We wait for it.",
        )


def begin(
    session: Session,
    turn: Turn,
    listings: Sequence[JournaledPage],
    keys: Mapping[str, SourceAccountKey],
) -> Sweep:
    """Note which accounts a full answer tells, and how much was there; before it is applied.

    An account that is not listed is not told either: its history stays. Movements of investments
    come without a cursor, and only those of two years, so theirs stay as well.
    """
    names = {
        keys[account.source_id].source_account_id: account.source_id
        for listing in listings
        for account in listing.page.changes.accounts
        if account.kind != "investment"
    }
    ids = [key.source_account_id for key in keys.values()]
    live = repository.count_live_rows(session, turn.household_id, ids)
    return Sweep(tuple(names), names, live)


def withdraw_untold(
    session: Session, turn: Turn, run_id: UUID, pages: Sequence[JournaledPage], sweep: Sweep
) -> tuple[SourceKey, ...]:
    """Withdraw what a full answer, which was just applied, did not tell; return what was shown.

    A row that came and could not be booked was told.

    Raises:
        WithdrawalHeldError: It is too much to believe; the caller's transaction must not commit.
    """
    rejected = {each.source_id for page in pages for each in page.page.changes.rejected}
    untold = [
        row
        for row in apply.untold(session, turn.household_id, sweep.told_anew)
        if row[1] not in rejected
    ]
    lost = tuple((sweep.names[account_id], name) for account_id, name, shown in untold if shown)
    is_much = len(lost) > LOST_ROWS and len(lost) * LOST_SHARE > sweep.live
    if is_much and turn.trigger != turns.ACCEPT:
        raise WithdrawalHeldError(len(lost), sweep.live)
    for start in range(0, len(untold), _KEYS_PER_PAGE):
        part = untold[start : start + _KEYS_PER_PAGE]
        keys = [(account_id, name) for account_id, name, _ in part]
        sequence = pages[-1].sequence + 1 + start // _KEYS_PER_PAGE
        page_id = _journal(session, turn, run_id, keys, sweep, sequence)
        apply.remove(session, turn.household_id, [(*key, page_id) for key in keys])
    return lost


def _journal(
    session: Session,
    turn: Turn,
    run_id: UUID,
    keys: Sequence[tuple[UUID, str]],
    sweep: Sweep,
    sequence: int,
) -> UUID:
    """Keep what was not told, so that the ledger can be made again from the journal alone."""
    untold = [(sweep.names[account_id], source_id) for account_id, source_id in keys]
    return journal.write(
        session,
        turn.household_id,
        kind=f"{turn.provider.name}{UNTOLD}",
        payload=msgspec.json.encode({"untold": untold}),
        item_id=turn.item_id,
        sync_run_id=run_id,
        sequence=sequence,
        key=turn.key,
    )
