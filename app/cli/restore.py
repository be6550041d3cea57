"""`fintech restore`: a backup into an empty database; with `--check`, into a throw-away one."""

import datetime as dt
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import click
import psycopg

from app.cli.backups_folder import backups_folder, backups_place, split_file
from app.cli.erase import erase_listed
from app.core import clock
from app.core.backups import BackupError, restoring, shelf
from app.core.backups.places import Place
from app.core.backups.restoring import Restored
from app.core.config import settings
from app.core.encryption import WRAPPING_KEYS
from app.features.operations import backups as records

DIFFERENCES_SHOWN = 20
_VERIFY = "from app.cli import main; main(['verify', '--without-audit-digests'])"


@click.command("restore")
@click.argument("file", required=False)
@click.option(
    "--check",
    "is_check",
    is_flag=True,
    help="Restore into a throw-away database on the same server, compare, and drop it.",
)
def command(*, file: str | None, is_check: bool) -> None:
    """Restore FILE into the empty database that DATABASE_URL names.

    FILE is a path, or an address s3://bucket/prefix/name. With --check it may be left out or be a
    folder or s3://bucket/prefix: the newest backup there. The exit status is 1 when anything
    differs from what was backed up, or `fintech verify` finds something.
    """
    try:
        place, name = split_file(file) if file else (backups_place(), "")
        if is_check:
            check(place, name)
        elif not name:
            raise click.UsageError("Name the FILE to restore; it ends in .backup.")
        else:
            url = settings.DATABASE_URL.get_secret_value()
            done = restoring.restore(url, place, name, WRAPPING_KEYS)
            _print_restored(done)
            erase_listed()
            _end(done)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    except psycopg.Error as error:
        raise click.ClickException(f"PostgreSQL refused: {error}") from None


def check(place: Place, name: str = "") -> None:
    """Restore a backup aside, compare and verify it; remember how it went, also when it went wrong.

    Args:
        place: Where backups lie.
        name: Which; the newest if empty.

    Raises:
        BackupError: There is none, or it cannot be restored.
        click.ClickException: What came back is not what was kept, or is not sound.
    """
    name = name or _newest(place)
    entry: dict[str, Any] = {"file": name, "at": clock.now().isoformat(), "is_ok": False}
    url = settings.DATABASE_URL.get_secret_value()
    try:
        with restoring.throwaway(url) as aside:
            done = restoring.restore(aside, place, name, WRAPPING_KEYS)
            _print_restored(done)
            verified = _verify(aside)
        age = _age(done.manifest)
        entry |= {"rpo_seconds": round(age.total_seconds()), "rto_seconds": round(done.seconds, 1)}
        entry["is_ok"] = verified and not done.differences
        click.echo(f"RPO {entry['rpo_seconds']} s, RTO {entry['rto_seconds']} s")
    finally:
        shelf.record(backups_folder(), "check", entry)
        at = dt.datetime.fromisoformat(entry["at"])
        records.remember(records.CHECK, name, at, is_ok=entry["is_ok"])
    if not verified:
        raise click.ClickException("fintech verify found something in the restored data.")
    _end(done)


def _newest(place: Place) -> str:
    names = shelf.complete(place)
    if not names:
        raise BackupError(f"There is no backup in {place.path('')}. Make one: fintech backup")
    return names[-1]


def _verify(url: str) -> bool:
    """Run `fintech verify` in a process of its own: this one's settings name another database."""
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        [sys.executable, "-c", _VERIFY],
        env=os.environ | {"DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    click.echo((done.stdout + done.stderr).strip())
    return done.returncode == 0


def _print_restored(done: Restored) -> None:
    rows = sum(count for count, _ in done.manifest["tables"].values())
    click.echo(
        f"Restored {rows:,} rows of {len(done.manifest['tables'])} tables in {done.seconds:.1f} s; "
        f"{len(done.differences)} differences."
    )
    for difference in done.differences[:DIFFERENCES_SHOWN]:
        click.echo(f"  {difference}")
    _print_next(done.manifest)


def _print_next(manifest: Mapping[str, Any]) -> None:
    click.echo(
        f"The data is of {manifest['taken_at']}, {_age(manifest)} ago. What people changed and "
        f"imported since is not in it. What banks said since comes with the next sync of each of "
        f"the {manifest['connections']} connections."
    )
    missing = [key for key in manifest["wrapping_key_ids"] if key not in WRAPPING_KEYS]
    if missing:
        click.echo(
            f"ENCRYPTION_KEYS lacks {', '.join(missing)}: what is sealed for those households "
            "(bank access, the journal) does not open until it is added."
        )


def _end(done: Restored) -> None:
    if done.differences:
        raise click.ClickException("What was restored is not what was backed up.")
    click.echo("Each table, policy, grant, trigger and role is as it was backed up.")


def _age(manifest: Mapping[str, Any]) -> dt.timedelta:
    age = clock.now() - dt.datetime.fromisoformat(manifest["taken_at"])
    return dt.timedelta(seconds=round(age.total_seconds()))
