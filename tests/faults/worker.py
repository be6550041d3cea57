"""`celery -A tests.faults.worker`: the program's own worker and scheduler, with a bank of ours.

Run as a program, it is the process in which a suspect is synced alone.
"""

import os
import sys

from celery.signals import celeryd_after_setup

from app.features.connections.service import alone, health, turns
from app.tasks import app
from tests.faults import token_bank

# Only waiting is shortened: nobody has the time of the real world.
health.BACKOFF_BASE_SECONDS = 1
app.conf.beat_schedule["schedule-due-syncs"]["schedule"] = float(
    os.environ.get("FAULTS_TICK_SECONDS", "15")
)
turns.LEASE_SECONDS = float(os.environ["FAULTS_LEASE_SECONDS"])
alone.COMMAND = [sys.executable, "-m", "tests.faults.worker"]
app.conf.worker_hijack_root_logger = False


@celeryd_after_setup.connect
def _use_our_bank(**_: object) -> None:
    token_bank.use()


if __name__ == "__main__":
    alone.providers.configure = token_bank.use
    alone.main(*sys.argv[1:])

__all__ = ["app"]
