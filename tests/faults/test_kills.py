"""XP1, XP2, XP3: workers are killed at every named place, and nothing is lost, doubled or halved.

`make chaos` does the same by the thousand, in `make check` and on demand.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

from app.core import faults

_ROOT = Path(__file__).parents[2]
_SEED = int(os.environ.get("SEED", "20261123"))
_CALL = re.compile(r'\bfault\("([^"]+)"\)')


def test_every_name_is_in_the_code_once():
    found = [
        name
        for path in sorted((_ROOT / "app").rglob("*.py"))
        if path.name != "faults.py"
        for name in _CALL.findall(path.read_text(encoding="utf-8"))
    ]

    assert sorted(found) == sorted(faults.POINTS)


def test_nothing_is_armed_without_a_test():
    assert faults._action is None
    faults.fault("sync.leased")


def test_workers_killed_at_every_place_leave_an_exact_ledger():
    """In a process of its own: it forks, and changes what the application is made of."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.chaos", f"--seed={_SEED}", "--kills=40",
         "--lanes=1", "--no-write", "--each-point"],
        cwd=_ROOT, env=_clean(), capture_output=True, text=True, timeout=1_200,
    )  # fmt: skip

    assert done.returncode == 0, f"SEED={_SEED}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "0 violations" in done.stdout


def _clean() -> dict[str, str]:
    """Return our environment less the database of this process."""
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY")
    return {name: value for name, value in os.environ.items() if name not in ours}
