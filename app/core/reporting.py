"""Errors that nobody expected, told to an error tracker: Sentry, or GlitchTip, which is like it.

What leaves is a list of what may: the kind of error, where in the code it arose, and the ids by
which our own logs have the rest. No message, variable, address, header or body is among it, for
all of these can hold a person's data. What we tell the user of (`AppError`) is not reported.
"""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

import structlog

from app.core.config import settings
from app.core.errors import AppError

if TYPE_CHECKING:  # it takes longer to load than all of `app.core`, and most have no tracker
    from sentry_sdk import Client
    from sentry_sdk.types import Event

FLUSH_SECONDS_MAX = 2.0
_EVENT = ("event_id", "timestamp", "platform", "level", "environment")
_FRAME = ("filename", "module", "function", "lineno", "in_app")
_TAGS = ("process", "method", "route", "task", "request_id", "task_id")
_client: "Client | None" = None
_process = ""


def configure(process: str) -> None:
    """Report errors from now on, also the one that this process may die of; none without a DSN.

    Args:
        process: What kind of process this is: `web`, `worker`, `scheduler` or `command`.
    """
    global _client, _process
    dsn = settings.SENTRY_DSN
    if not dsn or _client is not None:
        return
    from sentry_sdk import Client  # noqa: PLC0415

    _process = process
    # Nothing that looks into requests, logs or libraries by itself: we say what to report.
    _client = Client(
        dsn,
        environment=settings.APP_ENV,
        release="",
        before_send=_keep_what_may_leave,
        default_integrations=False,
        auto_enabling_integrations=False,
        include_local_variables=False,
        include_source_context=False,
        send_client_reports=False,
        auto_session_tracking=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        in_app_include=["app"],
        spotlight=False,
    )
    sys.excepthook = _report_last_words


def report(error: BaseException, **place: str) -> None:
    """Tell the tracker of an error, in the background; an expected one is not told.

    Args:
        error: What was raised.
        **place: Where, such as `route`; only names of `_TAGS` leave.
    """
    if _client is None or isinstance(error, AppError) or not isinstance(error, Exception):
        return
    from sentry_sdk.utils import event_from_exception  # noqa: PLC0415

    event, hint = event_from_exception(error, client_options=_client.options)
    event["tags"] = {**structlog.contextvars.get_contextvars(), **place, "process": _process}
    _client.capture_event(event, hint)


def _report_last_words(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    report(error)
    if _client is not None:
        _client.flush(FLUSH_SECONDS_MAX)
    sys.__excepthook__(kind, error, traceback)


def _keep_what_may_leave(event: "Event", _hint: Mapping[str, Any]) -> "Event":
    """Return a new event of what is listed: what the library learns to add stays here."""
    given: Mapping[str, Any] = event
    kept: Any = _only(given, _EVENT)
    kept["tags"] = _only(given.get("tags", {}), _TAGS)
    kept["exception"] = {
        "values": [
            {
                **_only(error, ("type", "module")),
                "stacktrace": {
                    "frames": [
                        _only(frame, _FRAME)
                        for frame in (error.get("stacktrace") or {}).get("frames", ())
                    ]
                },
            }
            for error in given.get("exception", {}).get("values", ())
        ]
    }
    return kept  # type: ignore[no-any-return]


def _only(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
