"""`fintech replay`: make the ledger again from the journal, and say where they differ."""

from uuid import UUID

import click

from app.cli.proving import chosen, peak_megabytes
from app.core.errors import AppError
from app.features.proof import service as proof
from app.features.proof.service import Replay
from app.features.proof.shadow import Difference, TotalDifference

_SHOWN = 20
_WORDS = {
    "missing": "in the journal, not in the ledger",
    "invented": "in the ledger, not in the journal",
    "withdrawn": "withdrawn by its source, but shown",
    "hidden": "told by its source, but not shown",
}


@click.command("replay")
@click.option("--household", default="", help="One household, by id or name. [default: all]")
@click.option("--verify", is_flag=True, help="Only compare; the default.")
@click.option("--apply", "is_applied", is_flag=True, help="Write what the journal says now.")
def command(*, household: str, verify: bool, is_applied: bool) -> None:
    """Make the ledger again from the journal and what people decided, and compare the two.

    Changes nothing, unless with --apply: then each household whose journal reads differently now,
    as after a better parser came, gets one change set that can be undone.

    The exit status is 1 when anything differs, with --apply when anything differs still.
    """
    if verify and is_applied:
        raise click.UsageError("--verify only compares; leave it out to --apply.")
    results = []
    for household_id, name in chosen(household):
        click.echo(f"Household {name} ({household_id})")
        if is_applied:
            _mend(household_id)
        found = proof.replay(household_id)
        _print(found)
        results.append(found)
    _print_cost(results)
    if not all(found.is_same for found in results):
        raise SystemExit(1)


def _mend(household_id: UUID) -> None:
    try:
        found = proof.mend(household_id)
    except AppError as error:
        raise click.ClickException(error.message) from None
    _print(found)
    if found.mended is not None:
        done = found.mended
        click.echo(
            f"  Written: {done.added} new, {done.modified} changed, {done.removed} removed. "
            "History has it as one change, which can be undone."
        )


def _print(found: Replay) -> None:
    for problem in found.unreadable:
        click.echo(f"  {problem}")
    for kind, count in sorted(found.counts.items()):
        click.echo(f"  {count:,} {'row' if count == 1 else 'rows'} {_WORDS.get(kind, kind)}")
    for difference in found.differences[:_SHOWN]:
        click.echo(f"    {_row_in_words(difference)}")
    for total in found.totals[:_SHOWN]:
        click.echo(f"  {_total_in_words(total)}")
    for sentence in found.standing[:_SHOWN]:
        click.echo(f"  {sentence}")
    if found.is_same:
        click.echo("  The journal and the ledger tell the same.")


def _row_in_words(difference: Difference) -> str:
    row = (
        f"{difference.date}  {difference.amount:f} {difference.currency}  "
        f"{(difference.description or '')[:60]}"
    )
    if difference.field is None:
        return f"{difference.kind}: {row} ({difference.told or difference.id})"
    ledger, told = (each if each is not None else "empty" for each in difference[-2:])
    return f"{row}: {difference.field} is {ledger}, should be {told} ({difference.id})"


def _total_in_words(total: TotalDifference) -> str:
    what = f"{total.table} of {total.date}, account {total.account_id}, {total.currency}"
    ledger = (
        f"{total.money_in or 0:f} in, {total.money_out or 0:f} out, {total.row_count or 0} rows"
    )
    told = f"{total.told_in or 0:f} in, {total.told_out or 0:f} out"
    counts = f"{total.row_count or 0} rows of {total.told_count or 0}"
    return f"{what}: {ledger}; the rows come to {told} ({counts})"


def _print_cost(results: list[Replay]) -> None:
    rows, seconds = sum(each.rows for each in results), sum(each.seconds for each in results)
    click.echo(
        f"{rows:,} rows on {sum(each.pages for each in results):,} pages of "
        f"{sum(each.change_sets for each in results):,} change sets in {seconds:.1f} s: "
        f"{rows / max(seconds, 0.001):,.0f} rows/s, at most {peak_megabytes():.0f} MB."
    )
