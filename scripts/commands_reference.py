"""Write docs/reference/commands.md from what the commands say of themselves.

`--check` writes nothing and fails when the page is not what it should be.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from reference_pages import REFERENCE, ROOT, cell, give_settings, write_pages

PAGE = REFERENCE / "commands.md"
MAKEFILE = ROOT / "Makefile"

HEAD = """# Commands

Made by `scripts/commands_reference.py` from the program's own help and the Makefile; do not edit.

`fintech` lies in `.venv/bin` of the checkout. The commands other than `up` talk to the
installation of `FINTECH_HOME` that is running, or to the servers that the environment or `.env`
names (see [settings](settings.md)).
"""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command by its whole name, in the order of `fintech --help`."""
    from app.cli import main as program  # noqa: PLC0415 - the path is set first

    context = click.Context(program, info_name="fintech")
    yield from _below("fintech", program, context)


def _below(
    name: str, group: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(group, click.Group):
        yield name, group
        return
    for child in group.list_commands(context):
        command = group.get_command(context, child)
        assert command is not None
        yield from _below(f"{name} {child}", command, context)


def targets() -> list[tuple[str, str]]:
    """Return the Makefile's targets with what they say of themselves."""
    text = MAKEFILE.read_text(encoding="utf-8")
    return re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.MULTILINE)


def section(name: str, command: click.Command) -> list[str]:
    """Return the section of one command."""
    context = click.Context(command, info_name=name)
    usage = command.get_usage(context).removeprefix("Usage: ")
    lines = [f"### `{name}`", "", "```", " ".join(usage.split()), "```", ""]
    lines += [paragraph(command.help or ""), ""]
    options = [each for each in command.params if isinstance(each, click.Option)]
    if options:
        lines += ["| Option | Meaning |", "| --- | --- |"]
        lines += [option_row(context, each) for each in options] + [""]
    return lines


def paragraph(text: str) -> str:
    """Return a help text with its lines as they are in the source."""
    return "\n".join(line.strip() for line in text.strip().splitlines())


def option_row(context: click.Context, option: click.Option) -> str:
    """Return one line of the table of options."""
    record = option.get_help_record(context)
    assert record is not None
    names, text = record
    return f"| `{cell(names)}` | {cell(text)} |"


def page() -> str:
    """Return docs/reference/commands.md."""
    lines = [HEAD, "## `fintech`", ""]
    for name, command in commands():
        lines += section(name, command)
    lines += ["## `make`", "", "| Target | Does |", "| --- | --- |"]
    lines += [f"| `make {name}` | {cell(text)} |" for name, text in targets()]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page; return the exit status."""
    give_settings()
    sys.path.insert(0, str(ROOT))

    def pages() -> dict[Path, str]:
        return {PAGE: page()}

    return write_pages(__doc__, pages, arguments)


if __name__ == "__main__":
    sys.exit(main())
