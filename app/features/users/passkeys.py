"""Use cases of passkeys: add, name and remove; sign in, second step and confirming with one (A6).

A passkey alone replaces password and code, since the device asks for finger, face or PIN before it
signs; we check that it did. Beside a password it stands in for the code, and then need not.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.orm import Session
from webauthn.helpers.structs import AuthenticationCredential

from app.core import clock, database, metrics, ratelimit, security, tickets
from app.core import passkeys as webauthn
from app.core.errors import ConflictError, InvalidInputError, NotFoundError, UnauthorizedError
from app.core.ids import uuid7
from app.core.passkeys import PasskeyError
from app.core.ratelimit import Limit
from app.core.tickets import Ticket
from app.features.audit.service import Actor
from app.features.users import repository, second_factor, service, sessions
from app.features.users.repository import passkeys
from app.features.users.sessions import Client, SignedInBrowser
from app.models import Passkey, User

PASSKEYS_MAX = 20
"""Of one person."""
_ADD, _SIGN_IN, _SECOND_STEP, _CONFIRM = (
    f"passkey:{purpose}" for purpose in ("add", "sign-in", "second-step", "confirm")
)
_FAILED, _COPIED = "user.passkey_failed", "user.passkey_copied"
_REASON_LENGTH_MAX = 200
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a page's script asks the browser for."""

    options: Mapping[str, object]
    """Of `navigator.credentials`, as JSON."""
    ticket: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser brings then."""

    ticket: str
    credential: str
    """JSON."""
    cookie: str
    """By which we know the browser."""


def list_own(session: Session, user_id: UUID) -> list[Passkey]:
    """Return a person's passkeys, the newest first. Crosses households."""
    return list(passkeys.list_passkeys(session, user_id, limit=PASSKEYS_MAX))


def begin_adding(session: Session, user_id: UUID, cookie: str) -> Ceremony:
    """Ask for a new passkey that this person's devices do not hold yet. Crosses households."""
    user = repository.find_user(session, user_id)
    if user is None:
        raise NotFoundError("There is no such person.")
    ticket = tickets.issue(_ADD, cookie, user_id)
    known = [each.credential_id for each in list_own(session, user_id)]
    options = webauthn.creation_options(user_id, user.email, user.name, ticket.secret, known)
    return Ceremony(options, ticket.text)


def add(answer: Answer, name: str, *, actor: Actor) -> None:
    """Keep a passkey that was just made. Opens its own transactions.

    Raises:
        InvalidInputError: The name will not do, the passkey was not made here and now, or it took
            longer than five minutes.
        ConflictError: The person has too many, or this one is known.
    """
    user_id, name = _person(actor), service.check_name(name)
    with database.system_transaction() as session:
        ticket = tickets.redeem(session, answer.ticket, _ADD, answer.cookie, user_id)
    try:
        made = webauthn.read_new(answer.credential, ticket.secret)
    except PasskeyError as error:
        log.warning("passkey_not_added", reason=str(error))
        raise InvalidInputError(
            "The browser made no passkey that works here. Try again, or another device.",
            code="wrong_passkey",
        ) from None
    with database.system_transaction() as session:
        # Of two requests at once, one waits: else both would count one too few.
        repository.lock_user(session, user_id, exclusively=True)
        if len(list_own(session, user_id)) >= PASSKEYS_MAX:
            raise ConflictError(
                f"You have {PASSKEYS_MAX} passkeys. Remove one that you do not need.",
                code="too_many_passkeys",
            )
        values = {
            "id": uuid7(),
            "user_id": user_id,
            "credential_id": made.credential_id,
            "public_key": made.public_key,
            "sign_count": made.sign_count,
            "name": name,
        }
        if not passkeys.insert_passkey(session, values):
            raise ConflictError("This passkey was added before.", code="passkey_known")
        second_factor.record(session, user_id, "user.passkey_added", actor)


