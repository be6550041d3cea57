"""Write docs/reference/security-bar.md: each requirement, and the tests that show it.

A test shows a requirement when it carries its id (`test_A1_…`), or when security-bar.txt names it;
a name that no test has is an error. One that only tests/lint/test_no_surface.py carries is about
what the program does not do; the first line of its test says what that is. `--check` writes
nothing and fails when the page is stale.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_pages import REFERENCE, ROOT, cell, write_pages

PAGE = REFERENCE / "security-bar.md"
LIST = REFERENCE / "security-bar.txt"
NO_SURFACE = "tests/lint/test_no_surface.py"
TEST = re.compile(r"^ *def (test_\w+)", re.MULTILINE)
IDS = re.compile(r"^test_((?:[A-Z]\d{1,2}_)+)")

HEAD = """# The security bar

Made by `scripts/security_reference.py` from `security-bar.txt` beside it and the names of the
tests; do not edit. **Of {all} requirements {tested} have tests, {bare} have nothing to attack
(a test fails as soon as they do), {open} are open**: not built yet, or built without a test that
carries their id. Open does not mean broken, tested does not mean that nothing is left.

| Id | What must hold | State | Tests |
| --- | --- | --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Requirement:
    """A line of the list."""

    id: str
    says: str
    named: tuple[str, ...]
    """Tests that the list names: `file::test`, or a file for all of its tests."""


def requirements() -> list[Requirement]:
    """Return the lines of the list."""
    found = []
    for line in LIST.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            code, says, named = (part.strip() for part in line.split("|"))
            found.append(Requirement(code, says, tuple(named.split())))
    return found


def all_tests() -> set[str]:
    """Return `file::test` of every test, and every file that has one."""
    found = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        file = path.relative_to(ROOT).as_posix()
        names = TEST.findall(path.read_text(encoding="utf-8"))
        found |= {f"{file}::{name}" for name in names} | {file}
    return found


def by_id(tests: set[str]) -> Mapping[str, list[str]]:
    """Return the tests that carry an id, by the id."""
    found: dict[str, list[str]] = {}
    for test in sorted(tests):
        match = IDS.match(test.partition("::")[2])
        for code in match[1].split("_") if match else ():
            found.setdefault(code, []).append(test)
    return found


def page() -> str:
    """Return the page.

    Raises:
        SystemExit: The list names a test that does not exist.
    """
    tests, listed = all_tests(), requirements()
    unknown = sorted({name for each in listed for name in each.named} - tests)
    if unknown:
        raise SystemExit(f"{LIST.name} names tests that do not exist: {', '.join(unknown)}")
    carried = by_id(tests)
    shown = {each.id: [*carried.get(each.id, ()), *each.named] for each in listed}
    states = {code: _state(tests) for code, tests in shown.items()}
    counts = Counter(state.partition(" (")[0] for state in states.values())
    head = HEAD.format(
        all=len(listed), tested=counts["tested"], bare=counts["no surface"], open=counts["open"]
    )
    reasons = no_surface()
    return head + "".join(_row(each, states[each.id], shown[each.id], reasons) for each in listed)


def no_surface() -> Mapping[str, str]:
    """Return why there is nothing to attack, by test."""
    tree = ast.parse((ROOT / NO_SURFACE).read_text(encoding="utf-8"))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found[f"{NO_SURFACE}::{node.name}"] = (ast.get_docstring(node) or "").rstrip(".")
    return found


def _state(tests: Sequence[str]) -> str:
    if all(test.startswith(NO_SURFACE) for test in tests):
        return "no surface" if tests else "open"
    return f"tested ({len(tests)})"


def _row(
    requirement: Requirement, state: str, tests: Sequence[str], reasons: Mapping[str, str]
) -> str:
    files = sorted({test.partition("::")[0].removeprefix("tests/") for test in tests})
    if state == "no surface":
        state = f"no surface: {reasons[tests[-1]]}"
    where = ", ".join(f"`{name}`" for name in files)
    return f"| {requirement.id} | {cell(requirement.says)} | {state} | {where} |\n"


def pages() -> Mapping[Path, str]:
    """Return the page by its path."""
    return {PAGE: page()}


if __name__ == "__main__":
    sys.exit(write_pages(__doc__, pages, None))
