"""Whoever follows a link of ours arrives."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, markdown_files, prose_of, text_of

LINK = re.compile(r"!?\[[^\]]*\]\(\s*([^)\s]+)[^)]*\)")
OUTSIDE = ("http://", "https://", "mailto:")
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|mnt)/")


def anchors(path: Path) -> set[str]:
    """Return the names that the headings of a page get."""
    headings = re.findall(r"^#+ (.*)$", text_of(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", markdown_files(), ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(prose_of(page)):
        if target.startswith(OUTSIDE):
            continue
        place, _, anchor = target.partition("#")
        path = (ROOT / page).parent / place if place else ROOT / page
        assert path.exists(), f"{page}: {target}"
        assert path.resolve().is_relative_to(ROOT), f"{page}: {target} leaves the checkout"
        if anchor:
            assert anchor in anchors(path.resolve().relative_to(ROOT)), f"{page}: {target}"


@pytest.mark.parametrize("page", markdown_files(), ids=str)
def test_no_page_names_a_machine_of_ours(page: Path) -> None:
    assert not MACHINE.search(text_of(page)), page


def test_every_page_of_the_documentation_is_linked_from_another() -> None:
    linked = set()
    for page in markdown_files():
        for target in LINK.findall(prose_of(page)):
            if not target.startswith(OUTSIDE):
                linked.add(((ROOT / page).parent / target.partition("#")[0]).resolve())
    numbered = re.compile(r"\d{4}-")

    pages = [path for path in DOCS.rglob("*.md") if not numbered.match(path.name)]

    assert pages
    assert [str(path) for path in pages if path.resolve() not in linked] == []


def test_decisions_are_numbered_without_gaps_and_have_all_their_parts() -> None:
    decisions = sorted((DOCS / "adr").glob("*.md"))

    assert [path.name[:4] for path in decisions] == [f"{n + 1:04}" for n in range(len(decisions))]
    for path in decisions:
        text = path.read_text(encoding="utf-8")
        assert text.startswith(f"# {path.name[:4]} "), path.name
        parts = re.findall(r"^## (\w+)", text, re.MULTILINE)
        assert parts[:4] == ["Context", "Decision", "Consequences", "Alternatives"], path.name


def test_pictures_are_small() -> None:
    pictures = list((DOCS / "images").iterdir())

    assert pictures
    for path in pictures:
        assert path.stat().st_size < 250_000, path.name
