"""Jobs and live events wait for the commit, and are forgotten on rollback.

The broker holds hints only: what is due stands in PostgreSQL, and beat finds it there when a
hint was lost. So a broker that is down never fails a request, and one that is slow holds it up
for a second at most.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import BoundedSemaphore

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from app.core.celery import celery

log = structlog.get_logger(__name__)
_AFTER_COMMIT, _TELL_AFTER_COMMIT = "after_commit", "tell_after_commit"
WAIT_SECONDS_MAX = 1.0
"""How long a commit waits for the broker to have its messages; they may arrive later."""
_WAITING_MAX = 8


def after_commit(session: Session, action: Callable[[], object]) -> None:
    """Call `action` in this thread once `session` has committed; never if it rolls back.

    A broker that is down is logged, not raised: the commit already stands.
    """
    session.info.setdefault(_AFTER_COMMIT, []).append(action)


def tell_after_commit(session: Session, action: Callable[[], object]) -> None:
    """Call what talks to the broker once `session` has committed, as `after_commit` does.

    It may be late or, when the broker is in trouble, never: only for hints and live events.
    """
    session.info.setdefault(_TELL_AFTER_COMMIT, []).append(action)


def enqueue(session: Session, task_name: str, *args: str | int) -> None:
    """Send a task to the workers after `session` commits.

    Pass ids, never objects: the worker reads the row again in its own transaction, and the
    task may run twice.
    """
    tell_after_commit(session, lambda: send(task_name, *args))


def send(task_name: str, *args: str | int) -> None:
    """Send a task, however long the broker takes; requests `enqueue`."""
    celery.send_task(task_name, args=args)


class _Sender:
    """Talks to the broker in one thread, which alone is held up when the broker is slow.

    Opening a connection takes a dozen round trips, each with a timeout of its own: no timeout of
    the client's bounds the whole.
    """

    def __init__(self) -> None:
        self._start()
        # Threads do not survive a fork.
        os.register_at_fork(after_in_child=self._start)

    def _start(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="hints")
        self._room = BoundedSemaphore(_WAITING_MAX)

    def run(self, actions: list[Callable[[], object]]) -> None:
        """Run actions in turn; go on without them after a second, and drop them when many wait."""
        room = self._room
        if not room.acquire(blocking=False):
            log.warning("broker_slow", dropped=len(actions))
            return
        job = self._executor.submit(copy_context().run, _run_all, actions)
        job.add_done_callback(lambda _: room.release())
        try:
            job.result(WAIT_SECONDS_MAX)
        except TimeoutError:
            log.warning("broker_slow", dropped=0)


def _run_all(actions: list[Callable[[], object]]) -> None:
    for action in actions:
        try:
            action()
        except (OperationalError, RedisError, OSError) as error:
            log.warning("broker_unreachable", error=type(error).__name__)


_sender = _Sender()


@event.listens_for(Session, "after_commit")
def _run(session: Session) -> None:
    _run_all(session.info.pop(_AFTER_COMMIT, []))
    if actions := session.info.pop(_TELL_AFTER_COMMIT, []):
        _sender.run(actions)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, previous: SessionTransaction) -> None:
    if not previous.nested:
        session.info.pop(_AFTER_COMMIT, None)
        session.info.pop(_TELL_AFTER_COMMIT, None)
