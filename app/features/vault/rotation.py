"""Rotating the operator's key: what it wraps or seals is put under the newest, while all runs.

Each batch is a transaction of its own, so a rotation that was killed is begun again and finds less
to do.
"""

from collections.abc import Callable
from uuid import UUID

from app.core import encryption
from app.core.database import system_transaction
from app.features.vault import repository
from app.features.vault.repository import Kept as Kept
from app.models import HouseholdKey

BATCH = 200
HOUSEHOLD_KEYS = Kept(HouseholdKey.household_id, HouseholdKey.wrapped_key, HouseholdKey.key_id)
Renew = Callable[[UUID, bytes, str], tuple[bytes, str]]
"""From an owner, their secret and the id of its key to the same under the newest; may raise
SealError."""


def count_by_key(kept: Kept) -> dict[str, int]:
    """Return how many secrets are under each key, by its id."""
    with system_transaction() as session:
        return {row[0]: row[1] for row in repository.count_by_key(session, kept)}


def rewrap_all() -> tuple[int, dict[UUID, str]]:
    """Wrap every household's key by the newest of ENCRYPTION_KEYS; what it seals stays as it is."""
    return renew_all(HOUSEHOLD_KEYS, encryption.rewrap_key)


def renew_all(kept: Kept, renew: Renew) -> tuple[int, dict[UUID, str]]:
    """Put every secret under the newest of ENCRYPTION_KEYS.

    Returns:
        How many were put under it, and for each owner whose secret did not open, why.
    """
    done, failed = 0, dict[UUID, str]()
    after: UUID | None = None
    while True:
        with system_transaction() as session:
            rows = repository.lock_under_others(
                session, kept, encryption.CURRENT_KEY_ID, after, BATCH
            )
            for owner_id, secret, key_id in rows:
                try:
                    anew = renew(owner_id, secret, key_id)
                except encryption.SealError as error:
                    failed[owner_id] = str(error)
                    continue
                repository.replace(session, kept, owner_id, *anew)
                done += 1
        if not rows:
            return done, failed
        after = rows[-1][0]
