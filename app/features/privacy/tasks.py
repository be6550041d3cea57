"""Tasks of privacy: parse the ids, call the service."""

from uuid import UUID

from celery import shared_task

from app.features.privacy.service import erasing, retention


@shared_task(name=erasing.TASK)
def erase(household_id: str) -> None:
    """Erase a household as far as one task may; may run twice."""
    erasing.run(UUID(household_id))


@shared_task(name="privacy.erase_due")
def erase_due() -> None:
    """Tell workers of the erasures that are due."""
    erasing.run_due()


@shared_task(name="privacy.retain")
def retain() -> None:
    """Delete what is older than its term."""
    retention.run()
