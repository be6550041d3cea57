"""`fintech import FILE`: what it prints, adds and answers."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli.import_files import command
from tests.cast import SignedInBrowser
from tests.factories.files import CSV_MARCH, csv, ofx


def run(*arguments: str | Path, answer: str = ""):
    return CliRunner().invoke(command, [str(each) for each in arguments], input=answer)


@pytest.fixture
def march(tmp_path: Path) -> Path:
    path = tmp_path / "march.ofx"
    path.write_bytes(ofx())
    return path


def transactions(ada: SignedInBrowser) -> int:
    return len(ada.get("/api/v1/transactions/").json()["data"])


def test_it_prints_what_it_read_and_books_it(ada, march) -> None:
    done = run(march, "--user", ada.person.email, "--yes")

    assert done.exit_code == 0, done.output
    assert "OFX, 4 rows, 4 new" in done.output
    assert "added 4, corrected 0, known 0" in done.output
    assert transactions(ada) == 4
    again = run(march, "--user", ada.person.email, "--yes")
    assert "added 0, corrected 0, known 4" in again.output


def test_it_asks_first(ada, march) -> None:
    done = run(march, "--user", ada.person.email, answer="n\n")

    assert (done.exit_code, transactions(ada)) == (0, 0)
    assert "Nothing was added" in done.output


def test_one_bad_file_fails_the_command_but_not_the_others(ada, march, tmp_path) -> None:
    bad = tmp_path / "statement.pdf"
    bad.write_bytes(b"%PDF-1.4")

    done = run(bad, tmp_path / "missing.csv", march, "--user", ada.person.email, "--yes")

    assert done.exit_code == 1
    assert "PDF" in done.output
    assert "missing.csv: No such file" in done.output
    assert transactions(ada) == 4


def test_rows_go_to_the_account_that_is_named(ada, march, tmp_path) -> None:
    run(march, "--user", ada.person.email, "--yes")
    [account] = ada.get("/api/v1/accounts/").json()["data"]
    april = tmp_path / "april.csv"
    april.write_bytes(csv("2026-04-02,TEA,-1.00"))

    done = run(april, "--user", ada.person.email, "--account", account["name"], "--yes")

    assert done.exit_code == 0, done.output
    assert len(ada.get("/api/v1/accounts/").json()["data"]) == 1
    assert transactions(ada) == 5


def test_an_account_or_person_that_is_not_there_is_named(ada, tmp_path) -> None:
    path = tmp_path / "march.csv"
    path.write_bytes(CSV_MARCH)

    unknown = run(path, "--user", ada.person.email, "--account", "Savings", "--yes")
    nobody = run(path, "--user", "nobody@example.com", "--yes")

    assert "no account called 'Savings'" in unknown.output
    assert "no account with this e-mail" in nobody.output
    assert (unknown.exit_code, nobody.exit_code) == (1, 1)
