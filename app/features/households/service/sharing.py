"""Sharing accounts with guests: which of the household's accounts each of them sees.

PostgreSQL shows a guest nothing else (`fintech_guest`), and looks at the shares in each of their
transactions: what is taken back is gone from their next request on.
"""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import ConflictError, NotFoundError
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.households import repository
from app.features.households.repository import ShareableAccount
from app.features.households.service import members

ACCOUNTS_MAX = 1_000


def list_accounts(session: Session, household_id: UUID) -> Sequence[ShareableAccount]:
    """Return the household's accounts, by name; for an owner, who decides who sees them."""
    return repository.list_accounts(session, household_id, limit=ACCOUNTS_MAX)


def list_shares(session: Session, household_id: UUID) -> dict[UUID, set[UUID]]:
    """Return the accounts that are shared with each guest; guests without any are left out."""
    return repository.list_shares(session, household_id)


def list_shared(session: Session, household_id: UUID, user_id: UUID, *, actor: Actor) -> list[UUID]:
    """Return the accounts that a guest sees.

    Raises:
        ForbiddenError: Who asks is no owner.
        NotFoundError: There is no such member.
    """
    members.role_of(members.lock_as_owner(session, household_id, actor), user_id)
    return sorted(list_shares(session, household_id).get(user_id, set()))


def share(
    session: Session,
    household_id: UUID,
    user_id: UUID,
    account_ids: Collection[UUID],
    *,
    actor: Actor,
) -> None:
    """Let a guest see these accounts and no others, from their next request on.

    Raises:
        ForbiddenError: Who asks is no owner.
        NotFoundError: There is no such member, or no such account.
        ConflictError: They are no guest, and see everything anyway.
    """
    roles = members.lock_as_owner(session, household_id, actor)
    if members.role_of(roles, user_id) != members.GUEST:
        raise ConflictError(
            "They see every account already. Make them a guest first.", code="not_a_guest"
        )
    wanted = set(account_ids)
    if wanted - {each.account_id for each in list_accounts(session, household_id)}:
        raise NotFoundError("There is no such account.")
    before = list_shares(session, household_id).get(user_id, set())
    if wanted == before:
        return
    repository.replace_shares(session, household_id, user_id, wanted)
    audit.record(
        session,
        household_id,
        "member.accounts_shared",
        actor=actor,
        object_id=user_id,
        details={
            "shared": sorted(map(str, wanted - before)),
            "taken_back": sorted(map(str, before - wanted)),
        },
    )
