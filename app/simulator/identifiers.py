"""Identifiers in the shapes of Plaid's: deterministic where the data is, random for tokens."""

import base64
import secrets
import string
from hashlib import blake2b
from uuid import uuid4

_ALPHABET = string.ascii_letters + string.digits


def identifier(*parts: object) -> str:
    """Return 37 letters and digits that depend on the parts alone, as Plaid's ids look."""
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=28).digest()
    return base64.b64encode(digest, b"xQ")[:37].decode()


def request_id() -> str:
    """Return 15 random letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(15))


def token(kind: str) -> str:
    """Return a random token such as `access-sandbox-<uuid>`."""
    return f"{kind}-sandbox-{uuid4()}"
