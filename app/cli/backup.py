"""`fintech backup`: a sealed dump of the database, with a manifest beside it."""

from pathlib import Path

import click
import psycopg

from app.cli import backups_daily, restore
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
@click.option(
    "--daily",
    "is_daily",
    is_flag=True,
    help="Stay, make one a day, and restore one each week to see, as `restore --check` does.",
)
def command(*, folder: Path | None, keep: int, is_daily: bool) -> None:
    """Back the database up, sealed with the newest of ENCRYPTION_KEYS.

    Keep ENCRYPTION_KEYS and SECRET_KEY elsewhere: without them a backup cannot be opened.
    """
    folder = folder or backups_folder()
    if is_daily:
        backups_daily.run(folder, lambda: _make(folder, keep), lambda: restore.check_newest(folder))
    try:
        _make(folder, keep)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    except psycopg.Error as error:
        raise click.ClickException(f"PostgreSQL refused: {error}") from None
    click.echo("Whether it can be restored, says: fintech restore --check")


def _make(folder: Path, keep: int) -> None:
    made = taking.take(settings.DATABASE_URL.get_secret_value(), folder, WRAPPING_KEYS, keep)
    rows = sum(count for count, _ in made["tables"].values())
    click.echo(
        f"{folder / made['file']}\n{made['bytes']:,} bytes: {rows:,} rows of "
        f"{made['households']:,} households, schema {made['schema']}, "
        f"PostgreSQL {made['postgresql']}, sealed with the key "
        f"{made['key_id']}, in {made['seconds']} s."
    )
    if made["forgotten"]:
        click.echo(f"Older backups deleted: {made['forgotten']}.")
