"""What an image's health check runs: is this process doing its work? Exit status 0 is yes.

    health.py web | worker | beat | backup

Needs no shell and no curl, and loads as little as it can: it runs every few seconds.
"""

import datetime as dt
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from socket import gethostname

BEAT_SCHEDULE = Path("/tmp/celerybeat-schedule")  # noqa: S108 - the only place that is writable
BEAT_SILENCE_SECONDS_MAX = 600
"""The scheduler saves its schedule every three minutes, when it has sent something."""
BACKUP_AGE_MAX = dt.timedelta(hours=26)
PING_SECONDS_MAX = 4.0


def web() -> bool:
    """Tell whether requests can be served; no orchestrator need tell more."""
    with urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=4) as answer:
        return bool(answer.status == 200)


def worker() -> bool:
    """Tell whether the worker of this container takes messages."""
    from celery import Celery  # noqa: PLC0415 - the web server's check does without

    name = os.environ.get("WORKER_NAME", "celery")
    broker = Celery(broker=_setting("REDIS_URL", "redis://localhost:6379/0"))
    answers = broker.control.ping(
        destination=[f"{name}@{gethostname()}"], timeout=PING_SECONDS_MAX, limit=1
    )
    return bool(answers)


def beat() -> bool:
    """Tell whether the scheduler has sent something lately."""
    # The library of the base that keeps it may add an ending, or keep it in two files.
    files = BEAT_SCHEDULE.parent.glob(f"{BEAT_SCHEDULE.name}*")
    last = max((path.stat().st_mtime for path in files), default=0.0)
    return time.time() - last < BEAT_SILENCE_SECONDS_MAX


def backup() -> bool:
    """Tell whether the last backup is young enough; `fintech backup` remembers it."""
    record = Path(os.environ["BACKUPS_FOLDER"]) / "last.json"
    made = json.loads(record.read_text(encoding="utf-8"))["backup"]["at"]
    return dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(made) < BACKUP_AGE_MAX


def _setting(name: str, default: str) -> str:
    """Return a setting as the program reads it: the environment, else the file it names."""
    path = os.environ.get(f"{name}_FILE")
    if os.environ.get(name) or not path:
        return os.environ.get(name) or default
    return Path(path).read_text(encoding="utf-8").strip()


CHECKS: dict[str, Callable[[], bool]] = {
    "web": web,
    "worker": worker,
    "beat": beat,
    "backup": backup,
}

if __name__ == "__main__":
    try:
        is_well = CHECKS[sys.argv[1]]()
    except (OSError, KeyError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        is_well = False
    sys.exit(not is_well)
