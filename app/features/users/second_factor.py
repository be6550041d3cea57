"""The second factor at the door: who is asked for a code, and whether a code counts.

A code counts once. Its step is compared and stored in one UPDATE, so of two requests that bring
the same code at once exactly one is let in.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock, database, encryption, metrics, ratelimit, totp
from app.core.errors import RateLimitedError, UnauthorizedError
from app.core.ratelimit import Limit
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.users import repository
from app.features.vault import rotation
from app.models import UserTotp

CODE_BY_USER = Limit("code:user", burst=10, refill_seconds=120)
"""Three of a million codes are right at a time: who guesses all day long waits more than a year."""
CODE_LENGTH_MAX = 100
SECRETS = rotation.Kept(UserTotp.user_id, UserTotp.secret, UserTotp.key_id)
_PLACE = "user_totp.secret"
_TOTP_CODE = re.compile(r"[0-9]{%d}" % totp.DIGITS)  # noqa: UP031  # braces of its own


def is_on(session: Session, user_id: UUID) -> bool:
    """Tell whether signing in takes a code.

    Nobody turns it on before the transaction ends, so a session that is opened in it is either
    there to be ended by that, or is not opened without a code. Crosses households.
    """
    repository.lock_user(session, user_id)
    return repository.find_totp(session, user_id, confirmed=True) is not None


@contextmanager
def proven(user_id: UUID, code: str, actor: Actor) -> Iterator[Session]:
    """Open a transaction for somebody who brought a code that counts; for what it opens.

    Code and what it opens commit together. The session crosses households.

    Raises:
        RateLimitedError: Too many codes of this person were wrong.
        UnauthorizedError: The code is wrong, too old, or was used.
    """
    take_attempt(user_id)
    with database.system_transaction() as session:
        if _accept(session, user_id, code, actor):
            ratelimit.give_back(session, CODE_BY_USER, str(user_id))
            yield session
            return
        record(session, user_id, "user.second_factor_failed", actor)
    metrics.sign_ins.labels("wrong").inc()
    raise UnauthorizedError(
        "This code is not right, or was used already. Wait for the next one.", code="wrong_code"
    )


def take_attempt(user_id: UUID) -> None:
    """Count an attempt before its code is looked at.

    Raises:
        RateLimitedError: There were too many.
    """
    with database.system_transaction() as session:
        wait_seconds = ratelimit.take(session, CODE_BY_USER, str(user_id))
    if wait_seconds is not None:
        metrics.sign_ins.labels("limited").inc()
        raise RateLimitedError(
            "Too many codes were wrong. Try again in a few minutes.",
            retry_after_seconds=wait_seconds,
        )


def seal(secret: bytes, user_id: UUID) -> tuple[bytes, str]:
    """Return a secret as it is stored, and the id of the key that it needs."""
    key_id = encryption.CURRENT_KEY_ID
    key = encryption.person_key(user_id, key_id)
    return key.seal(secret, place=_PLACE, row_id=user_id), key_id


def reseal_all() -> tuple[int, dict[UUID, str]]:
    """Seal every person's secret under the newest of ENCRYPTION_KEYS, while everything runs.

    Returns:
        How many were sealed anew, and for each person whose secret did not open, why.
    """
    return rotation.renew_all(SECRETS, _reseal)


def unseal(sealed: bytes, key_id: str, user_id: UUID) -> bytes:
    """Return a secret as codes are computed from it.

    Raises:
        SealError: Its key is not in ENCRYPTION_KEYS.
    """
    key = encryption.person_key(user_id, key_id)
    return key.open(sealed, place=_PLACE, row_id=user_id)


def _reseal(user_id: UUID, secret: bytes, key_id: str) -> tuple[bytes, str]:
    return seal(unseal(secret, key_id, user_id), user_id)


def hash_recovery_code(code: str) -> bytes:
    """Return what is stored of a recovery code, however its groups were typed."""
    return hashlib.sha256(_plain(code).encode("utf-8", "replace")).digest()


def record(
    session: Session, user_id: UUID, action: str, actor: Actor = audit.SYSTEM, **details: object
) -> None:
    """Write into the audit trail of the household that the person joined first."""
    household_id = repository.find_first_household(session, user_id)
    assert household_id is not None  # nobody is without a household
    audit.record(session, household_id, action, actor=actor, object_id=user_id, details=details)


def _accept(session: Session, user_id: UUID, code: str, actor: Actor) -> bool:
    """Use the code up, if it counts."""
    plain = _plain(code)
    found = repository.find_totp(session, user_id, confirmed=True)
    if found is None:
        return False
    if _TOTP_CODE.fullmatch(plain):
        secret = unseal(found.secret, found.key_id, user_id)
        step = totp.find_step(secret, plain, clock.now().timestamp())
        return step is not None and repository.advance_step(session, user_id, step)
    if not repository.use_recovery_code(session, user_id, hash_recovery_code(code), clock.now()):
        return False
    left = repository.count_recovery_codes(session, user_id)
    record(session, user_id, "user.recovery_code_used", actor, left=left)
    return True


def _plain(code: str) -> str:
    """Return the code without what people put between its groups."""
    return re.sub(r"[\s-]", "", code[:CODE_LENGTH_MAX]).lower()
