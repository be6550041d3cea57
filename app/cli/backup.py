"""`fintech backup`: a sealed dump of the database, with a manifest beside it."""

import datetime as dt

import click
import psycopg

from app.cli import backups_daily, restore
from app.cli.backups_folder import backups_folder, backups_place, open_place
from app.core.backups import BackupError, shelf, taking
from app.core.backups.places import Place
from app.core.config import settings
from app.core.encryption import WRAPPING_KEYS
from app.features.operations import backups as records

KEPT = 14


@click.command("backup")
@click.option(
    "--to",
    "where",
    help="A folder, or s3://bucket/prefix. "
    "[default: BACKUP_S3_URL, else BACKUPS_FOLDER, else `backups` in the home]",
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
def command(*, where: str | None, keep: int, is_daily: bool) -> None:
    """Back the database up, sealed with the newest of ENCRYPTION_KEYS.

    Keep ENCRYPTION_KEYS and SECRET_KEY elsewhere: without them a backup cannot be opened.
    """
    try:
        place = open_place(where) if where else backups_place()
        if is_daily:
            backups_daily.run(
                backups_folder(), lambda: _make(place, keep), lambda: restore.check(place)
            )
        _make(place, keep)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    except psycopg.Error as error:
        raise click.ClickException(f"PostgreSQL refused: {error}") from None
    click.echo("Whether it can be restored, says: fintech restore --check")


def _make(place: Place, keep: int) -> None:
    made = taking.take(settings.DATABASE_URL.get_secret_value(), place, WRAPPING_KEYS, keep)
    shelf.record(backups_folder(), "backup", {"file": made["file"], "at": made["taken_at"]})
    at = dt.datetime.fromisoformat(made["taken_at"])
    records.remember(records.BACKUP, made["file"], at, size=made["bytes"])
    rows = sum(count for count, _ in made["tables"].values())
    click.echo(
        f"{place.path(made['file'])}\n{made['bytes']:,} bytes: {rows:,} rows of "
        f"{made['households']:,} households, schema {made['schema']}, "
        f"PostgreSQL {made['postgresql']}, sealed with the key "
        f"{made['key_id']}, in {made['seconds']} s."
    )
    if made["forgotten"]:
        click.echo(f"Older backups deleted: {made['forgotten']}.")
