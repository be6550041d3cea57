"""The Kubernetes files: what each container must have, and that they fit the program."""

import re
import shutil
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.core import web
from app.core.celery import celery
from app.core.config import Settings
from tests.deploy.files import ROOT, containers, is_known, manifests, pods

CHART = ROOT / "deploy" / "helm" / "fintech"
OVERLAYS = ROOT / "deploy" / "kustomize"
GUIDE = (ROOT / "docs" / "guides" / "deploy-to-kubernetes.md").read_text("utf-8")
BY_NAME = {(each["kind"], each["metadata"]["name"]): each for _, each in manifests()}
SECRETS = {n for n, f in Settings.model_fields.items() if "SecretStr" in str(f.annotation)}


@pytest.mark.parametrize(("name", "pod"), [pytest.param(*each, id=each[0]) for each in pods()])
def test_no_pod_is_root_or_asks_the_cluster(name: str, pod: dict[str, Any]) -> None:
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] > 0
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not any("hostPath" in volume for volume in pod["volumes"])


@pytest.mark.parametrize(
    ("name", "container"), [pytest.param(*each, id=each[0]) for each in containers()]
)
def test_every_container_is_confined_and_limited(name: str, container: dict[str, Any]) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


def test_every_variable_is_one_that_something_reads() -> None:
    names = set(BY_NAME["ConfigMap", "app-config"]["data"])
    for _, container in containers():
        names |= {each["name"] for each in container.get("env", ())}
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    names |= set(values["settings"])
    assert [name for name in sorted(names) if not is_known(name)] == []


def test_every_secret_comes_from_a_file_that_the_guide_makes() -> None:
    data = BY_NAME["ConfigMap", "app-config"]["data"]
    chart = (CHART / "templates" / "config.yaml").read_text("utf-8")
    made = (ROOT / "deploy" / "make-secrets.sh").read_text("utf-8")
    for name in SECRETS | {"PLAID_CLIENT_ID"}:
        assert data[f"{name}_FILE"] == f"/run/secrets/app/{name}"
        assert name not in data
        assert f'"{name}"' in chart
        assert name.lower() in made


def test_every_queue_has_a_worker_in_both() -> None:
    queues = sorted(queue.name for queue in celery.conf.task_queues)
    found = [
        re.findall(r"--queues=(\w+)", " ".join(map(str, container.get("command", ()))))
        for _, container in containers()
    ]
    assert sorted(name for names in found for name in names) == queues
    assert sorted(yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["workers"]) == queues


def test_the_founding_documents_names_ports_and_probes() -> None:
    deployment = BY_NAME["Deployment", "fintech-app"]
    assert deployment["metadata"]["namespace"] == "fintech-app"
    assert deployment["spec"]["replicas"] == 3
    [app] = deployment["spec"]["template"]["spec"]["containers"]
    assert app["image"] == "fintech-app:latest"
    assert app["livenessProbe"]["httpGet"]["path"].partition("?")[0] == "/health"
    assert app["readinessProbe"]["httpGet"]["path"] == "/health"
    service = BY_NAME["Service", "fintech-app-service"]
    assert service["spec"]["ports"][0] == {"name": "http", "port": 80, "targetPort": 8000}


def test_apply_of_the_folder_begins_with_the_namespace_and_misses_nothing() -> None:
    files = sorted(path.name for path in (ROOT / "k8s").glob("*.yaml"))
    assert files[0] == "00-namespace.yaml"
    base = yaml.safe_load((ROOT / "k8s" / "Kustomization").read_text("utf-8"))
    assert sorted(base["resources"]) == files


