"""`fintech keys`: which of ENCRYPTION_KEYS is in use, and changing to a new one while all runs."""

from uuid import UUID

import click

from app.core.encryption import CURRENT_KEY_ID, WRAPPING_KEYS
from app.features.users import second_factor
from app.features.vault import rotation


@click.group("keys")
def command() -> None:
    """Tell which of ENCRYPTION_KEYS is in use, and change to a new one."""


@command.command("status")
def status() -> None:
    """List the keys, and how much each of them still wraps.

    Ends with 1 when the database needs a key that is not configured.
    """
    households = rotation.count_by_key(rotation.HOUSEHOLD_KEYS)
    people = rotation.count_by_key(second_factor.SECRETS)
    used = [*WRAPPING_KEYS, *sorted((households.keys() | people.keys()) - WRAPPING_KEYS.keys())]
    for key_id in used:
        click.echo(
            f"{key_id:<16} {_standing(key_id):<12} {households.get(key_id, 0)} households, "
            f"{people.get(key_id, 0)} authenticator apps"
        )
    if missing := used[len(WRAPPING_KEYS) :]:
        raise click.ClickException(
            f"ENCRYPTION_KEYS has no key {', '.join(missing)}: what it wraps cannot be read. "
            "Add it after the newest."
        )


@command.command("rotate")
def rotate() -> None:
    """Wrap everything by the newest key, the first of ENCRYPTION_KEYS.

    Every process must have the new key already: set ENCRYPTION_KEYS to `new,old` and restart them
    all before. Can be interrupted and begun again. The old key may go when `fintech keys status`
    counts nothing under it, and no backup of before is needed any more.
    """
    keys, locked_out = rotation.rewrap_all()
    secrets, shut = second_factor.reseal_all()
    click.echo(
        f"{keys} households and {secrets} authenticator apps are under {CURRENT_KEY_ID} now."
    )
    _complain({**locked_out, **shut})


def _standing(key_id: str) -> str:
    if key_id == CURRENT_KEY_ID:
        return "newest"
    return "older" if key_id in WRAPPING_KEYS else "MISSING"


def _complain(failed: dict[UUID, str]) -> None:
    for owner_id, reason in list(failed.items())[:20]:
        click.echo(f"{owner_id}: {reason}", err=True)
    if failed:
        raise click.ClickException(f"{len(failed)} could not be opened, and stay as they are.")
