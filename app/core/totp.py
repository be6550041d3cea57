"""One-time codes of authenticator apps: RFC 6238 with SHA-1, six digits and steps of 30 seconds.

These are the parameters that every app knows; some silently ignore others.
"""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
DIGITS = 6
STEPS_OFF_MAX = 1
"""How far the phone's clock may be off, either way."""
_SECRET_BYTES = 20
"""RFC 4226, section 4, R6: as long as the hash."""
_ISSUER = "Fintech"


def new_secret() -> bytes:
    """Return a secret to share with an authenticator app."""
    return secrets.token_bytes(_SECRET_BYTES)


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a step (RFC 4226, section 5.3)."""
    digest = hmac.new(secret, step.to_bytes(8, "big"), hashlib.sha1).digest()
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def step_at(seconds: float) -> int:
    """Return the step of an instant, in seconds since 1970."""
    return int(seconds // STEP_SECONDS)


def find_step(secret: bytes, code: str, seconds: float) -> int | None:
    """Return the step whose code this is, if it is now, the one before or the one after.

    All are compared, each in constant time. The caller sees to it that a step counts once.
    """
    now, found = step_at(seconds), None
    for step in range(now - STEPS_OFF_MAX, now + STEPS_OFF_MAX + 1):
        if hmac.compare_digest(code_at(secret, step).encode(), code.encode("utf-8", "replace")):
            found = step
    return found


def as_text(secret: bytes) -> str:
    """Return the secret as apps take it from a keyboard."""
    return base64.b32encode(secret).decode().rstrip("=")


def uri(secret: bytes, email: str) -> str:
    """Return the secret as apps take it from a picture: `otpauth://totp/…`."""
    query = urlencode({"secret": as_text(secret), "issuer": _ISSUER})
    return f"otpauth://totp/{quote(f'{_ISSUER}:{email}')}?{query}"
