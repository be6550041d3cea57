"""F10: what a spreadsheet opens is text where it was text."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain import cells

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


@pytest.mark.parametrize("start", DANGEROUS)
def test_F10_what_a_spreadsheet_would_compute_is_behind_an_apostrophe(start: str) -> None:
    assert cells.defuse(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"


@pytest.mark.parametrize("text", ["", "COFFEE", "'tis", "a=b", " =1", "1-2"])
def test_F10_other_text_stays_as_it_is(text: str) -> None:
    assert cells.defuse(text) == text


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2)
)
@example(["=1,2", 'a "quoted" word'])
@example(["line\r\nbreak", ""])
@example(["'=1", "''=1"])
def test_F10_every_row_is_read_back_as_it_was(values: list[str]) -> None:
    written = "".join(cells.row([cells.defuse(value) for value in values]))

    [read] = csv.reader(io.StringIO(written, newline=""))

    assert [cells.plain(cell) for cell in read] == values
    assert not any(cell.startswith(DANGEROUS) for cell in read)
