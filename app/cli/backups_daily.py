"""`fintech backup --daily`: one a day, and each week one restored to see, for where no cron is."""

import datetime as dt
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import click
import psycopg

from app.core import clock
from app.core.backups import BackupError, shelf

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)
LOOK_SECONDS = 3600
"""Between two looks at what is due, and before a failed backup is tried again."""


def run(folder: Path, make: Callable[[], None], check: Callable[[], None]) -> NoReturn:
    """Make and check backups when they are due, until this process is asked to end."""
    # The first process of a container ends at no signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        do_what_is_due(folder, make, check)
        time.sleep(LOOK_SECONDS)


def do_what_is_due(folder: Path, make: Callable[[], None], check: Callable[[], None]) -> None:
    """Make a backup if the last is a day old, and check one if the last check is a week old.

    What fails is said, and is due again at the next look; a failed check once a day.
    """
    if _is_due(folder, "backup", DAY):
        _try(make)
    if _is_due(folder, "backup", DAY):
        return
    last = shelf.recorded(folder).get("check") or {}
    if _is_due(folder, "check", WEEK if last.get("is_ok") else DAY):
        _try(check)


def _is_due(folder: Path, what: str, after: dt.timedelta) -> bool:
    at = shelf.recorded_at(folder, what)
    return at is None or clock.now() - at >= after


def _try(action: Callable[[], None]) -> None:
    try:
        action()
    except (BackupError, psycopg.Error, click.ClickException) as error:
        message = error.message if isinstance(error, click.ClickException) else str(error)
        click.echo(f"Error: {message}", err=True)
