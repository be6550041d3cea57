"""k8s/, its overlays and the chart: rendered, held against the schemas, and played with Podman.

Podman knows pods, Deployments, ConfigMaps, Secrets and claims. It has no Services, Jobs, policies
or autoscalers: what stands for them here is a name on a network, and a command.
"""

import base64
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import yaml

from scripts.containers.engine import IMAGE, Engine, Failed, expect, say

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.37.0"
# Kinds of operators that a cluster may have; their schemas are not Kubernetes' own.
OPERATORS = {"ServiceMonitor", "PrometheusRule", "ExternalSecret"}
Object = dict[str, Any]
CHART = ROOT / "deploy" / "helm" / "fintech"
OFF = {"enabled": False}
WAYS: dict[str, Object] = {
    "as it comes": {},
    "everything on": {
        "settings": {
            "DATABASE_POOLER_URL": "postgresql://pgbouncer:6432",
            "DATABASE_REPLICA_URL": "postgresql://replica:5432",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
        },
        "furtherSecrets": ["SENTRY_DSN"],
        "externalSecret": {"enabled": True},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "service": {"type": "LoadBalancer"},
        "networkPolicy": {"fromNetworks": ["10.0.0.0/16"], "egressPorts": [443, 6380]},
        "workers": {"sync": {"autoscaling": {"byWaiting": True}}},
        "image": {"pullSecrets": [{"name": "registry"}]},
        "backup": {"databaseUrlKey": "BACKUP_DATABASE_URL", "s3SecretName": "elsewhere"},
    },
    "everything off": {
        "web": {"autoscaling": OFF},
        "workers": {"sync": {"autoscaling": OFF}},
        "ingress": OFF,
        "networkPolicy": OFF,
        "backup": OFF,
    },
}
"""Values over the chart's own."""
IMAGES = {
    "fintech-app:latest": IMAGE,
    "postgres:15": "localhost/check/postgres",
    "redis:7-alpine": "localhost/check/redis",
}
NETWORK = "fintechcheck-pods"
PLAYED = ("postgres", "redis", "simulator", "celery-sync", "fintech-app")
READY_SECONDS_MAX = 240


def read(*paths: Path) -> list[Object]:
    """Return the objects of some files."""
    return [
        each
        for path in paths
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if each
    ]


def render_chart(values: Object) -> list[Object]:
    """Return what Helm makes of the chart with these values over its own."""
    with helm_python.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="money", namespace="fintech-app")
    return [
        each
        for name, text in files.items()
        if name.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each
    ]


def check_chart() -> None:
    """Render the chart in each way that it is meant to be used, and look at what its values do."""
    found = helm_python.lint(str(CHART))
    expect(not found["errors"], f"helm lint: {found}")
    rendered = {what: render_chart(values) for what, values in WAYS.items()}
    for what, objects in rendered.items():
        validate(f"the Helm chart, {what}", objects)
    full = _by_name(rendered["everything on"])
    config = full["ConfigMap", "money"]["data"]
    given = WAYS["everything on"]["settings"]
    expect(given.items() <= config.items(), f"settings are lost: {config}")
    expect(config["SENTRY_DSN_FILE"] == "/run/secrets/app/SENTRY_DSN", "a further secret is lost")
    metrics = full["HorizontalPodAutoscaler", "money-sync"]["spec"]["metrics"]
    expect([each["type"] for each in metrics] == ["External", "External", "Resource"], f"{metrics}")
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text("utf-8"))
    expect(full["PrometheusRule", "money"]["spec"] == rules, "the chart has other alerts")
    ports = full["NetworkPolicy", "money"]["spec"]["egress"][1]["ports"]
    expect([each["port"] for each in ports] == [443, 6380], f"{ports}")
    sources = [each["from"] for each in full["NetworkPolicy", "money-web"]["spec"]["ingress"]]
    expect([{"ipBlock": {"cidr": "10.0.0.0/16"}}] in sources, f"{sources}")
    kinds = {kind for kind, _ in _by_name(rendered["everything off"])}
    left = kinds & {"HorizontalPodAutoscaler", "Ingress", "NetworkPolicy", "CronJob", *OPERATORS}
    expect(not left, f"what was turned off is there: {left}")


def _by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def check_overlays(engine: Engine) -> None:
    """Let Kustomize make the overlays, and one that has every component."""
    overlays = ROOT / "deploy" / "kustomize"
    folder = engine.folder / "overlay"
    folder.mkdir(exist_ok=True)
    components = sorted(path.parent for path in overlays.glob("components/*/kustomization.yaml"))
    whole = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(ROOT / "k8s", folder)],
        "components": [os.path.relpath(path, folder) for path in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole))
    for path in (overlays / "production", overlays / "small", folder):
        text = engine.run("kubectl", "kustomize", str(path))
        name = "with every component" if path == folder else path.name
        validate(f"the overlay {name}", [each for each in yaml.safe_load_all(text) if each])


