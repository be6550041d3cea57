"""The Compose files, brought up on stand-ins."""

import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scripts.containers.engine import Engine, Failed, expect, say

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "fintechcheck"
PRODUCTION = ("docker-compose.prod.yml", "deploy/check/compose.yml")
DEMO = ("docker-compose.yml",)
READY_SECONDS_MAX = 240
MAIL_FROM = "Check of containers <check@example.org>"
"""A setting that `export $(cat .env.prod | xargs)` would tear apart."""


@dataclass
class Site:
    """Compose files, brought up in a folder of its own."""

    engine: Engine
    folder: Path
    files: tuple[str, ...] = PRODUCTION
    services: dict[str, dict[str, Any]] = field(default_factory=dict)

    def prepare(self) -> None:
        """Copy what an operator has, and make secrets and a certificate as the guide says."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        shutil.copytree(ROOT / "deploy", self.folder / "deploy")
        for path in self.files:
            shutil.copy(ROOT / path, self.folder / path)
        self.engine.run("sh", "deploy/make-secrets.sh", cwd=self.folder)
        self.engine.run(
            "sh", "deploy/make-secrets.sh", "--certificate", "localhost", cwd=self.folder
        )
        (self.folder / ".env.prod").write_text(f"MAIL_FROM={MAIL_FROM}\n")
        (self.folder / ".env").symlink_to(".env.prod")
        self.services = {
            name: service
            for path in self.files
            for name, service in yaml.safe_load((self.folder / path).read_text())[
                "services"
            ].items()
            if "profiles" not in service
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run podman-compose with the files."""
        files = [word for path in self.files for word in ("-f", path)]
        return self.engine.run(
            "podman-compose", "--in-pod=false", "-p", PROJECT, *files, *arguments,
            check=check, cwd=self.folder,
        )  # fmt: skip

    def up(self) -> None:
        """Start the services in the order that their conditions ask for.

        Podman leaves the timers of health checks to systemd, which a container or a CI machine
        may lack, so they are asked from here.
        """
        done: set[str] = set()
        while len(done) < len(self.services):
            ready = [
                name
                for name, service in self.services.items()
                if name not in done and set(service.get("depends_on", ())) <= done
            ]
            self.compose("up", "-d", "--no-deps", "--no-build", *ready)
            for name in ready:
                self.wait(name)
            done |= set(ready)
            say(f"up and healthy: {', '.join(ready)}")

    def containers(self, service: str) -> list[str]:
        """Return the names of a service's containers."""
        names = self.engine.run(
            "podman", "ps", "-a", "--format", "{{.Names}}",
            "--filter", f"label=com.docker.compose.project={PROJECT}",
            "--filter", f"label=com.docker.compose.service={service}",
        )  # fmt: skip
        return sorted(names.split())

    def wait(self, service: str) -> None:
        """Wait until each container of a service is healthy, or has ended well.

        Raises:
            Failed: It is not, in time; with its last words.
        """
        for name in self.containers(service):
            deadline = time.monotonic() + READY_SECONDS_MAX
            while not self._is_well(service, name):
                if time.monotonic() > deadline:
                    raise Failed(f"{name} does not become healthy:\n{self._last_words(name)}")
                time.sleep(1)

    def _is_well(self, service: str, name: str) -> bool:
        if self.services[service].get("healthcheck", {}).get("disable"):
            state = self.engine.run(
                "podman", "inspect", name, "--format", "{{.State.Status}} {{.State.ExitCode}}"
            )
            is_fine = state.endswith(" 0")
            expect(is_fine, "" if is_fine else f"{name}: {state}\n{self._last_words(name)}")
            return state == "exited 0"
        look = subprocess.run(
            ["podman", "healthcheck", "run", name],
            env=self.engine.environment, capture_output=True, check=False,
        )  # fmt: skip
        return look.returncode == 0

    def _last_words(self, name: str) -> str:
        return self.engine.run("sh", "-c", f"podman logs --tail=30 {name} 2>&1", check=False)

    def restart(self, name: str) -> None:
        """Stop a container as an upgrade does, start it again, and wait for its health."""
        service = self.engine.run(
            "podman", "inspect", name, "--format",
            '{{index .Config.Labels "com.docker.compose.service"}}',
        )  # fmt: skip
        self.engine.run("podman", "restart", "--time=30", name)
        self.wait(service)

    def down(self) -> None:
        """Remove containers, networks and volumes, and see that none is left."""
        self.compose("down", "--volumes", "--timeout=10", check=False)
        left = [
            self.engine.run("podman", *kind, "-q", check=False).split()
            for kind in (("ps", "-a"), ("volume", "ls"))
        ]
        networks = self.engine.run("podman", "network", "ls", "--format", "{{.Name}}").split()
        left.append([name for name in networks if name.startswith(PROJECT)])
        shutil.rmtree(self.folder, ignore_errors=True)
        expect(not any(left), f"left behind: {left}")
