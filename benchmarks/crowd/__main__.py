"""`make load` and `make soak`: starts a whole installation of its own and sends a crowd to it."""

import argparse
import subprocess
import sys

from app.cli.environment import ALLOCATOR
from app.core.embedded import ports
from benchmarks import servers
from benchmarks.crowd.installation import BANK_PORT, WEB_PORT


def main() -> int:
    """Run what was asked for; 0 when it was measured and, for a soak, nothing grew."""
    options = argparse.ArgumentParser(prog="make load", description=__doc__)
    options.add_argument("what", choices=("load", "soak"))
    options.add_argument("--people", type=int, default=24, help="Signed in at the same time.")
    options.add_argument("--rows", type=int, default=5_000, help="Transactions of each.")
    options.add_argument("--seconds", type=int, default=60, help="Of each part of a load.")
    options.add_argument("--minutes", type=float, default=120, help="Of a soak.")
    options.add_argument("--no-write", action="store_true", help="Print, and write no page.")
    asked = options.parse_args()
    web, bank = ports.find_free(), ports.find_free()
    with servers.running() as environment:
        environment |= {
            # As `fintech up` and the image have them.
            "LOG_LEVEL": "INFO",
            **ALLOCATOR,
            # Nobody of the crowd signs in again, however long it stays.
            "ACCESS_TOKEN_EXPIRE_MINUTES": str(24 * 60),
            "PUBLIC_URL": f"http://localhost:{web}",
            "PLAID_BASE_URL": f"http://127.0.0.1:{bank}",
            "SIMULATOR_RATE_LIMITS": "off",
            "SIMULATOR_ITEM_LIFE_DAYS": "0",
            WEB_PORT: str(web),
            BANK_PORT: str(bank),
        }
        command = [sys.executable, "-m", f"benchmarks.crowd.{asked.what}"]
        command += [f"--people={asked.people}", f"--rows={asked.rows}"]
        if asked.what == "load":
            command += [f"--seconds={asked.seconds}"]
        else:
            command += [f"--minutes={asked.minutes}"]
        command += ["--no-write"] if asked.no_write else []
        return subprocess.run(command, cwd=servers.ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