def rename(session: Session, passkey_id: UUID, name: str, *, actor: Actor) -> None:
    """Give a passkey of the person another name. Crosses households.

    Raises:
        InvalidInputError: The name will not do.
        NotFoundError: They have no such passkey.
    """
    user_id = _person(actor)
    if not passkeys.rename_passkey(session, user_id, passkey_id, service.check_name(name)):
        raise NotFoundError("There is no such passkey.")
    second_factor.record(session, user_id, "user.passkey_renamed", actor)


def remove(session: Session, passkey_id: UUID, *, actor: Actor) -> None:
    """Let a passkey of the person open nothing any more. Crosses households.

    Raises:
        NotFoundError: They have no such passkey.
    """
    user_id = _person(actor)
    if not passkeys.delete_passkey(session, user_id, passkey_id):
        raise NotFoundError("There is no such passkey.")
    second_factor.record(session, user_id, "user.passkey_removed", actor)


def begin_sign_in(cookie: str) -> Ceremony:
    """Ask for whatever passkey somebody has for this server."""
    ticket = tickets.issue(_SIGN_IN, cookie)
    return Ceremony(webauthn.request_options(ticket.secret, verified=True), ticket.text)


def sign_in(answer: Answer, client: Client) -> SignedInBrowser:
    """Open a session for whoever brought a passkey of theirs; no password, no code.

    Raises:
        UnauthorizedError: It is nobody's, or was refused: it does not say why.
        InvalidInputError: It took longer than five minutes.
        RateLimitedError: Too many failures from this address.
    """
    limit = (sessions.SIGN_IN_BY_ADDRESS, client.address or "")
    actor = Actor(None, None, client.address)
    with _proven(answer, _SIGN_IN, limit, actor, verified=True) as (session, user):
        return sessions.open_browser_session(session, user.id, client, by="passkey")


def offers_second_step(pending_token: str) -> bool:
    """Tell whether the person whose password was right has a passkey for the second step."""
    try:
        user_id = security.read_pending(pending_token).user_id
    except UnauthorizedError:
        return False
    with database.system_transaction() as session:
        return bool(list_own(session, user_id))


def begin_second_step(pending_token: str, cookie: str) -> Ceremony:
    """Ask for a passkey of the person whose password was right.

    Raises:
        UnauthorizedError: `sign_in_expired`: that was too long ago.
    """
    user_id = security.read_pending(pending_token).user_id
    with database.system_transaction() as session:
        return _ask(session, _SECOND_STEP, user_id, cookie, verified=False)


def finish(pending_token: str, answer: Answer, client: Client) -> SignedInBrowser:
    """Open the session that the password alone did not, by a passkey in place of a code.

    Raises:
        UnauthorizedError: The passkey was refused; `sign_in_expired`: begin again.
        InvalidInputError: It took longer than five minutes.
        RateLimitedError: Too many codes and passkeys of this person were wrong.
    """
    pending = security.read_pending(pending_token)
    limit = (second_factor.CODE_BY_USER, str(pending.user_id))
    actor = Actor(pending.user_id, None, client.address)
    with _proven(answer, _SECOND_STEP, limit, actor, verified=False) as (session, user):
        if not pending.is_for(user.password_hash):
            raise security.pending_expired()
        return sessions.open_browser_session(session, user.id, client, by="password and passkey")


def begin_confirming(session: Session, actor: Actor, cookie: str) -> Ceremony:
    """Ask for a passkey of the person who is signed in. Crosses households."""
    return _ask(session, _CONFIRM, _person(actor), cookie, verified=True)


def confirm(answer: Answer, client: Client, *, actor: Actor) -> SignedInBrowser:
    """Go on under a new cookie, as who has shown by a passkey again that it is them.

    Raises:
        InvalidInputError: The passkey was refused, or it took longer than five minutes.
        RateLimitedError: Too many wrong tries.
        UnauthorizedError: The session has ended meanwhile.
    """
    limit = (service.PASSWORD_BY_USER, str(_person(actor)))
    try:
        with _proven(answer, _CONFIRM, limit, actor, verified=True) as (session, _user):
            return sessions.renew_browser(session, actor, client)
    except UnauthorizedError as error:
        if error.code != "wrong_passkey":
            raise
        raise InvalidInputError(error.message, code=error.code) from None


