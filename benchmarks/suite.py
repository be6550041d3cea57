"""The table of figures; measures those asked for and reports them."""

import argparse
import sys
import time
import traceback

from benchmarks import (
    applying,
    decode,
    extent,
    figures,
    first_sync,
    proving,
    reading,
    starting,
    throughput,
    undoing,
)
from benchmarks.figures import Budget, Figure, Finding

FIGURES = (
    Figure("decode_page_500", "ms CPU", Budget(ratio_max=4), decode.page_of_500,
           "msgspec's typed decode of the same bytes"),
    Figure("apply_500", "rows/s", Budget(ratio_min=0.25), applying.apply_500,
           "bare COPY of rendered tuples into the same table, without triggers"),
    Figure("apply_10000", "rows/s", Budget(ratio_min=0.25), applying.apply_10000,
           "bare COPY of rendered tuples into the same table, without triggers"),
    Figure("replay_500", "ms", Budget(ratio_max=0.5), applying.replay_500,
           "the first apply of the same page"),
    Figure("replay_10000", "ms", Budget(ratio_max=0.5), applying.replay_10000,
           "the first apply of the same pages"),
    Figure("replay_ledger", "rows/s", Budget(ratio_min=0.334), proving.replay_ledger,
           "booking the same pages"),
    Figure("verify_ledger", "s", Budget(value_max=60), proving.verify_ledger,
           "reading all rows once"),
    Figure("undo_10000", "s CPU", Budget(ratio_max=4), undoing.undo_10000,
           "booking the same file"),
    Figure("first_sync_10000", "s CPU", Budget(value_max=2), first_sync.of_10000,
           "typed decode of the same bytes and bare COPY of the same rows"),
    Figure("start_cold", "s", Budget(), starting.cold, "importing the program"),
    Figure("start_warm", "s", Budget(value_max=4), starting.warm, "importing the program"),
    Figure("memory", "MB", Budget(value_max=600), starting.memory,
           "PostgreSQL and Valkey of the same installation"),
    Figure("transactions_page", "ms p99", Budget(value_max=50, ratio_max=1.3),
           reading.page_at_scale, "the same pages of a household with 10,000 rows"),
    Figure("overview_page", "ms p99", Budget(value_max=60), reading.overview_at_scale,
           "the same pages of a household with 10,000 rows"),
    Figure("search", "ms p99", Budget(value_max=100), reading.search_at_scale,
           "the list without a term"),
    Figure("list_throughput", "requests/s", Budget(ratio_min=0.5), throughput.list_endpoint,
           "a bare ASGI application with asyncpg and msgspec, same query, same load"),
)  # fmt: skip


def main() -> int:
    """Measure and report; 1 when a name is unknown or something could not be measured."""
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--quick", action="store_true")
    asked = options.parse_args()
    extent.QUICK = asked.quick
    chosen = [figure for figure in FIGURES if figure.name.startswith(tuple(asked.only.split(",")))]
    if not chosen:
        print(f"No figure begins with {asked.only!r}: {', '.join(f.name for f in FIGURES)}")
        return 1
    started = time.monotonic()
    findings = []
    for figure in chosen:
        try:
            findings.append(Finding(figure, figure.read()))
        except Exception:  # noqa: BLE001  # the other figures are worth having
            traceback.print_exc()
        else:
            print(findings[-1].as_json(), flush=True)
    kept = sum(finding.is_ok for finding in findings)
    print(f"\n{figures.table(findings)}\n")
    print(f"{kept} of {len(findings)} budgets kept; {time.monotonic() - started:.0f} s.")
    return 0 if len(findings) == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
