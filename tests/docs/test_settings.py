"""Every setting is in .env.example and in the reference, and nothing else is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from app.core.config import Settings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference" / "settings.md"
EXAMPLE = ROOT / ".env.example"


def plain(value: object) -> str:
    secret = getattr(value, "get_secret_value", None)
    value = secret() if secret else value
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_files_are_what_the_settings_class_makes_of_them() -> None:
    result = subprocess.run(
        [sys.executable, "scripts/settings_reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert result.returncode == 0, f"run scripts/settings_reference.py\n{result.stdout}"


def test_every_field_stands_in_both_files_with_its_own_default() -> None:
    table = REFERENCE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([A-Z0-9_]+)` \|[^|]*\|([^|]*)\|", table, re.MULTILINE))
    example = re.findall(r"^(?:# )?([A-Z0-9_]+)=(.*)$", EXAMPLE.read_text("utf-8"), re.MULTILINE)

    assert list(rows) == [name for name, _ in example] == list(Settings.model_fields)
    for name, value in example:
        default = Settings.model_fields[name].default
        if default is PydanticUndefined:
            assert rows[name].strip() == "required"
        else:
            assert value == plain(default), name
            assert rows[name].strip().strip("`") == plain(default), name


def test_every_setting_says_what_it_is_for() -> None:
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            assert len(line.split("|")[4].strip()) > 15, line


def test_the_example_holds_no_secret() -> None:
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        name, _, value = line.removeprefix("# ").partition("=")
        if name in ("SECRET_KEY", "PLAID_SECRET", "OPENAI_API_KEY", "ENCRYPTION_KEYS"):
            assert value == ""


GOOD = {
    "DATABASE_URL": "postgresql://fintech@localhost/fintech_app",
    "SECRET_KEY": "q8vN3xTz6LkW1rYb9HsJ4mPd7GcF2aEu",
}


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "changes",
    [
        {"SECRET_KEY": ""},
        {"SECRET_KEY": "short"},
        {"SECRET_KEY": "changethis" * 5},
        {"SECRET_KEY": "your-secret-key-here-0123456789abcdef"},
        {"SECRET_KEY": "a" * 64},
        {"PUBLIC_URL": "http://money.example"},
        {"DATABASE_URL": "mysql://localhost/fintech"},
        {"DATABASE_URL": " "},
        {"DATABASE_POOLER_URL": "pgbouncer:6432"},
        {"DATABASE_REPLICA_URL": "replica"},
        {"DATABASE_POOLER_URL": "postgresql://fintech:pw@pgbouncer:6432"},
        {"ENCRYPTION_KEYS": "k1:AAAA"},
        {"PASSWORD_LENGTH_MIN": "4"},
        {"ALGORITHM": "none"},
        {"ARGON2_MEMORY_KIB": "1024"},
    ],
)
def test_A9_production_refuses_weak_settings_by_name(
    changes: dict[str, str], bare_environment: None
) -> None:
    [name] = changes
    Settings(_env_file=None, **GOOD)
    with pytest.raises(ValidationError, match=name):
        Settings(_env_file=None, **{**GOOD, **changes})


def test_A9_no_process_starts_with_weak_settings() -> None:
    result = start({**GOOD, "SECRET_KEY": "changethis" * 5})
    assert result.returncode != 0
    assert "SECRET_KEY" in result.stderr


def test_A9_production_starts_with_good_ones_and_a_secret_from_a_file(tmp_path: Path) -> None:
    assert start(GOOD).returncode == 0
    secret = tmp_path / "secret_key"
    secret.write_text(GOOD["SECRET_KEY"] + "\n", encoding="utf-8")
    from_file = {"DATABASE_URL": GOOD["DATABASE_URL"], "SECRET_KEY_FILE": str(secret)}
    assert start(from_file).returncode == 0


def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import app.core.config"],
        cwd="/",  # where no .env lies
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("url", "place", "expected"),
    [
        ("postgresql://u:p%40@db:5432/a?sslmode=require", "postgresql://pool:6432",
         "postgresql+psycopg://u:p%40@pool:6432/a?sslmode=require"),
        ("postgresql://u@/a?host=/run/postgresql", "postgresql://pool:6432/b?sslmode=disable",
         "postgresql+psycopg://u@pool:6432/b?sslmode=disable"),
        ("postgresql:///a?host=/run/postgresql&port=5433", "postgresql://[::1]:6432/",
         "postgresql+psycopg://[::1]:6432/a"),
        ("postgresql://u:p@db/a", "", ""),
    ],
)  # fmt: skip
def test_the_pooler_takes_login_and_database_from_the_database(
    url: str, place: str, expected: str, bare_environment: None
) -> None:
    values = {**GOOD, "DATABASE_URL": url, "DATABASE_POOLER_URL": place}
    assert Settings(_env_file=None, **values).pooler_url == expected
