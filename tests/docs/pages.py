"""The project's own Markdown files, and what stands in them."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
_NOT_OURS = {".venv", ".tools", "node_modules", "vendor", ".pytest_cache", ".hypothesis"}
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^ {4}.*$", re.MULTILINE)


@cache
def markdown_files() -> tuple[Path, ...]:
    """Return all of them, as paths below the checkout."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return tuple(sorted(path for path in found if not _NOT_OURS & set(path.parts)))


@cache
def text_of(path: Path) -> str:
    """Return a page."""
    return (ROOT / path).read_text(encoding="utf-8")


def prose_of(path: Path) -> str:
    """Return a page without its blocks of code."""
    return _INDENTED.sub("", _FENCED.sub("", text_of(path)))


def code_of(path: Path) -> list[str]:
    """Return what a page shows as code: inline, indented and fenced."""
    text = text_of(path)
    blocks = [*_FENCED.findall(text), *_INDENTED.findall(text)]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [*lines, *re.findall(r"`([^`\n]+)`", prose_of(path))]


def first_cells(path: Path) -> list[str]:
    """Return what the tables of a page have in code in their first column."""
    return re.findall(r"^\| `([^`]+)`", text_of(path), re.MULTILINE)