def _ask(session: Session, purpose: str, user_id: UUID, cookie: str, *, verified: bool) -> Ceremony:
    ticket = tickets.issue(purpose, cookie, user_id)
    theirs = [each.credential_id for each in list_own(session, user_id)]
    options = webauthn.request_options(ticket.secret, theirs, verified=verified)
    return Ceremony(options, ticket.text)


@contextmanager
def _proven(
    answer: Answer, purpose: str, limit: tuple[Limit, str], actor: Actor, *, verified: bool
) -> Iterator[tuple[Session, User]]:
    """Open a transaction for the person whose passkey it is; what it opens commits with the use.

    The attempt counts before anything is looked at, and is given back if it turns out well; the
    ticket is spent in any case. `actor` names the person if it has to be a certain one.
    """
    with database.system_transaction() as session:
        service.take_attempt(session, *limit)
    with database.system_transaction() as session:
        ticket = tickets.redeem(session, answer.ticket, purpose, answer.cookie, actor.user_id)
    passkey, sign_count = _verify(answer.credential, ticket, actor, verified=verified)
    with database.system_transaction() as session:
        user = repository.lock_user(session, passkey.user_id)
        is_welcome = user is not None and user.disabled_at is None
        counts = passkeys.advance_counter(session, passkey.id, sign_count, now=clock.now())
        if user is not None and is_welcome and counts:
            ratelimit.give_back(session, *limit)
            yield session, user
            return
    if counts:
        raise _refused(passkey.user_id, actor, reason="the person is disabled")
    raise _refused(passkey.user_id, actor, _COPIED, reason="the counter went back")


def _verify(
    credential: str, ticket: Ticket, actor: Actor, *, verified: bool
) -> tuple[Passkey, int]:
    """Return the passkey that signed the ticket, and its counter.

    Raises:
        UnauthorizedError: None of ours did, or another person's.
    """
    passkey, given = _find(credential, actor)
    try:
        sign_count = webauthn.verify(given, ticket.secret, passkey.public_key, verified=verified)
    except PasskeyError as error:
        raise _refused(passkey.user_id, actor, reason=str(error)) from None
    return passkey, sign_count


def _find(credential: str, actor: Actor) -> tuple[Passkey, AuthenticationCredential]:
    """Return the passkey that the browser names, and what it brought."""
    try:
        given = webauthn.read(credential)
    except PasskeyError as error:
        raise _refused(actor.user_id, actor, reason=str(error)) from None
    with database.system_transaction() as session:
        passkey = passkeys.find_passkey(session, given.raw_id)
    owner = actor.user_id or (passkey.user_id if passkey else None)
    # Where nobody was named before, the passkey itself has to name its person.
    handle = given.response.user_handle or (actor.user_id and actor.user_id.bytes)
    if passkey is None or owner is None or passkey.user_id != owner or handle != owner.bytes:
        raise _refused(owner, actor, reason="it is nobody's, or somebody else's")
    return passkey, given


def _refused(
    user_id: UUID | None, actor: Actor, action: str = _FAILED, *, reason: str
) -> UnauthorizedError:
    """Write down that a passkey was refused, if it is known whom that concerns; say no more."""
    metrics.sign_ins.labels("wrong").inc()
    log.warning("passkey_refused", reason=reason[:_REASON_LENGTH_MAX])
    if user_id is not None:
        with database.system_transaction() as session:
            second_factor.record(session, user_id, action, actor)
    return UnauthorizedError(
        "This passkey does not work here. Try another one, or your password.", code="wrong_passkey"
    )


def _person(actor: Actor) -> UUID:
    assert actor.user_id is not None
    return actor.user_id
