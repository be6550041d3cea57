"""`fintech verify`: check the invariants of the database and of each ledger."""

from collections.abc import Sequence
from pathlib import Path

import click

from app.cli.proving import chosen, peak_megabytes
from app.core.config import settings
from app.features.proof import service as proof
from app.features.proof.service import Finding


@click.command("verify")
@click.option("--household", default="", help="One household, by id or name. [default: all]")
@click.option("--all", "all_pages", is_flag=True, help="Open every page of the journal.")
@click.option(
    "--audit-digests",
    "kept",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The audit trail's links that were kept outside, or a log. [default: AUDIT_DIGEST_FILE]",
)
@click.option(
    "--without-audit-digests",
    is_flag=True,
    help="Leave those out: a database from an older backup lacks the newest links.",
)
def command(
    *, household: str, all_pages: bool, kept: Path | None, without_audit_digests: bool
) -> None:
    """Check what must be true of the database and of each household's ledger; changes nothing.

    Whether the ledger is what the journal says is another question: fintech replay.

    The exit status is 1 when anything is found.
    """
    households = chosen(household)
    click.echo("The database")
    findings = proof.verify_database()
    if kept is None and settings.AUDIT_DIGEST_FILE:
        kept = Path(settings.AUDIT_DIGEST_FILE)
    if kept is not None and not without_audit_digests:
        findings.append(_compared(kept))
    _print_all(findings)
    for household_id, name in households:
        click.echo(f"Household {name} ({household_id})")
        of_household = proof.verify(household_id, all_pages=all_pages)
        _print_all(of_household)
        findings += of_household
    found = sum(bool(each.count) for each in findings)
    seconds = sum(each.seconds for each in findings)
    click.echo(
        f"{len(findings)} checks, {found} with findings, in {seconds:.1f} s, "
        f"at most {peak_megabytes():.0f} MB."
    )
    if found:
        raise SystemExit(1)


def _compared(kept: Path) -> Finding:
    try:
        return proof.verify_audit_links(kept)
    except OSError as error:
        raise click.ClickException(f"{kept} cannot be read: {error.strerror}.") from None


def _print_all(findings: Sequence[Finding]) -> None:
    width = max(len(each.name) for each in findings)
    for each in findings:
        state = f"{each.count:,} found" if each.count else "OK"
        click.echo(f"  {each.invariant:5}  {each.name:{width}}  {state:>10}  {each.seconds:6.2f} s")
        _print_examples(each.examples, each.remedy)


def _print_examples(examples: Sequence[str], remedy: str) -> None:
    for example in examples:
        click.echo(f"         {example}")
    if examples:
        click.echo(f"         What to do: {remedy}")
