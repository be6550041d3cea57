"""Each file in `statements` is read as the JSON beside it says; both were read and compared."""

import json
from pathlib import Path

import pytest

from app.importers.files import read_file
from tests.importers.expected import describe

STATEMENTS = sorted(
    path for path in (Path(__file__).parent / "statements").iterdir() if path.suffix != ".json"
)


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.name)
def test_a_statement_is_read_as_a_person_reads_it(path):
    expected = json.loads(Path(f"{path}.json").read_text(encoding="utf-8"))
    assert describe(read_file(path.name, path.read_bytes())) == expected


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.name)
def test_reading_a_file_again_gives_the_same_keys_and_each_only_once(path):
    first = [row.key for row in read_file(path.name, path.read_bytes()).transactions]
    again = [row.key for row in read_file("other name", path.read_bytes()).transactions]
    assert first == again
    assert len(set(first)) == len(first)
