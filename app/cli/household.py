"""`fintech household`: who belongs to which household, for who runs the server."""

from uuid import UUID

import click

from app.cli.user import refusals_as_messages
from app.features.households import operator
from app.features.households.service.members import ROLES


@click.group("household")
def command() -> None:
    """List people's households, and change roles there."""


@command.command("list")
@click.argument("email")
def list_households(email: str) -> None:
    """List the households of a user, each with its people and their roles."""
    with refusals_as_messages():
        found = operator.list_households(email)
    for household, people in found:
        click.echo(f"{household.household_id}  {household.name}")
        for person in people:
            click.echo(f"    {person.role:<7} {person.email}")


@command.command("set-role")
@click.argument("household_id", type=click.UUID)
@click.argument("email")
@click.argument("role", type=click.Choice(list(ROLES)))
def set_role(household_id: UUID, email: str, role: str) -> None:
    """Give a member another role, as when a household's only owner is gone for good.

    Be sure who asks: an owner decides who sees the household's money.
    """
    with refusals_as_messages():
        operator.set_role(household_id, email, role)
    click.echo(f"{email} is {role} of this household now.")
