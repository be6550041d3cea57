"""C4: the scanners that `make lint` runs catch what they are there for.

That they find nothing in the tree is what `make lint` shows.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import check_secrets

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX,
    )  # fmt: skip


def test_C4_the_checks_run_every_scanner() -> None:
    made = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^check: .*\blint\b", made, re.MULTILINE)
    assert re.search(r"^lint: .*\bscanners\b", made, re.MULTILINE)
    for part in ("ruff check", "bandit ", "check_secrets.py", "check_rules.py"):
        assert part in made, part


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("import subprocess\nsubprocess.run('ls ' + name, shell=True)\n", "B602"),
        ("import ssl\ncontext = ssl._create_unverified_context()\n", "B323"),
        ("import tarfile\ntarfile.open(name).extractall()\n", "B202"),
        ("from jinja2 import Environment\npages = Environment(autoescape=False)\n", "B701"),
    ],
)
def test_C4_bandit_catches_planted_weaknesses(tmp_path: Path, code: str, finding: str) -> None:
    (tmp_path / "planted.py").write_text(code, encoding="utf-8")

    result = run(
        "bandit", "--quiet", "--severity-level", "medium", "--configfile", "pyproject.toml",
        str(tmp_path / "planted.py"),
    )  # fmt: skip

    assert result.returncode == 1
    assert finding in result.stdout


def test_C4_F13_ruff_catches_planted_weaknesses(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "def find(cursor, name):\n"
        "    cursor.execute(f\"SELECT * FROM items WHERE name = '{name}'\")\n"
        "    assert eval(name)\n",
        encoding="utf-8",
    )

    result = run("ruff", "check", "--no-cache", "--config", "pyproject.toml", str(planted))

    assert result.returncode == 1
    assert {"S608", "S307"} <= set(re.findall(r"\bS\d{3}\b", result.stdout))


PLANTED = {
    "AWS Access Key": "key = 'AKIA" + "Q7RZ3MNOT6LW5XYZ'",
    "Private Key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "Basic Auth Credentials": "url = 'https://ada:" + "Zx81kQpv@bank.example/accounts'",
    "Base64 High Entropy String": "seal = '" + "k9Xv2TqLw7RzYp4NbGm8HcJd5FsAe1Uo'",
}


@pytest.mark.parametrize("kind", PLANTED)
def test_C4_a_planted_secret_is_found(tmp_path: Path, kind: str) -> None:
    (tmp_path / "settings.py").write_text(PLANTED[kind] + "\n", encoding="utf-8")

    found = check_secrets.unknown(check_secrets.scan(tmp_path, ["settings.py"]))

    assert f"settings.py:1: {kind}" in found


def test_C4_the_baseline_holds_wherever_the_checkout_is() -> None:
    kept = json.loads(check_secrets.BASELINE.read_text(encoding="utf-8"))["results"]
    assert kept
    for name, secrets in kept.items():
        assert {each["filename"] for each in secrets} == {name}
