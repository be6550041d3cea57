"""What the operator of the server may do to households, from the command line."""

from uuid import UUID

from app.core import database
from app.core.errors import NotFoundError
from app.features.audit.service import SYSTEM
from app.features.households.repository import HouseholdRow, MemberRow
from app.features.households.service import members
from app.features.users import operator


def list_households(email: str) -> list[tuple[HouseholdRow, list[MemberRow]]]:
    """Return the households of a person, each with its people.

    Raises:
        NotFoundError: The address has no account.
    """
    person = operator.get_person(email)
    with database.system_transaction() as session:
        return [
            (household, members.list_members(session, household.household_id))
            for household in members.list_households(session, person.user_id)
        ]


def set_role(household_id: UUID, email: str, role: str) -> None:
    """Give a member another role, as when the only owner is gone for good.

    Raises:
        NotFoundError: The address has no account, or is no member of the household.
        InvalidInputError: There is no such role.
        ConflictError: The household would be without an owner.
    """
    if not email:
        raise NotFoundError("There is no account with this e-mail address.")
    person = operator.get_person(email)
    with database.system_transaction() as session:
        members.change_role(session, household_id, person.user_id, role, actor=SYSTEM)
