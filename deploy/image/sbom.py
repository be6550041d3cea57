"""Write the image's bill of materials (CycloneDX 1.5, JSON) to standard output.

    sbom.py PYTHON.cdx.json POSTGRESQL.txt

Joins what uv exports of the locked Python packages, and of the wheel with PostgreSQL's programs,
with the client libraries of package-lock.json, by their hashes, and the Debian packages of the
base image.
"""

import base64
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DPKG_STATUS = Path("/var/lib/dpkg/status")
OS_RELEASE = Path("/etc/os-release")
LOCK = Path("package-lock.json")
Component = dict[str, Any]


def client_libraries(lock: dict[str, Any]) -> Iterator[Component]:
    """Yield the libraries that pages load; those for development are not in the image."""
    for path, package in lock["packages"].items():
        if not path or package.get("dev"):
            continue
        name = path.removeprefix("node_modules/")
        purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
        algorithm, _, digest = package["integrity"].partition("-")
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": package["version"],
            "purl": purl,
            "hashes": [
                {
                    "alg": algorithm.upper().replace("SHA", "SHA-"),
                    "content": base64.b64decode(digest).hex(),
                }
            ],
        }


def programs(requirements: str) -> Iterator[Component]:
    """Yield the wheels of which the image takes only programs; which file of them, pip chose."""
    for name, version in re.findall(r"^([\w-]+)==([\w.]+)", requirements, re.MULTILINE):
        purl = f"pkg:pypi/{name}@{version}"
        yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def base_packages(status: str, distribution: str) -> Iterator[Component]:
    """Yield what dpkg says is installed."""
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", paragraph, re.M))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            purl = f"pkg:deb/{distribution}/{name}@{version}?arch={fields['Architecture']}"
            yield {
                "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
            }  # fmt: skip


def main(python_path: str, programs_path: str) -> None:
    """Join the four."""
    bom = json.loads(Path(python_path).read_text(encoding="utf-8"))
    bom["components"] += programs(Path(programs_path).read_text(encoding="utf-8"))
    bom["components"] += client_libraries(json.loads(LOCK.read_text(encoding="utf-8")))
    if DPKG_STATUS.exists():
        release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', OS_RELEASE.read_text("utf-8"), re.M))
        bom["components"] += base_packages(DPKG_STATUS.read_text("utf-8"), release["ID"])
    json.dump(bom, sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
