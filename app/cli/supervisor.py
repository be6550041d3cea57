"""Keeps the processes of one installation running, and stops them in order."""

import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Protocol

from app.core.embedded import EmbeddedError, processes
from app.core.embedded.processes import Child

CRASHES_MAX = 5
CRASH_WINDOW_SECONDS = 60.0
_POLL_SECONDS = 0.05


class StopRequested(BaseException):
    """Ctrl-C, SIGTERM or a closed terminal."""


class GaveUpError(Exception):
    """A process cannot be kept running; the message says which and shows its last words."""


class Service(Protocol):
    """Something that runs as one child process."""

    name: str
    child: Child | None

    def start(self) -> None:
        """Start it, or start it again after it ended."""

    def stop(self) -> None:
        """Stop it; harmless when it does not run."""


@dataclass(slots=True)
class Program:
    """A program of ours, started with a command."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    patience_seconds: float = 10.0
    """How long it may take to end what it is at when it is asked to stop."""
    echo: Callable[[str], None] | None = None
    child: Child | None = None

    def start(self) -> None:
        """Start it; it may take a while until it is ready."""
        self.child = processes.start(
            self.name,
            self.command,
            self.log,
            environment=self.environment,
            folder=Path.cwd(),
            echo=self.echo,
        )

    def stop(self) -> None:
        """Ask it to end, and end it when it takes too long."""
        if self.child is not None:
            self.child.stop((signal.SIGTERM, self.patience_seconds))


@dataclass(slots=True)
class Restarts:
    """Decides whether and when a service that crashed is started again."""

    crashes: deque[float] = field(default_factory=deque)

    def delay_after_crash(self, now: float) -> float | None:
        """Count a crash; return the seconds to wait, or None when it is time to give up.

        Args:
            now: Seconds on a clock that only runs forward.
        """
        self.crashes.append(now)
        while self.crashes[0] <= now - CRASH_WINDOW_SECONDS:
            self.crashes.popleft()
        if len(self.crashes) >= CRASHES_MAX:
            return None
        return float(2 ** (len(self.crashes) - 1)) / 2


class Supervisor:
    """Starts services, restarts those that crash, and stops all of them."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._services: list[Service] = []
        self._restarts: dict[str, Restarts] = {}
        self._due: dict[str, float] = {}
        self._stopping = False

    def listen(self) -> None:
        """From now on, signals that ask us to end raise StopRequested, once.

        A second one kills our programs at once; the database still stops cleanly.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._stopping:
            self._stopping = True
            raise StopRequested
        for service in self._services:
            if isinstance(service, Program) and service.child is not None:
                service.child.process.kill()

    def start(self, service: Service) -> None:
        """Start a service and look after it from now on."""
        self._services.append(service)
        self._restarts[service.name] = Restarts()
        service.start()

    def watch(self) -> None:
        """Restart what crashes, until somebody asks us to stop.

        Raises:
            StopRequested: Somebody did.
            GaveUpError: A service crashed too often.
        """
        while True:
            self.look()
            time.sleep(_POLL_SECONDS)

    def wait_until(self, problem: Callable[[], str], seconds_max: float) -> str:
        """Look after all services until there is no problem left.

        Args:
            problem: Says what is still wrong; empty when all is well.
            seconds_max: How long to wait.

        Returns:
            What is still wrong after that time; empty when all is well.

        Raises:
            GaveUpError: A service crashed too often meanwhile.
        """
        deadline = time.monotonic() + seconds_max
        while (found := problem()) and time.monotonic() < deadline:
            self.look()
            time.sleep(_POLL_SECONDS)
        return found

    def look(self) -> None:
        """Look once at each service, and start again those whose time has come.

        Raises:
            GaveUpError: A service crashed too often.
        """
        now = time.monotonic()
        for service in self._services:
            due = self._due.get(service.name)
            if due is not None:
                if now >= due:
                    del self._due[service.name]
                    self._start_again(service, now)
            elif service.child is not None and not service.child.is_running:
                self._crashed(service, _ending(service.child), now)

    def _start_again(self, service: Service, now: float) -> None:
        try:
            service.start()
        except EmbeddedError as error:
            self._crashed(service, str(error).splitlines()[0], now)

    def _crashed(self, service: Service, ending: str, now: float) -> None:
        delay = self._restarts[service.name].delay_after_crash(now)
        if delay is None:
            words = service.child.last_words() if service.child else ""
            raise GaveUpError(
                f"{service.name} ended {CRASHES_MAX} times within a minute, the last time "
                f"{ending}. Its last words:\n{words}"
            )
        self._report(f"{service.name} {ending}; starting it again in {delay:g} s.")
        self._due[service.name] = now + delay

    def stop(self, groups: Sequence[Sequence[str]]) -> None:
        """Stop all services, group by group; those of a group at the same time.

        Args:
            groups: Names of services. Those that are in no group are stopped last, the one
                that was started last first.
        """
        self._stopping = True
        by_name = {service.name: service for service in self._services}
        for group in groups:
            members = [by_name.pop(name) for name in group if name in by_name]
            for service in members:
                if service.child is not None:
                    service.child.ask(signal.SIGTERM)
            for service in members:
                service.stop()
        for service in reversed(by_name.values()):
            service.stop()


def _ending(child: Child) -> str:
    code = child.process.returncode
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with status {code}"
