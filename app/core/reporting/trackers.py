"""Trackers: how each of them wants an incident told; pure but for the settings."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from app.core.config import Settings
from app.core.reporting.incidents import Cause, Frame, Incident

NAME, VERSION = "financial-transaction-aggregator", "1"


@dataclass(frozen=True, slots=True)
class Letter:
    """A request that tells a tracker of an incident."""

    url: str
    headers: dict[str, str]
    body: bytes


Tracker = Callable[[Incident], Letter]


def of(settings: Settings) -> list[Tracker]:
    """Return the trackers that the settings name."""
    environment = settings.APP_ENV
    rollbar = settings.ROLLBAR_ACCESS_TOKEN
    bugsnag = settings.BUGSNAG_API_KEY
    found: list[Tracker] = []
    if settings.SENTRY_DSN:
        found.append(lambda it: for_sentry(it, settings.SENTRY_DSN, environment))
    if rollbar:
        found.append(lambda it: for_rollbar(it, settings.ROLLBAR_URL, rollbar, environment))
    if bugsnag:
        found.append(lambda it: for_bugsnag(it, settings.BUGSNAG_URL, bugsnag, environment))
    return found


def for_sentry(incident: Incident, dsn: str, environment: str) -> Letter:
    """Return an envelope of one event, as Sentry and GlitchTip take it."""
    url = urlsplit(dsn)
    folder, _, project = url.path.rpartition("/")
    host = url.netloc.rpartition("@")[2]
    event = {
        "event_id": incident.id,
        "timestamp": incident.at.isoformat(),
        "platform": "python",
        "level": "error",
        "environment": environment,
        "tags": incident.tags,
        # The first cause first.
        "exception": {"values": [_sentry_cause(cause) for cause in reversed(incident.causes)]},
    }
    head = {"event_id": incident.id, "sent_at": incident.at.isoformat()}
    auth = f"Sentry sentry_version=7, sentry_key={url.username}, sentry_client={NAME}/{VERSION}"
    return Letter(
        f"{url.scheme}://{host}{folder}/api/{project}/envelope/",
        {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": auth},
        b"\n".join(json.dumps(each).encode() for each in (head, {"type": "event"}, event)),
    )


def _sentry_cause(cause: Cause) -> dict[str, Any]:
    frames = [
        {
            "filename": frame.file,
            "module": frame.module,
            "function": frame.function,
            "lineno": frame.line,
            "in_app": frame.is_ours,
        }
        for frame in cause.frames
    ]
    return {"type": cause.kind, "module": cause.module, "stacktrace": {"frames": frames}}


def for_rollbar(incident: Incident, url: str, token: str, environment: str) -> Letter:
    """Return an item of Rollbar's API."""
    data = {
        "uuid": incident.id,
        "timestamp": int(incident.at.timestamp()),
        "environment": environment,
        "level": "error",
        "platform": "python",
        "language": "python",
        "context": incident.tags.get("route") or incident.tags.get("task", ""),
        "custom": incident.tags,
        "notifier": {"name": NAME, "version": VERSION},
        "body": {"trace_chain": [_rollbar_cause(cause) for cause in incident.causes]},
    }
    headers = {"Content-Type": "application/json", "X-Rollbar-Access-Token": token}
    return Letter(url, headers, json.dumps({"data": data}).encode())


def _rollbar_cause(cause: Cause) -> dict[str, Any]:
    return {
        "exception": {"class": _full_name(cause)},
        "frames": [
            {"filename": frame.file, "method": frame.function, "lineno": frame.line}
            for frame in cause.frames
        ],
    }


def for_bugsnag(incident: Incident, url: str, key: str, environment: str) -> Letter:
    """Return a report of Bugsnag's error reporting API."""
    event = {
        "exceptions": [_bugsnag_cause(cause) for cause in incident.causes],
        "severity": "error",
        "unhandled": True,
        "severityReason": {"type": "unhandledException"},
        "context": incident.tags.get("route") or incident.tags.get("task", ""),
        "app": {"releaseStage": environment, "type": incident.tags.get("process", "")},
        "metaData": {"ids": incident.tags},
    }
    report = {
        "payloadVersion": "5",
        "notifier": {"name": NAME, "version": VERSION, "url": "https://localhost"},
        "events": [event],
    }
    headers = {
        "Content-Type": "application/json",
        "Bugsnag-Api-Key": key,
        "Bugsnag-Payload-Version": "5",
        "Bugsnag-Sent-At": incident.at.isoformat(),
    }
    return Letter(url, headers, json.dumps(report).encode())


def _bugsnag_cause(cause: Cause) -> dict[str, Any]:
    # The innermost call first.
    frames = [_bugsnag_frame(frame) for frame in reversed(cause.frames)]
    return {"errorClass": _full_name(cause), "message": "", "type": "python", "stacktrace": frames}


def _bugsnag_frame(frame: Frame) -> dict[str, Any]:
    return {
        "file": frame.file,
        "lineNumber": frame.line,
        "method": frame.function,
        "inProject": frame.is_ours,
    }


def _full_name(cause: Cause) -> str:
    return cause.kind if cause.module == "builtins" else f"{cause.module}.{cause.kind}"
