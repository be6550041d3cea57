"""XB7: no room for uploads and logs: an upload says so and keeps nothing, a log fails nobody."""

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from app.core.embedded import processes
from tests.cast import SignedInBrowser
from tests.factories.files import ofx
from tests.faults.disks import MEGABYTE, fill, small_disk
from tests.faults.installation import free_port, status_of, until
from tests.features.connections.bank import query

IMPORTS = "SELECT count(*) FROM imports"
PAGES = "SELECT count(*) FROM journal_pages"
LARGE = ofx() + b"\n" * (4 * MEGABYTE)
"""More than is held in memory, so that it goes through the temporary folder."""
REQUESTS = 200


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch):
    """A disk of eight megabytes that has the program's temporary folder."""
    with small_disk(8) as folder:
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        yield folder


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


@pytest.mark.parametrize("left", [0, 2 * MEGABYTE])
def test_XB7_an_upload_without_room_says_so_and_the_next_one_works(
    ada: SignedInBrowser, disk: Path, left: int
) -> None:
    ballast = fill(disk, left)

    told = ada.post("/api/v1/imports", files={"file": ("march.ofx", LARGE)})
    shown = ada.post("/imports", files={"file": ("march.ofx", LARGE)})

    assert (told.status_code, shown.status_code) == (507, 507)
    assert told.headers["content-type"] == "application/problem+json"
    assert told.json()["code"] == "no_room"
    assert "free some disk space, then send it again" in told.json()["detail"]
    assert "There is no room left" in shown.text
    assert told.json()["detail"] in shown.text
    assert free_bytes(disk) == left
    assert [path.name for path in disk.iterdir()] == ["ballast"]
    assert query(ada.household_id, IMPORTS) == query(ada.household_id, PAGES) == [(0,)]
    ballast.unlink()
    again = ada.post("/api/v1/imports", files={"file": ("march.ofx", LARGE)}, data={"book": "1"})
    assert (again.status_code, again.json()["added"]) == (201, 4)


def test_XB7_without_any_temporary_folder_an_upload_says_the_same(
    ada: SignedInBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(1) as disk:
        fill(disk, 0)
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(disk)])

        answer = ada.post("/api/v1/imports", files={"file": ("march.ofx", LARGE)})

    assert (answer.status_code, answer.json()["code"]) == (507, "no_room")


def test_XB7_small_files_need_no_temporary_folder(ada: SignedInBrowser, disk: Path) -> None:
    fill(disk, 0)

    answer = ada.post("/api/v1/imports", files={"file": ("march.ofx", ofx())}, data={"book": "1"})

    assert (answer.status_code, answer.json()["added"]) == (201, 4)


def test_XB7_a_log_without_room_fails_no_request_and_goes_on_later() -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with small_disk(1) as disk:
        log = disk / "web.log"
        with log.open("ab") as file:
            web = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "app.main:app", f"--port={port}"],
                stdout=file, stderr=subprocess.STDOUT, env=os.environ | {"LOG_LEVEL": "INFO"},
            )  # fmt: skip
        try:
            until(lambda: status_of(f"{address}/health")[0] == 200, 60, "the web starts")
            ballast = fill(disk, 0)

            # Enough lines for what is left of the log's last block and of Python's own buffer.
            statuses = {status_of(f"{address}/nowhere")[0] for _ in range(REQUESTS)}
            lost, size = lines_lost(address), log.stat().st_size
            ballast.unlink()
            after = status_of(f"{address}/sign-in")[0]
        finally:
            web.terminate()
            web.wait(30)
        assert (statuses, after) == ({404}, 200)
        assert lost > 0
        after_the_gap = log.read_bytes()[size:].splitlines()[1:]
        assert "/sign-in" in [json.loads(line).get("path") for line in after_the_gap if line]


def lines_lost(address: str) -> float:
    with urllib.request.urlopen(f"{address}/metrics", timeout=15) as answer:
        found = re.search(r"^fta_log_lines_lost_total (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return float(found[1])


CHILD = """
import sys, time
from pathlib import Path

for number, go_on in enumerate(sys.argv[1:]):
    while not Path(go_on).exists():
        time.sleep(0.01)
    for line in range(20):
        print(f"part {number} line {line:02}", "." * 500, flush=True)
"""


def test_XB7_a_child_whose_log_has_no_room_lives_on_and_its_log_tells_the_gap(
    tmp_path: Path,
) -> None:
    seen: list[str] = []
    parts = [tmp_path / str(number) for number in range(3)]
    with small_disk(1) as disk:
        log = disk / "logs" / "child.log"
        log.parent.mkdir()
        child = processes.start(
            "child", [sys.executable, "-c", CHILD, *map(str, parts)], log, echo=seen.append
        )
        parts[0].touch()
        until(lambda: len(seen) == 20, 30, "the first part is read")
        ballast = fill(disk, 0)
        parts[1].touch()
        until(lambda: len(seen) == 40, 30, "what finds no room is read nevertheless")
        ballast.unlink()
        parts[2].touch()
        assert child.process.wait(30) == 0
        child.finish_log()

        lines = log.read_text().splitlines()

    assert [line[:14] for line in lines if line.startswith(("part 0", "part 2"))] == [
        f"part {part} line {line:02}" for part in (0, 2) for line in range(20)
    ]
    [gap] = [line for line in lines if "missing" in line]
    written = [line for line in lines if line.startswith("part 1") and len(line) > 500]
    assert gap == f"[{20 - len(written)} lines are missing here]"
