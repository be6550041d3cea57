"""Use cases of the second factor's settings: set up, confirm, turn off."""

import base64
import secrets
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database, ratelimit, totp
from app.core.errors import ConflictError, InvalidInputError, UnauthorizedError
from app.features.audit.service import Actor
from app.features.users import repository, second_factor, service, sessions

RECOVERY_CODES = 10
_RECOVERY_BYTES = 10
_GROUP = 4


@dataclass(frozen=True, slots=True)
class Setup:
    """What an authenticator app needs; shown once."""

    secret: str
    """In groups of four."""
    uri: str


def codes_left(session: Session, user_id: UUID) -> int | None:
    """Return how many recovery codes are left; None while the second factor is off."""
    if repository.find_totp(session, user_id, confirmed=True) is None:
        return None
    return repository.count_recovery_codes(session, user_id)


def begin(user_id: UUID, password: str) -> Setup:
    """Make a secret for an authenticator app, which guards nothing before it is confirmed.

    Raises:
        InvalidInputError: The password is wrong.
        RateLimitedError: Too many wrong tries.
        ConflictError: The second factor is on.
    """
    user = service.confirm_password(user_id, password, field="password")
    secret = totp.new_secret()
    sealed, key_id = second_factor.seal(secret, user_id)
    with database.system_transaction() as session:
        if not repository.put_totp(session, user_id, sealed, key_id):
            raise ConflictError("Two-step sign-in is on already.", code="second_factor_on")
    return Setup(_in_groups(totp.as_text(secret)), totp.uri(secret, user.email))


def confirm(user_id: UUID, code: str, *, actor: Actor) -> list[str]:
    """Turn the second factor on, and end all other sessions: they did without.

    Returns:
        The recovery codes, which nobody can read again.

    Raises:
        InvalidInputError: The code is not that of the app being set up.
        RateLimitedError: Too many wrong tries.
        ConflictError: No app is being set up.
    """
    second_factor.take_attempt(user_id)
    with database.system_transaction() as session:
        # Whoever signs in with the password alone has done so before, or is asked for a code.
        repository.lock_user(session, user_id, exclusively=True)
        found = repository.find_totp(session, user_id, confirmed=False)
        if found is None:
            raise ConflictError("Begin again: no app is being set up.", code="no_setup")
        secret = second_factor.unseal(found.secret, found.key_id, user_id)
        step = totp.find_step(secret, "".join(code.split()), clock.now().timestamp())
        if step is None:
            raise InvalidInputError(
                "This is not the code of the app. Does the phone show the right time?",
                code="wrong_code",
                field="code",
            )
        if not repository.confirm_totp(session, user_id, found.secret, step, clock.now()):
            raise ConflictError("Begin again: another app is being set up.", code="no_setup")
        ratelimit.give_back(session, second_factor.CODE_BY_USER, str(user_id))
        codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
        hashes = [second_factor.hash_recovery_code(code) for code in codes]
        repository.insert_recovery_codes(session, user_id, hashes)
        ended = sessions.end_all(session, user_id, but=actor.session_id)
        second_factor.record(
            session, user_id, "user.second_factor_turned_on", actor, sessions_ended=ended
        )
    return codes


def turn_off(user_id: UUID, password: str, code: str, *, actor: Actor) -> None:
    """Let the password suffice again.

    Raises:
        InvalidInputError: The password or the code is wrong.
        RateLimitedError: Too many wrong tries.
    """
    service.confirm_password(user_id, password, field="password")
    try:
        with second_factor.proven(user_id, code, actor) as session:
            repository.delete_factor(session, user_id)
            second_factor.record(session, user_id, "user.second_factor_turned_off", actor)
    except UnauthorizedError as error:
        raise InvalidInputError(error.message, code=error.code, field="code") from None


def _new_recovery_code() -> str:
    return _in_groups(base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower(), "-")


def _in_groups(text: str, between: str = " ") -> str:
    return between.join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))
