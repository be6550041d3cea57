"""The deployment files, read as what runs them reads them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from app.core.config import Settings

ROOT = Path(__file__).parents[2]
COMPOSE = ("docker-compose.yml", "docker-compose.prod.yml")
# What our processes read beside the settings: health checks, the simulator, and its own name for
# them; the commands for backups.
OTHER_NAMES = {
    "WORKER_NAME", "FINTECH_SIMULATOR_STATE", "SIMULATOR_RATE_LIMITS", "SIMULATOR_PROGRAMS_URL",
    "POD_IP", "FURTHER_HOSTS", "BACKUPS_FOLDER",
    "BACKUP_S3_URL", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_SHARED_CREDENTIALS_FILE",
}  # fmt: skip
# What the images of PostgreSQL read.
POSTGRES_NAMES = re.compile(r"(POSTGRES_|PG)[A-Z_]+")


class _OnceEach(yaml.SafeLoader):
    """YAML in which a key stands once in a mapping, as Docker Compose insists."""


def _mapping(loader: _OnceEach, node: yaml.MappingNode) -> dict[Any, Any]:
    names = [loader.construct_object(key) for key, _ in node.value if key.value != "<<"]
    twice = sorted({name for name in names if names.count(name) > 1})
    assert not twice, f"twice in one mapping: {twice}"
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_OnceEach.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def compose(name: str) -> dict[str, Any]:
    """Return a Compose file."""
    found: dict[str, Any] = yaml.load((ROOT / name).read_text(encoding="utf-8"), _OnceEach)
    return found


def fixed(service: dict[str, Any], name: str) -> str | None:
    """Return the value that Compose fixes for a variable; None where it is the operator's."""
    value = service["environment"].get(name)
    return None if value is None or str(value).startswith("${") else str(value)


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every Kubernetes object with the file it stands in."""
    paths = [
        *sorted((ROOT / "k8s").glob("*.yaml")),
        *sorted((ROOT / "deploy" / "kustomize").rglob("*.yaml")),
    ]
    for path in paths:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document and path.name != "kustomization.yaml":
                yield path.relative_to(ROOT).as_posix(), document


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the pod of each object that makes pods."""
    for path, each in manifests():
        spec = each.get("spec", {})
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if each["kind"] in ("Deployment", "Job", "CronJob", "StatefulSet", "DaemonSet"):
            yield f"{path}: {each['kind']} {each['metadata']['name']}", spec["template"]["spec"]


def containers() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every container of every pod, those that run before it too."""
    for name, pod in pods():
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            yield f"{name}: {container['name']}", container


def is_known(name: str) -> bool:
    """Tell whether something reads an environment variable of that name."""
    plain = name.removesuffix("_FILE")
    return (
        plain in Settings.model_fields
        or name in OTHER_NAMES
        or bool(POSTGRES_NAMES.fullmatch(name))
    )
