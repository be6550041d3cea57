"""semgrep: where values go in the code, by the rules of rules.yaml."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scripts.scan import samples
from scripts.scan.findings import Outcome, run

RULES = Path(__file__).with_name("rules.yaml")
ROOT = RULES.parents[2]
SCANNED = "app"
SECONDS_MAX = 240


def attack(folder: Path) -> Outcome:
    """Read the program by the rules, once they are seen to find what is planted for them."""
    blind = tuple(_misjudged(folder))
    if blind:
        return Outcome("semgrep: its rules do not hold", blind)
    report = _ask(ROOT, SCANNED, folder / "semgrep.json")
    return judge(report, _tracked())


def judge(report: Mapping[str, Any], expected: set[str]) -> Outcome:
    """Read semgrep's report.

    Args:
        report: As semgrep writes it.
        expected: The files that it had to read, from the root of the checkout.
    """
    read = expected & set(report["paths"]["scanned"])
    findings = tuple(
        f"{rule_of(each)}: {each['path']}:{each['start']['line']}: {each['extra']['message']}"
        for each in report["results"]
    )
    findings += tuple(f"semgrep: {each['type']}: {each['message']}" for each in report["errors"])
    findings += tuple(f"semgrep did not read {name}" for name in sorted(expected - read))
    summary = (
        f"semgrep {report['version']}: {len(samples.BROKEN)} rules, {len(read)} files, "
        f"{len(findings)} findings"
    )
    return Outcome(summary, findings)


def rule_of(result: Mapping[str, Any]) -> str:
    """Return the name of the rule that something was found by, without the folder of the rules."""
    return str(result["check_id"]).rpartition(".")[2]


def _misjudged(folder: Path) -> Iterator[str]:
    """Yield the samples that are found, or not found, against what they are there for."""
    planted = folder / "planted"
    names = dict(_plant(planted))
    report = _ask(planted, ".", folder / "planted.json")
    found = {(Path(each["path"]).name, rule_of(each)) for each in report["results"]}
    for name, (rule, is_broken) in names.items():
        if ((name, rule) in found) is not is_broken:
            yield f"{rule} {'misses' if is_broken else 'finds'} its sample {name}"
    yield from (f"semgrep: {each['message']}" for each in report["errors"])


def _plant(root: Path) -> Iterator[tuple[str, tuple[str, bool]]]:
    """Write the samples; yield the name of each file, its rule, and whether it breaks that."""
    folder = root / samples.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for is_broken, kind in ((True, samples.BROKEN), (False, samples.RIGHT)):
        for rule, codes in kind.items():
            for number, code in enumerate(codes):
                suffix = "html" if code.startswith(("<", "{")) else "py"
                name = f"{rule}-{'broken' if is_broken else 'right'}-{number}.{suffix}"
                (folder / name).write_text(f"{code}\n", encoding="utf-8")
                yield name, (rule, is_broken)


def _ask(root: Path, place: str, report: Path) -> Mapping[str, Any]:
    """Run semgrep over a folder below a root; nothing is fetched and nothing sent.

    Raises:
        RuntimeError: It wrote no report.
    """
    log = report.with_suffix(".log")
    status = run(
        [
            "semgrep", "scan", f"--config={RULES}", "--metrics=off", "--disable-version-check",
            "--json", f"--output={report.resolve()}", "--no-git-ignore", f"--project-root={root}",
            "--jobs=2", "--quiet", str(root / place),
        ],
        log,
        seconds_max=SECONDS_MAX,
        environment={
            "SEMGREP_SETTINGS_FILE": str(report.with_suffix(".settings.yaml").resolve()),
            "SEMGREP_LOG_FILE": str(report.with_suffix(".debug.log").resolve()),
            "SEMGREP_SEND_METRICS": "off",
        },
    )  # fmt: skip
    if status is None or not report.exists():
        raise RuntimeError(f"semgrep wrote no report:\n{log.read_text('utf-8', 'replace')}")
    return _relative(json.loads(report.read_text(encoding="utf-8")), root)


def _relative(report: dict[str, Any], root: Path) -> Mapping[str, Any]:
    """Return a report whose paths begin at the root."""
    scanned = [Path(path).relative_to(root).as_posix() for path in report["paths"]["scanned"]]
    results = [
        {**each, "path": Path(each["path"]).relative_to(root).as_posix()}
        for each in report["results"]
    ]
    return {**report, "paths": {"scanned": scanned}, "results": results}


def _tracked() -> set[str]:
    listing = subprocess.run(
        ["git", "ls-files", f"{SCANNED}/*.py", f"{SCANNED}/*.html"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    ).stdout  # fmt: skip
    return {name for name in listing.splitlines() if (ROOT / name).is_file()}
