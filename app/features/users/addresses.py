"""E-mail addresses: whether somebody who reads an address's mail said that it is theirs.

Without a mail server nobody is asked. An address that is not confirmed keeps nobody out: it only
gets no message that says anything of an account, since it may be a stranger's (A10).
"""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.core import clock, database, jobs, mail, ratelimit, security
from app.core.config import settings
from app.core.errors import InvalidInputError, RateLimitedError
from app.core.ids import uuid7
from app.core.ratelimit import Limit
from app.features.audit.service import Actor
from app.features.users import repository, second_factor

TASK = "users.mail_address_link"
LINK_FOR = timedelta(days=7)
LINK_BY_USER = Limit("address:user", burst=3, refill_seconds=900)
"""Nobody fills a stranger's mailbox by asking again and again."""
log = structlog.get_logger(__name__)

_SUBJECT = "[Fintech] Confirm your e-mail address"
_TEXT = """Hello,

somebody gave this address for an account at {url}. If it was you, confirm it within seven days:

{url}/confirm-address?token={token}

If it was not you, do nothing: without this no message says what happens in the account.
"""


def want_link(session: Session, user_id: UUID) -> None:
    """Have a link mailed once the transaction commits; nothing without a mail server."""
    if mail.is_on():
        jobs.enqueue(session, TASK, str(user_id))


def mail_link(user_id: UUID) -> bool:
    """Mail a person the link that confirms their address, unless that is done; True if it went.

    A message that does not get through is asked for again on the settings page.
    """
    with database.system_transaction() as session:
        user = repository.find_user(session, user_id)
    if user is None or user.disabled_at or user.email_confirmed_at:
        return False
    token = security.sign_address(user.id, user.email_key, LINK_FOR)
    text = _TEXT.format(url=settings.PUBLIC_URL.rstrip("/"), token=token)
    try:
        mail.send(user.email, _SUBJECT, text, message_id=f"address.{uuid7()}")
    except mail.MailError as error:
        log.warning("address_link_failed", reason=str(error))
        return False
    return True


def ask_again(session: Session, user_id: UUID) -> None:
    """Have another link mailed.

    Raises:
        RateLimitedError: Several went a moment ago.
    """
    wait_seconds = ratelimit.take(session, LINK_BY_USER, str(user_id))
    if wait_seconds is not None:
        raise RateLimitedError(
            "Several messages went to you a moment ago. Look among what your mailbox sorts out.",
            retry_after_seconds=wait_seconds,
        )
    want_link(session, user_id)


def confirm(session: Session, token: str, *, address: str | None) -> None:
    """Note that the address of a link is its person's; does nothing if it was noted before.

    Args:
        session: Crosses households.
        token: What the link carries.
        address: Network address of who brought it.

    Raises:
        InvalidInputError: `address_link_void`: the link is too old, not whole, or of an address
            that the person has no more.
    """
    said = security.read_address(token)
    user = repository.lock_user(session, said[0], exclusively=True) if said else None
    if said is None or user is None or user.email_key != said[1]:
        raise InvalidInputError(
            "This link is older than seven days, or is not whole. Sign in, and ask for another "
            "one in the settings.",
            code="address_link_void",
        )
    if user.email_confirmed_at is None:
        repository.update_user(session, user.id, {"email_confirmed_at": clock.now()})
        actor = Actor(user.id, None, address)
        second_factor.record(session, user.id, "user.address_confirmed", actor)


def wants_confirming(session: Session, user_id: UUID) -> bool:
    """Tell whether a person's address is still to be confirmed; never without a mail server."""
    if not mail.is_on():
        return False
    user = repository.find_user(session, user_id)
    return user is not None and user.email_confirmed_at is None
