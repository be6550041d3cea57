"""Tasks of connections: parse the ids, call the service."""

from uuid import UUID

from celery import shared_task

from app.core.faults import fault
from app.features.connections.service import alone, link, schedule, turns


@shared_task(name=turns.SYNC_TASK)
def sync_item(household_id: str, item_id: str) -> None:
    """Bring one Item up to date; may run twice, and does nothing while another run is at it."""
    alone.sync_item(UUID(household_id), UUID(item_id))
    fault("sync.before_ack")


@shared_task(name="connections.finish_link")
def finish_link(household_id: str, link_session_id: str) -> None:
    """Make the Item of a link flow whose user may never have come back to us."""
    link.finish_link(UUID(household_id), UUID(link_session_id))


@shared_task(name="connections.schedule_due_syncs")
def schedule_due_syncs() -> None:
    """Tell the workers of what is due."""
    schedule.schedule_due_syncs()


@shared_task(name="connections.clean_up")
def clean_up() -> None:
    """Settle what was left half-done."""
    schedule.clean_up()
