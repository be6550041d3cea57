"""One web process, one worker, the scheduler and the simulator, as `fintech up` starts them."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from app.cli.api import Api
from benchmarks.measuring import POSTGRESQL, VALKEY, Processes

WEB_PORT, BANK_PORT = "CROWD_WEB_PORT", "CROWD_BANK_PORT"
START_SECONDS_MAX = 120.0
_UVICORN = ("--host=127.0.0.1", "--no-server-header", "--timeout-graceful-shutdown=5")


@dataclass(frozen=True, slots=True)
class Installation:
    """What runs, part by part."""

    program: Api
    """A client that nobody is signed in to."""
    bank: Api
    webhooks: str
    """Where the bank reaches the program."""
    parts: dict[str, Processes]
    """What works for people: web, worker, PostgreSQL and so on."""

    def cpu_seconds(self) -> dict[str, float]:
        """Return the processor time of each part so far."""
        return {name: part.cpu_seconds() for name, part in self.parts.items()}


@contextmanager
def running() -> Iterator[Installation]:
    """Start what serves people beside the database and the broker of the environment."""
    web_port, bank_port = os.environ[WEB_PORT], os.environ[BANK_PORT]
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        commands = {
            "simulator": [
                "uvicorn", "app.simulator.main:app", f"--port={bank_port}", "--no-access-log",
                *_UVICORN,
            ],
            "web": ["uvicorn", "app.main:app", f"--port={web_port}", *_UVICORN],
            "worker": [
                "celery", "-A", "app.tasks", "worker", "--loglevel=info", "--pool=threads",
                "--concurrency=8", "--without-gossip", "--without-mingle", "--without-heartbeat",
            ],
            "beat": [
                "celery", "-A", "app.tasks", "beat", "--loglevel=info",
                f"--schedule={folder}/schedule",
            ],
        }  # fmt: skip
        parts = {}
        for name, command in commands.items():
            log = stack.enter_context((Path(folder) / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=subprocess.STDOUT
            )
            stack.callback(_end, process)
            parts[name] = Processes((process.pid,))
        parts["PostgreSQL"] = Processes((int(os.environ[POSTGRESQL]),))
        parts["Valkey"] = Processes((int(os.environ[VALKEY]),))
        _wait(int(bank_port), "/simulator/items")
        _wait(int(web_port), "/health/ready")
        yield Installation(
            Api(f"http://127.0.0.1:{web_port}"),
            Api(f"http://127.0.0.1:{bank_port}"),
            os.environ["PUBLIC_URL"],
            parts,
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait(port: int, path: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not _answers(port, path):
        assert time.monotonic() < deadline, f"{path} is not answered"
        time.sleep(0.1)


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
