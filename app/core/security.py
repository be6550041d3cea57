"""Proofs of identity: password hashes, signed access tokens, opaque tokens, CSRF tokens."""

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from uuid import UUID

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type
from zxcvbn import zxcvbn

from app.core import clock, encryption
from app.core.config import settings
from app.core.errors import InvalidInputError, UnauthorizedError, UnavailableError
from app.core.ids import uuid7
from app.core.turns import NoTurnError, Turns

PASSWORD_LENGTH_MAX = 128
PASSWORD_SCORE_MIN = 3
"""Of zxcvbn's 0 to 4; 3 means at least 10**8 guesses."""
HASHES_AT_ONCE = 2
HASHES_WAITING_MAX = 8
"""Each waiting one holds a thread of the server, so the rest are sent away at once."""
HASH_WAIT_SECONDS_MAX = 5.0

TOKEN_ISSUER = "fintech"  # noqa: S105  # a name, not a secret
TOKEN_AUDIENCE = "fintech-api"  # noqa: S105  # a name, not a secret
TOKEN_TYPE = "at+jwt"  # noqa: S105  # RFC 9068's name for access tokens
_TOKEN_LENGTH_MAX = 2_000
_TOKENS_KEPT = 4_096
_PENDING_FOR = timedelta(minutes=5)
_CLAIMS = ("exp", "iat", "sub", "aud", "iss", "jti", "sid", "hid")
_COMMON_LENGTH_MAX = 72
"""zxcvbn's cost grows with the square of the length; what is longer is not common."""

_hasher = PasswordHasher(
    time_cost=2, memory_cost=settings.ARGON2_MEMORY_KIB, parallelism=1, type=Type.ID
)
_hashes = Turns(HASHES_AT_ONCE, waiting=HASHES_WAITING_MAX, seconds=HASH_WAIT_SECONDS_MAX)


# --- Passwords -------------------------------------------------------------------------------


def normalize_password(password: str) -> str:
    """Return the password in the one Unicode form (NFC) that is hashed and compared."""
    return unicodedata.normalize("NFC", password)


def check_new_password(password: str, context: tuple[str, ...] = ()) -> None:
    """Refuse a password that is too short, too long or easy to guess.

    Any characters are allowed and none are required (NIST SP 800-63B, OWASP ASVS 6.2).

    Args:
        password: As typed.
        context: What an attacker who knows the person tries first: name, address.

    Raises:
        InvalidInputError: With words that say how to choose a better one.
    """
    password = normalize_password(password)
    if len(password) < settings.PASSWORD_LENGTH_MIN:
        raise InvalidInputError(
            f"Use at least {settings.PASSWORD_LENGTH_MIN} characters.",
            code="password_too_short",
            field="password",
        )
    if len(password) > PASSWORD_LENGTH_MAX:
        raise InvalidInputError(
            f"Use at most {PASSWORD_LENGTH_MAX} characters.",
            code="password_too_long",
            field="password",
        )
    guess = zxcvbn(password[:_COMMON_LENGTH_MAX], user_inputs=_context_words(context))
    if guess["score"] < PASSWORD_SCORE_MIN:
        reason = str(guess["feedback"]["warning"]).rstrip(".")
        raise InvalidInputError(
            f"This password is easy to guess{': ' + reason if reason else ''}. "
            "Four unrelated words make a good one.",
            code="password_too_common",
            field="password",
        )


def _context_words(context: tuple[str, ...]) -> list[str]:
    """Return texts, their words and their words run together, as zxcvbn compares whole words."""
    words = {"fintech"}
    for text in context:
        parts = re.findall(r"\w+", text.casefold())
        words.update((text.casefold(), "".join(parts), *parts))
    return sorted(word for word in words if len(word) > 1)


def hash_password(password: str) -> str:
    """Return the Argon2id hash as a PHC string, with its parameters and salt.

    Raises:
        UnavailableError: Too many passwords are being hashed right now.
    """
    with _turn():
        return _hasher.hash(normalize_password(password))


def verify_password(password: str, password_hash: str | None) -> bool:
    """Tell whether the password is right; takes as long for a user that does not exist.

    Args:
        password: As typed.
        password_hash: None for an unknown user: a hash is computed all the same.

    Raises:
        UnavailableError: Too many passwords are being hashed right now.
    """
    plain = normalize_password(password)
    with _turn():
        try:
            return _hasher.verify(password_hash or nobodys_hash(), plain) and bool(password_hash)
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(password_hash: str) -> bool:
    """Tell whether the hash was made with weaker parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


@cache
def nobodys_hash() -> str:
    """Return the hash of a password that nobody knows."""
    return _hasher.hash(secrets.token_urlsafe(32))


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one of the few hashes at once; each takes 19 MiB and tens of milliseconds."""
    try:
        with _hashes.taken():
            yield
    except NoTurnError:
        raise _busy() from None


def _busy() -> UnavailableError:
    return UnavailableError(
        "Too many people are signing in right now. Try again in a few seconds.",
        code="busy",
        retry_after_seconds=3,
    )


# --- Opaque tokens: a browser's cookie, a refresh token -----------------------------------------


def new_token() -> str:
    """Return 256 random bits as text; only its hash is ever stored."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> bytes:
    """Return what is stored and looked up instead of the token.

    A plain SHA-256 will do: nobody can guess 256 random bits.
    """
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()


def csrf_token(cookie: str) -> str:
    """Return the token that a page must send back, bound to the browser's session cookie."""
    key = encryption.derive_key("csrf")
    return hmac.new(key, hash_token(cookie), hashlib.sha256).hexdigest()


