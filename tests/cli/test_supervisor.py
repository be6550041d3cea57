"""Crashed processes come back, hopeless ones are given up, and all are stopped in order."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.supervisor import (
    CRASH_WINDOW_SECONDS,
    CRASHES_MAX,
    GaveUpError,
    Program,
    Restarts,
    StopRequested,
    Supervisor,
)

SLEEP = "import time; print('up', flush=True); time.sleep(60)"
NOTE_ITS_END = """
import signal, sys, time
def end(*_):
    with open(sys.argv[2], "a") as file:
        file.write(sys.argv[1] + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(60)
"""


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def supervisor(reports: list[str]) -> Iterator[Supervisor]:
    keeper = Supervisor(reports.append)
    yield keeper
    keeper.stop([])


def program(name: str, folder: Path, code: str, *arguments: str) -> Program:
    return Program(
        name, [sys.executable, "-c", code, *arguments], folder / f"{name}.log", dict(os.environ)
    )


def wait_until_up(service: Program) -> None:
    deadline = time.monotonic() + 20
    while service.child is None or "up" not in service.child.last_words():
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.01)


def test_a_killed_process_is_reported_once_and_runs_again(
    tmp_path: Path, supervisor: Supervisor, reports: list[str]
) -> None:
    web = program("web", tmp_path, SLEEP)
    supervisor.start(web)
    wait_until_up(web)
    first = web.child
    assert first is not None
    first.process.kill()
    first.process.wait()

    assert supervisor.wait_until(lambda: "" if web.child is not first else "still down", 20) == ""

    wait_until_up(web)
    assert reports == ["web was ended by SIGKILL; starting it again in 0.5 s."]


def test_a_process_that_cannot_run_is_given_up_with_its_last_words(
    tmp_path: Path, supervisor: Supervisor, reports: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Restarts, "delay_after_crash", without_delay(Restarts.delay_after_crash))
    supervisor.start(program("worker", tmp_path, "import sys; sys.exit('no such broker')"))

    with pytest.raises(GaveUpError, match=r"(?s)worker ended 5 times.*status 1.*no such broker"):
        supervisor.wait_until(lambda: "never content", 60)

    assert len(reports) == CRASHES_MAX - 1


def without_delay(original):  # type: ignore[no-untyped-def]
    def decide(self: Restarts, now: float) -> float | None:
        return None if original(self, now) is None else 0.0

    return decide


def test_groups_stop_one_after_the_other_and_the_rest_in_reverse(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    ends = tmp_path / "ends"
    services = [
        program(name, tmp_path, NOTE_ITS_END, name, str(ends))
        for name in ("database", "broker", "web", "worker")
    ]
    for service in services:
        supervisor.start(service)
    for service in services:
        wait_until_up(service)

    supervisor.stop([("web",), ("worker", "absent")])

    assert ends.read_text().split() == ["web", "worker", "broker", "database"]
    assert all(service.child and not service.child.is_running for service in services)


def test_the_first_signal_asks_to_stop_and_the_second_does_not_wait(
    tmp_path: Path, supervisor: Supervisor
) -> None:
    deaf = program(
        "deaf", tmp_path, "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEP
    )
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        supervisor.listen()
        supervisor.start(deaf)
        wait_until_up(deaf)
        with pytest.raises(StopRequested):
            os.kill(os.getpid(), signal.SIGTERM)
        impatient = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        impatient.start()
        before = time.monotonic()
        supervisor.stop([("deaf",)])
        impatient.join()
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    assert time.monotonic() - before < deaf.patience_seconds
    assert deaf.child is not None
    assert deaf.child.process.returncode == -signal.SIGKILL


@given(st.lists(st.floats(min_value=0, max_value=300), min_size=1, max_size=60))
def test_it_gives_up_exactly_when_five_crashes_fall_within_a_minute(gaps: list[float]) -> None:
    restarts = Restarts()
    now = 0.0
    times: list[float] = []
    for gap in gaps:
        now += gap
        times.append(now)
        recent = [each for each in times if each > now - CRASH_WINDOW_SECONDS]
        delay = restarts.delay_after_crash(now)
        if len(recent) >= CRASHES_MAX:
            assert delay is None
            return
        assert delay is not None
        assert 0.5 <= delay <= 4
