"""What guides tell people to type does what they say it does."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT

LOOK_INSIDE = re.compile(r"^    \$ (python -c .+)\n    (.+)$", re.MULTILINE)
"""A command of one line, and the line that it prints."""
SHOWN = LOOK_INSIDE.findall((ROOT / "docs/guides/troubleshoot.md").read_text("utf-8"))


def test_there_are_commands_that_look_inside() -> None:
    assert len(SHOWN) == 2


@pytest.mark.parametrize(("command", "printed"), SHOWN)
def test_a_command_that_looks_inside_prints_what_the_guide_shows(
    command: str, printed: str
) -> None:
    arguments = [sys.executable, *shlex.split(command)[1:]]

    done = subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.stdout, done.returncode) == (f"{printed}\n", 0), done.stderr
