"""Child processes that write bounded logs and do not outlive us."""

import ctypes
import errno
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import IO

from app.core.embedded.home import EmbeddedError

LOG_BYTES_MAX = 5_000_000
LOG_FILES_KEPT = 2
TAIL_LINES = 15
_LINE_BYTES_MAX = 65_536
_POLL_SECONDS = 0.005
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that a process runs as."""

    user_id: int
    group_id: int


def unprivileged() -> Account | None:
    """Return whom servers run as when we are root: `nobody`; None when we are not root.

    PostgreSQL refuses to run as root. `nobody` exists everywhere, so no user has to be added.
    """
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid)


def run(
    command: Sequence[str | Path],
    account: Account | None = None,
    *,
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
    timeout_seconds: float = 120,
) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end with a clean environment, as `account` if given.

    Args:
        command: Program and arguments.
        account: Whom to run as; needs root.
        stdin: Text to give on standard input.
        environment: Added to the clean environment.
        timeout_seconds: How long it may take.

    Raises:
        OSError: The command cannot be executed, for example because `account` may not.
        subprocess.TimeoutExpired: It did not end in time and was killed.
    """
    return subprocess.run(  # noqa: S603 - our own commands, no shell
        [str(part) for part in command],
        user=account.user_id if account else None,
        group=account.group_id if account else None,
        extra_groups=() if account else None,
        cwd="/",
        env=clean_environment() | dict(environment or {}),
        input=stdin,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
    )


def clean_environment() -> dict[str, str]:
    """Return an environment without `PGDATA`, `PGHOST` and other settings of the caller."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


@dataclass(slots=True)
class Child:
    """A running child process, its log file and the last lines it wrote."""

    name: str
    process: subprocess.Popen[bytes]
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _reader: threading.Thread | None = None
    _asked: signal.Signals | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def finish_log(self) -> None:
        """Wait until all that an ended process wrote is in the log."""
        if self._reader is not None:
            self._reader.join(timeout=5)

    def last_words(self) -> str:
        """Return the last lines of the log, for a message."""
        return "\n".join(self.tail)

    def ask(self, number: signal.Signals) -> None:
        """Send a signal without waiting for the end."""
        self._asked = number
        self.process.send_signal(number)

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and wait its seconds until the process ends; kill it in the end.

        A signal that it was asked with last is not sent again: some programs take the second
        one as "at once".
        """
        for number, seconds in (*steps, (signal.SIGKILL, 10.0)):
            if self.is_running and number != self._asked:
                self.ask(number)
            try:
                self.process.wait(timeout=seconds)
                break
            except subprocess.TimeoutExpired:
                continue
        self.finish_log()


def start(
    name: str,
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
    folder: Path = Path("/"),
    stdin: str | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    echo: Callable[[str], None] | None = None,
) -> Child:
    """Start a process in a session of its own, so that Ctrl-C reaches us and not it.

    Args:
        name: How the process is called in messages.
        command: Program and arguments.
        log: Where standard output and error go; rotated by size.
        environment: The whole environment; a clean one when None.
        account: Whom to run as; needs root.
        folder: Working folder; it is entered before the account changes.
        stdin: Text to give on standard input, for settings that must not show in the list of
            processes; nothing when None.
        death_signal: What the kernel sends the child when we die without stopping it (Linux).
        echo: Called with each line of output, from another thread.
    """
    process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
        [str(part) for part in command],
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=clean_environment() if environment is None else dict(environment),
        user=account.user_id if account else None,
        group=account.group_id if account else None,
        extra_groups=() if account else None,
        start_new_session=True,
        preexec_fn=_leash(death_signal),
    )
    child = Child(name, process)
    assert process.stdout is not None
    child._reader = threading.Thread(
        target=_keep_log, args=(process.stdout, log, child.tail, echo), name=name, daemon=True
    )
    child._reader.start()
    if stdin is not None:
        assert process.stdin is not None
        with process.stdin:
            process.stdin.write(stdin.encode())
    return child


def wait_until(ready: Callable[[], bool], child: Child, seconds_max: float) -> bool:
    """Wait until a child that just started is ready; false when it ended instead.

    Raises:
        EmbeddedError: It was not ready in time; it has been stopped.
    """
    deadline = time.monotonic() + seconds_max
    try:
        while child.is_running:
            if ready():
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_SECONDS)
    except BaseException:  # also Ctrl-C: nobody else knows of this process yet
        child.stop((signal.SIGTERM, 10.0))
        raise
    if child.is_running:
        child.stop((signal.SIGTERM, 10.0))
        raise EmbeddedError(
            f"{child.name} was not ready after {seconds_max:.0f} s. Its last words:\n"
            f"{child.last_words()}"
        )
    return False


def _leash(number: signal.Signals) -> Callable[[], None] | None:
    # The kernel sends the signal when the *thread* that started the child ends, so a child
    # started by a passing thread would die too soon: those go without. What then outlives a
    # killed parent is stopped by the next start on the same home.
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    parent = os.getpid()

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return tie


def _keep_log(
    source: IO[bytes], path: Path, tail: deque[str], echo: Callable[[str], None] | None
) -> None:
    """Copy lines to the log until the process closes its output."""
    with source, closing(_Log(path)) as log:
        while line := source.readline(_LINE_BYTES_MAX):
            log.write(line)
            text = line.decode("utf-8", "replace").rstrip()
            tail.append(text)
            if echo is not None:
                echo(text)


class _Log:
    """A log file, rotated by size.

    A line for which there is no room is left out: whoever stops reading what a process writes
    would end that process. The log says how many are missing once there is room again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._missing = 0

    def write(self, line: bytes) -> None:
        """Append a line."""
        try:
            self._append(line)
        except OSError:
            self._missing += 1
        else:
            self._missing = 0

    def _append(self, line: bytes) -> None:
        if self._file is not None and self._file.tell() > LOG_BYTES_MAX:
            self.close()
            _rotate(self._path)
        if self._file is None:
            self._file = FileIO(self._path, "a")
        if self._missing:
            # The first of them may have ended within its line.
            line = b"\n[%d lines are missing here]\n%b" % (self._missing, line)
        if self._file.write(line) != len(line):
            raise OSError(errno.ENOSPC, "part of a line was written")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _rotate(path: Path) -> None:
    for age in range(LOG_FILES_KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{age}")
        newer = path.with_name(f"{path.name}.{age - 1}") if age > 1 else path
        if newer.exists():
            newer.replace(older)
