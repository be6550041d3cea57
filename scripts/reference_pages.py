"""What the scripts that write docs/reference share: writing, or only comparing."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def give_settings() -> None:
    """Let the application be loaded where nothing is set up: nothing is connected to."""
    for name in [name for name in os.environ if name.startswith("PLAID_")]:
        del os.environ[name]
    os.environ["DATABASE_URL"] = "postgresql://nobody@localhost/nothing"
    os.environ["SECRET_KEY"] = "only-to-load-0123456789-the-program-for-its-pages"
    os.environ["PUBLIC_URL"] = "http://localhost:8000"
    os.environ["DOCS_ENABLED"] = "true"


def write_pages(
    text: str | None,
    pages: Callable[[], Mapping[Path, str]],
    arguments: Sequence[str] | None,
) -> int:
    """Write the pages that are out of date, or only name them; return the exit status."""
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    options = parser.parse_args(arguments)
    stale = []
    for path, content in pages().items():
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(path.relative_to(ROOT))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    for stale_path in stale:
        print(f"{stale_path}: {'out of date' if options.check else 'written'}")
    return 1 if stale and options.check else 0


def cell(text: str) -> str:
    """Return a text as it may stand in a cell of a table: one line, no bars."""
    return " ".join(text.split()).replace("|", "\\|")
