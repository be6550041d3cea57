"""`fintech sync`: it speaks to the running program, and its status tells whether all went well."""

import dataclasses
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from app.cli.sync import WAIT_SECONDS, command
from tests.providers.local_server import LocalServer, as_json, local_server

LIMITED = "We asked the bank data service too often. We will try again by ourselves."


@pytest.fixture
def program() -> Iterator[LocalServer]:
    """What answers in the program's place."""
    with local_server() as server:
        server.routes["/api/v1/auth/login"] = as_json({"access_token": "token"})
        yield server


def run(program: LocalServer) -> Result:
    login = ["--email=ada@example.com", "--password=correct horse"]
    return CliRunner().invoke(command, [f"--url={program.url}", *login])


def link(program: LocalServer, **runs: dict[str, object] | None) -> None:
    """Let the program have banks, and say what each one's sync brings."""
    banks = [{"id": name, "institution_name": name.title()} for name in runs]
    program.routes["/api/v1/connections/"] = as_json({"data": banks})
    for name, run_ in runs.items():
        path = f"/api/v1/plaid/sync-transactions/{name}?wait={WAIT_SECONDS}"
        program.routes[path] = as_json({"run": run_})


def brought(added: int = 0, error: str | None = None) -> dict[str, object]:
    """Return what the API tells of a run, by the names that it has there."""
    from app.features.connections.api import SyncOut  # reads the environment

    told = {"added": added, "modified": 0, "removed": 0, "error_message": error}
    run = SyncOut.model_fields["run"].annotation
    assert set(told) <= {field.name for field in dataclasses.fields(run)}
    return told


def test_each_bank_has_a_line_and_one_that_fails_makes_the_status_1(program: LocalServer) -> None:
    link(program, harbor=brought(error=LIMITED), pine=brought(added=3), late=None)

    done = run(program)

    assert done.exit_code == 1
    assert done.output.splitlines() == [
        f"Harbor: {LIMITED}",
        "Pine: 3 new, 0 changed, 0 removed",
        "Late: queued; it goes on by itself",
    ]


def test_when_all_goes_well_the_status_is_0(program: LocalServer) -> None:
    link(program, pine=brought(added=1))

    assert run(program).exit_code == 0


def test_without_a_bank_it_says_so(program: LocalServer) -> None:
    link(program)

    done = run(program)

    assert (done.exit_code, done.output) == (0, "No bank is linked yet.\n")


def test_a_program_that_is_not_there_is_named() -> None:
    with local_server() as gone:
        pass

    done = run(gone)

    assert done.exit_code == 1
    assert gone.url.removeprefix("http://") in done.output
