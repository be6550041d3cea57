"""Reading files in a process of its own."""

import pytest

from app.importers import reading, sandbox
from app.importers.base import StatementError
from tests.factories.files import CSV_MARCH, MARCH, csv, ofx


@pytest.mark.parametrize(("name", "data"), [("march.ofx", ofx()), ("march.csv", CSV_MARCH)])
def test_the_process_reads_what_we_would_read(name: str, data: bytes) -> None:
    assert sandbox.read(name, data) == reading.read(name, data)


def test_an_error_keeps_its_line_and_field() -> None:
    with pytest.raises(StatementError) as inside:
        reading.read("x.pdf", b"%PDF-1.4")
    with pytest.raises(StatementError) as outside:
        sandbox.read("x.pdf", b"%PDF-1.4")

    assert str(inside.value) == str(outside.value)
    assert (inside.value.line, inside.value.part) == (outside.value.line, outside.value.part)


def test_a_reader_that_needs_too_much_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS_MAX", 0.001)

    with pytest.raises(StatementError, match="more time or memory"):
        sandbox.read("march.csv", CSV_MARCH)


def test_a_process_that_ends_without_an_answer_is_a_failed_file() -> None:
    with pytest.raises(StatementError, match="more time or memory"):
        sandbox.unpack(b"")


def test_lines_point_into_the_file() -> None:
    file = reading.read("march.ofx", ofx()).file
    assert file is not None
    lines = ofx().decode().splitlines()

    for row, line in zip(file.transactions, file.statements[0].lines, strict=True):
        assert row.description in lines[line - 1]


def test_one_row_is_found_again_among_equal_ones() -> None:
    data = csv(
        "2026-03-02,COFFEE,-4.50",
        "2026-03-02,COFFEE,-4.50",
        "2026-03-03,TEA,-1.00",
        ",with milk,",
        "2026-03-02,COFFEE,-4.50",
    )
    read = reading.read("march.csv", data)
    assert read.file is not None
    assert read.layout is not None

    found = [
        reading.find_fields(
            "file.csv", data, row.source_id, day=row.date, layout=read.layout.to_dict()
        )["line"]
        for row in read.file.transactions
    ]

    assert found == ["2", "3", "4", "6"]
    assert reading.find_fields("file.ofx", ofx(), "no such id", day=row_day()) == {}


def row_day():
    file = reading.read("march.ofx", ofx(MARCH[:1])).file
    assert file is not None
    return file.transactions[0].date
