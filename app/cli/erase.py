"""`fintech erase`: a household, for good; or those of a list once more, after a restore."""

from pathlib import Path
from uuid import UUID

import click
from sqlalchemy.exc import ProgrammingError

from app.cli.proving import chosen
from app.core.config import settings
from app.core.errors import AppError
from app.features.connections import providers
from app.features.privacy.service import erasing


@click.command("erase")
@click.option("--household", default="", help="Which one, by id or name.")
@click.option("--yes", is_flag=True, help="Do not ask whether to.")
@click.option(
    "--again",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Erase the households that this file of ERASED_HOUSEHOLDS_FILE, or a log, says were.",
)
def command(*, household: str, yes: bool, again: Path | None) -> None:
    """Erase a household: its connections at the bank, its key, its rows and its people.

    Cannot be undone. What backups hold of it that is sealed does not open after this, as long as
    each restore is followed by --again; `fintech restore` sees to it where ERASED_HOUSEHOLDS_FILE
    is set.
    """
    if again is not None:
        click.echo(erased_again(again))
        return
    if not household:
        raise click.UsageError("Name the --household, or a list with --again.")
    found = chosen(household)
    if len(found) > 1:
        raise click.ClickException(f"{len(found)} households are called so: name one by its id.")
    [(household_id, name)] = found
    if not yes:
        click.confirm(f"Erase {name} ({household_id}) for good?", abort=True)
    _erase(household_id, name)


def erased_again(path: Path) -> str:
    """Erase what a list names and the database has again; return what was done, in words."""
    try:
        erased = erasing.read_list(path)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}.") from None
    found = erasing.erase_again(erased)
    return (
        f"{len(erased)} erased households are on the list; "
        f"{len(found)} of them were in the database and are erased again."
    )


def erase_listed() -> None:
    """After a restore, erase again what ERASED_HOUSEHOLDS_FILE names."""
    path = Path(settings.ERASED_HOUSEHOLDS_FILE) if settings.ERASED_HOUSEHOLDS_FILE else None
    if path is None:
        click.echo(
            "ERASED_HOUSEHOLDS_FILE is not set: households that were erased since this backup are "
            "back. Erase them with: fintech erase --again FILE"
        )
    elif path.exists():
        try:
            click.echo(erased_again(path))
        except ProgrammingError:  # a backup from before there were erasures
            raise click.ClickException(
                "The schema of this backup is older than the program: run alembic upgrade head, "
                f"and then: fintech erase --again {path}"
            ) from None


def _erase(household_id: UUID, name: str) -> None:
    providers.configure()
    try:
        erasing.begin(household_id, "operator")
    except AppError as error:
        raise click.ClickException(error.message) from None
    state = erasing.run(household_id)
    if state != "erased":
        raise click.ClickException(
            f"{name} is closed, and not erased yet: a bank did not answer, is still read or "
            "linked, or there is much to delete. The worker goes on by itself, and ends within a "
            "day."
        )
    done = erasing.find(household_id)
    assert done is not None  # just written
    click.echo(f"{name} is erased: {done.rows:,} rows, {done.items_removed} connections ended.")
    for left in done.items_left:
        click.echo(f"  {left} did not end: ask the provider to remove it.")
