"""`fintech backup`: a sealed dump of the database, with a manifest beside it."""

from pathlib import Path

import click
import psycopg

from app.cli.backups_folder import backups_folder
from app.core.backups import BackupError, taking
from app.core.config import settings
from app.core.encryption import WRAPPING_KEYS

KEPT = 14


@click.command("backup")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where backups lie. [default: BACKUPS_FOLDER, or `backups` in the home]",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=KEPT,
    show_default=True,
    help="How many stay; older ones are deleted after the new one is whole.",
)
def command(*, folder: Path | None, keep: int) -> None:
    """Back the database up, sealed with the newest of ENCRYPTION_KEYS.

    Keep ENCRYPTION_KEYS and SECRET_KEY elsewhere: without them a backup cannot be opened.
    """
    folder = folder or backups_folder()
    try:
        made = taking.take(settings.DATABASE_URL.get_secret_value(), folder, WRAPPING_KEYS, keep)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    except psycopg.Error as error:
        raise click.ClickException(f"PostgreSQL refused: {error}") from None
    rows = sum(count for count, _ in made["tables"].values())
    click.echo(
        f"{folder / made['file']}\n{made['bytes']:,} bytes: {rows:,} rows of "
        f"{made['households']:,} households, schema {made['schema']}, "
        f"PostgreSQL {made['postgresql']}, sealed with the key "
        f"{made['key_id']}, in {made['seconds']} s."
    )
    if made["forgotten"]:
        click.echo(f"Older backups deleted: {made['forgotten']}.")
    click.echo("Whether it can be restored, says: fintech restore --check")
