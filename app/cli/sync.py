"""`fintech sync`: bring a user's connections up to date now, through the running program."""

import os
from typing import Any

import click

from app.cli.api import Api, ApiError

WAIT_SECONDS = 20


@click.command("sync")
@click.option("--url", default="", help="Where the program runs. [default: PUBLIC_URL]")
@click.option("--email", prompt=True, help="Whose connections.")
@click.option("--password", prompt=True, hide_input=True, envvar="FINTECH_PASSWORD")
def command(*, url: str, email: str, password: str) -> None:
    """Sync every connection of a user, one after the other, and say what came.

    Ends with status 1 when one could not be read.
    """
    url = url or os.environ.get("PUBLIC_URL", "")
    if not url:
        raise click.ClickException("Nothing runs here; name it with --url, or run: fintech up")
    try:
        session = Api(url).log_in(email, password)
        connections = session.get("/api/v1/connections/")["data"]
        outcomes = [_sync(session, connection) for connection in connections]
    except ApiError as error:
        raise click.ClickException(str(error)) from None
    if not connections:
        click.echo("No bank is linked yet.")
    if not all(outcomes):
        raise click.exceptions.Exit(1)


def _sync(session: Api, connection: dict[str, Any]) -> bool:
    """Sync one connection and say what came; tell whether nothing went wrong."""
    path = f"/api/v1/plaid/sync-transactions/{connection['id']}?wait={WAIT_SECONDS}"
    run = session.post(path).get("run")
    error = None if run is None else run["error_message"]
    click.echo(f"{connection['institution_name']}: {error or _came(run)}")
    return not error


def _came(run: dict[str, Any] | None) -> str:
    if run is None:
        return "queued; it goes on by itself"
    return f"{run['added']} new, {run['modified']} changed, {run['removed']} removed"
