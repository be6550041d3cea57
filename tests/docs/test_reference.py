"""What exists is documented, and what is documented exists."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from app import models
from app.cli import main as program
from app.core import metrics
from app.main import app
from tests.docs.pages import (
    REFERENCE,
    ROOT,
    code_of,
    first_cells,
    markdown_files,
    text_of,
)

SCRIPTS = ("settings", "api", "commands", "tables", "security")
APPLICATION = [
    path for path in sorted((ROOT / "app").rglob("*.py")) if "simulator" not in path.parts
]
METRIC_KINDS = {"Counter", "Gauge", "Histogram", "Summary"}
HTTP_CODES = {"bad_request", "method_not_allowed"}
"""What Starlette raises by itself, in our words."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_pages_made_from_the_code_are_current(name: str) -> None:
    script = f"scripts/{name}_reference.py"

    result = subprocess.run(
        [sys.executable, script, "--check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert result.returncode == 0, f"run: python {script}\n{result.stdout}{result.stderr}"


def calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def defined_metrics() -> dict[str, tuple[str, list[str]]]:
    """Return kind and labels of each metric that the code defines, by the name it is shown by."""
    found = {}
    for path in APPLICATION:
        for call in calls(ast.parse(path.read_text(encoding="utf-8"))):
            # `_gauge` is one that is measured only when it is asked for.
            kind = ast.unparse(call.func).rpartition(".")[2].removeprefix("_").capitalize()
            if kind in METRIC_KINDS and call.args and isinstance(call.args[0], ast.Constant):
                name = str(call.args[0].value).removesuffix("_total")
                labels = ast.literal_eval(call.args[2]) if len(call.args) > 2 else []
                found[f"{name}_total" if kind == "Counter" else name] = (kind.lower(), labels)
    return found


def test_every_metric_is_documented_with_its_kind_and_labels() -> None:
    rows = re.findall(
        r"^\| `(fta_\w+)` \| (\w+) \|([^|]*)\|(.*)\|$",
        text_of(REFERENCE / "metrics.md"),
        re.MULTILINE,
    )
    documented = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels, _ in rows}

    assert documented == defined_metrics()


def test_a_metric_that_is_not_shown_is_said_not_to_be() -> None:
    shown = {family.name for family in metrics.registry.collect()}
    rows = re.findall(r"^\| `(fta_\w+)` (.*)\|$", text_of(REFERENCE / "metrics.md"), re.MULTILINE)

    assert rows
    for name, text in rows:
        assert (name.removesuffix("_total") in shown) == ("not shown" not in text), name


def problem_codes() -> set[str]:
    """Return the codes of all problems that the application can tell."""
    found = set(HTTP_CODES)
    for path in APPLICATION:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in calls(tree):
            if not ast.unparse(call.func).endswith("Error"):
                continue
            for keyword in call.keywords:
                if keyword.arg == "code" and isinstance(keyword.value, ast.Constant):
                    found.add(str(keyword.value.value))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Error"):
                found |= {code for line in node.body for code in class_code(line)}
    return found


def class_code(line: ast.stmt) -> set[str]:
    """Return the code that `code = "…"` or `status, code = 404, "…"` gives a class."""
    if not isinstance(line, ast.Assign):
        return set()
    names, value = ast.unparse(line.targets[0]).strip("()").split(", "), line.value
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return {
        str(given.value)
        for name, given in zip(names, values, strict=False)
        if name == "code" and isinstance(given, ast.Constant)
    }


def test_every_problem_code_is_documented() -> None:
    page = text_of(REFERENCE / "errors.md")
    documented = re.findall(r"^\| `(\w+)` \| \d{3} \|", page, re.MULTILINE)

    assert len(documented) == len(set(documented))
    assert set(documented) == problem_codes()


def test_every_table_is_documented() -> None:
    page = text_of(REFERENCE / "data-model.md")

    assert set(re.findall(r"^### `(\w+)`$", page, re.MULTILINE)) == set(models.Base.metadata.tables)
    diagram = page.partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r"^    (\w+) \S+ (\w+) :", diagram, re.MULTILINE))
    assert {name for pair in drawn for name in pair} <= set(models.Base.metadata.tables)


def test_every_route_of_the_api_is_documented() -> None:
    routes = {
        f"{method.upper()} {path}"
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }
    page = text_of(REFERENCE / "api.md")

    assert set(re.findall(r"^### `([A-Z]+ \S+)`$", page, re.MULTILINE)) == routes


def test_every_address_of_the_api_in_the_pages_is_one() -> None:
    patterns = [
        re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "/?") for path in app.openapi()["paths"]
    ]
    for page in markdown_files():
        for code in code_of(page):
            for address in re.findall(r"/api/v1/[\w\-/{}]+", code):
                assert any(each.fullmatch(address) for each in patterns), f"{page}: {address}"


def known_commands() -> dict[str, set[str]]:
    """Return the options of each command, by its name without the program's."""
    found: dict[str, set[str]] = {}

    def collect(name: str, command: click.Command | None) -> None:
        assert command is not None
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                collect(f"{name} {child}".strip(), command.get_command(context, child))
        options = [option for each in command.params for option in each.opts]
        found[name] = {option for option in options if option.startswith("--")}

    collect("", program)
    return found


def test_every_command_is_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINTECH_HOME", str(tmp_path))  # no running program's settings
    commands = known_commands()
    page = set(first_cells(Path("docs/guides/run.md")))
    for name in commands:
        if name and not any(other.startswith(f"{name} ") for other in commands):
            assert any(re.match(rf"fintech {name}\b", cell) for cell in page), name


def test_commands_in_the_pages_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINTECH_HOME", str(tmp_path))
    commands = known_commands()
    shown = 0
    for page in markdown_files():
        for code in code_of(page):
            for words in re.findall(r"(?:^|[ /])fintech ((?:[a-z]+ ?){1,2}.*)", code):
                name = max((each for each in commands if words.startswith(each)), key=len)
                assert name, f"{page}: fintech {words}"
                for option in re.findall(r"(?<=\s)--[a-z-]+", words):
                    assert option in commands[name], f"{page}: fintech {words}"
                shown += 1
    assert shown > 20


def test_make_targets_in_the_pages_exist() -> None:
    makefile = text_of(Path("Makefile"))
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    shown = set()
    for page in markdown_files():
        for code in code_of(page):
            shown |= set(re.findall(r"^(?:\$ )?make ([a-z-]+)", code))
    assert {"run", "doctor"} <= shown
    assert shown <= targets


def test_the_readme_fits_into_five_minutes() -> None:
    assert len(text_of(Path("README.md")).split()) < 1_000


def test_each_word_of_the_glossary_means_one_thing_and_is_used() -> None:
    page = text_of(Path("docs/glossary.md"))
    terms = re.findall(r"^\| \*\*([^*]+)\*\* \|", page, re.MULTILINE)
    words = [word.strip().lower() for term in terms for word in term.split("/")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in APPLICATION).lower()

    assert len(words) == len(set(words)) > 20
    for word in words:
        assert word in code or word.replace(" ", "_") in code, word
