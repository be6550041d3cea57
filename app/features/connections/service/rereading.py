"""Reading everything again: because the provider refuses our cursor, or because somebody asks.

A full answer names no withdrawals: what it does not tell any more is gone. That is withdrawn as
if the provider had said so, and the journal keeps a page that names it beside what came. An answer
that would withdraw much is more likely wrong than right, so then nothing is booked and a person is
asked.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy.orm import Session

from app.core.errors import ConflictError
from app.domain.records import SourceKey
from app.features.accounts import service as accounts
from app.features.accounts.service import SourceAccountKey
from app.features.audit import service as audit
from app.features.connections import repository
from app.features.connections.service import link, turns
from app.features.connections.service.fetching import UNTOLD, JournaledPage, moves_cursor
from app.features.connections.service.turns import Turn
from app.features.journal import service as journal
from app.features.transactions import apply
from app.models import Item
from app.providers.base import ProviderError, ProviderUnavailableError, Span

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

    told_from: Mapping[UUID, dt.date]
    """The source accounts of which it tells everything, and from which day on."""
    names: Mapping[UUID, str]
    """What the source calls each of them."""
    live: int
    """Rows that counted before, of the days that it tells."""
    is_of_windows: bool = False
    """The provider tells days, again and again, and not changes."""


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


def lists_unread_accounts(session: Session, turn: Turn, pages: Sequence[JournaledPage]) -> bool:
    """Tell whether windows list an account for the first time, of which they tell only some days.

    Where the provider has a cursor, it tells the whole history of such an account by itself.
    """
    if turn.cursor is None or pages[0].page.told is None or is_full(turn, pages):
        return False
    known = accounts.keys_of_item(session, turn.household_id, turn.provider.name, turn.item_id)
    listed = (record for each in pages for record in each.page.changes.accounts)
    return any(record.source_id not in known for record in listed)


def begin(
    session: Session,
    turn: Turn,
    pages: Sequence[JournaledPage],
    listings: Sequence[JournaledPage],
    keys: Mapping[str, SourceAccountKey],
) -> Sweep | None:
    """Note what an answer tells to the end, and how much was there; before it is applied.

    None where it tells of changes alone. An account that is not listed is not told either: its
    history stays. Movements of investments come without a cursor, and only those of two years, so
    theirs stay as well.
    """
    spans = [each.page.told for each in pages if moves_cursor(each.page)]
    if spans[0] is not None:
        told = _told_from([span for each in spans for span in each or ()], keys)
        names = {keys[name].source_account_id: name for name in keys}
        live = repository.count_live_rows(session, turn.household_id, told)
        return Sweep(told, names, live, is_of_windows=True)
    if not is_full(turn, pages):
        return None
    names = {
        keys[account.source_id].source_account_id: account.source_id
        for listing in listings
        for account in listing.page.changes.accounts
        if account.kind != "investment"
    }
    everything = {key.source_account_id: dt.date.min for key in keys.values()}
    live = repository.count_live_rows(session, turn.household_id, everything)
    return Sweep(dict.fromkeys(names, dt.date.min), names, live)


def _told_from(spans: Sequence[Span], keys: Mapping[str, SourceAccountKey]) -> dict[UUID, dt.date]:
    """Return from which day on everything is told, without a gap up to now."""
    newest = max((span.end for span in spans), default=None)
    found: dict[UUID, dt.date] = {}
    for span in sorted(spans, key=lambda each: each.end, reverse=True):
        account_id = keys[span.account_source_id].source_account_id
        if span.end == newest or (account_id in found and span.end >= found[account_id]):
            found[account_id] = min(span.first, found.get(account_id, span.first))
    return found


def withdraw_untold(
    session: Session, turn: Turn, run_id: UUID, pages: Sequence[JournaledPage], sweep: Sweep
) -> tuple[SourceKey, ...]:
    """Withdraw what a full answer, which was just applied, did not tell; return what was shown.

    A row that came and could not be booked was told. Windows come again and again: what was
    withdrawn before is not withdrawn once more.

    Raises:
        WithdrawalHeldError: It is too much to believe; the caller's transaction must not commit.
    """
    rejected = {each.source_id for page in pages for each in page.page.changes.rejected}
    untold = [
        row
        for row in apply.untold(session, turn.household_id, sweep.told_from)
        if row[1] not in rejected and (row[2] or not sweep.is_of_windows)
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
