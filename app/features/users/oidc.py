"""Use cases of signing in at an OpenID Connect provider: go there, come back, link, unlink.

Whom an identity opens is decided by issuer and subject, which are linked while the person is signed
in here by other means. An e-mail address decides only where OIDC_TRUSTS_EMAIL says so. How many
factors were asked for is the provider's business: no code is asked for after it.
"""

from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import clock, database, metrics, oidc, ratelimit, security, tickets
from app.core.config import settings
from app.core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from app.core.oidc import Identity, OidcError, OidcUnavailableError
from app.core.tickets import Ticket
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.users import repository, second_factor, service, sessions
from app.features.users.repository import identities
from app.features.users.sessions import Client, SignedInBrowser

_SIGN_IN, _LINK = "oidc:sign-in", "oidc:link"
log = structlog.get_logger(__name__)


def begin(cookie: str, user_id: UUID | None = None) -> str:
    """Return the address at the provider to which a browser goes.

    Args:
        cookie: By which we know the browser; nobody else can come back for it.
        user_id: The person who wants to link an identity; None: somebody who wants to sign in.

    Raises:
        NotFoundError: There is no provider.
        UnavailableError: The provider does not answer.
    """
    if not oidc.is_on():
        raise NotFoundError("This server has no such way to sign in.")
    ticket = tickets.issue(_LINK if user_id else _SIGN_IN, cookie, user_id)
    try:
        return oidc.authorize_url(ticket)
    except OidcError as error:
        raise _not_answered(error) from None


def sign_in(state: str, code: str, cookie: str, client: Client) -> SignedInBrowser:
    """Open a session for whom the provider says has come back.

    Raises:
        InvalidInputError: It took longer than five minutes, was done before, or in another browser.
        UnauthorizedError: The provider says something else, or the person is disabled.
        ForbiddenError: Nobody here is linked to who that is there.
        RateLimitedError: Too many failures from this network address.
        UnavailableError: The provider does not answer.
    """
    limit = (sessions.SIGN_IN_BY_ADDRESS, client.address or "")
    identity = _come_back(state, code, cookie, _SIGN_IN, client)
    with database.system_transaction() as session:
        user_id = _find(session, identity, client) or _create(session, identity, client)
        user = repository.lock_user(session, user_id)
        if user is None or user.disabled_at is not None:
            raise _refused("the person is disabled")
        ratelimit.give_back(session, *limit)
        return sessions.open_browser_session(session, user_id, client, by="oidc")


def link(state: str, code: str, cookie: str, client: Client, *, actor: Actor) -> None:
    """Let who has come back from the provider sign in there as the person who is signed in here.

    Raises:
        InvalidInputError: As `sign_in`, or somebody else began it.
        UnauthorizedError: The provider says something else.
        ConflictError: That identity opens somebody else's account, or theirs already.
        UnavailableError: The provider does not answer.
    """
    assert actor.user_id is not None
    identity = _come_back(state, code, cookie, _LINK, client, actor.user_id)
    with database.system_transaction() as session:
        # Nobody is linked by the address meanwhile.
        repository.lock_user(session, actor.user_id, exclusively=True)
        _link(session, identity, actor.user_id, actor)
        ratelimit.give_back(session, sessions.SIGN_IN_BY_ADDRESS, client.address or "")


def is_linked(session: Session, user_id: UUID) -> bool:
    """Tell whether the person may sign in at the provider of today. Crosses households."""
    return oidc.is_on() and identities.has_identity(session, user_id, settings.OIDC_ISSUER)


def unlink(session: Session, *, actor: Actor) -> None:
    """Let the person sign in at the provider no more. Crosses households.

    Raises:
        NotFoundError: They could not before.
    """
    assert actor.user_id is not None
    repository.lock_user(session, actor.user_id, exclusively=True)  # first, as linking does
    if not identities.delete_identities(session, actor.user_id, settings.OIDC_ISSUER):
        raise NotFoundError("Nothing is linked.")
    second_factor.record(session, actor.user_id, "user.identity_unlinked", actor)


