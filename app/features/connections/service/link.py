"""Linking a bank, repairing a connection, ending it.

The exchange of a one-time token cannot be repeated, so the intent is committed before it and
the result right after; what was under way when we died stays visible as such.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, jobs
from app.core.config import settings
from app.core.database import household_transaction
from app.core.encryption import SealError
from app.core.errors import ConflictError, NotFoundError, UnavailableError
from app.core.faults import fault
from app.core.ids import uuid7
from app.features.audit import service as audit
from app.features.connections import consent, repository
from app.features.connections.service import turns
from app.features.journal import service as journal
from app.features.vault import service as vault
from app.models import Item, LinkSession
from app.providers import registry
from app.providers.base import (
    Exchange,
    ItemGoneError,
    ItemRecord,
    Page,
    Provider,
    ProviderError,
    ProviderUnavailableError,
)

PUBLIC_TOKENS_MAX = 10
PEOPLE = ("button", "api", "link", *turns.READING_ALL)
"""Who asks for a sync on a person's behalf."""
ITEMS_MAX = 100
"""Connections of one household."""
_FLOW_PROVIDER = "plaid"


@dataclass(frozen=True, slots=True)
class LinkFlow:
    """A link flow that the user is to go through at `url`."""

    link_session_id: UUID
    link_token: str
    url: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """Where a link flow ended: `linked`, `repaired`, `open` or `abandoned`."""

    state: str
    item_ids: tuple[UUID, ...] = ()
    message: str | None = None


def has_flow() -> bool:
    """Tell whether there is a provider whose flow leads to banks; else there are setup tokens."""
    return _FLOW_PROVIDER in registry.names()


def start_link(
    household_id: UUID,
    user_id: UUID,
    *,
    provider_name: str = _FLOW_PROVIDER,
    item_id: UUID | None = None,
    select_accounts: bool = False,
) -> LinkFlow:
    """Open a link flow at the provider; with `item_id`, to repair that connection.

    Raises:
        NotFoundError: The household has no such connection.
        ConflictError: The household has as many connections as it may have.
        UnavailableError: The provider did not answer, or is not configured.
    """
    provider = _provider(provider_name)
    token = None
    with household_transaction(household_id) as session:
        if item_id is not None:
            token = open_token(session, get_item(session, household_id, item_id))
        else:
            check_room(session, household_id)
    link_session_id = uuid7()
    try:
        start = provider.start_link(
            user_reference=str(user_id),
            webhook_url=settings.webhook_url,
            return_url=f"{settings.PUBLIC_URL.rstrip('/')}/connections/linked/{link_session_id}",
            access_token=token,
            select_accounts=select_accounts,
        )
    except ProviderError as error:
        raise UnavailableError(error.message, code=error.code.lower()) from error
    with household_transaction(household_id) as session:
        repository.insert_link_session(
            session,
            {
                "household_id": household_id,
                "id": link_session_id,
                "user_id": user_id,
                "provider": provider_name,
                "link_token": start.link_token,
                "url": start.url,
                "item_id": item_id,
                "expires_at": start.expires_at,
            },
        )
    return LinkFlow(link_session_id, start.link_token, start.url, start.expires_at)


def check_room(session: Session, household_id: UUID) -> None:
    """Refuse one more connection when there are as many as there may be.

    Raises:
        ConflictError: There are.
    """
    if len(repository.list_items(session, household_id, limit=ITEMS_MAX)) >= ITEMS_MAX:
        raise ConflictError(f"A household can have {ITEMS_MAX} connections. Unlink one first.")


def find_link_url(session: Session, household_id: UUID, link_session_id: UUID) -> str | None:
    """Return where the user goes through a link flow; None once it is over.

    Raises:
        NotFoundError: The household has no such link session.
    """
    link = repository.find_link_session(session, household_id, link_session_id)
    if link is None:
        raise NotFoundError("There is no such link session.")
    return link.url if link.state == "open" and link.expires_at > clock.now() else None


def find_outcome(session: Session, household_id: UUID, link_session_id: UUID) -> LinkOutcome:
    """Return how far a link flow is as far as we know, without asking the provider.

    Raises:
        NotFoundError: The household has no such link session.
    """
    link = repository.find_link_session(session, household_id, link_session_id)
    if link is None:
        raise NotFoundError("There is no such link session.")
    is_made = link.state == "linked" and link.item_id is not None
    return LinkOutcome(link.state, (link.item_id,) if is_made and link.item_id else ())


def finish_link(household_id: UUID, link_session_id: UUID) -> LinkOutcome:
    """Ask the provider how a link flow ended, and make or repair its Item.

    Safe to repeat, and to be called by the user's return and by the webhook at once.

    Raises:
        NotFoundError: The household has no such link session.
        UnavailableError: The provider did not answer; call again later.
    """
    with household_transaction(household_id) as session:
        link = repository.find_link_session(session, household_id, link_session_id)
    if link is None:
        raise NotFoundError("There is no such link session.")
    if link.state != "open":
        return LinkOutcome(link.state, (link.item_id,) if link.item_id else ())
    try:
        result = _provider(link.provider).fetch_link(link.link_token)
    except ProviderError as error:
        raise UnavailableError(error.message, code=error.code.lower()) from error
    if link.item_id is not None:
        if not result.finished or result.exit_message is not None:
            return LinkOutcome("open", message=result.exit_message)
        return _repaired(household_id, link)
    if not result.public_tokens:
        return LinkOutcome("open", message=result.exit_message)
    return exchange(household_id, link, result.public_tokens)


