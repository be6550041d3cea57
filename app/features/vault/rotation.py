"""Rotating the operator's key: each household's key is wrapped anew, while everything runs.

What is sealed stays as it is: only the keys that open it change their wrapping. Each batch is a
transaction of its own, so a rotation that was killed is begun again and finds less to do.
"""

from uuid import UUID

from app.core import encryption
from app.core.database import system_transaction
from app.features.vault import repository

BATCH = 200


def count_by_key() -> dict[str, int]:
    """Return how many households' keys each key wraps, by its id."""
    with system_transaction() as session:
        return {row[0]: row[1] for row in repository.count_keys(session)}


def rotate() -> tuple[int, dict[UUID, str]]:
    """Wrap every household's key by the newest of ENCRYPTION_KEYS.

    Returns:
        How many were wrapped anew, and for each household whose key did not open, why.
    """
    done, failed = 0, dict[UUID, str]()
    after: UUID | None = None
    while True:
        with system_transaction() as session:
            rows = repository.lock_keys_of_others(session, encryption.CURRENT_KEY_ID, after, BATCH)
            for household_id, wrapped, key_id in rows:
                try:
                    anew = encryption.rewrap_key(household_id, wrapped, key_id)
                except encryption.SealError as error:
                    failed[household_id] = str(error)
                    continue
                repository.replace_key(session, household_id, *anew)
                done += 1
        if not rows:
            return done, failed
        after = rows[-1][0]
