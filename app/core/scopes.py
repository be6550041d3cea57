"""What an API token may do, and which route wants which of it.

A route says what it wants beside its path: `openapi_extra=scopes.needs(scopes.EDIT)`. One that
says nothing wants `read` if it only reads, and takes no API token if it changes anything: a route
that somebody forgot is closed, not open.
"""

from collections.abc import Collection, Mapping
from typing import Any

from app.core.errors import ForbiddenError

READ, EDIT, CONNECT, EXPORT = "read", "edit", "connect", "export"
SCOPES: Mapping[str, str] = {
    READ: "See accounts, transactions, connections and history",
    EDIT: "Change transactions, import files, answer questions, undo, ask for a sync",
    CONNECT: "Link and disconnect banks",
    EXPORT: "Take everything out at once",
}
"""Each with what it allows, in words."""
DELICATE = (CONNECT, EXPORT)
"""Whoever gave a token one of these had just shown who they are: it takes the place of a recent
sign-in (A8)."""
_NONE = "none"
_FIELD = "x-scope"


def needs(scope: str) -> dict[str, Any]:
    """Return what says, as `openapi_extra` of a route, which scope a token needs."""
    assert scope in SCOPES
    return {_FIELD: scope}


def takes_no_token() -> dict[str, Any]:
    """Return what says the same of a route that is closed to all API tokens."""
    return {_FIELD: _NONE}


def needed(extra: Mapping[str, Any] | None, method: str) -> str | None:
    """Return the scope that a route needs; None: it takes no API token.

    Args:
        extra: The route's `openapi_extra`.
        method: How it is asked.
    """
    said = (extra or {}).get(_FIELD)
    if said is None:
        return READ if method in ("GET", "HEAD") else None
    return None if said == _NONE else str(said)


def check(extra: Mapping[str, Any] | None, method: str, held: Collection[str]) -> str:
    """Return the scope by which a token is let in.

    Raises:
        ForbiddenError: It does not hold what the route needs, or the route takes none.
    """
    scope = needed(extra, method)
    if scope is None:
        raise not_taken()
    if scope not in held:
        raise ForbiddenError(
            f"This token lacks the scope {scope}. Make one that has it, in the settings.",
            code="scope_needed",
        )
    return scope


def not_taken() -> ForbiddenError:
    """Return the error of what no API token may do."""
    return ForbiddenError(
        "API tokens may not do this, whatever their scopes. Log in for it.", code="token_not_taken"
    )
