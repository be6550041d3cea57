"""`fintech up`: everything that this program needs, on this machine, in one command."""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import click

from app.cli import demo, environment
from app.cli.api import Api, ApiError
from app.cli.migrations import MigrationError, migrate
from app.cli.supervisor import GaveUpError, Program, StopRequested, Supervisor
from app.core.embedded import EmbeddedError, PostgreSQLServer, ValkeyServer, default_home, ports
from app.core.embedded.home import locked, make_home
from app.core.embedded.postgresql import end_leftover

DATABASE = "fintech_app"
DEFAULT_PORT = 8000
HEALTHY_SECONDS_MAX = 90.0
WORKER_THREADS = 4
# Whoever talks to people or starts work stops first; the bank and the servers outlive them.
_STOP_ORDER = (("web", "worker", "beat"), ("bank simulator",), ("Valkey",), ("PostgreSQL",))


class StartError(Exception):
    """The program did not come up; the message says what did not."""


@click.command("up")
@click.option("--port", default=DEFAULT_PORT, type=click.IntRange(1, 65_535), show_default=True)
@click.option("--fresh", is_flag=True, help="Put all data aside and begin with none.")
@click.option("--demo", "with_demo", is_flag=True, help="Link the demo household's banks.")
@click.option("--verbose", is_flag=True, help="Show what the processes log.")
def command(*, port: int, fresh: bool, with_demo: bool, verbose: bool) -> None:
    """Start everything on this machine and keep it running until Ctrl-C.

    Uses the servers of DATABASE_URL and REDIS_URL where they are set, and else starts its own;
    links to Plaid where PLAID_CLIENT_ID and PLAID_SECRET are set, and else to the bank simulator.
    """
    home = default_home()
    supervisor = Supervisor(_report)
    supervisor.listen()
    try:
        make_home(home)
        os.umask(0o077)  # whatever the processes write into it is their owner's alone
        with locked(home / "lock", "The program"), ExitStack() as stack:
            installation = Installation(home, port, supervisor, verbose=verbose)
            if fresh:
                installation.put_data_aside()
            installation.run(stack, with_demo=with_demo)
    except StopRequested:
        click.echo("Stopped.")
    except (EmbeddedError, GaveUpError, MigrationError, StartError) as error:
        _report(str(error))
        raise SystemExit(1) from None


