"""PostgreSQL for one installation: initialised, started and stopped by us, on loopback only."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from app.core.embedded import binaries, ports, processes
from app.core.embedded.folders import give, make_folder, make_server_home
from app.core.embedded.home import EmbeddedError, locked, make_home, read_or_create_secret
from app.core.embedded.processes import Account, Child

USER = "fintech"
START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 30.0
_START_TRIES_MAX = 5
_POLL_SECONDS = 0.005
# sockaddr_un holds 108 bytes on Linux and 104 elsewhere, with the closing zero.
_SOCKET_PATH_BYTES_MAX = 100

_SETTINGS = {
    "listen_addresses": ports.LOOPBACK,
    "password_encryption": "scram-sha-256",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "random_page_cost": "1.1",
    "jit": "off",
    # One server without replicas: no more in the write-ahead log than a crash needs.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_min_duration_statement": "1000",
    "log_parameter_max_length": "0",  # statements may carry people's money
    "unix_socket_permissions": "0700",
}
_THROWAWAY_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}

_CREATE_DATABASE = """
SELECT format('CREATE DATABASE %I', :'name')
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name')
\\gexec
"""
_EXISTS_ALREADY = ("already exists", "pg_database_datname_index")


class PostgreSQLServer:
    """A server on the data of one home; hands out the URLs of its databases."""

    name = "PostgreSQL"

    def __init__(
        self, home: Path, *, durable: bool = True, echo: Callable[[str], None] | None = None
    ) -> None:
        self._home = home / "postgresql"
        self._log = home / "logs" / "postgresql.log"
        self._account = processes.unprivileged()
        self._durable = durable
        self._echo = echo
        self._password = ""
        self.port = 0
        self.child: Child | None = None
        self.programs = Path()
        """The folder of `psql`, `pg_dump` and `pg_restore` of the server's own version."""

    @contextmanager
    def prepared(self) -> Iterator[Self]:
        """Hold the lock of the data while the block runs; the data exists, no server runs yet.

        Raises:
            EmbeddedError: Another process uses the data, or it cannot be created.
        """
        make_home(self._home.parent)
        make_server_home(self._home, self._account)
        self._log.parent.mkdir(mode=0o700, exist_ok=True)
        with locked(self._home / "lock", self.name):
            self.programs = binaries.find_postgresql(self._home.parent / "software", self._account)
            self._password = read_or_create_secret(self._home / "password")
            initialise(self._home, self.programs, self._password, self._account)
            end_leftover(self._home / "data")
            self.port = ports.remembered(self._home / "port")
            yield self

    def start(self) -> None:
        """Start the server and wait until it takes connections.

        If another process takes the port just then, another one is chosen. A second start,
        after a crash, keeps the port: its URLs are in use.

        Raises:
            EmbeddedError: It did not start; the message holds its last words.
        """
        words = ""
        for attempt in range(_START_TRIES_MAX):
            child = self._launch(self.port)
            if _is_ready(child, self._home / "data"):
                self.child = child
                return
            child.finish_log()
            words = child.last_words()
            if "still in use" in words:  # the processes of a crashed server take a moment to end
                time.sleep(0.2 * (attempt + 1))
            elif "could not bind" in words and self.child is None:
                self.port = ports.remembered(self._home / "port")
            else:
                break
        raise EmbeddedError(f"{self.name} did not start. Its last words:\n{words}")

    def stop(self) -> None:
        """Stop the server: fast, else at once; then the next start recovers from its log."""
        if self.child is not None:
            self.child.stop((signal.SIGINT, STOP_SECONDS_MAX), (signal.SIGQUIT, 5.0))

    def url(self, database: str) -> str:
        """Return the URL of a database of this server, creating it if it is absent.

        The user is the server's superuser, as `DATABASE_URL` of a small installation often is.

        Raises:
            EmbeddedError: The server refused.
        """
        try:
            self.query(_CREATE_DATABASE, name=database)
        except EmbeddedError as error:
            # Another caller created it between our question and our command.
            if not any(sign in str(error) for sign in _EXISTS_ALREADY):
                raise
        return self.address(database)

    def address(self, database: str) -> str:
        """Return the URL of a database, whether or not it or the server is there yet."""
        return f"postgresql://{USER}:{self._password}@{ports.LOOPBACK}:{self.port}/{database}"

    def query(self, statement: str, *, database: str = "postgres", **variables: str) -> str:
        """Run psql, which starts faster than a Python driver loads, and return what it prints.

        Args:
            statement: SQL for psql; `:'name'` stands for the value of a variable.
            database: Where to run it.
            variables: Values by name.

        Raises:
            EmbeddedError: The statement failed.
        """
        options = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        result = processes.run(
            [
                self.programs / "psql",
                *options,
                *(f"--set={name}={value}" for name, value in variables.items()),
            ],
            stdin=statement,
            environment={
                "PGHOST": ports.LOOPBACK,
                "PGPORT": str(self.port),
                "PGUSER": USER,
                "PGPASSWORD": self._password,
                "PGDATABASE": database,
            },
        )
        if result.returncode != 0:
            raise EmbeddedError(f"PostgreSQL refused: {result.stderr.strip()}")
        return result.stdout.strip()

    def _launch(self, port: int) -> Child:
        return processes.start(
            self.name,
            _command(self._home, self.programs, port, self._account, durable=self._durable),
            self._log,
            account=self._account,
            death_signal=signal.SIGINT,
            echo=self._echo,
        )