def _come_back(
    state: str, code: str, cookie: str, purpose: str, client: Client, user_id: UUID | None = None
) -> Identity:
    """Return who signed in there; the state is spent in any case.

    The attempt counts unless it failed at the provider, which must not keep people from signing in
    with their passwords.
    """
    limit = (sessions.SIGN_IN_BY_ADDRESS, client.address or "")
    with database.system_transaction() as session:
        ticket: Ticket = tickets.redeem(session, state, purpose, cookie, user_id)
    with database.system_transaction() as session:
        service.take_attempt(session, *limit)
    try:
        return oidc.exchange(code, ticket)
    except OidcUnavailableError as error:
        with database.system_transaction() as session:
            ratelimit.give_back(session, *limit)
        raise _not_answered(error) from None
    except OidcError as error:
        raise _refused(str(error)) from None


def _find(session: Session, identity: Identity, client: Client) -> UUID | None:
    """Return the person to whom the identity is linked, or whom its address names."""
    known = (identity.issuer, identity.subject)
    if user_id := identities.find_user_id(session, *known):
        # The person before their identities, as linking and unlinking lock them.
        repository.lock_user(session, user_id)
        return identities.use_identity(session, *known, clock.now())
    if not (settings.OIDC_TRUSTS_EMAIL and identity.email):
        return None
    user = repository.find_user_by_email(session, service.email_key(identity.email))
    if user is None or user.email_confirmed_at is None:
        # Anybody may have registered with an address of somebody who comes later.
        return None
    # Of two who come at once with the address, one is first.
    repository.lock_user(session, user.id, exclusively=True)
    if identities.has_identity(session, user.id, identity.issuer):
        # The account is somebody else's there, who had the address before.
        return None
    _link(session, identity, user.id, Actor(user.id, None, client.address))
    return user.id


def _create(session: Session, identity: Identity, client: Client) -> UUID:
    """Make an account for somebody whom nobody here knows, where the operator allows that."""
    domain = identity.email.rpartition("@")[2].lower()
    is_let_in = not settings.oidc_domains or domain in settings.oidc_domains
    if not (settings.OIDC_CREATES_USERS and identity.email and is_let_in):
        raise ForbiddenError(
            f"No account here is linked to yours at {settings.OIDC_NAME}. Sign in another way, "
            "then link it under Settings.",
            code="not_linked",
        )
    profile = service.create_user(
        session,
        email=service.check_email(identity.email),
        # They set one through a link of who runs the server, or need none.
        password_hash=security.nobodys_hash(),
        name=_name(identity),
    )
    repository.update_user(session, profile.user_id, {"email_confirmed_at": clock.now()})
    actor = Actor(profile.user_id, None, client.address)
    audit.record(session, profile.household_id, "user.registered", actor=actor)
    _link(session, identity, profile.user_id, actor)
    return profile.user_id


def _name(identity: Identity) -> str:
    try:
        return service.check_name(identity.name)
    except InvalidInputError:
        return service.check_name(identity.email.partition("@")[0])


def _link(session: Session, identity: Identity, user_id: UUID, actor: Actor) -> None:
    if not identities.insert_identity(session, identity.issuer, identity.subject, user_id):
        raise ConflictError(
            f"Your account at {settings.OIDC_NAME} is linked already. Unlink it where it is.",
            code="identity_taken",
        )
    second_factor.record(session, user_id, "user.identity_linked", actor)


def _not_answered(error: OidcError) -> UnavailableError:
    log.warning("oidc_not_asked", reason=str(error))
    return UnavailableError(
        f"{settings.OIDC_NAME} does not answer. Try again, or sign in another way.",
        retry_after_seconds=15,
    )


def _refused(reason: str) -> UnauthorizedError:
    metrics.sign_ins.labels("wrong").inc()
    log.warning("oidc_refused", reason=reason[:200])
    return UnauthorizedError(
        f"{settings.OIDC_NAME} did not let you in here. Try again, or sign in another way.",
        code="oidc_refused",
    )
