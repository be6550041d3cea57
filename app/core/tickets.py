"""Tickets: what begins in a browser is ended by the same browser, once, within five minutes.

A ticket is signed, and holds random bytes that stand for this one attempt: a passkey signs them, an
OpenID provider sends them back. Nothing is stored when one is issued, so that strangers fill no
table; when it is redeemed its hash is, so that it counts once.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import cast
from uuid import UUID

import jwt
from sqlalchemy import CursorResult, text
from sqlalchemy.orm import Session

from app.core import clock, encryption
from app.core.config import settings
from app.core.errors import InvalidInputError

LASTS = timedelta(minutes=5)
SECRET_BYTES = 32
TEXT_LENGTH_MAX = 1_000

_SPEND = text("""
    INSERT INTO spent_tickets (ticket_hash, expires_at) VALUES (:ticket_hash, :expires_at)
    ON CONFLICT DO NOTHING
""")
_FORGET = text("DELETE FROM spent_tickets WHERE expires_at < :now")


@dataclass(frozen=True, slots=True)
class Ticket:
    """One attempt of one browser."""

    text: str
    """What the browser brings back."""
    secret: bytes
    """32 random bytes, which the browser can read."""
    user_id: UUID | None
    """Whom it is for; None: whoever it turns out to be."""

    def derive(self, label: str) -> bytes:
        """Return 32 bytes that belong to this ticket and that the browser cannot compute."""
        return hmac.new(_key(), label.encode() + b"\0" + self.secret, hashlib.sha256).digest()


def issue(purpose: str, cookie: str, user_id: UUID | None = None) -> Ticket:
    """Return a new ticket.

    Args:
        purpose: What it is good for, and nothing else.
        cookie: Of the browser, which alone can redeem it.
        user_id: Whom it is for, if that is known.
    """
    secret = secrets.token_bytes(SECRET_BYTES)
    claims = {
        "aud": purpose,
        "exp": clock.now() + LASTS,
        "jti": base64.urlsafe_b64encode(secret).decode(),
        "browser": _browser(cookie),
        **({"sub": str(user_id)} if user_id else {}),
    }
    return Ticket(jwt.encode(claims, _key(), settings.ALGORITHM), secret, user_id)


def redeem(
    session: Session, given: str, purpose: str, cookie: str, user_id: UUID | None = None
) -> Ticket:
    """Use a ticket up. The caller commits whatever comes of it; crosses households.

    Args:
        session: In which it is noted as spent; one statement, so of two at once one succeeds.
        given: What the browser brings.
        purpose: As when it was issued.
        cookie: Of the browser that brings it.
        user_id: Whom it has to be for.

    Raises:
        InvalidInputError: It is not ours, too old, spent, or for something or somebody else.
    """
    if len(given) > TEXT_LENGTH_MAX:
        raise _void()
    try:
        claims = jwt.decode(
            given, _key(), [settings.ALGORITHM], audience=purpose,
            options={"require": ["exp", "jti", "aud"], "strict_aud": True},
        )  # fmt: skip
        secret = base64.urlsafe_b64decode(claims["jti"])
        ticket = Ticket(given, secret, UUID(claims["sub"]) if "sub" in claims else None)
    except (jwt.InvalidTokenError, ValueError):
        raise _void() from None
    is_theirs = hmac.compare_digest(claims["browser"], _browser(cookie))
    if not is_theirs or ticket.user_id != user_id or not _spend(session, ticket):
        raise _void()
    return ticket


def forget_old(session: Session) -> int:
    """Delete what is noted of tickets that are too old to come again; return how many."""
    return cast("CursorResult[tuple[()]]", session.execute(_FORGET, {"now": clock.now()})).rowcount


def _spend(session: Session, ticket: Ticket) -> bool:
    values = {
        "ticket_hash": hashlib.sha256(ticket.secret).digest(),
        "expires_at": clock.now() + LASTS,
    }
    return cast("CursorResult[tuple[()]]", session.execute(_SPEND, values)).rowcount == 1


def _browser(cookie: str) -> str:
    return hmac.new(_key(), b"browser\0" + cookie.encode(), hashlib.sha256).hexdigest()


def _void() -> InvalidInputError:
    return InvalidInputError(
        "That took too long, or was done before. Try again.", code="ticket_void"
    )


@cache
def _key() -> bytes:
    return encryption.derive_key("tickets")
