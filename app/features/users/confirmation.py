"""Use cases of confirming who one is: what a stolen session alone must not get to do (A8).

Who confirms goes on under a new id (S5): whoever copied the cookie or token before does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import database
from app.core.errors import ConflictError, InvalidInputError, UnauthorizedError
from app.features.audit.service import Actor
from app.features.users import second_factor, service, sessions
from app.features.users.sessions import Client, SignedInBrowser, TokenPair


def wants_code(session: Session, user_id: UUID) -> bool:
    """Tell whether confirming takes a code as well as the password. Crosses households."""
    return second_factor.is_on(session, user_id)


def confirm_browser(actor: Actor, password: str, code: str, client: Client) -> SignedInBrowser:
    """Check password and code, and go on under a new cookie; the old one is void.

    Raises:
        InvalidInputError: The password or the code is wrong; `field` says which.
        RateLimitedError: Too many wrong tries.
        UnauthorizedError: The session has ended meanwhile.
    """
    with proven(actor, password, code) as session:
        return sessions.renew_browser(session, actor, client)


def confirm_api(actor: Actor, kind: str, password: str, code: str, client: Client) -> TokenPair:
    """Check password and code, and go on under new tokens; the old ones are void.

    Raises:
        ConflictError: A browser asks, whose session has no tokens.
        InvalidInputError, RateLimitedError, UnauthorizedError: As `confirm_browser`.
    """
    if kind != sessions.API:
        raise ConflictError("This session is a browser's. Confirm on the page /confirm.")
    with proven(actor, password, code, code_field="totp_code") as session:
        return sessions.renew_api(session, actor, client)


@contextmanager
def proven(
    actor: Actor, password: str, code: str, *, code_field: str = "code"
) -> Iterator[Session]:
    """Open a transaction for somebody who brought password and, if it is on, second factor.

    What it does commits together with the code's use. The session crosses households.

    Raises:
        InvalidInputError: The password or the code is wrong; `field` says where it was typed.
        RateLimitedError: Too many wrong tries.
    """
    assert actor.user_id is not None
    service.confirm_password(actor.user_id, password, field="password")
    with coded(actor, code, code_field=code_field) as session:
        yield session


@contextmanager
def coded(actor: Actor, code: str, *, code_field: str = "code") -> Iterator[Session]:
    """Do the same for somebody whose password was right a moment ago."""
    assert actor.user_id is not None
    with database.system_transaction() as session:
        if not second_factor.is_on(session, actor.user_id):
            yield session
            return
    if not code:
        raise InvalidInputError(
            "Two-step sign-in is on: a code of your app, or a recovery code, is needed as well.",
            code="second_factor_required",
            field=code_field,
        )
    try:
        with second_factor.proven(actor.user_id, code, actor) as session:
            yield session
    except UnauthorizedError as error:
        if error.code != "wrong_code":
            raise
        raise InvalidInputError(error.message, code=error.code, field=code_field) from None
