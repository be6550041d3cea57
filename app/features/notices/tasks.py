"""Tasks of notices: parse the ids, call the service."""

from uuid import UUID

from celery import shared_task

from app.features.notices import mailing


@shared_task(name=mailing.TASK)
def send_mail(household_id: str, notice_id: str) -> None:
    """Send a notice by mail; may run twice, and does nothing while another run is at it."""
    mailing.send(UUID(household_id), UUID(notice_id))


@shared_task(name="notices.send_due")
def send_due() -> None:
    """Tell the workers of mail that is due."""
    mailing.send_due()
