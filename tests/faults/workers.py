"""Workers that die, wait or finish: forked from this process, which has everything loaded.

A forked worker has connections of its own and the state of the bank as it was at the fork.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from signal import SIGKILL, Signals

from app.core import database, events, faults, jobs

FAILED = 70


class End(Enum):
    """How a worker ended, or that it waits."""

    FINISHED = "finished"
    KILLED = "killed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Order:
    """Send `signal` to yourself when you reach a place for the nth time."""

    point: str
    nth: int = 1
    signal: Signals = SIGKILL


class WorkerFailedError(AssertionError):
    """A worker raised what nobody expects of it; its traceback is on standard error."""


def quiet() -> None:
    """Let nothing go to the broker: hints may be lost, and here all of them are."""
    jobs.send = lambda *_: None
    events.publish = lambda *_, **__: None


def start(work: Callable[[], object], *orders: Order) -> int:
    """Start a worker and return its process id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 0
    try:
        # The parent's connections stay the parent's.
        database.engine.dispose(close=False)
        _follow(orders)
        work()
    except BaseException:  # noqa: BLE001  # it ends here, with its traceback
        traceback.print_exc()
        sys.stderr.flush()
        code = FAILED
    finally:
        os._exit(code)


def _follow(orders: tuple[Order, ...]) -> None:
    reached: dict[str, int] = {}
    wanted = {(order.point, order.nth): order.signal for order in orders}

    def act(name: str) -> None:
        reached[name] = reached.get(name, 0) + 1
        number = wanted.get((name, reached[name]))
        if number is not None:
            os.kill(os.getpid(), number)

    faults.arm(act)


def wait(pid: int) -> End:
    """Wait until a worker ends or stops."""
    _, status = os.waitpid(pid, os.WUNTRACED)
    if os.WIFSTOPPED(status):
        return End.STOPPED
    if os.WIFSIGNALED(status):
        return End.KILLED
    if os.WEXITSTATUS(status) != 0:
        raise WorkerFailedError
    return End.FINISHED


def go_on(pid: int) -> End:
    """Let a worker that waits go on to its end."""
    os.kill(pid, signal.SIGCONT)
    return wait(pid)


def kill(pid: int) -> End:
    """Kill a worker that waits."""
    os.kill(pid, signal.SIGKILL)
    return wait(pid)


def run(work: Callable[[], object], *orders: Order) -> End:
    """Let a worker work to its end."""
    return wait(start(work, *orders))
