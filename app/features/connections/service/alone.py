"""A sync in a process of its own, for an Item whose last run killed its worker.

Workers run many syncs in threads, so one that takes all memory takes the others with it. Its next
tries are made alone, where it can kill nobody else: the others finish, and only the one at fault
comes to three deaths in a row.
"""

import resource
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import structlog

from app.core.database import household_transaction
from app.core.logging import configure_logging
from app.features.connections import providers, repository
from app.features.connections.service import sync

MEMORY_BYTES_MAX = 2 * 1024**3
SECONDS_MAX = 900
COMMAND = [sys.executable, "-m", "app.features.connections.service.alone"]
_ROOT = Path(__file__).parents[4]
log = structlog.get_logger(__name__)


def sync_item(household_id: UUID, item_id: UUID) -> None:
    """Bring an Item that is due up to date: here, or alone if its last worker died."""
    with household_transaction(household_id) as session:
        is_suspect = repository.died_in_last_run(session, household_id, item_id)
    if not is_suspect:
        sync.sync_item(household_id, item_id, if_due=True)
        return
    command = [*COMMAND, str(household_id), str(item_id)]
    try:
        subprocess.run(command, cwd=_ROOT, timeout=SECONDS_MAX, check=True)  # noqa: S603  # ours
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        # The run stays without an end, and is counted when its lease has run out.
        log.warning("lone_sync_died", item_id=str(item_id), error=type(error).__name__)


def main(household_id: str, item_id: str) -> None:
    """Sync one Item within bounds of memory; the entry of the process."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    configure_logging()
    providers.configure()
    sync.sync_item(UUID(household_id), UUID(item_id), if_due=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