@contextmanager
def postgres(home: Path, *, durable: bool = True) -> Iterator[PostgreSQLServer]:
    """Run PostgreSQL on the data in `home` while the block runs.

    The first start creates the data, a superuser with a random password, and chooses a port
    that later starts keep while it is free. Several homes can run at the same time.

    Args:
        home: The installation's folder; created if missing.
        durable: False for tests and benchmarks: faster, and a crash of the machine may lose
            or damage everything in it.

    Raises:
        EmbeddedError: The server cannot run; the message says why and what to do.
    """
    with PostgreSQLServer(home, durable=durable).prepared() as server:
        server.start()
        try:
            yield server
        finally:
            server.stop()


def initialise(server_home: Path, programs: Path, password: str, account: Account | None) -> None:
    """Create the data folder unless it exists; an interrupted try leaves nothing half-made.

    Raises:
        EmbeddedError: `initdb` refused, or the data is of another major version.
    """
    data = server_home / "data"
    major = binaries.postgresql_version().partition(".")[0]
    if data.is_dir():
        found = (data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != major:
            raise EmbeddedError(
                f"{data} was made by PostgreSQL {found}, this is {major}. Dump it with the "
                "version of fintech that made it, move it away, and restore the dump."
            )
        return
    partial = server_home / "data.new"
    shutil.rmtree(partial, ignore_errors=True)
    make_folder(partial, account)
    password_file = server_home / "initdb-password"
    password_file.unlink(missing_ok=True)
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(password + "\n", encoding="ascii")
        give(password_file, account)
        result = processes.run(_initdb(programs, partial, password_file), account)
    finally:
        password_file.unlink()
    if result.returncode != 0:
        raise EmbeddedError(f"initdb failed: {(result.stderr or result.stdout).strip()}")
    partial.rename(data)


def _initdb(programs: Path, data: Path, password_file: Path) -> list[str | Path]:
    # The builtin provider's C.UTF-8 sorts by code point and folds case by Unicode's tables,
    # alike on every system, also where the C library has no such locale.
    return [
        programs / "initdb",
        f"--pgdata={data}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-sync",
        "--no-instructions",
    ]


def _command(
    server_home: Path, programs: Path, port: int, account: Account | None, *, durable: bool
) -> list[str | Path]:
    settings = _SETTINGS | {"port": str(port)} | ({} if durable else _THROWAWAY_SETTINGS)
    sockets = server_home / "socket"
    if len(os.fsencode(sockets / f".s.PGSQL.{port}.lock")) <= _SOCKET_PATH_BYTES_MAX:
        if not sockets.is_dir():
            make_folder(sockets, account)
        settings["unix_socket_directories"] = str(sockets)
    else:
        settings["unix_socket_directories"] = ""
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [programs / "postgres", "-D", server_home / "data", *options]


def _is_ready(child: Child, data: Path) -> bool:
    """Wait until the server takes connections; false when it ended instead.

    The server writes its state into the last line of `postmaster.pid`, which is also how
    `pg_ctl` knows.
    """

    def ready() -> bool:
        lines = _postmaster_lines(data)
        return len(lines) > 7 and lines[0] == str(child.process.pid) and lines[7] == "ready"

    return processes.wait_until(ready, child, START_SECONDS_MAX)


def _postmaster_lines(data: Path) -> list[str]:
    try:
        text = (data / "postmaster.pid").read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [line.strip() for line in text.splitlines()]


def end_leftover(data: Path) -> None:
    """Stop a server that outlived a killed parent; forget one that is long gone.

    We hold the lock of this home, so no living program of ours uses that server.
    """
    lines = _postmaster_lines(data)
    if not lines or not lines[0].isdecimal():
        return
    process_id = int(lines[0])
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while _is_server_of(process_id, data):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGINT)
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"A PostgreSQL server left over from an earlier run (process {process_id}) does "
                f"not stop. End it with: kill -QUIT {process_id}"
            )
        time.sleep(0.05)
    # After a reboot the number may be that of somebody else's process, which would keep
    # PostgreSQL from starting.
    (data / "postmaster.pid").unlink(missing_ok=True)


def _is_server_of(process_id: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{process_id}/cmdline").read_bytes().replace(b"\0", b" ")
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        # Elsewhere than on Linux.
        command = processes.run(["ps", "-o", "command=", "-p", str(process_id)]).stdout.encode()
    return b" -D " + os.fsencode(data) + b" " in command