def test_probes_ask_for_a_host_that_the_program_answers() -> None:
    [app] = BY_NAME["Deployment", "fintech-app"]["spec"]["template"]["spec"]["containers"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert app[probe]["httpGet"]["httpHeaders"] == [{"name": "Host", "value": "localhost"}]


def test_the_ingress_lets_uploads_through() -> None:
    limit = f"{web.UPLOAD_BYTES_MAX // 1024 // 1024}m"
    annotations = BY_NAME["Ingress", "fintech-app"]["metadata"]["annotations"]
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    for each in (annotations, values["ingress"]["annotations"]):
        assert each["nginx.ingress.kubernetes.io/proxy-body-size"] == limit


def test_each_day_a_backup_is_made_and_each_week_one_is_restored_to_see() -> None:
    commands = {}
    for name in ("backup", "restore-check"):
        job = BY_NAME["CronJob", name]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        [container] = job["containers"]
        assert container["image"] == "fintech-app:latest"
        assert {"name": "backups", "mountPath": "/var/lib/fintech"} in container["volumeMounts"]
        assert {"name": "BACKUPS_FOLDER", "value": "/var/lib/fintech"} in container["env"]
        commands[name] = (BY_NAME["CronJob", name]["spec"]["schedule"], container["command"])
    assert commands == {
        "backup": ("17 3 * * *", ["fintech", "backup", "--keep", "14"]),
        "restore-check": ("47 4 * * 0", ["fintech", "restore", "--check"]),
    }
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["backup"]
    assert [values["schedule"], values["checkSchedule"]] == [each[0] for each in commands.values()]


def test_workers_are_added_by_what_waits_and_prometheus_can_tell_it() -> None:
    folder = ROOT / "deploy" / "kustomize" / "components" / "queue-scaling"
    [patch] = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["patches"]
    scaler = yaml.safe_load((folder / patch["path"]).read_text("utf-8"))
    base = BY_NAME[patch["target"]["kind"], patch["target"]["name"]]
    assert scaler["metadata"] == base["metadata"]
    rules = yaml.safe_load(
        (ROOT / "deploy" / "prometheus" / "adapter-rule.yaml").read_text("utf-8")
    )
    told = {each["seriesQuery"] for each in rules["rules"]["external"]}
    asked = {
        each["external"]["metric"]["name"]
        for each in scaler["spec"]["metrics"]
        if each["type"] == "External"
    }
    documented = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    chart = (CHART / "templates" / "workers.yaml").read_text("utf-8")
    assert set(re.findall(r"metric: \{name: (\w+)\}", chart)) == asked
    assert asked == told == {"fta_syncs_waiting", "fta_syncs_waiting_seconds"}
    assert all(f"| `{name}` | gauge |" in documented for name in asked)


def files_of_secrets() -> set[str]:
    data = BY_NAME["ConfigMap", "app-config"]["data"]
    return {name.removesuffix("_FILE") for name in data if name.endswith("_FILE")}


def test_the_guides_line_names_the_image_everywhere_and_again_for_the_next(tmp_path: Path) -> None:
    [line] = re.findall(r"^ +(sed -i '.*)$", GUIDE, re.MULTILINE)
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s")
    for tag in ("0.1.0", "0.2.0"):
        command = line.replace("0.1.0", tag)
        subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True, timeout=60)
        text = "".join(path.read_text("utf-8") for path in (tmp_path / "k8s").glob("*.yaml"))
        images = re.findall(r"image: (.*)", text)
        assert set(images) == {f"registry.example.org/fintech-app:{tag}"}
        assert len(images) == sum(name.startswith("k8s/") for name, _ in containers())


def test_the_guides_secret_has_the_keys_that_pods_read_and_starts_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [block] = re.findall(
        r"^(    apiVersion: v1\n    kind: Secret\n(?:    .*\n)+)", GUIDE, re.MULTILINE
    )
    values = yaml.safe_load(textwrap.dedent(block))["stringData"]
    assert set(values) == files_of_secrets()
    values |= {"SECRET_KEY": "0123456789abcdefghijklmnopqrstuv", "ENCRYPTION_KEYS": ""}
    for name, value in values.items():
        (tmp_path / name).write_text(value, encoding="utf-8")
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    monkeypatch.setenv("PUBLIC_URL", "https://money.example.org")
    settings = Settings(_env_file=None, APP_ENV="production")  # type: ignore[call-arg]
    assert settings.DATABASE_URL.get_secret_value() == values["DATABASE_URL"]
    assert settings.SMTP_URL.get_secret_value() == ""


