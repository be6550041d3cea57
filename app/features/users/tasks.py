"""Tasks of people: forget what no longer matters."""

from uuid import UUID

from celery import shared_task

from app.core.database import system_transaction
from app.features.users import addresses, service


@shared_task(name=addresses.TASK)
def mail_address_link(user_id: str) -> None:
    """Mail a person the link that confirms their address."""
    addresses.mail_link(UUID(user_id))


@shared_task(name="users.forget_old")
def forget_old() -> None:
    """Delete sessions that ended long ago and limiter buckets that are full again."""
    with system_transaction() as session:
        service.forget_old(session)
