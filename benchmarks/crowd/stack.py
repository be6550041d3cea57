"""Measures what a crowd's visits to the Compose stack take; `make load-containers` starts both."""

import argparse
import json
import os
from dataclasses import asdict

from app.cli.api import Api
from benchmarks import households
from benchmarks.crowd import load, page, people, visits
from benchmarks.crowd.installation import Installation
from benchmarks.measuring import Processes


def main() -> None:
    """Measure and report.

    The environment is that of the stack's program, with servers as they are reached from here.
    """
    options = argparse.ArgumentParser()
    options.add_argument("--origin", required=True, help="Of the program, as people reach it.")
    options.add_argument("--bank", required=True, help="The simulator's, as it is reached here.")
    options.add_argument("--webhooks", required=True, help="Where the bank reaches the program.")
    options.add_argument("--parts", required=True, help="JSON: process ids by part.")
    options.add_argument("--people", type=int, default=24, help="Signed in at the same time.")
    options.add_argument("--rows", type=int, default=5_000, help="Transactions of each.")
    options.add_argument("--seconds", type=int, default=60, help="Of each part.")
    options.add_argument("--no-write", action="store_true")
    asked = options.parse_args()
    parts = {name: Processes(tuple(ids)) for name, ids in json.loads(asked.parts).items()}
    running = Installation(Api(asked.origin), Api(asked.bank), asked.webhooks, parts)
    crowd = people.gather(running, asked.people, asked.rows)
    with households.owner() as connection:
        connection.execute("VACUUM (ANALYZE)")
    watch = load.Watch(running)
    mix = [
        asdict(load.measure(running, crowd, visits.choose, name, asked.seconds, pause))
        for name, pause in load.PAUSES.items()
    ]
    found = {
        "rows": asked.rows,
        "cores": os.cpu_count(),
        "taken_by_others": watch.taken_by_others(),
        "mix": mix,
    }
    text = json.dumps(found, indent=1)
    print(page.stack_table(json.loads(text)))
    if not asked.no_write:
        page.STACK_MEASURED.write_text(f"{text}\n", encoding="utf-8")
        page.write()


if __name__ == "__main__":
    main()
