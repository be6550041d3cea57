"""The Compose files: what each service must have, and that their settings are the program's."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core.celery import celery
from app.core.config import Settings
from tests.deploy.files import COMPOSE, ROOT, compose, is_known

SERVICES = [
    pytest.param(file, name, service, id=f"{file}:{name}")
    for file in COMPOSE
    for name, service in compose(file)["services"].items()
]


def mounts(service: dict[str, Any]) -> list[str]:
    return [str(each) for each in service.get("volumes", ())]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_every_service_is_confined_limited_watched_and_restarted(
    file: str, name: str, service: dict[str, Any]
) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert service["restart"]
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert "healthcheck" in service
    is_one_shot = service["healthcheck"].get("disable", False)
    assert is_one_shot == (name in ("migrate", "keys"))
    assert service["restart"] == "unless-stopped" or is_one_shot
    assert not any("docker.sock" in each for each in mounts(service))


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_nobody_runs_as_root(file: str, name: str, service: dict[str, Any]) -> None:
    if "fintech-app" in service["image"] and "user" not in service:
        assert re.search(r"^USER 10001", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    else:
        assert int(service["user"].partition(":")[0]) > 0


@pytest.mark.parametrize(("file", "name", "service"), SERVICES)
def test_every_variable_is_one_that_something_reads(
    file: str, name: str, service: dict[str, Any]
) -> None:
    named = service.get("environment", {})
    # Settings that themselves name a file end in _FILE, too.
    assert [
        each for each in named if not is_known(each) and each not in Settings.model_fields
    ] == []


@pytest.mark.parametrize("file", COMPOSE)
def test_who_waits_for_health_waits_for_somebody_who_has_one(file: str) -> None:
    services = compose(file)["services"]
    for service in services.values():
        for name, how in service.get("depends_on", {}).items():
            is_one_shot = services[name]["healthcheck"].get("disable", False)
            expected = "service_completed_successfully" if is_one_shot else "service_healthy"
            assert how == {"condition": expected}


def test_only_the_edge_is_reached_from_outside() -> None:
    file = compose("docker-compose.prod.yml")
    ports = {name: each["ports"] for name, each in file["services"].items() if "ports" in each}
    assert set(ports) == {"nginx", "prometheus"}
    assert all(port.startswith("127.0.0.1:") for port in ports["prometheus"])
    assert file["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert file["services"][name]["networks"] == ["inside"]
    assert file["services"]["nginx"]["networks"] == ["edge"]


def test_the_try_it_file_listens_on_this_machine_only() -> None:
    for service in compose("docker-compose.yml")["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_who_tries_it_first_leaves_production_no_volume_with_another_password() -> None:
    tried, real = (set(compose(name)["volumes"]) for name in COMPOSE)
    assert not tried & real


@pytest.mark.parametrize("file", COMPOSE)
def test_every_volume_is_declared_and_used(file: str) -> None:
    content = compose(file)
    used = {each.partition(":")[0] for one in content["services"].values() for each in mounts(one)}
    assert {name for name in used if not name.startswith(".")} == set(content["volumes"])


def test_web_servers_start_as_their_image_does_and_answer_for_their_addresses() -> None:
    [words] = re.findall(r"^CMD (\[.*?\])", (ROOT / "Dockerfile").read_text("utf-8"), re.M | re.S)
    shell, option, script = compose("docker-compose.prod.yml")["services"]["app"]["command"]
    assert [shell, option] == ["sh", "-c"]
    # Compose makes one dollar of two.
    variable, export, start = script.replace("\\\n", " ").strip().splitlines()
    assert start.split() == ["exec", *json.loads(words.replace("\\\n", " "))]
    assert (variable.partition("=")[0], export) == ("TRUSTED_HOSTS", "export TRUSTED_HOSTS")
    assert variable.count("$$") == variable.count("$") / 2 == 2


def test_prometheus_finds_each_web_server_and_reaches_no_database() -> None:
    services = compose("docker-compose.prod.yml")["services"]
    prometheus = services["prometheus"]
    [job] = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text("utf-8"))[
        "scrape_configs"
    ]
    [found] = job["dns_sd_configs"]
    assert prometheus["profiles"] == ["monitoring"]
    assert set(prometheus["networks"]) & set(services[found["names"][0]]["networks"]) == {"outside"}
    assert (found["type"], found["port"]) == ("A", 8000)
    secret = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert prometheus["secrets"] == [secret]
    assert "./deploy/prometheus:/etc/prometheus:ro" in mounts(prometheus)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_prometheus_takes_its_configuration() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", "--syntax-only", "prometheus.yml"],
        cwd=ROOT / "deploy" / "prometheus", capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_kept_outside_the_database_is_on_a_volume_that_its_writers_share() -> None:
    services = compose("docker-compose.prod.yml")["services"]
    for name in ("app", "celery", "celery-sync", "backup"):
        [folder] = [
            each.partition(":")[2] for each in mounts(services[name]) if each.startswith("kept:")
        ]
        for setting in ("ERASED_HOUSEHOLDS_FILE", "AUDIT_DIGEST_FILE"):
            path = services[name]["environment"][setting].partition(":-")[2].rstrip("}")
            assert path.rpartition("/")[0] == folder, f"{name}: {setting}"


def make_secrets(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", ROOT / "deploy" / "make-secrets.sh"], cwd=folder, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", **environment}, timeout=30,
    )  # fmt: skip


def test_the_databases_user_is_the_one_of_env_prod(tmp_path: Path) -> None:
    (tmp_path / ".env.prod").write_text("MAIL_FROM=Us <us@example.org>\nDB_USER='ada'\n")
    assert make_secrets(tmp_path, DB_PASSWORD="shell-1").returncode == 0
    made = (tmp_path / "secrets" / "database_url").read_text()
    assert made == "postgresql://ada:shell-1@postgres:5432/fintech_app"
    assert (tmp_path / "secrets" / "postgres_password").read_text() == "shell-1"


def test_a_password_that_an_address_cannot_hold_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env.prod").write_text("DB_PASSWORD=a@b/c\n")
    done = make_secrets(tmp_path)
    assert done.returncode == 1
    assert "DB_PASSWORD" in done.stderr
    assert not (tmp_path / "secrets").exists()


def test_what_env_prod_says_stays_out_of_git_and_of_the_image() -> None:
    """Compose reads `.env`, a link to `.env.prod`, beside its file."""
    assert {".env", ".env.*"} <= set((ROOT / ".gitignore").read_text("utf-8").splitlines())
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert "*" in rules
    assert not any(rule.startswith("!.env") for rule in rules)


def test_every_secret_of_the_settings_can_come_from_a_file_that_is_mounted() -> None:
    file = compose("docker-compose.prod.yml")
    secret = {
        name
        for name, field in Settings.model_fields.items()
        if "SecretStr" in str(field.annotation)
    }
    app = file["services"]["app"]
    for name in secret:
        assert app["environment"][f"{name}_FILE"] == f"/run/secrets/{name.lower()}"
        assert name.lower() in app["secrets"]
        # Empty unless the operator's environment says otherwise: then that goes first.
        assert app["environment"][name] == f"${{{name}:-}}"


def test_every_secret_that_a_service_mounts_is_declared_and_made() -> None:
    file = compose("docker-compose.prod.yml")
    made = (ROOT / "deploy" / "make-secrets.sh").read_text("utf-8")
    used = {name for each in file["services"].values() for name in each.get("secrets", ())}
    assert used == set(file["secrets"])
    for name in used:
        path = file["secrets"][name]["file"]
        folder, _, leaf = path.removeprefix("./").partition("/")
        assert leaf in made
        assert f"/{folder}/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_every_queue_has_a_worker() -> None:
    workers = [
        word.removeprefix("--queues=")
        for service in compose("docker-compose.prod.yml")["services"].values()
        for word in service.get("command", ())
        if str(word).startswith("--queues=")
    ]
    assert sorted(workers) == sorted(queue.name for queue in celery.conf.task_queues)


def test_the_names_of_the_founding_document_are_there() -> None:
    services = compose("docker-compose.prod.yml")["services"]
    assert {"app", "celery", "celery-beat", "postgres", "redis", "nginx"} <= set(services)
    assert services["postgres"]["image"].endswith("postgres:15}")
    assert services["redis"]["image"].endswith("redis:7-alpine}")
    assert services["nginx"]["image"].endswith("nginx:alpine}")
    assert services["postgres"]["environment"]["POSTGRES_DB"] == "fintech_app"
    assert "beat" in services["celery-beat"]["command"]
