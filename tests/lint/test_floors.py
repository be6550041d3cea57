"""C3: no package is older than its first safe version."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ROOT / "docs" / "reference" / "floors.txt"


def floors() -> Iterator[tuple[str, str, Version]]:
    for line in FLOORS.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            lock, package, least, why = (part.strip() for part in line.split("|"))
            assert why.startswith("CVE-"), line
            yield lock, package, Version(least)


def locked() -> dict[str, dict[str, Version]]:
    """Return what is locked, by lock and name."""
    python = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    pages = json.loads((ROOT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return {
        "uv": {each["name"]: Version(each["version"]) for each in python},
        "npm": {
            name.removeprefix("node_modules/"): Version(each["version"])
            for name, each in pages.items()
            if name
        },
    }


def unsafe(versions: Mapping[str, Mapping[str, Version]]) -> set[str]:
    """Return the packages that are older than their floor, or that nothing locks."""
    return {
        package
        for lock, package, least in floors()
        if package not in versions[lock] or versions[lock][package] < least
    }


def test_C3_no_package_is_older_than_its_first_safe_version() -> None:
    assert unsafe(locked()) == set()


@pytest.mark.parametrize(
    ("lock", "package", "version"),
    [
        ("uv", "starlette", "0.49.0"),
        ("uv", "python-multipart", "0.0.9"),  # as a text it would be the greater one
        ("npm", "swagger-ui-dist", "3.52.5"),
    ],
)
def test_C3_an_old_version_is_noticed(lock: str, package: str, version: str) -> None:
    versions = locked()
    versions[lock][package] = Version(version)

    assert unsafe(versions) == {package}
