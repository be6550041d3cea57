"""`fintech import-household`: a household of another installation, out of its file."""

from pathlib import Path

import click

from app.core.errors import AppError
from app.features.privacy.service import importing
from app.features.users import operator


@click.command("import-household")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--owner", default="", help="Who owns it here, by e-mail address. [default: the only user]"
)
def command(*, file: Path, owner: str) -> None:
    """Make a household of FILE, which `fintech export` or the page made on another installation.

    All or nothing; what comes out is compared with what went in. Banks have to be linked again.
    """
    try:
        person = operator.get_person(owner)
        done = importing.import_household(file, person.user_id)
    except AppError as error:
        raise click.ClickException(error.message) from None
    click.echo(
        f"{done.name} is here, {done.rows:,} rows, and belongs to {person.email}. "
        f"{done.items} connections have to be linked again."
    )
