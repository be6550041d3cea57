"""Errors that nobody expected, told to error trackers: Sentry or GlitchTip, Rollbar, Bugsnag.

What leaves is what an `Incident` has room for: the kind of error, where in the code it arose, and
the ids by which our own logs have the rest. No message, variable, address, header or body is among
it, for all of these can hold a person's data. What we tell the user of (`AppError`) is not
reported.
"""

import sys
from types import TracebackType
from typing import TYPE_CHECKING

import structlog

from app.core.config import Settings, settings
from app.core.errors import AppError

if TYPE_CHECKING:  # most have no tracker
    from app.core.reporting.sending import Sender

LAST_WORDS_SECONDS_MAX = 2.0
_sender: "Sender | None" = None
_process = ""


def configure(process: str) -> None:
    """Report errors from now on, also the one that this process may die of, where a tracker is set.

    Args:
        process: What kind of process this is: `web`, `worker`, `scheduler` or `command`.
    """
    global _sender, _process
    if _sender is not None or not _has_tracker(settings):
        return
    from app.core.reporting import sending, trackers  # noqa: PLC0415

    _process = process
    _sender = sending.Sender(trackers.of(settings))
    sys.excepthook = _report_last_words


def _has_tracker(given: Settings) -> bool:
    return bool(given.SENTRY_DSN or given.ROLLBAR_ACCESS_TOKEN or given.BUGSNAG_API_KEY)


def report(error: BaseException, **place: str) -> None:
    """Tell the trackers of an error, in the background; an expected one is not told.

    Args:
        error: What was raised.
        **place: Where, such as `route`; only names of `incidents.TAGS` leave.
    """
    if _sender is None or isinstance(error, AppError) or not isinstance(error, Exception):
        return
    from app.core.reporting import incidents  # noqa: PLC0415

    tags = {**structlog.contextvars.get_contextvars(), **place, "process": _process}
    _sender.send(incidents.describe(error, tags))


def flush(seconds: float) -> None:
    """Wait until what was reported is sent, `seconds` at most."""
    if _sender is not None:
        _sender.flush(seconds)


def _report_last_words(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    report(error)
    flush(LAST_WORDS_SECONDS_MAX)
    sys.__excepthook__(kind, error, traceback)
