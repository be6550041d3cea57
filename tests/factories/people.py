"""People with households; every call makes new ones."""

from dataclasses import dataclass
from functools import cache
from itertools import count
from uuid import UUID

from sqlalchemy import insert, update

from app.core import clock, database, security
from app.features.audit.service import Actor
from app.features.households import repository
from app.features.households.service import invitations
from app.features.households.service.invitations import Invited
from app.features.users import service, sessions
from app.features.users.sessions import Client, SignedInBrowser, TokenPair
from app.models import Membership, User, UserSession

PASSWORD = "violet-harbor-lantern-7"
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account; the password is `PASSWORD`."""

    user_id: UUID
    household_id: UUID
    email: str
    name: str


@cache
def _password_hash() -> str:
    return security.hash_password(PASSWORD)


def person(name: str = "Ada", email: str | None = None) -> Person:
    """Make a person with a household, its key and its categories; their address is confirmed."""
    email = email or f"{name.lower()}.{next(_numbers)}@example.com"
    with database.system_transaction() as session:
        made = service.create_user(session, email=email, password_hash=_password_hash(), name=name)
        session.execute(
            update(User).where(User.id == made.user_id).values(email_confirmed_at=clock.now())
        )
    return Person(made.user_id, made.household_id, made.email, made.name)


def member(of: Person, name: str = "Ben", role: str = "member") -> Person:
    """Make a person who shares somebody's household and works in it."""
    made = person(name)
    with database.system_transaction() as session:
        session.execute(
            insert(Membership).values(household_id=of.household_id, user_id=made.user_id, role=role)
        )
    return Person(made.user_id, of.household_id, made.email, made.name)


def share(household_id: UUID, guest_id: UUID, *account_ids: UUID) -> None:
    """Let a guest see these accounts and no others."""
    with database.system_transaction() as session:
        repository.replace_shares(session, household_id, guest_id, account_ids)


def invitation(household_id: UUID, owner_id: UUID, role: str = "member") -> Invited:
    """Let an owner invite somebody."""
    with database.system_transaction() as session:
        return invitations.invite(session, household_id, role, "", actor=Actor(owner_id))


def browser_session(who: Person) -> SignedInBrowser:
    """Sign somebody in without asking for the password."""
    with database.system_transaction() as session:
        opened = sessions.open_browser_session(session, who.user_id, Client("127.0.0.1", "tests"))
        session.execute(
            update(UserSession)
            .where(UserSession.id == opened.session_id)
            .values(household_id=who.household_id)
        )
    return opened


def api_session(who: Person) -> TokenPair:
    """Give somebody's program its tokens without asking for the password."""
    with database.system_transaction() as session:
        return sessions.open_api_session(session, who.user_id, Client("127.0.0.1", "tests"))