def validate(what: str, objects: list[Object]) -> None:
    """Hold each object against the schema of its kind.

    Raises:
        Failed: One does not fit.
    """
    for each in objects:
        if each["kind"] in OPERATORS:
            continue
        try:
            kubernetes_validate.validate(each, VERSION, strict=True)
        except kubernetes_validate.ValidationError as error:
            name = each["metadata"]["name"]
            raise Failed(f"{what}: {each['kind']} {name}: {error.message}") from None
    say(f"valid for Kubernetes {VERSION}: {len(objects)} objects of {what}")


def check(engine: Engine) -> None:
    """Validate everything, and play what Podman can."""
    validate("k8s/", read(*sorted((ROOT / "k8s").glob("*.yaml"))))
    check_chart()
    if shutil.which("kubectl"):
        check_overlays(engine)
    else:
        say("no kubectl on this machine: the overlays were not rendered")
    play(engine)


def play(engine: Engine) -> None:
    """Play the small overlay's files: database, broker, bank, worker, and the web servers."""
    small = ROOT / "deploy" / "kustomize" / "small"
    objects = read(*sorted((ROOT / "k8s").glob("*.yaml")), *sorted(small.glob("[prs]*.yaml")))
    folder = engine.folder / "pods"
    folder.mkdir(exist_ok=True)
    engine.run("sh", str(ROOT / "deploy" / "make-secrets.sh"), cwd=folder)
    secret = engine.run("sh", str(ROOT / "deploy" / "kubernetes-secrets.sh"), "secrets", cwd=folder)
    engine.run("podman", "network", "create", NETWORK)
    path = folder / "all.yaml"
    path.write_text(
        yaml.safe_dump_all([_as_config_map(yaml.safe_load(secret)), *_playable(objects)])
    )
    try:
        engine.run("podman", "kube", "play", f"--network={NETWORK}", str(path))
        _wait_until_healthy(engine)
    finally:
        engine.run("podman", "pod", "rm", "--force", *PLAYED, check=False)
        engine.run("podman", "volume", "prune", "--force", check=False)
        engine.run("podman", "network", "rm", "--force", NETWORK, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def _as_config_map(secret: Object) -> Object:
    """Return a Secret's plain text as a ConfigMap: Podman 4.3 mounts a Secret undecoded."""
    plain = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    metadata = {"name": secret["metadata"]["name"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": plain}


def _playable(objects: list[Object]) -> list[Object]:
    """Return what Podman can play, each Deployment as one pod that has its Service's name."""
    found = []
    for each in objects:
        name = each["metadata"]["name"]
        each["metadata"].pop("namespace", None)
        if each["kind"] in ("ConfigMap", "PersistentVolumeClaim"):
            if name == "app-config":
                each["data"] |= {
                    "PUBLIC_URL": "http://localhost:8000",
                    "PLAID_BASE_URL": "http://simulator:8100",
                    "PLAID_CLIENT_ID": "simulator",
                    "PLAID_SECRET": "simulator",
                    "PLAID_ENV": "sandbox",
                    "OUTBOUND_ALLOWED_HOSTS": "simulator:8100",
                }
            found.append(each)
        elif each["kind"] == "Deployment" and name in PLAYED:
            found.append(_as_pod(name, each["spec"]["template"]))
    return found


# Probes, which are asked from here; ports, which Podman would open on this machine.
_NOT_PLAYED = ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports")


def _as_pod(name: str, template: Object) -> Object:
    spec = template["spec"]
    spec.pop("serviceAccountName", None)
    # What it waits for, and the address of the pod, Podman cannot tell.
    spec.pop("initContainers", None)
    for volume in spec["volumes"]:
        if "secret" in volume:
            volume["configMap"] = {"name": volume.pop("secret")["secretName"], "optional": False}
    for container in spec["containers"]:
        container["image"] = IMAGES[container["image"]]
        container["imagePullPolicy"] = "Never"
        container["env"] = [one for one in container.get("env", []) if "valueFrom" not in one]
        for left_out in _NOT_PLAYED:
            container.pop(left_out, None)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": {**spec, "restartPolicy": "Always"},
    }


def _wait_until_healthy(engine: Engine) -> None:
    """Do what the Job does, once the database takes it, and ask /health as the probe does."""
    web = "fintech-app-app"
    deadline = time.monotonic() + READY_SECONDS_MAX
    for command, what in (
        (("alembic", "upgrade", "head"), "the migration"),
        (("python", "/app/deploy/health.py", "web"), "/health"),
    ):
        while True:
            done = subprocess.run(
                ["podman", "exec", web, *command],
                env=engine.environment, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode == 0:
                break
            if time.monotonic() > deadline:
                raise Failed(f"{what} in a pod: {(done.stdout + done.stderr)[-2000:]}")
            time.sleep(2)
    engine.run("podman", "exec", "celery-sync-celery-sync", "python", "/app/deploy/health.py",
               "worker")  # fmt: skip
    say(f"played with Podman: {', '.join(PLAYED)}; migrated, /health and the worker well")