def exchange_public_token(
    household_id: UUID, user_id: UUID, public_token: str, link_token: str | None
) -> LinkOutcome:
    """Make an Item of a public token that the user's own program got from the provider.

    Raises:
        NotFoundError: The link token is none of this household's.
        ConflictError: The token was used before, or is no token.
    """
    with household_transaction(household_id) as session:
        link = (
            repository.find_link_session_by_token(session, household_id, link_token)
            if link_token
            else None
        )
        if link_token and link is None:
            raise NotFoundError("There is no such link token. Ask for a new one.")
        if link is None:
            link = open_session(session, household_id, user_id)
    if link.state != "open":
        raise ConflictError("This link session was used already. Ask for a new link token.")
    return exchange(household_id, link, (public_token,))


def exchange(household_id: UUID, link: LinkSession, public_tokens: tuple[str, ...]) -> LinkOutcome:
    """Exchange the one-time tokens of a link session, once, and store the Items.

    Raises:
        UnavailableError: The provider did not answer; nothing was used up.
        ConflictError: The provider refused the token.
        SealError: The household was erased; nothing is left at the provider.
    """
    with household_transaction(household_id) as session:
        vault.get_key(session, household_id)  # without it the token would be used up for nothing
        if not repository.move_link_session(
            session, household_id, link.id, from_state="open", to_state="exchanging"
        ):
            return LinkOutcome("linked", (link.item_id,) if link.item_id else ())
    provider = _provider(link.provider)
    item_ids = []
    for public_token in public_tokens[:PUBLIC_TOKENS_MAX]:
        try:
            item_ids.append(_exchange_one(household_id, link, provider, public_token))
        except ProviderError as error:
            _reopen(household_id, link, error)
            if isinstance(error, ProviderUnavailableError):
                raise UnavailableError(error.message, code=error.code.lower()) from error
            raise ConflictError(error.message, code=error.code.lower()) from error
    return LinkOutcome("linked", tuple(item_ids))


def _exchange_one(
    household_id: UUID, link: LinkSession, provider: Provider, public_token: str
) -> UUID:
    fault("link.before_exchange")
    exchanged = provider.exchange(public_token)
    fault("link.exchanged")
    try:
        if link.item_id is not None:
            return _replace_secret(household_id, link, exchanged)
        item_id = _store_item(household_id, link, provider, exchanged)
    except SealError:
        # The household was erased meanwhile: nobody else could end what we hold the secret of.
        provider.remove_item(exchanged.access_token)
        raise
    fault("link.committed")
    try:
        page = provider.fetch_item(exchanged.access_token)
    except ProviderError:
        page = None  # its name is not worth failing for: the first sync reads it again
    with household_transaction(household_id) as session:
        if page is not None:
            _describe(session, household_id, item_id, page)
        jobs.enqueue(session, turns.SYNC_TASK, str(household_id), str(item_id))
    return item_id


def _store_item(
    household_id: UUID, link: LinkSession, provider: Provider, exchanged: Exchange
) -> UUID:
    """Commit the secret at once: it exists nowhere else."""
    item_id = uuid7()
    with household_transaction(household_id) as session:
        key = vault.get_key(session, household_id, hold=True)
        token = exchanged.access_token.encode()
        repository.insert_item(
            session,
            {
                "household_id": household_id,
                "id": item_id,
                "provider": provider.name,
                "item_source_id": exchanged.item_source_id,
                "institution_name": "Your bank",
                "access_token": key.seal(token, place=turns.TOKEN_PLACE, row_id=item_id),
                "linked_by": link.user_id,
                "next_sync_at": clock.now(),
                "sync_wanted_by": "link",
                "hinted_at": clock.now(),
            },
        )
        repository.move_link_session(
            session,
            household_id,
            link.id,
            from_state="exchanging",
            to_state="linked",
            item_id=item_id,
        )
        audit.record(
            session,
            household_id,
            "item.linked",
            actor=audit.Actor(link.user_id),
            object_id=item_id,
            details={"consent": consent.CURRENT},
        )
    return item_id


def _replace_secret(household_id: UUID, link: LinkSession, exchanged: Exchange) -> UUID:
    """Let a connection go on with another secret, and ask for a sync."""
    assert link.item_id is not None  # the caller looked
    with household_transaction(household_id) as session:
        key = vault.get_key(session, household_id, hold=True)
        token = exchanged.access_token.encode()
        sealed = key.seal(token, place=turns.TOKEN_PLACE, row_id=link.item_id)
        repository.update_item(session, household_id, link.item_id, {"access_token": sealed})
        _note_repair(session, household_id, link, from_state="exchanging")
    return link.item_id


