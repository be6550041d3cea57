"""`make chaos SEED=7 N=1000`: kill workers at named places and check everything after each.

Starts servers of its own, prints what it does, writes the figures into
docs/reference/correctness.md, and ends with status 1 when an invariant does not hold. A failure is
repeated by its seed and commit, and its world alone by `arguments="--world 43 --no-write"`.
"""

import argparse
import os
import platform
import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from tests import servers

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "reference" / "correctness.md"
_BEGIN, _END = "<!-- chaos: written by make chaos -->", "<!-- chaos: end -->"


def main() -> int:
    """Run, print, write."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--lanes", type=int, default=2, help="processes at once")
    parser.add_argument("--world", type=int, default=None, help="only this one of the seed's")
    parser.add_argument("--each-point", action="store_true", help="go on until each was reached")
    parser.add_argument("--no-write", action="store_true", help="leave the page as it is")
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    commit = _commit()  # now: somebody may commit before the end
    with ExitStack() as stack:
        _enter(stack)
        from app.core.logging import configure_logging  # reads the environment
        from tests.faults import kills

        configure_logging()
        kills.prepare()
        if arguments.world is not None:
            print(f"seed {seed}, world {arguments.world}", flush=True)
            tally = kills.one_world(seed, arguments.world)
        else:
            print(f"seed {seed}, {arguments.kills:,} kills", flush=True)
            tally = kills.chaos_in_lanes(
                seed, arguments.kills, arguments.lanes, each_point=arguments.each_point
            )
    for violation in tally.violations:
        print(f"VIOLATION {violation}", file=sys.stderr)
    print(f"{tally.total:,} kills, {len(tally.violations)} violations, {tally.seconds:.1f} s")
    if not arguments.no_write:
        write(_section(seed, commit, tally))
    return 1 if tally.violations else 0


def _enter(stack: ExitStack) -> None:
    """Start servers and set the environment, before anything of `app` reads it."""
    os.environ |= {"APP_ENV": "production", "SECRET_KEY": secrets.token_urlsafe(48)}
    os.environ |= {"LOG_LEVEL": "ERROR", "DATABASE_POOL_SIZE": "4"}
    os.environ |= stack.enter_context(servers.running())
    os.environ["DATABASE_URL"] = stack.enter_context(servers.cloned_database("chaos"))
    os.environ["REDIS_URL"] = os.environ[servers.BROKER]


def _commit() -> str:
    asked = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(asked, cwd=_ROOT, capture_output=True, text=True).stdout.strip()


def _section(seed: int, commit: str, tally) -> str:
    from app.core.faults import POINTS  # reads the environment

    rows = "\n".join(f"| `{name}` | {tally.kills[name]:,} |" for name in POINTS)
    verdict = "none" if not tally.violations else "; ".join(tally.violations)
    return f"""
`make chaos SEED={seed} N={tally.total}` on commit {commit}, {os.cpu_count()} cores, Python
{platform.python_version()}:

| | |
| --- | --- |
| kills (`kill -9`) | {tally.total:,} |
| **violations of an invariant** | **{len(tally.violations)}** |
| histories | {tally.worlds:,} |
| checks of the invariants, one after each kill at least | {tally.checks:,} |
| `fintech replay --verify` and `fintech verify` of a whole household | {tally.proofs:,} |
| workers overtaken by another | {tally.overtaken:,} |
| times the bank refused every cursor, so that all was read again | {tally.refusals:,} |
| full readings that a person had to accept | {tally.held:,} |
| edits by people in between | {tally.edits:,} |
| seconds | {tally.seconds:.0f} ({tally.total / tally.seconds:.1f} kills a second) |

| Killed at | Times |
| --- | ---: |
{rows}

Violations: {verdict}.
"""


def write(section: str, begin: str = _BEGIN, end: str = _END) -> None:
    """Replace what stands between two comments of the page, adding them if they are not there."""
    text = _PAGE.read_text(encoding="utf-8") if _PAGE.exists() else "# Correctness\n"
    if begin not in text:
        text += f"\n{begin}\n{end}\n"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    _PAGE.write_text(f"{before}{begin}\n{section.strip()}\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
