"""Use cases of the vault."""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core import encryption
from app.core.encryption import HouseholdKey
from app.features.vault import repository


def create_key(session: Session, household_id: UUID) -> HouseholdKey:
    """Make the key of a new household; for a session that crosses households."""
    wrapped, key_id = encryption.new_wrapped_key(household_id)
    repository.insert_key(session, household_id, wrapped, key_id)
    return encryption.unwrap_key(household_id, wrapped, key_id)


def lock_key(session: Session, household_id: UUID) -> None:
    """Let nobody hold the key until the commit, who then finds what became of it.

    For a session that crosses households. What is read after this in the same transaction has all
    that was stored by whoever held the key.
    """
    repository.lock(session, household_id)


def destroy_key(session: Session, household_id: UUID) -> None:
    """Make everything that is sealed for the household unreadable; crosses households."""
    repository.delete_key(session, household_id)


def get_key(session: Session, household_id: UUID, *, hold: bool = False) -> HouseholdKey:
    """Return the household's key, unwrapped.

    Args:
        session: Of the household.
        household_id: Whose key.
        hold: Let nobody destroy it before the commit: for what must not be stored after that.

    Raises:
        SealError: The household was erased, or its wrapping key is not configured.
    """
    if hold:
        repository.hold(session, household_id)
    row = repository.find_key(session, household_id)
    if row is None:
        raise encryption.SealError("the household has no key: it was erased")
    return encryption.unwrap_key(household_id, row.wrapped_key, row.key_id)
