"""Starts PostgreSQL and Valkey of its own and runs the suite against them.

The servers are durable, as an installation's are: what a disk costs belongs into the figures.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import servers


def main() -> int:
    """Run the figures that were asked for; 0 when all were measured, kept or missed."""
    options = argparse.ArgumentParser(prog="make bench", description=__doc__)
    options.add_argument(
        "--only", default="", help="Measure the figures whose names begin so, comma-separated."
    )
    options.add_argument("--quick", action="store_true", help="Less data, fewer rounds.")
    options.add_argument("--home", type=Path, help="Keep servers and data here for the next run.")
    asked = options.parse_args()
    with servers.running(asked.home) as environment:
        suite = [sys.executable, "-m", "benchmarks.suite", f"--only={asked.only}"]
        suite += ["--quick"] if asked.quick else []
        return subprocess.run(suite, cwd=servers.ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
