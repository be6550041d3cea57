"""Accept a difference that nobody can explain: a decision with a reason, which can be undone.

It is a change set like any other, so that history, undo and redo need to know nothing of it. It
holds for this very difference: once it is another one, the account is off again.
"""

from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import ConflictError, InvalidInputError
from app.domain.money import plain
from app.domain.text import typed
from app.domain.tieout import GAP
from app.features.accounts import service as accounts
from app.features.audit import service as audit
from app.features.audit.service import Actor
from app.features.changes import service as changes
from app.features.tieout import service
from app.features.tieout.examine import Examined, examine

REASON_CHARACTERS_MAX = 500


def accept(
    session: Session,
    household_id: UUID,
    account_id: UUID,
    gap: Decimal,
    reason: str,
    *,
    actor: Actor,
) -> UUID:
    """Accept the difference of an account, so that it is no alarm any more.

    Args:
        session: An open transaction of the household.
        household_id: Whose.
        account_id: The account that does not tie out.
        gap: The difference that the person saw: stated less computed.
        reason: Why, in the person's words.
        actor: Who decides.

    Returns:
        The change set; the earlier one if this difference is accepted already.

    Raises:
        NotFoundError: The household has no such account.
        InvalidInputError: There is no reason, or a very long one.
        ConflictError: The account ties out, cannot be proven, or is off by something else.
    """
    reason = _checked(reason)
    accounts.get_account(session, household_id, account_id)
    changes.lock(session, household_id)
    [found] = examine(session, household_id, [account_id], clock.now())
    _check_seen(found, gap)
    if found.accepted is not None:
        return found.accepted.id
    change_set_id = changes.open_change_set(
        session, household_id, kind="edit", actor_user_id=actor.user_id, reason=reason
    )
    said = _said(found)
    changes.count(session, household_id, change_set_id, {changes.ACCEPTED: said})
    service.refresh(session, household_id, [account_id])
    audit.record(
        session,
        household_id,
        "account.difference_accepted",
        actor=actor,
        object_id=account_id,
        details={"change_set_id": str(change_set_id), "currency": said["currency"]},
    )
    return change_set_id


def _checked(reason: str) -> str:
    reason = " ".join(typed(reason).split())
    if not reason:
        raise InvalidInputError("Say why you accept the difference.", field="reason")
    if len(reason) > REASON_CHARACTERS_MAX:
        raise InvalidInputError(
            f"The reason may have at most {REASON_CHARACTERS_MAX} characters.", field="reason"
        )
    return reason


def _check_seen(found: Examined, gap: Decimal) -> None:
    """Refuse to accept what the person did not see.

    Raises:
        ConflictError: See above.
    """
    if found.state != GAP:
        raise ConflictError("This account has no difference any more that could be accepted.")
    if found.verdict.gap != gap:
        raise ConflictError(
            "The difference is another one since you looked. Look at it again, then decide.",
            code="changed_meanwhile",
        )


def _said(found: Examined) -> dict[str, str]:
    verdict = found.verdict
    assert verdict.tied is not None  # there is a gap
    assert verdict.broke_by is not None
    return {
        "account_id": str(found.account_id),
        "gap": str(plain(verdict.gap)),
        "currency": found.currency,
        "after": verdict.tied.anchor.day.isoformat(),
        "by": verdict.broke_by.anchor.day.isoformat(),
    }