def is_csrf_token(token: str, cookie: str) -> bool:
    """Tell in constant time whether `token` belongs to the cookie."""
    return hmac.compare_digest(token.encode("utf-8", "replace"), csrf_token(cookie).encode())


# --- Access tokens ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a valid access token says."""

    user_id: UUID
    session_id: UUID
    household_id: UUID
    """The household that its session worked in when it was signed, and the only one it opens."""


@cache
def _signing_key() -> tuple[str, bytes]:
    """Return the key and its id, which changes with SECRET_KEY."""
    key = encryption.derive_key("access tokens")
    return hashlib.sha256(b"id of " + key).hexdigest()[:12], key


def sign_access_token(user_id: UUID, session_id: UUID, household_id: UUID) -> str:
    """Return a JWT that is valid for ACCESS_TOKEN_EXPIRE_MINUTES while its session lives."""
    key_id, key = _signing_key()
    now = clock.now()
    claims = {
        "iss": TOKEN_ISSUER,
        "aud": TOKEN_AUDIENCE,
        "sub": str(user_id),
        "sid": str(session_id),
        "hid": str(household_id),
        "jti": str(uuid7()),
        "iat": now,
        "exp": now + timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES),
    }
    return jwt.encode(claims, key, settings.ALGORITHM, headers={"kid": key_id, "typ": TOKEN_TYPE})


def read_access_token(token: str) -> AccessToken:
    """Return what the token says if we signed it and it is still valid.

    The header may hold exactly what ours holds: an unknown parameter is refused, not skipped.
    The caller still has to look up whether the session lives.

    Raises:
        UnauthorizedError: It is anything else; the message does not say what was wrong.
    """
    if len(token) > _TOKEN_LENGTH_MAX or not token.isascii():
        raise _not_valid()
    try:
        said, expires_at = _verified(token)
    except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError):
        raise _not_valid() from None
    if expires_at <= clock.now().timestamp():
        raise _not_valid()
    return said


@lru_cache(maxsize=_TOKENS_KEPT)
def _verified(token: str) -> tuple[AccessToken, float]:
    """Return what a genuine token says and until when; programs send the same one for minutes.

    Raises:
        InvalidTokenError: It is not genuine, or has expired.
        ValueError: Its header or its ids are not what we write.
    """
    key_id, key = _signing_key()
    decoded = jwt.decode_complete(
        token,
        key,
        algorithms=[settings.ALGORITHM],
        audience=TOKEN_AUDIENCE,
        issuer=TOKEN_ISSUER,
        options={"require": list(_CLAIMS), "strict_aud": True},
    )
    header, claims = decoded["header"], decoded["payload"]
    if header != {"alg": settings.ALGORITHM, "kid": key_id, "typ": TOKEN_TYPE}:
        raise ValueError("the header is not one of ours")
    ids = (UUID(claims[name]) for name in ("sub", "sid", "hid"))
    return AccessToken(*ids), float(claims["exp"])


def _not_valid() -> UnauthorizedError:
    return UnauthorizedError(
        "The access token is not valid or has expired. Sign in again or refresh it.",
        code="invalid_token",
    )


# --- Between the password and the second factor -------------------------------------------------


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """Somebody knew the password of this person a moment ago; it opens nothing by itself."""

    user_id: UUID
    fingerprint: str

    def is_for(self, password_hash: str) -> bool:
        """Tell whether the password is still the one that was typed."""
        return hmac.compare_digest(self.fingerprint, _fingerprint(password_hash))


def sign_pending(user_id: UUID, password_hash: str) -> str:
    """Return a token for the page that asks for the second factor, valid for five minutes."""
    claims = {
        "sub": str(user_id),
        "exp": clock.now() + _PENDING_FOR,
        "password": _fingerprint(password_hash),
    }
    return jwt.encode(claims, _pending_key(), settings.ALGORITHM)


def read_pending(token: str) -> PendingSignIn:
    """Return what the token says.

    Raises:
        UnauthorizedError: It is not ours, or has expired.
    """
    if len(token) > _TOKEN_LENGTH_MAX:
        raise pending_expired()
    try:
        claims = jwt.decode(
            token, _pending_key(), [settings.ALGORITHM], options={"require": ["exp", "sub"]}
        )
        return PendingSignIn(UUID(claims["sub"]), claims["password"])
    except (jwt.InvalidTokenError, ValueError):
        raise pending_expired() from None


def pending_expired() -> UnauthorizedError:
    """Return the error of a second step that came too late, or after a new password."""
    return UnauthorizedError("That took too long. Sign in again.", code="sign_in_expired")


@cache
def _pending_key() -> bytes:
    return encryption.derive_key("pending sign-ins")


def _fingerprint(password_hash: str) -> str:
    return hmac.new(_pending_key(), password_hash.encode(), hashlib.sha256).hexdigest()


# --- Links by mail ------------------------------------------------------------------------------


def sign_address(user_id: UUID, email_key: str, valid_for: timedelta) -> str:
    """Return a token for the mailbox of an address, which shows that its reader is the person."""
    claims = {"sub": str(user_id), "exp": clock.now() + valid_for, "email": email_key}
    return jwt.encode(claims, _address_key(), settings.ALGORITHM)


def read_address(token: str) -> tuple[UUID, str] | None:
    """Return the person and the address of a token; None if it is not ours, or has expired."""
    if len(token) > _TOKEN_LENGTH_MAX:
        return None
    try:
        claims = jwt.decode(
            token, _address_key(), [settings.ALGORITHM], options={"require": ["exp", "sub"]}
        )
        return UUID(claims["sub"]), str(claims["email"])
    except (jwt.InvalidTokenError, ValueError, KeyError):
        return None


@cache
def _address_key() -> bytes:
    return encryption.derive_key("confirmed addresses")
