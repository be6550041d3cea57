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


def destroy_key(session: Session, household_id: UUID) -> None:
    """Make everything that is sealed for the household unreadable; crosses households."""
    repository.delete_key(session, household_id)


def get_key(session: Session, household_id: UUID) -> HouseholdKey:
    """Return the household's key, unwrapped.

    Raises:
        SealError: The household was erased, or its wrapping key is not configured.
    """
    row = repository.find_key(session, household_id)
    if row is None:
        raise encryption.SealError("the household has no key: it was erased")
    return encryption.unwrap_key(household_id, row.wrapped_key, row.key_id)
