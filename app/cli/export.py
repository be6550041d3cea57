"""`fintech export`: one household out, as a file."""

import os
from pathlib import Path

import click

from app.cli.proving import chosen
from app.features.privacy.service import exporting


@click.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--household", default="", help="Which one, by id or name. [default: the only one]")
def command(*, file: Path, household: str) -> None:
    """Write everything that a household owns into FILE, a ZIP archive that nobody else may read.

    It holds all transactions in plain text: keep it where you would keep bank statements.
    """
    found = chosen(household)
    if len(found) != 1:
        raise click.ClickException("There is more than one household: name one by its id.")
    [(household_id, name)] = found
    exporting.note(household_id)
    try:
        target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(target, "wb") as out:
            for part in exporting.export(household_id):
                out.write(part)
    except FileExistsError:
        raise click.ClickException(f"{file} is there already; it is left as it is.") from None
    except OSError as error:
        file.unlink(missing_ok=True)
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None
    click.echo(f"{name} is in {file}, {file.stat().st_size:,} bytes.")
