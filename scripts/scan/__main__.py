"""`make scan`: the program under scanners, one that reads it and two that attack it as it runs.

semgrep follows what people send to where it must not go. schemathesis asks every operation of the
API what its description does not expect; sqlmap tries to get SQL through every parameter. What is
found, and every request that the program's own log says failed, makes the status 1.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.scan import flows, injections, properties
from scripts.scan.findings import Outcome, say
from scripts.scan.target import Target, running

SEED = 20261129


def main() -> int:
    """Start the target, let each scanner attack it, and say what they found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", choices=("semgrep", "schemathesis", "sqlmap"))
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--examples", type=int, default=properties.EXAMPLES)
    parser.add_argument(
        "--minutes", type=int, default=injections.MINUTES_IN_ALL,
        help="how long sqlmap has for all its requests",
    )  # fmt: skip
    parser.add_argument("--keep", type=Path, help="where the scanners' logs shall stay")
    given = parser.parse_args()
    outcomes = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if given.only in (None, "semgrep"):
            outcomes.append(flows.attack(folder))
            say(outcomes[-1].summary)
        if given.only != "semgrep":
            with running() as target:
                say(f"the demo household is at {target.url}")
                outcomes += _attacks(target, folder, given)
    return _conclude(outcomes)


def _attacks(target: Target, folder: Path, given: argparse.Namespace) -> Iterator[Outcome]:
    attacks: dict[str, Callable[[], Outcome]] = {
        # First what changes nothing that the other needs.
        "sqlmap": lambda: injections.attack(target, folder, minutes=given.minutes),
        "schemathesis": lambda: properties.attack(
            target, folder, seed=given.seed, examples=given.examples
        ),
    }
    for name, attack in attacks.items():
        if given.only in (None, name):
            outcome = attack()
            say(outcome.summary)
            yield outcome
    failures = target.failures()
    yield Outcome(f"the program's own log: {len(failures)} failed requests", tuple(failures))


def _conclude(outcomes: list[Outcome]) -> int:
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    print("", *(outcome.summary for outcome in outcomes), sep="\n")
    print("", *(f"FOUND {finding}" for finding in findings), sep="\n")
    print(f"{len(findings)} findings" if findings else "nothing found")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
