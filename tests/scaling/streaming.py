"""A primary and a streaming replica of it, made with the embedded PostgreSQL's pg_basebackup."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from app.core import embedded
from app.core.embedded import PostgreSQLServer, ports, postgresql, processes
from app.core.embedded.folders import make_folder
from tests import servers

# What an operator sets for replication; embedded servers, which have no replicas, have less.
STREAMING = {"wal_level": "replica", "max_wal_senders": "4", "hot_standby": "on"}


@dataclass(frozen=True, slots=True)
class Streaming:
    """Two servers; the second one follows the first."""

    primary: PostgreSQLServer
    replica: PostgreSQLServer

    def url(self, server: PostgreSQLServer) -> URL:
        """Return the address of the program's database on a server."""
        return make_url(server.address("streaming")).set(drivername="postgresql+psycopg")

    def pause(self) -> None:
        """Let the replica replay nothing more."""
        self.replica.query("SELECT pg_wal_replay_pause()")

    def go_on(self) -> None:
        """Let the replica go on."""
        self.replica.query("SELECT pg_wal_replay_resume()")


@contextmanager
def running() -> Iterator[Streaming]:
    """Run both, with the migrated database of the program on them."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STREAMING.items():
            patch.setitem(postgresql._SETTINGS, name, value)
        with (
            embedded.temporary_home() as home,
            embedded.temporary_home() as home_of_replica,
            embedded.postgres(home, durable=False) as primary,
        ):
            servers.migrate(primary.url("streaming"))
            data = home_of_replica / "postgresql" / "data"
            shutil.rmtree(data)
            _copy(primary, data)
            with embedded.postgres(home_of_replica, durable=False) as replica:
                yield Streaming(primary, replica)


def _copy(primary: PostgreSQLServer, data: Path) -> None:
    account = processes.unprivileged()
    make_folder(data, account)
    url = make_url(primary.address("postgres"))
    result = processes.run(
        [
            primary.programs / "pg_basebackup", f"--pgdata={data}", "--write-recovery-conf",
            "--checkpoint=fast", "--no-sync", "--no-password", f"--host={ports.LOOPBACK}",
            f"--port={primary.port}", f"--username={url.username}",
        ],
        account,
        environment={"PGPASSWORD": str(url.password)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
