"""What the operator set wins; what is missing is made once and kept to oneself."""

import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli import environment
from app.core.config import parse_keys

# Prints how many bytes the process has freed and still holds.
_FREES_LARGE_BLOCKS = """
import ctypes

class MallInfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
            "fordblks", "keepcost",
        )
    ]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = MallInfo2
bytes(2_000_000)
pages = [(bytes(300_000), bytes(1_000)) for _ in range(100)]
kept = [small for _, small in pages]
del pages
print(mallinfo2().fordblks)
"""


def test_the_environment_wins_over_the_file_and_empty_is_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PLAID_SECRET=from-file\nPUBLIC_URL=http://file\nREDIS_URL=\n")
    monkeypatch.setenv("PUBLIC_URL", "http://environment")
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.delenv("REDIS_URL", raising=False)

    found = environment.chosen(tmp_path)

    assert found["PLAID_SECRET"] == "from-file"
    assert found["PUBLIC_URL"] == "http://environment"
    assert "REDIS_URL" not in found
    assert "DATABASE_URL" not in found


def test_a_secret_in_a_mounted_file_counts_as_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/key")
    assert "SECRET_KEY" in environment.chosen(tmp_path)


def test_keys_are_strong_private_and_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = environment.keys(tmp_path, {})
    kept = {name: Path(path).read_text() for name, path in first.items()}
    again = environment.keys(tmp_path, {})

    assert again == first
    assert {name: Path(path).read_text() for name, path in again.items()} == kept
    assert len(kept["SECRET_KEY_FILE"].strip()) >= 43
    assert [len(key) for key in parse_keys(kept["ENCRYPTION_KEYS_FILE"]).values()] == [32]
    assert all(Path(path).stat().st_mode & 0o777 == 0o600 for path in first.values())


def test_keys_of_the_operator_are_used_instead_of_ours(tmp_path: Path) -> None:
    operator = {"SECRET_KEY": "theirs", "ENCRYPTION_KEYS": "theirs"}
    assert environment.keys(tmp_path, operator) == {}
    assert list((tmp_path / "secrets").iterdir()) == []


def test_other_commands_find_what_runs_until_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FINTECH_HOME", str(tmp_path))
    monkeypatch.setenv("PUBLIC_URL", "http://operator")
    monkeypatch.setenv("PLAID_BASE_URL", "")
    environment.save_running(
        tmp_path, {"PLAID_BASE_URL": "http://127.0.0.1:20001/a=b", "PUBLIC_URL": "http://ours"}
    )
    assert (tmp_path / "environment").stat().st_mode & 0o777 == 0o600

    environment.load_running()
    assert os.environ["PLAID_BASE_URL"] == "http://127.0.0.1:20001/a=b"
    assert os.environ["PUBLIC_URL"] == "http://operator"

    environment.forget_running(tmp_path)
    monkeypatch.setenv("PLAID_BASE_URL", "")
    environment.load_running()
    assert os.environ["PLAID_BASE_URL"] == ""


@pytest.mark.parametrize("command", ["sync", "keys rotate", "restore"])
def test_help_is_given_where_nothing_is_set_up(command: str, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fintech")
    bare = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    asked = subprocess.run(
        [program, *command.split(), "--help"],
        env=bare, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    told = subprocess.run(
        [program, *command.split()],
        env=bare, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert asked.returncode == 0
    assert asked.stdout.startswith(f"Usage: fintech {command} ")
    assert told.returncode == 1
    assert "The settings are not complete" in told.stderr
    assert "DATABASE_URL: Field required; SECRET_KEY: Field required" in told.stderr


def test_a_file_of_a_secret_may_be_empty_and_must_be_there(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("fintech")
    (tmp_path / "empty").write_text("\n")
    given = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "SECRET_KEY": secrets.token_urlsafe(48),
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "OTEL_TRACES_PERCENT_FILE": str(tmp_path / "empty"),
    }  # fmt: skip

    def said(**more: str) -> str:
        return subprocess.run(
            [program, "doctor"], env={**given, **more}, cwd=tmp_path,
            capture_output=True, text=True, timeout=60, check=False,
        ).stdout.splitlines()[0]  # fmt: skip

    assert "complete, for production" in said()
    missing = str(tmp_path / "missing")
    assert f"SMTP_URL_FILE names {missing}, which cannot be read: No such file" in said(
        SMTP_URL_FILE=missing
    )


def test_a_setting_that_is_wrong_is_named_without_its_value(tmp_path: Path) -> None:
    given = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2]),
        "DATABASE_URL": "mysql://db/not-for-logs", "SECRET_KEY": "short-not-for-logs",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "import app.core.config"], env=given, cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "validation error" in done.stderr
    assert "not-for-logs" not in done.stderr


def test_large_blocks_are_given_back_though_small_ones_between_them_stay() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FREES_LARGE_BLOCKS],
        env=os.environ | environment.ALLOCATOR,
        capture_output=True,
        check=True,
    )

    assert int(done.stdout) < 3_000_000  # of 30,000,000