def _describe(session: Session, household_id: UUID, item_id: UUID, page: Page) -> None:
    record = page.item or ItemRecord(None, None)
    journal.write(session, household_id, kind=page.kind, payload=page.payload, item_id=item_id)
    repository.update_item(
        session,
        household_id,
        item_id,
        {
            "institution_source_id": record.institution_id,
            "institution_name": record.institution_name or "Your bank",
            "institution_seen_at": record.last_successful_update,
            "consent_expires_at": record.consent_expires_at,
        },
    )


def _reopen(household_id: UUID, link: LinkSession, error: ProviderError) -> None:
    """Let the user try again when the token was certainly not used up."""
    to_state = "open" if isinstance(error, ProviderUnavailableError) else "abandoned"
    with household_transaction(household_id) as session:
        repository.move_link_session(
            session, household_id, link.id, from_state="exchanging", to_state=to_state
        )


def open_session(
    session: Session,
    household_id: UUID,
    user_id: UUID,
    *,
    provider_name: str = _FLOW_PROVIDER,
    item_id: UUID | None = None,
) -> LinkSession:
    """Note that a user brings a one-time token that no link flow of ours made."""
    link_session_id = uuid7()
    repository.insert_link_session(
        session,
        {
            "household_id": household_id,
            "id": link_session_id,
            "user_id": user_id,
            "provider": provider_name,
            "link_token": "",
            "item_id": item_id,
            "expires_at": clock.now() + dt.timedelta(hours=1),
        },
    )
    link = repository.find_link_session(session, household_id, link_session_id)
    assert link is not None  # just written
    return link


def _repaired(household_id: UUID, link: LinkSession) -> LinkOutcome:
    """Note that the user signed in again; the sync will tell whether that was enough."""
    assert link.item_id is not None  # the caller looked
    with household_transaction(household_id) as session:
        _note_repair(session, household_id, link, from_state="open")
    return LinkOutcome("repaired", (link.item_id,))


def _note_repair(
    session: Session, household_id: UUID, link: LinkSession, *, from_state: str
) -> None:
    assert link.item_id is not None  # the callers looked
    if repository.move_link_session(
        session, household_id, link.id, from_state=from_state, to_state="repaired"
    ):
        mark_repaired(session, household_id, link.item_id)
        audit.record(
            session,
            household_id,
            "item.repaired",
            actor=audit.Actor(link.user_id),
            object_id=link.item_id,
        )


def mark_repaired(session: Session, household_id: UUID, item_id: UUID) -> None:
    """Put an Item back to good and ask for a sync."""
    values = {"state": "good", "error_code": None, "error_message": None, "failures": 0}
    repository.update_item(session, household_id, item_id, values)
    want_sync(session, household_id, item_id, "link")


def want_sync(session: Session, household_id: UUID, item_id: UUID, trigger: str) -> None:
    """Ask for a sync: noted in the database, hinted to the workers after the commit.

    A person who asks brings back an Item that was set aside; a webhook does not. It goes on alone
    (`service/alone.py`), with two more tries.
    """
    now = clock.now()
    values: dict[str, object] = {"sync_wanted_by": trigger, "next_sync_at": now, "hinted_at": now}
    if trigger not in turns.READING_ALL:
        values["sync_wanted_by"] = repository.unless_all_is_wanted(turns.READING_ALL, trigger)
    if trigger in PEOPLE:
        repository.bring_back(session, household_id, item_id)
    repository.update_item(session, household_id, item_id, values)
    jobs.enqueue(session, turns.SYNC_TASK, str(household_id), str(item_id))


def unlink(household_id: UUID, user_id: UUID | None, item_id: UUID) -> None:
    """End a connection at the provider and forget its secret; accounts and history stay.

    Raises:
        NotFoundError: The household has no such connection.
        UnavailableError: The provider did not answer; the connection is as it was.
    """
    with household_transaction(household_id) as session:
        item = get_item(session, household_id, item_id)
        token = open_token(session, item)
    try:
        _provider(item.provider).remove_item(token)
    except ItemGoneError:
        pass  # ended at the provider already: what we want
    except ProviderError as error:
        raise UnavailableError(error.message, code=error.code.lower()) from error
    with household_transaction(household_id) as session:
        values = {"unlinked_at": clock.now(), "access_token": None, "next_sync_at": None}
        repository.update_item(session, household_id, item_id, values)
        audit.record(
            session, household_id, "item.unlinked", actor=audit.Actor(user_id), object_id=item_id
        )


def get_item(session: Session, household_id: UUID, item_id: UUID) -> Item:
    """Return a linked Item.

    Raises:
        NotFoundError: The household has no such connection.
    """
    item = repository.find_item(session, household_id, item_id)
    if item is None:
        raise NotFoundError("There is no such connection.")
    return item


def open_token(session: Session, item: Item) -> str:
    """Return the Item's secret at the provider."""
    assert item.access_token is not None  # a linked Item has one
    key = vault.get_key(session, item.household_id)
    return key.open(item.access_token, place=turns.TOKEN_PLACE, row_id=item.id).decode()


def _provider(name: str) -> Provider:
    try:
        return registry.get(name)
    except LookupError as error:
        raise UnavailableError("This installation has no bank data provider set up.") from error
