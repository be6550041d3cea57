"""The command-line program `fintech`; each command's module is loaded when it is called."""

import importlib
import os
import sys
from typing import Any

import click

from app.cli import environment

# Name -> (module, what `fintech --help` says). Loading all of them only to list them would
# take longer than most commands run.
_COMMANDS = {
    "up": ("app.cli.up", "Start everything on this machine and keep it running."),
    "demo": ("app.cli.demo", "Fill the running program with the demo household."),
    "doctor": ("app.cli.doctor", "Check what the program needs, and say how to mend it."),
    "sync": ("app.cli.sync", "Bring the connections of a user up to date now."),
    "import": ("app.cli.import_files", "Add the transactions of bank files to the ledger."),
    "replay": ("app.cli.replay", "Make the ledger again from the journal and compare it."),
    "verify": ("app.cli.verify", "Check the invariants of every ledger; changes nothing."),
    "backup": ("app.cli.backup", "Back the database up, sealed, and forget the oldest backups."),
    "restore": (
        "app.cli.restore",
        "Restore a backup into an empty database, or check that it can be.",
    ),
    "export": ("app.cli.export", "Write everything that a household owns into a file."),
    "import-household": ("app.cli.import_household", "Make a household of such a file."),
    "erase": (
        "app.cli.erase",
        "Erase a household for good, its key and its backups' contents too.",
    ),
    "keys": ("app.cli.keys", "Tell which of ENCRYPTION_KEYS is in use, and rotate them."),
    "user": ("app.cli.user", "Create users and set passwords."),
    "household": ("app.cli.household", "List people's households, and change roles there."),
}


_PAST_POOLER = ("verify", "restore")
"""What looks at databases that a pooler does not know."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name != "up":
            # Before the import: the settings are read when a command's module loads them.
            environment.load_running()
            if "--help" in sys.argv:
                environment.load_for_help()
            # A person reads the answer: what the program would log belongs to servers.
            os.environ.setdefault("LOG_LEVEL", "WARNING")
        try:
            if cmd_name in _PAST_POOLER:
                importlib.import_module("app.core.config").settings.go_past_pooler()
            module: Any = importlib.import_module(_COMMANDS[cmd_name][0])
            if cmd_name not in ("up", "doctor"):
                importlib.import_module("app.core.logging").configure_logging()
                importlib.import_module("app.core.reporting").configure("command")
        except ValueError as error:  # what Pydantic raises where the settings are read
            raise click.ClickException(
                "The settings are not complete. Start everything with `fintech up`, or see "
                f"`fintech doctor`.\n{environment.explain(error)}"
            ) from None
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.command(cls=_LazyGroup)
def main() -> None:
    """Financial Transaction Aggregator: one true picture of all your money."""
