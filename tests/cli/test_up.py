"""`fintech up` as a person uses it: start, look, crash, stop, start again."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.cli.api import Api, ApiError
from app.core import embedded

# The first start applies all migrations and imports everything for the first time.
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60

pytestmark = pytest.mark.slow


class Run:
    """A running `fintech up` and what it has printed."""

    def __init__(self, home: Path, *options: str) -> None:
        self._output = home / "output"
        self._output.write_text("")
        ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "PUBLIC_URL", "APP_ENV")
        environment = {name: value for name, value in os.environ.items() if name not in ours}
        with self._output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", "from app.cli import main; main()", "up", *options],
                env=environment | {"FINTECH_HOME": str(home)},
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, pattern: str) -> re.Match[str]:
        deadline = time.monotonic() + START_SECONDS_MAX
        while (found := re.search(pattern, self.text)) is None:
            assert self.process.poll() is None, f"it ended: {self.text}"
            assert time.monotonic() < deadline, f"no {pattern!r} in: {self.text}"
            time.sleep(0.05)
        return found

    @property
    def text(self) -> str:
        return self._output.read_text()

    def children(self) -> dict[int, str]:
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat=,command="], capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip
        rows = (line.split(None, 3) for line in listing.splitlines())
        return {
            int(pid): command
            for pid, ppid, state, command in rows
            if int(ppid) == self.process.pid and not state.startswith("Z")
        }

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS_MAX)


@contextmanager
def running(home: Path, *options: str) -> Iterator[Run]:
    run = Run(home, *options)
    try:
        run.wait_for("Stop +Ctrl-C")
        yield run
    finally:
        if run.process.poll() is None:
            run.process.kill()
            run.process.wait()


def test_a_life_of_an_installation() -> None:
    with embedded.temporary_home() as home:
        with running(home, "--port=18000") as run:
            address = run.wait_for(r"Open +(\S+)")[1]
            found = run.wait_for(r"Log in +(\S+) +with password +(\S+)")
            session = Api(address).log_in(found[1], found[2])
            assert session.get("/api/v1/auth/me")["email"] == found[1]
            check_that_the_demo_ties_out(session)
            check_a_killed_child_comes_back(run, address)
            check_that_a_second_start_is_refused(home)
            children = run.children()
            assert len(children) == 6
            assert run.stop(signal.SIGINT) == 0
        assert is_gone(children)

        with running(home, "--port=18000") as run:
            assert run.wait_for(r"Log in +(\S+) +with password +(\S+)")[2] == found[2]
            assert "Linking" not in run.text
            children = run.children()
            run.process.kill()
            run.process.wait()
        if sys.platform == "linux":
            assert is_gone(children)

        with running(home, "--port=18000", "--fresh") as run:
            assert (home / "before-fresh" / "postgresql-data" / "PG_VERSION").exists()
            assert "Linking" in run.text
            children = run.children()
            assert run.stop(signal.SIGTERM) == 0
        assert is_gone(children)


def check_that_the_demo_ties_out(session: Api) -> None:
    """A person's first look shows proof: connections and statements of two days agree."""
    states = {
        each["name"]: each["tie_out"]["state"] for each in session.get("/api/v1/accounts/")["data"]
    }
    tied = [name for name, state in states.items() if state == "tied"]
    assert len(tied) == 4, states


def check_a_killed_child_comes_back(run: Run, address: str) -> None:
    web = next(pid for pid, command in run.children().items() if "app.main:app" in command)
    os.kill(web, signal.SIGKILL)
    run.wait_for("web was ended by SIGKILL; starting it again")
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            assert Api(address).get("/health")["status"] == "ok"
        except ApiError:
            assert time.monotonic() < deadline, run.text
            time.sleep(0.1)
        else:
            return


def check_that_a_second_start_is_refused(home: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-c", "from app.cli import main; main()", "up"],
        env=os.environ | {"FINTECH_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "already running" in second.stderr
    assert "FINTECH_HOME" in second.stderr


def is_gone(children: dict[int, str]) -> bool:
    """Wait until none of these processes runs any more."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        states = subprocess.run(
            ["ps", "-o", "stat=", "-p", ",".join(map(str, children))],
            capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        if all(state.startswith("Z") for state in states):
            return True
        time.sleep(0.05)
    return False
