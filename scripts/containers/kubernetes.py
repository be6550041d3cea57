"""k8s/, its overlays and the chart: rendered, held against the schemas, and played with Podman.

Podman knows pods, Deployments, ConfigMaps, Secrets and claims. It has no Services, Jobs, policies
or autoscalers: what stands for them here is a name on a network, and a command.
"""

import base64
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
OPERATORS = {"ServiceMonitor", "ExternalSecret"}
IMAGES = {
    "fintech-app:latest": IMAGE,
    "postgres:15": "localhost/check/postgres",
    "redis:7-alpine": "localhost/check/redis",
}
NETWORK = "fintechcheck-pods"
PLAYED = ("postgres", "redis", "simulator", "celery-sync", "fintech-app")
READY_SECONDS_MAX = 240
Object = dict[str, Any]


def read(*paths: Path) -> list[Object]:
    """Return the objects of some files."""
    return [
        each
        for path in paths
        for each in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if each
    ]


def render_chart() -> list[Object]:
    """Return what Helm makes of the chart with everything on."""
    chart_folder = ROOT / "deploy" / "helm" / "fintech"
    found = helm_python.lint(str(chart_folder))
    expect(not found["errors"], f"helm lint: {found}")
    with helm_python.Chart.load(str(chart_folder)) as chart:
        values = {"serviceMonitor": {"enabled": True}}
        files = chart.render(values, name="money", namespace="fintech-app")
    return [
        each
        for name, text in files.items()
        if name.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if each
    ]


def render_overlay(engine: Engine, name: str) -> list[Object]:
    """Return what Kustomize makes of an overlay."""
    text = engine.run("kubectl", "kustomize", str(ROOT / "deploy" / "kustomize" / name))
    return [each for each in yaml.safe_load_all(text) if each]


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
    validate("the Helm chart", render_chart())
    if shutil.which("kubectl"):
        for overlay in ("production", "small"):
            validate(f"the overlay {overlay}", render_overlay(engine, overlay))
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
