"""Connections by a setup token, which the user makes at a server of their own choice.

The claim of a token cannot be repeated, so it is the same exchange as of a link flow's token.
"""

from uuid import UUID

from sqlalchemy.orm import Session

from app.core.database import household_transaction
from app.core.errors import ConflictError, NotFoundError, UnavailableError
from app.core.turns import NoTurnError, Turns
from app.features.connections.service import link

PROVIDER = "simplefin"
CHARACTERS_MAX = 4_000
AT_ONCE_MAX = 4
"""Claims, by one process: people choose the servers, and a server may take all the time it has."""
WAITING_MAX = 4
WAIT_SECONDS_MAX = 2.0
_claiming = Turns(AT_ONCE_MAX, waiting=WAITING_MAX, seconds=WAIT_SECONDS_MAX)


def connect(
    household_id: UUID, user_id: UUID, setup_token: str, *, item_id: UUID | None = None
) -> UUID:
    """Claim a setup token and make a connection of it; with `item_id`, let that one go on with it.

    Raises:
        NotFoundError: The household has no such connection.
        ConflictError: It is no token, was used up, or its server may not be asked.
        UnavailableError: The server did not answer, or too many others are being asked.
    """
    try:
        with _claiming.taken():
            return _connect(household_id, user_id, setup_token, item_id)
    except NoTurnError:
        words = "Others are connecting at the moment. Try again in a minute; the token stays good."
        raise UnavailableError(words, retry_after_seconds=60) from None


def _connect(household_id: UUID, user_id: UUID, setup_token: str, item_id: UUID | None) -> UUID:
    with household_transaction(household_id) as session:
        if item_id is None:
            link.check_room(session, household_id)
        elif link.get_item(session, household_id, item_id).provider != PROVIDER:
            raise ConflictError("This connection is not one through SimpleFIN.")
        flow = link.open_session(
            session, household_id, user_id, provider_name=PROVIDER, item_id=item_id
        )
    outcome = link.exchange(household_id, flow, (setup_token,))
    if not outcome.item_ids:
        raise NotFoundError("There is no such connection.")
    return outcome.item_ids[0]


def settle(session: Session, household_id: UUID, item_id: UUID) -> None:
    """Try a connection again whose user settled at the server what it asked for.

    Raises:
        NotFoundError: The household has no such connection.
        ConflictError: It is not one through SimpleFIN.
    """
    if link.get_item(session, household_id, item_id).provider != PROVIDER:
        raise ConflictError("This connection is not one through SimpleFIN.")
    link.mark_repaired(session, household_id, item_id)
