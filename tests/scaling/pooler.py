"""PgBouncer in transaction mode before the database of the tests, with one server connection."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import URL, make_url

from app.core import database
from app.core.config import settings
from app.core.embedded import ports

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
SHIPPED = Path(__file__).parents[2] / "deploy" / "pgbouncer" / "pgbouncer.ini"
_AT_FIRST = re.compile(r"^fintech_app = .*(connect_query='.*')$", re.MULTILINE)
START_SECONDS_MAX = 20


@contextmanager
def pooler(connections: int = 1) -> Iterator[URL]:
    """Run PgBouncer with so many server connections for all; yield its address."""
    server = make_url(settings.sqlalchemy_url)
    port = ports.find_free()
    with tempfile.TemporaryDirectory(prefix="pooler-") as name:
        file = Path(name) / "pgbouncer.ini"
        # The file that we ship, but for where things are and who logs in: the later line counts.
        shipped = SHIPPED.read_text(encoding="utf-8")
        at_first = _AT_FIRST.search(shipped)
        assert at_first is not None
        file.write_text(
            f"{shipped}\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\ndefault_pool_size = {connections}\n"
            "[databases]\n"
            f"* = host={server.host} port={server.port} user={server.username}"
            f" password={server.password} {at_first[1]}\n"
        )
        account = pwd.getpwnam("nobody")
        if os.geteuid() == 0:
            for path in (Path(name), file):
                os.chown(path, account.pw_uid, account.pw_gid)
        assert PROGRAM is not None
        process = subprocess.Popen(
            [PROGRAM, "-q", str(file)],
            user=account.pw_uid if os.geteuid() == 0 else None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_for(port, process)
            yield server.set(host="127.0.0.1", port=port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    began = time.monotonic()
    while time.monotonic() - began < START_SECONDS_MAX:
        assert process.poll() is None, "PgBouncer ended at its start"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("PgBouncer does not listen")


@contextmanager
def application_on(engine: Engine) -> Iterator[Engine]:
    """Let the application of this process use an engine until the block ends."""
    before = database.engine
    database.engine = engine
    database._sessions.configure(bind=engine)
    try:
        yield engine
    finally:
        database.engine = before
        database._sessions.configure(bind=before)
        engine.dispose()
