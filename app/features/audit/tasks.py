"""Tasks of the audit trail."""

from celery import shared_task

from app.features.audit import digests


@shared_task(name="audit.write_digests")
def write_digests() -> None:
    """Keep outside the database where each chain of audit events ends."""
    digests.write()
