"""Servers and processes of their own, to be killed; the application of this process looks there."""

import os
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import kombu
from sqlalchemy import create_engine

from app.core import database, embedded
from app.core.celery import celery
from app.core.database import household_transaction
from app.core.embedded.postgresql import PostgreSQLServer
from app.core.embedded.valkey import ValkeyServer
from app.core.ids import uuid7
from app.features.connections import repository
from app.features.connections.service import turns
from app.features.vault import service as vault
from tests import servers
from tests.faults import token_bank

ROOT = Path(__file__).parents[2]
MEMORY_BYTES_MAX = 4 * token_bank.GIGABYTE


def until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until something is so and return how long it took; fail when it takes too long."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s: {what}")


@dataclass
class Installation:
    """PostgreSQL, Valkey, and whatever processes a test starts."""

    postgres: PostgreSQLServer
    valkey: ValkeyServer
    url: str
    folder: Path
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(
        self, name: str, *command: str, lease_seconds: float = 3.0, tick_seconds: float = 15.0
    ) -> subprocess.Popen:
        """Start one of our programs; its log is `name`.log in the folder."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.url,
            "REDIS_URL": self.valkey.url,
            "FAULTS_LEASE_SECONDS": str(lease_seconds),
            "FAULTS_TICK_SECONDS": str(tick_seconds),
            "LOG_LEVEL": "INFO",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=_bound_memory,
            )  # fmt: skip
        return self.processes[name]

    def worker(self, name: str = "worker", *, lease_seconds: float = 3.0) -> subprocess.Popen:
        """Start a Celery worker with the bank of `token_bank`."""
        return self.start(
            name, "celery", "-A", "tests.faults.worker", "worker", "--pool=threads",
            "--concurrency=4", "--without-gossip", "--without-mingle", "--without-heartbeat",
            lease_seconds=lease_seconds,
        )  # fmt: skip

    def beat(self, *, tick_seconds: float = 15.0) -> subprocess.Popen:
        """Start the scheduler; it looks for what is due at each tick."""
        schedule = f"--schedule={self.folder / str(uuid7())}"
        return self.start(
            "beat", "celery", "-A", "tests.faults.worker", "beat", schedule,
            tick_seconds=tick_seconds,
        )  # fmt: skip

    def stop(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process."""
        process = self.processes.pop(name)
        process.send_signal(number)
        process.wait(30)

    def stop_all(self) -> None:
        """End every process."""
        for name in list(self.processes):
            self.stop(name)

    def store_items(self, household_id: UUID, tokens: list[str]) -> list[UUID]:
        """Link Items that are due now."""
        ids = [uuid7() for _ in tokens]
        with household_transaction(household_id) as session:
            key = vault.get_key(session, household_id)
            for item_id, token in zip(ids, tokens, strict=True):
                repository.insert_item(
                    session,
                    {
                        "household_id": household_id,
                        "id": item_id,
                        "provider": "plaid",
                        "item_source_id": token_bank.stream_of(token).name,
                        "institution_name": "Token Bank",
                        "access_token": key.seal(
                            token.encode(), place=turns.TOKEN_PLACE, row_id=item_id
                        ),
                        "next_sync_at": database_now(session),
                        "sync_wanted_by": "link",
                        "hinted_at": database_now(session),
                    },
                )
        return ids

    def hint(self, household_id: UUID, *item_ids: UUID) -> None:
        """Send what a web process sends after its commit."""
        with kombu.Connection(self.valkey.url) as connection:
            for item_id in item_ids:
                celery.send_task(
                    turns.SYNC_TASK, args=(str(household_id), str(item_id)), connection=connection
                )

    def log_of(self, name: str) -> str:
        """Return what a process wrote last."""
        return (self.folder / f"{name}.log").read_text()[-4000:]


def database_now(session) -> object:
    """Return the time as PostgreSQL has it."""
    from sqlalchemy import func, select

    return session.scalar(select(func.now()))


def _bound_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def status_of(url: str) -> tuple[int, str | None]:
    """Return status and Retry-After of an answer; 0 when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=15) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Retry-After"]
    except OSError:
        return 0, None


@contextmanager
def installed(folder: Path, disk: Path | None = None) -> Iterator[Installation]:
    """Run the servers; until the end, this process' sessions go to their database.

    Their data are on `disk`, if one is named.
    """
    with ExitStack() as stack:
        home = disk / "home" if disk else stack.enter_context(embedded.temporary_home())
        postgres = stack.enter_context(PostgreSQLServer(home, durable=True).prepared())
        postgres.start()
        stack.callback(postgres.stop)
        valkey = stack.enter_context(ValkeyServer(home, durable=False).prepared())
        valkey.start()
        stack.callback(valkey.stop)
        url = postgres.url(f"faults_{secrets.token_hex(4)}")
        servers.migrate(url)
        mine = create_engine(
            url.replace("postgresql://", "postgresql+psycopg://"), pool_pre_ping=True
        )
        database._sessions.configure(bind=mine)
        stack.callback(mine.dispose)
        stack.callback(database._sessions.configure, bind=database.engine)
        found = Installation(postgres, valkey, url, folder)
        stack.callback(found.stop_all)
        yield found
