"""Podman and Buildah with an image store of their own, and how a check speaks."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

HTTP_PORT, HTTPS_PORT, SIMULATOR_PORT = 18080, 18443, 18100
DEMO_PORT, DEMO_BANK_PORT = 18000, 18101
STAND_INS = ("python", "postgres", "redis", "nginx")
IMAGE = "localhost/fintech-app:check"
CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")
STARTED = time.monotonic()


def say(words: str) -> None:
    """Print a line with the time since the start."""
    print(f"{time.monotonic() - STARTED:7.1f} s  {words}", flush=True)


class Failed(Exception):  # noqa: N818 - a finding
    """Something is not as it must be."""


def expect(is_so: object, otherwise: str) -> None:
    """Raise Failed with what is wrong unless it is so."""
    if not is_so:
        raise Failed(otherwise)


# What a developer's shell may hold and must not reach the containers.
_OWN = (
    "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "METRICS_TOKEN", "PLAID_ENV",
    "OPENAI_API_KEY", "SMTP_URL", "DB_USER", "DB_PASSWORD", "EDGE_SUBNET", "REGISTRATION_OPEN",
    "OIDC_CLIENT_SECRET", "MAIL_FROM",
)  # fmt: skip


@dataclass
class Engine:
    """Podman with an image store and settings of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def prepare(self) -> None:
        """Write the settings; the limits are those that a container may be given anywhere."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\n'
            f'[network]\nnetwork_config_dir = "{self.folder}/networks"\n'
        )
        (self.folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{self.folder}/images"\n'
            f'runroot = "{self.folder}/run"\n'
        )
        (self.folder / "networks").mkdir(exist_ok=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name not in _OWN},
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "APP_IMAGE": IMAGE,
            **{f"{name.upper()}_IMAGE": f"localhost/check/{name}" for name in STAND_INS},
            "HTTP_PORT": str(HTTP_PORT),
            "HTTPS_PORT": str(HTTPS_PORT),
            "SIMULATOR_PORT": str(SIMULATOR_PORT),
            "APP_PORT": str(DEMO_PORT),
            "BANK_PORT": str(DEMO_BANK_PORT),
            "PUBLIC_URL": f"https://localhost:{HTTPS_PORT}",
            "PLAID_BASE_URL": "http://simulator:8100",
            "PLAID_CLIENT_ID": "simulator",
            "PLAID_SECRET": "simulator",
            "PLAID_ENV": "sandbox",
            "WEBHOOK_BASE_URL": "http://app:8000",
            "TRUSTED_HOSTS": "app",
        }

    def run(self, *command: str, check: bool = True, cwd: Path | None = None) -> str:
        """Run a command and return what it printed.

        Raises:
            Failed: It ended with an error; the message ends with its last words.
        """
        done = subprocess.run(
            command, env=self.environment, cwd=cwd, capture_output=True, text=True, check=False
        )
        if check and done.returncode:
            words = (done.stdout + done.stderr)[-2500:]
            raise Failed(f"{' '.join(command[:6])} ended with {done.returncode}:\n{words}")
        return done.stdout.strip()

    def has_image(self, name: str) -> bool:
        """Tell whether an image is in the store."""
        return bool(self.run("podman", "images", "-q", name))

    def build(self, context: Path, tag: str, *options: str) -> None:
        """Build an image; root's own view of the machine's certificates goes along, read-only."""
        certificates = ("-v", f"{CA_FILE}:{CA_FILE}:ro") if CA_FILE.exists() else ()
        self.run(
            "nice", "-n", "10", "buildah", "bud", "--quiet", "--format=docker",
            "--isolation=chroot", "--ulimit=nofile=1024:1024", *certificates, *options,
            "--tag", tag, str(context),
        )  # fmt: skip

    def remove(self) -> None:
        """Unmount and delete the image store."""
        self.run("podman", "system", "reset", "--force", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
