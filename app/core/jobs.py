"""Jobs and live events wait for the commit, and are forgotten on rollback.

The broker holds hints only: what is due stands in PostgreSQL, and beat finds it there when a
hint was lost. So a broker that is down never fails a request.
"""

from collections.abc import Callable

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from app.core.celery import celery

log = structlog.get_logger(__name__)
_AFTER_COMMIT = "after_commit"


def after_commit(session: Session, action: Callable[[], object]) -> None:
    """Call `action` once `session` has committed; never if it rolls back.

    A broker that is down is logged, not raised: the commit already stands.
    """
    session.info.setdefault(_AFTER_COMMIT, []).append(action)


def enqueue(session: Session, task_name: str, *args: str | int) -> None:
    """Send a task to the workers after `session` commits.

    Pass ids, never objects: the worker reads the row again in its own transaction, and the
    task may run twice.
    """
    after_commit(session, lambda: send(task_name, *args))


def send(task_name: str, *args: str | int) -> None:
    """Send a task now; for callers that have no transaction."""
    try:
        celery.send_task(task_name, args=args)
    except (OperationalError, RedisError, OSError) as error:
        log.warning("broker_unreachable", task=task_name, error=type(error).__name__)


@event.listens_for(Session, "after_commit")
def _run(session: Session) -> None:
    for action in session.info.pop(_AFTER_COMMIT, []):
        try:
            action()
        except (OperationalError, RedisError, OSError) as error:
            log.warning("broker_unreachable", error=type(error).__name__)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, previous: SessionTransaction) -> None:
    if not previous.nested:
        session.info.pop(_AFTER_COMMIT, None)
