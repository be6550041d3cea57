"""Look for secrets in all files that git knows: what .secrets.baseline does not list is an error.

The baseline holds digests of what only looks like a secret, such as a password in an example.
`--write` takes what is found now for harmless: look at what git says changed.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from detect_secrets import SecretsCollection
from detect_secrets.core import baseline
from detect_secrets.settings import configure_settings_from_baseline

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ROOT / ".secrets.baseline"


def tracked() -> list[str]:
    """Return all files that git knows or would take."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    return [name for name in sorted(set(listing.splitlines())) if (ROOT / name).is_file()]


def scan(root: Path, names: Sequence[str]) -> SecretsCollection:
    """Return what looks like a secret in these files, by the baseline's settings."""
    configure_settings_from_baseline(json.loads(BASELINE.read_text(encoding="utf-8")))
    scanned, found = SecretsCollection(str(root)), SecretsCollection()
    scanned.scan_files(*names)
    for name, each in scanned:
        each.filename = name  # from the root on: the baseline holds wherever the checkout is
        found[name].add(each)
    return found


def unknown(found: SecretsCollection) -> list[str]:
    """Return place and kind of what the baseline does not list, wherever in its file it stands."""
    known = baseline.load(json.loads(BASELINE.read_text(encoding="utf-8")))
    return sorted(f"{name}:{each.line_number}: {each.type}" for name, each in found - known)


def main(arguments: Sequence[str]) -> int:
    """Print what is new; the status is 1 when something is."""
    found = scan(ROOT, tracked())
    if arguments == ["--write"]:
        baseline.save_to_file(found, str(BASELINE))
        return 0
    new = unknown(found)
    for line in new:
        print(line)
    if new:
        print("Take it out, and change it where it works. If it is none: --write adds it.")
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
