"""Browsers and programs that are new to a person, who is told of them (A10)."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.users import repository
from app.features.users.preferences import describe_user_agent
from app.features.users.repository import devices

SESSIONS_MAX = 100
"""So many of the latest are looked at."""
FIRST_SIGN_IN_WITHIN = timedelta(hours=1)
"""Of a person's being created: later, a first session is news all the same."""


def is_new(session: Session, user_id: UUID, user_agent: str | None) -> bool:
    """Tell whether no session of the person came from such a browser or program.

    Sessions are remembered for a month after their end. Two that call themselves the same, such as
    `Firefox on Linux`, cannot be told apart. Crosses households.
    """
    known = devices.list_user_agents(session, user_id, limit=SESSIONS_MAX)
    if not known:
        user = repository.find_user(session, user_id)
        return user is not None and clock.now() - user.created_at > FIRST_SIGN_IN_WITHIN
    return describe_user_agent(user_agent) not in map(describe_user_agent, known)


def record_new(
    session: Session, household_id: UUID, user_agent: str | None, *, actor: Actor
) -> None:
    """Write down that somebody signed in from one that is new, which tells them."""
    details = {"device": describe_user_agent(user_agent)}
    audit.record(session, household_id, "user.new_device", actor=actor, details=details)
