"""The crowd of `make load`, sent to the production Compose file through nginx."""

import json
import os
import re
import subprocess
from collections.abc import Sequence

from scripts.containers.engine import HTTPS_PORT, SIMULATOR_PORT, expect, say
from scripts.containers.site import ROOT, Site

PARTS = {
    "nginx": ("nginx",),
    "web": ("app",),
    "worker": ("celery", "celery-sync"),
    "PostgreSQL": ("postgres",),
    "Redis": ("redis",),
    "simulator": ("simulator",),
    "beat": ("celery-beat",),
}
"""What works for people and around them: its name, and its services."""
_RATE = re.compile(r"(limit_req_zone .* rate=)\d+r/[sm];")


def lift_limits_by_address(site: Site) -> None:
    """Let one address ask as often as many people do who come from many; before `up`."""
    path = site.folder / "deploy" / "nginx" / "nginx.conf"
    text, lifted = _RATE.subn(r"\g<1>100000r/s;", path.read_text("utf-8"))
    expect(lifted == 3, f"nginx.conf has {lifted} limits by address")
    path.write_text(text, "utf-8")


def send(site: Site, options: Sequence[str]) -> None:
    """Send it; what it measures is printed, and written unless `options` have --no-write."""
    pids = {name: _pids(site, services) for name, services in PARTS.items()}
    command = [
        str(ROOT / ".venv/bin/python"), "-m", "benchmarks.crowd.stack",
        f"--origin=https://localhost:{HTTPS_PORT}", f"--bank=http://localhost:{SIMULATOR_PORT}",
        "--webhooks=http://app:8000", f"--parts={json.dumps(pids)}", *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=_environment(site, pids), check=False)
    expect(done.returncode == 0, "the crowd was not measured")
    say("a crowd was here")


def _environment(site: Site, pids: dict[str, list[int]]) -> dict[str, str]:
    """Return the program's own environment, with the servers' addresses inside of the machine."""
    secrets = {
        path.name.upper(): path.read_text("utf-8").strip()
        for path in (site.folder / "secrets").iterdir()
        if path.name in ("database_url", "redis_url", "secret_key", "encryption_keys")
    }
    for name, service in (("DATABASE_URL", "postgres"), ("REDIS_URL", "redis")):
        secrets[name] = secrets[name].replace(f"@{service}:", f"@{_address(site, service)}:")
    return {
        "PATH": os.environ["PATH"],
        **{name: site.engine.environment[name] for name in (
            "PUBLIC_URL", "PLAID_BASE_URL", "PLAID_CLIENT_ID", "PLAID_SECRET", "PLAID_ENV",
        )},
        **secrets,
        "APP_ENV": "production",
        "LOG_LEVEL": "WARNING",
        "SSL_CERT_FILE": str(site.folder / "ssl" / "fullchain.pem"),
        "FINTECH_BENCH_POSTGRESQL": str(pids["PostgreSQL"][0]),
        "FINTECH_BENCH_VALKEY": str(pids["Redis"][0]),
    }  # fmt: skip


def _pids(site: Site, services: Sequence[str]) -> list[int]:
    return [
        int(_look(site, name, "{{.State.Pid}}"))
        for service in services
        for name in site.containers(service)
    ]


def _address(site: Site, service: str) -> str:
    """Return a container's address on the network that only this machine reaches."""
    [name] = site.containers(service)
    networks = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return _look(site, name, networks).split()[0]


def _look(site: Site, name: str, what: str) -> str:
    return site.engine.run("podman", "inspect", name, "--format", what)
