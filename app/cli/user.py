"""`fintech user`: people's accounts, passwords and second factors, for who runs the server."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import OperationalError

from app.core.errors import AppError
from app.features.users import operator

_password = click.option(
    "--password",
    prompt=True,
    hide_input=True,
    confirmation_prompt=True,
    envvar="FINTECH_PASSWORD",
    help="Asked for when neither given nor in FINTECH_PASSWORD.",
)


@click.group("user")
def command() -> None:
    """Create users, set passwords, turn second factors off."""


@command.command()
@click.argument("email")
@click.option("--name", default="", help="How pages address the person.")
@_password
def create(email: str, name: str, password: str) -> None:
    """Create a user with a household of their own, also where registration is closed."""
    with refusals_as_messages():
        profile = operator.create_user(email, password, name)
    click.echo(f"{profile.email} may sign in.")


@command.command("password")
@click.argument("email")
@_password
def set_password(email: str, password: str) -> None:
    """Set the password of a user who forgot it; ends all their sessions and API tokens."""
    with refusals_as_messages():
        done = operator.set_password(email, password)
    click.echo(
        f"The password of {email} is set; {done.sessions_ended} session(s) ended, "
        f"{done.tokens_revoked} API token(s) revoked."
    )


@command.command("reset-link")
@click.argument("email")
def make_reset_link(email: str) -> None:
    """Print a link by which a user who forgot their password sets one.

    It is good once, for 15 minutes, and ends all their sessions and API tokens. It skips no second
    factor. Be sure who asks, and send it where nobody else reads.
    """
    with refusals_as_messages():
        link = operator.make_reset_link(email)
    click.echo(link)


@command.command("second-factor-off")
@click.argument("email")
def turn_second_factor_off(email: str) -> None:
    """Turn two-step sign-in off for a user who lost phone and recovery codes.

    Be sure who asks: their password alone signs in from now on.
    """
    with refusals_as_messages():
        operator.turn_second_factor_off(email)
    click.echo(f"{email} signs in with the password alone.")


@contextmanager
def refusals_as_messages() -> Iterator[None]:
    """Let a command end with the words of what refused it."""
    try:
        yield
    except AppError as error:
        raise click.ClickException(error.message) from None
    except OperationalError:
        raise click.ClickException(
            "The database does not answer. Start it with: fintech up"
        ) from None


@command.command("operator")
@click.argument("email")
@click.option("--grant/--revoke", "is_operator", default=True, help="[default: grant]")
def set_operator(email: str, *, is_operator: bool) -> None:
    """Let a user see how the server is: queues, workers, banks, backups; nobody's money."""
    with refusals_as_messages():
        operator.set_operator(email, is_operator=is_operator)
    may = "may now open" if is_operator else "may no longer open"
    click.echo(f"{email} {may} the page /operations.")