class Installation:
    """What runs from one home."""

    def __init__(self, home: Path, port: int, supervisor: Supervisor, *, verbose: bool) -> None:
        self._home = home
        self._supervisor = supervisor
        self._verbose = verbose
        self._operator = environment.chosen(Path.cwd())
        self._simulated = not {"PLAID_CLIENT_ID", "PLAID_SECRET"} <= self._operator.keys()
        self._port = ports.next_free(port)
        if self._port != port:
            _report(f"Port {port} is in use; taking {self._port}.")
        self._public_url = self._operator.get("PUBLIC_URL") or f"http://localhost:{self._port}"
        self._added = self._base_environment()

    def _base_environment(self) -> dict[str, str]:
        added = {
            "FINTECH_HOME": str(self._home),
            "PUBLIC_URL": self._public_url,
            # Strict about secrets, and no values of people's data in tracebacks.
            "APP_ENV": "production",
            "PYTHONUNBUFFERED": "1",
            **environment.ALLOCATOR,
            "AUDIT_DIGEST_FILE": str(self._home / "audit-heads.jsonl"),
            "ERASED_HOUSEHOLDS_FILE": str(self._home / "erased-households.jsonl"),
        }
        if self._simulated:
            bank_port = ports.remembered(self._home / "simulator-port")
            added |= {
                "PLAID_CLIENT_ID": "simulator",
                "PLAID_SECRET": "simulator",
                "PLAID_BASE_URL": f"http://{ports.LOOPBACK}:{bank_port}",
                "WEBHOOK_BASE_URL": f"http://{ports.LOOPBACK}:{self._port}",
                "OUTBOUND_ALLOWED_HOSTS": f"{ports.LOOPBACK}:{bank_port}",
                "FINTECH_SIMULATOR_STATE": str(self._home / "simulator-state"),
            }
        return {name: value for name, value in added.items() if not self._operator.get(name)}

    def put_data_aside(self) -> None:
        """Move all data into one folder, replacing what an earlier `--fresh` put there.

        Raises:
            StartError: The data lies on a server that is not ours to empty.
        """
        if "DATABASE_URL" in self._operator:
            raise StartError("--fresh empties only a database of its own: unset DATABASE_URL.")
        end_leftover(self._home / "postgresql" / "data")
        aside = self._home / "before-fresh"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        for name in (
            "postgresql/data",
            "valkey/data",
            "simulator-state",
            "migrated",
            "audit-heads.jsonl",
        ):
            if (self._home / name).exists():
                (self._home / name).rename(aside / name.replace("/", "-"))
        for path in self._home.glob("beat-schedule*"):
            path.unlink()
        click.echo(f"Starting with no data; what was there is in {aside}.")

    def run(self, stack: ExitStack, *, with_demo: bool) -> None:
        """Start all, say where it is, and watch over it until asked to stop."""
        self._added |= environment.keys(self._home, self._operator)
        (self._home / "logs").mkdir(mode=0o700, exist_ok=True)
        database, broker = self._prepare_servers(stack)
        self._added |= _addresses(database, broker)
        try:
            # It takes longest to load, and is not healthy before the rest is there.
            web = self._web()
            self._supervisor.start(web)
            for server in (broker, database):
                if server is not None:
                    self._supervisor.start(server)
            if database is not None:
                database.url(DATABASE)
            if _addresses(database, broker).items() - self._added.items():
                # Another process took a port that was free a moment ago.
                self._added |= _addresses(database, broker)
                web.stop()
                web.environment = self._environment()
                web.start()
            migrate(self._home, self._environment(), database)
            if self._simulated:
                self._start_simulator()
            self._wait_until_healthy()
            self._supervisor.start(self._worker())
            self._supervisor.start(self._beat())
            environment.save_running(self._home, self._added)
            login = self._demo_login(with_demo=with_demo)
            self._announce(login)
            self._supervisor.watch()
        finally:
            environment.forget_running(self._home)
            self._supervisor.stop(_STOP_ORDER)

    def _prepare_servers(
        self, stack: ExitStack
    ) -> tuple[PostgreSQLServer | None, ValkeyServer | None]:
        database = broker = None
        if "REDIS_URL" not in self._operator:
            broker = stack.enter_context(
                ValkeyServer(self._home, echo=self._echo("Valkey")).prepared()
            )
        if "DATABASE_URL" not in self._operator:
            database = stack.enter_context(
                PostgreSQLServer(self._home, echo=self._echo("PostgreSQL")).prepared()
            )
        return database, broker

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self._added}

    def _program(self, name: str, *command: str, patience_seconds: float = 10.0) -> Program:
        return Program(
            name,
            [sys.executable, "-m", *command],
            self._home / "logs" / f"{name.replace(' ', '-')}.log",
            self._environment(),
            patience_seconds,
            self._echo(name),
        )

    def _web(self) -> Program:
        return self._program(
            "web", "uvicorn", "app.main:app", f"--host={ports.LOOPBACK}", f"--port={self._port}",
            "--no-server-header", "--timeout-graceful-shutdown=5",
        )  # fmt: skip

    def _start_simulator(self) -> None:
        address = self._added.get("PLAID_BASE_URL", "")
        if not address:
            return  # the operator runs one
        bank_port = address.rpartition(":")[2]
        self._supervisor.start(
            self._program(
                "bank simulator", "uvicorn", "app.simulator.main:app", f"--host={ports.LOOPBACK}",
                f"--port={bank_port}", "--no-server-header", "--no-access-log",
                "--timeout-graceful-shutdown=2",
            )
        )  # fmt: skip

    def _worker(self) -> Program:
        # Gossip, mingle and heartbeats serve fleets of workers; here is one.
        return self._program(
            "worker", "celery", "-A", "app.tasks", "worker", "--loglevel=info", "--pool=threads",
            f"--concurrency={WORKER_THREADS}", "--without-gossip", "--without-mingle",
            "--without-heartbeat", patience_seconds=20.0,
        )  # fmt: skip

    def _beat(self) -> Program:
        schedule = self._home / "beat-schedule"
        return self._program(
            "beat", "celery", "-A", "app.tasks", "beat", "--loglevel=info",
            f"--schedule={schedule}",
        )  # fmt: skip

    def _echo(self, name: str) -> Callable[[str], None] | None:
        return partial(_show_line, name) if self._verbose else None

    @property
    def _local(self) -> Api:
        return Api(f"http://{ports.LOOPBACK}:{self._port}")

    def _wait_until_healthy(self) -> None:
        problem = self._supervisor.wait_until(self._health_problem, HEALTHY_SECONDS_MAX)
        if problem:
            log = self._home / "logs" / "web.log"
            raise StartError(f"The pages are not healthy: {problem}\nThe log is {log}.")

    def _health_problem(self) -> str:
        try:
            self._local.get("/health")
        except ApiError as error:
            return str(error)
        return ""

    def _demo_login(self, *, with_demo: bool) -> demo.Login | None:
        """Make sure that the demo user is there, with banks linked when it is new."""
        if not self._simulated:
            return None
        login = demo.login(self._home)
        bank = Api(self._added.get("PLAID_BASE_URL") or self._operator["PLAID_BASE_URL"])
        try:
            is_new = demo.ensure_user(self._local, login)
            if is_new or with_demo:
                click.echo("Linking the demo household's banks ...")
                demo.fill(self._local, bank, login)
        except ApiError as error:
            _report(f"The demo household is not complete: {error}")
        return login

    def _announce(self, login: demo.Login | None) -> None:
        lines = ["", "  Financial Transaction Aggregator is running.", ""]
        lines.append(f"    Open     {self._public_url}")
        if login is not None:
            lines.append(f"    Log in   {login.email}  with password  {login.password}")
        lines.append(f"    Data     {self._home} (logs in {self._home / 'logs'})")
        lines.append("    Stop     Ctrl-C")
        click.echo("\n".join([*lines, ""]))


def _addresses(database: PostgreSQLServer | None, broker: ValkeyServer | None) -> dict[str, str]:
    found = {}
    if database is not None:
        found["DATABASE_URL"] = database.address(DATABASE)
    if broker is not None:
        found["REDIS_URL"] = broker.url
    return found


def _show_line(name: str, line: str) -> None:
    click.echo(f"{name:>14} | {line}")


def _report(message: str) -> None:
    click.echo(f"fintech: {message}", err=True)
