"""Valkey for one installation: the broker and cache, on loopback only, with a password."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Self

from app.core.embedded import binaries, ports, processes
from app.core.embedded.folders import make_folder, make_server_home
from app.core.embedded.home import EmbeddedError, locked, make_home, read_or_create_secret
from app.core.embedded.processes import Child

START_SECONDS_MAX = 60.0
MEMORY_MEGABYTES_MAX = 256
_START_TRIES_MAX = 5


class ValkeyServer:
    """A server on the data of one home."""

    name = "Valkey"

    def __init__(
        self, home: Path, *, durable: bool = True, echo: Callable[[str], None] | None = None
    ) -> None:
        self._home = home / "valkey"
        self._log = home / "logs" / "valkey.log"
        self._account = processes.unprivileged()
        self._durable = durable
        self._echo = echo
        self._password = ""
        self._program = Path()
        self.port = 0
        self.child: Child | None = None

    @property
    def url(self) -> str:
        """The server's URL with its password, naming database 0."""
        return f"redis://:{self._password}@{ports.LOOPBACK}:{self.port}/0"

    @contextmanager
    def prepared(self) -> Iterator[Self]:
        """Hold the lock of the data while the block runs; no server runs yet.

        Raises:
            EmbeddedError: Another process uses the data, or it cannot be created.
        """
        make_home(self._home.parent)
        make_server_home(self._home, self._account)
        self._log.parent.mkdir(mode=0o700, exist_ok=True)
        if not (self._home / "data").is_dir():
            make_folder(self._home / "data", self._account)
        with locked(self._home / "lock", self.name):
            self._program = binaries.find_valkey(self._home.parent / "software", self._account)
            self._password = read_or_create_secret(self._home / "password")
            self.port = ports.remembered(self._home / "port")
            yield self

    def start(self) -> None:
        """Start the server and wait until it answers; a second start keeps the port.

        Raises:
            EmbeddedError: It did not start; the message holds its last words.
        """
        words = ""
        for _ in range(_START_TRIES_MAX):
            child = self._launch(self.port)
            is_ready = partial(_answers, self.port, self._password)
            if processes.wait_until(is_ready, child, START_SECONDS_MAX):
                self.child = child
                return
            child.finish_log()
            words = child.last_words()
            if "Address already in use" not in words or self.child is not None:
                break
            self.port = ports.remembered(self._home / "port")
        raise EmbeddedError(f"{self.name} did not start. Its last words:\n{words}")

    def stop(self) -> None:
        """Stop the server; a durable one saves its queues first."""
        if self.child is not None:
            self.child.stop((signal.SIGTERM, 10.0))

    def _launch(self, port: int) -> Child:
        return processes.start(
            self.name,
            [self._program, "-"],
            self._log,
            account=self._account,
            # On standard input, since everybody can read the arguments of a process.
            stdin=_configuration(self._home / "data", port, self._password, durable=self._durable),
            echo=self._echo,
        )


@contextmanager
def valkey(home: Path, *, durable: bool = True) -> Iterator[ValkeyServer]:
    """Run Valkey while the block runs; several homes can run at the same time.

    Args:
        home: The installation's folder; created if missing.
        durable: Keep queued jobs over a restart. False for tests: nothing is written to disk.

    Raises:
        EmbeddedError: The server cannot run; the message says why and what to do.
    """
    with ValkeyServer(home, durable=durable).prepared() as server:
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _configuration(data: Path, port: int, password: str, *, durable: bool) -> str:
    lines = [
        f"bind {ports.LOOPBACK}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{data}"',
        # Saved when jobs came in, and when it stops; what is due is in PostgreSQL anyway.
        "save 300 1" if durable else 'save ""',
        # A full disk must not stop the queue.
        "stop-writes-on-bgsave-error no",
        f"maxmemory {MEMORY_MEGABYTES_MAX}mb",
        "maxmemory-policy noeviction",
        "daemonize no",
        "loglevel notice",
    ]
    return "\n".join(lines) + "\n"


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection((ports.LOOPBACK, port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while len(answer) < len(b"+OK\r\n+PONG\r\n") and not answer.startswith(b"-"):
                received = connection.recv(256)
                if not received:
                    break
                answer += received
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
