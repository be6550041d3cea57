"""`fintech verify`: check the invariants of the database and of each ledger."""

from collections.abc import Sequence

import click

from app.cli.proving import chosen, peak_megabytes
from app.features.proof import service as proof
from app.features.proof.service import Finding


@click.command("verify")
@click.option("--household", default="", help="One household, by id or name. [default: all]")
@click.option("--all", "all_pages", is_flag=True, help="Open every page of the journal.")
def command(*, household: str, all_pages: bool) -> None:
    """Check what must be true of the database and of each household's ledger; changes nothing.

    Whether the ledger is what the journal says is another question: fintech replay.

    The exit status is 1 when anything is found.
    """
    households = chosen(household)
    click.echo("The database")
    findings = _printed(proof.verify_database())
    for household_id, name in households:
        click.echo(f"Household {name} ({household_id})")
        findings += _printed(proof.verify(household_id, all_pages=all_pages))
    found = sum(bool(each.count) for each in findings)
    seconds = sum(each.seconds for each in findings)
    click.echo(
        f"{len(findings)} checks, {found} with findings, in {seconds:.1f} s, "
        f"at most {peak_megabytes():.0f} MB."
    )
    if found:
        raise SystemExit(1)


def _printed(findings: list[Finding]) -> list[Finding]:
    width = max(len(each.name) for each in findings)
    for each in findings:
        state = f"{each.count:,} found" if each.count else "OK"
        click.echo(f"  {each.invariant:5}  {each.name:{width}}  {state:>10}  {each.seconds:6.2f} s")
        _print_examples(each.examples, each.remedy)
    return findings


def _print_examples(examples: Sequence[str], remedy: str) -> None:
    for example in examples:
        click.echo(f"         {example}")
    if examples:
        click.echo(f"         What to do: {remedy}")
