"""The worker's entry: `celery -A app.tasks worker` and `celery -A app.tasks beat`."""

import threading

import structlog
from celery import Task
from celery.signals import (
    beat_init,
    before_task_publish,
    celeryd_init,
    setup_logging,
    task_failure,
    task_postrun,
    task_prerun,
    worker_shutting_down,
)

from app.core import reporting, tracing
from app.core.celery import celery as app
from app.core.logging import configure_logging

app.conf.beat_schedule = {
    # An expired message does no harm: what is due stands in PostgreSQL.
    "schedule-due-syncs": {
        "task": "connections.schedule_due_syncs",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "clean-up-connections": {
        "task": "connections.clean_up",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "forget-old-sessions": {
        "task": "users.forget_old",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "erase-due-households": {
        "task": "privacy.erase_due",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "send-due-notices": {
        "task": "notices.send_due",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "delete-what-is-over": {
        "task": "privacy.retain",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "write-audit-digests": {
        "task": "audit.write_digests",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
}


@celeryd_init.connect
def _load_tasks(**_: object) -> None:
    """Load what the tasks need in the worker alone: beat only sends their names."""
    # Importing registers them.
    from app.features.audit import tasks as audit  # noqa: F401, PLC0415
    from app.features.connections import providers, tasks  # noqa: F401, PLC0415
    from app.features.notices import tasks as notices  # noqa: F401, PLC0415
    from app.features.privacy import tasks as privacy  # noqa: F401, PLC0415
    from app.features.users import tasks as users  # noqa: F401, PLC0415

    providers.configure()
    reporting.configure("worker")
    tracing.configure("worker")


@beat_init.connect
def _report_of_the_scheduler(**_: object) -> None:
    reporting.configure("scheduler")
    tracing.configure("scheduler")


@worker_shutting_down.connect
def _give_back_turns(**_: object) -> None:
    """Let other workers go on with our syncs at once when a deployment stops us.

    In a thread: the signal comes wherever the main thread just is.
    """
    from app.features.connections.service import turns  # noqa: PLC0415

    threading.Thread(target=turns.give_back_all, daemon=True).start()


@setup_logging.connect
def _configure_logging(**_: object) -> None:
    """Write Celery's own logs as ours; a receiver of this signal keeps Celery from its own way."""
    configure_logging()


@task_prerun.connect
def _bind_task(task_id: str, task: Task, **_: object) -> None:
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)
    # What a message's headers carry stands on the request beside Celery's own.
    carried = {"traceparent": str(getattr(task.request, "traceparent", None) or "")}
    task.request.span = tracing.begin(task.name, carried, task_id=task_id)
    if trace_id := tracing.trace_id():
        structlog.contextvars.bind_contextvars(trace_id=trace_id)


@before_task_publish.connect
def _carry_trace(headers: dict[str, object], **_: object) -> None:
    tracing.carry(headers)


@task_failure.connect
def _report_failure(exception: BaseException, sender: Task, **_: object) -> None:
    reporting.report(exception)
    sender.request.failure = exception


@task_postrun.connect
def _forget_task(task: Task, **_: object) -> None:
    tracing.end(getattr(task.request, "span", None), getattr(task.request, "failure", None))
    structlog.contextvars.clear_contextvars()


__all__ = ["app"]
