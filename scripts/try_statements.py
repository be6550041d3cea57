"""Read every bank file of a folder and print one line for each: what was found, what not.

Usage: `python scripts/try_statements.py FOLDER`. Where the folder, or one above it, has a
`MANIFEST.csv` with the columns `stored_as` and `oracle_txns`, the counts are compared.
"""

import csv as delimited
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.importers.base import StatementError
from app.importers.files import detect_format, read_file

_ENDINGS = set(" .ofx .qfx .qbo .xml .sta .mta .swi .940 .mt940 .csv .tsv .txt .gif".split(" "))
_PARENTS_MAX = 4


@dataclass(frozen=True)
class Result:
    """What became of one file."""

    name: str
    format: str
    accounts: int
    found: int
    rejected: int
    sums: str
    expected: int | None
    investment: bool
    seconds: float
    remark: str

    def line(self) -> str:
        """Return the result in one line."""
        wanted = "-" if self.expected is None else str(self.expected)
        return (
            f"{self.name[-60:]:60} {self.format:5} {self.accounts:3} {self.found:6} /{wanted:>5} "
            f"rejected {self.rejected:<3} {self.sums:32} {self.seconds:6.3f}s {self.remark}"
        )


def judge(path: Path, folder: Path) -> Result:
    """Read one file and compare it with the manifest, if there is one."""
    data = path.read_bytes()
    count, note = _manifest(folder).get(str(path.resolve()), (None, ""))
    start = time.perf_counter()
    accounts, found, rejected, sums = 0, 0, 0, ""
    try:
        file = read_file(path.name, data)
    except StatementError as error:
        remark = f"refused: {error}"
    else:
        accounts, found, rejected = len(file.statements), len(file.transactions), len(file.rejected)
        totals: dict[str, Decimal] = {}
        for row in file.transactions:
            totals[row.money.currency] = (
                totals.get(row.money.currency, Decimal(0)) + row.money.amount
            )
        sums = " ".join(f"{amount} {currency}" for currency, amount in totals.items())
        reasons = [f"{row.where}: {row.reason}" for row in file.rejected[:3]]
        remark = " | ".join((*reasons, *file.notes))
    return Result(
        name=str(path.relative_to(folder)),
        format=detect_format(path.name, data),
        accounts=accounts,
        found=found,
        rejected=rejected,
        sums=sums,
        expected=count,
        investment="investment" in note,
        seconds=time.perf_counter() - start,
        remark=remark,
    )


@lru_cache(maxsize=8)
def _manifest(folder: Path) -> dict[str, tuple[int | None, str]]:
    """Return the expected count and the note for each file, by its whole path."""
    for place in (folder, *folder.resolve().parents[:_PARENTS_MAX]):
        manifest = place / "MANIFEST.csv"
        if manifest.is_file():
            with manifest.open(encoding="utf-8", newline="") as lines:
                return {
                    str((place / row["stored_as"]).resolve()): (
                        int(row["oracle_txns"]) if row["oracle_txns"] else None,
                        row["note"] + row["variant"],
                    )
                    for row in delimited.DictReader(lines)
                }
    return {}


def main() -> int:
    """Print a line for each file below the folder, and the share that is exact."""
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    folder = Path(sys.argv[1])
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix.lower() in _ENDINGS]
    results = [judge(path, folder) for path in paths]
    for result in results:
        print(result.line())
    for kind in sorted({result.format for result in results}):
        group = [r for r in results if r.format == kind and r.expected and not r.investment]
        exact = sum(r.found == r.expected for r in group)
        told = sum(r.found + r.rejected == r.expected for r in group)
        if group:
            print(
                f"{kind}: {exact} of {len(group)} exact ({100 * exact / len(group):.1f} %), "
                f"{told} with what was rejected"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