def test_the_scripts_add_a_key_that_is_new_and_leave_the_others(tmp_path: Path) -> None:
    def made() -> dict[str, str]:
        for script in ("make-secrets.sh", "kubernetes-secrets.sh"):
            done = subprocess.run(
                ["sh", str(ROOT / "deploy" / script), "secrets"],
                cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
            )  # fmt: skip
        found: dict[str, str] = yaml.safe_load(done.stdout)["data"]
        return found

    first = made()
    assert set(first) >= files_of_secrets()
    (tmp_path / "secrets" / "oidc_client_secret").unlink()
    assert made() == first


def test_production_needs_no_operator_and_names_every_component() -> None:
    text = (OVERLAYS / "production" / "kustomization.yaml").read_text("utf-8")
    assert "components" not in yaml.safe_load(text)
    there = {path.name for path in (OVERLAYS / "components").iterdir()}
    assert set(re.findall(r"^#   - \.\./components/(\S+)$", text, re.MULTILINE)) == there


def test_pods_reach_the_ports_of_what_the_settings_name_in_both() -> None:
    _, rule = BY_NAME["NetworkPolicy", "outward"]["spec"]["egress"]
    ports = [each["port"] for each in rule["ports"]]
    policy = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["networkPolicy"]
    assert policy["egressPorts"] == ports
    # smtps:// and smtp:// in app/core/mail.py; the others as docs/reference/settings.md has them.
    settings = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    named = {int(port) for port in re.findall(r"(?:pgbouncer|replica|collector):(\d+)", settings)}
    assert set(ports) == named | {443, 6379, 465, 587}
    [table] = re.findall(r"\| Port \| For \|\n((?:\|.*\n)+)", GUIDE)
    assert {int(port) for port in re.findall(r"\b\d{3,4}\b", table)} == set(ports)


def test_prometheus_has_the_alerts_and_the_job_that_they_ask_for_in_both() -> None:
    alerts = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
    assert BY_NAME["PrometheusRule", "fintech-app"]["spec"] == alerts
    # A link, which Helm follows.
    assert yaml.safe_load((CHART / "alerts.yml").read_text("utf-8")) == alerts
    [endpoint] = BY_NAME["ServiceMonitor", "fintech-app"]["spec"]["endpoints"]
    [named] = set(re.findall(r'job="(\w+)"', str(alerts)))
    assert endpoint["relabelings"] == [{"targetLabel": "job", "replacement": named}]
    edge = (CHART / "templates" / "edge.yaml").read_text("utf-8")
    assert f"relabelings: [{{targetLabel: job, replacement: {named}}}]" in edge


def test_the_guides_job_that_goes_back_is_the_other_in_all_but_name_and_way() -> None:
    [line] = re.findall(r"^ +(sed '.*) \| kubectl apply -f -$", GUIDE, re.MULTILINE)
    done = subprocess.run(
        ["sh", "-c", line], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    job = yaml.safe_load(done.stdout)
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert job["metadata"]["name"] == "downgrade"
    assert container["command"] == ["alembic", "downgrade", "0023"]
    container["command"] = ["alembic", "upgrade", "head"]
    assert yaml.safe_dump(job).replace("downgrade", "migrate") == yaml.safe_dump(
        BY_NAME["Job", "migrate"]
    )


def test_the_guides_commands_name_what_is_there() -> None:
    named = set(re.findall(r"\b(deployment|cronjob)/([a-z][\w-]*)", GUIDE))
    kinds = {"deployment": "Deployment", "cronjob": "CronJob"}
    unknown = {name for kind, name in named if (kinds[kind], name) not in BY_NAME}
    # What the chart calls them, for the release that the guide installs.
    assert unknown == {"fintech", "fintech-backup"}
