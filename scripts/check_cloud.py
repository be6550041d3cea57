"""`make check-cloud`: the files for AWS and Google Cloud, without an account of either.

cfn-lint compares the template with AWS's schemas of each region, and moto plays it. What Google
Cloud would say to its files nothing here can tell: tests/deploy reads them.
"""

import subprocess
import sys

from scripts.cloud import stack
from scripts.cloud.template import TEMPLATE
from scripts.containers.engine import Failed, expect, say

REGIONS = ("us-east-1", "us-west-2", "eu-central-1", "eu-west-1")


def lint() -> None:
    """Let cfn-lint find nothing, not even something to warn of."""
    command = (
        "cfn-lint", "--non-zero-exit-code", "informational",
        "--regions", *REGIONS, "--template", str(TEMPLATE),
    )  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    expect(done.returncode == 0, done.stdout + done.stderr)
    say(f"cfn-lint finds nothing in {TEMPLATE.name} for {', '.join(REGIONS)}")


def main() -> int:
    """Make all checks; the status is 1 when one fails."""
    try:
        lint()
        stack.play()
    except Failed as error:
        say(f"FAILED: {error}")
        return 1
    say("all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
