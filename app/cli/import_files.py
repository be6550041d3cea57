"""`fintech import`: read bank files, say what is in them, and add what is new to the ledger."""

from pathlib import Path
from uuid import UUID

import click

from app.core.database import household_transaction
from app.core.errors import AppError
from app.features.accounts import service as accounts
from app.features.imports.service.book import Result, book
from app.features.imports.service.look import Choices, PreviewData, look, set_layout, with_target
from app.features.imports.service.upload import discard, preview
from app.features.users import operator
from app.features.users.service import Profile

FILES_MAX = 1_000
_SHOWN = 5


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--user", "email", default="", help="Whose ledger, by e-mail address.")
@click.option("--account", default="", help="Account that the rows go to, by name or id.")
@click.option("--currency", default="", help="For files that do not say theirs.")
@click.option("--yes", is_flag=True, help="Add without asking.")
def command(*, files: tuple[Path, ...], email: str, account: str, currency: str, yes: bool) -> None:
    """Add the transactions of OFX, CAMT, MT940 and CSV files; a file brought twice adds nothing.

    The exit status is 1 when a file could not be read.
    """
    if len(files) > FILES_MAX:
        raise click.ClickException(f"At most {FILES_MAX} files at once.")
    try:
        person = operator.get_editor(email)
        account_id = _find_account(person.household_id, account) if account else None
    except AppError as error:
        raise click.ClickException(error.message) from None
    choices = Choices(currency=currency.upper() or None)
    failed = 0
    for path in files:
        try:
            _import(person, path, choices, account_id, ask=not yes)
        except (AppError, OSError) as error:
            failed += 1
            click.echo(f"{path}: {_words(error)}", err=True)
    if failed:
        raise SystemExit(1)


def _import(
    person: Profile, path: Path, choices: Choices, account_id: UUID | None, *, ask: bool
) -> None:
    data = path.read_bytes()
    import_id = preview(person.household_id, person.user_id, path.name, data)
    shown = look(person.household_id, import_id)
    wanted = with_target(choices, [each.key for each in shown.accounts], account_id)
    if wanted != Choices():
        shown = set_layout(person.household_id, import_id, wanted)
    _print_preview(path, shown)
    if ask and not click.confirm(f"Add {shown.new} transactions?", default=True):
        discard(person.household_id, import_id)
        click.echo("Nothing was added.")
        return
    _print_result(book(person.household_id, person.user_id, import_id))


def _print_preview(path: Path, shown: PreviewData) -> None:
    click.echo(
        f"{path}: {shown.format.upper()}, {shown.row_count} rows, {shown.new} new, "
        f"{shown.known + shown.changed} known, {shown.matched} told before, "
        f"{shown.rejected_count} unreadable"
    )
    names = {str(each.id): each.name for each in shown.ledger}
    for account in shown.accounts:
        click.echo(f"  {account.label} -> {names.get(account.target, 'a new account')}")
    if shown.layout is not None:
        columns = zip(shown.layout.names, shown.layout.roles, strict=False)
        used = ", ".join(f"{name or '?'} = {role}" for name, role in columns if role)
        click.echo(f"  {used}; dates {shown.layout.date_order}, signs {shown.layout.sign}")
    for row in shown.rows[:_SHOWN]:
        click.echo(
            f"  {row.date}  {row.amount.amount:>14,f} {row.amount.currency}  {row.description[:60]}"
        )
    for line in shown.rejected[:_SHOWN]:
        click.echo(f"  not read: {line.where}: {line.reason}")
    for note in shown.notes:
        click.echo(f"  note: {note}")


def _print_result(result: Result) -> None:
    click.echo(
        f"  added {result.added}, corrected {result.modified}, known {result.known}, "
        f"told twice {result.matched}, unreadable {result.rejected_count}"
    )


def _find_account(household_id: UUID, wanted: str) -> UUID:
    """Return the account of a name or id.

    Raises:
        click.ClickException: There is none, or more than one.
    """
    with household_transaction(household_id) as session:
        known = accounts.list_accounts(session, household_id)
    name = wanted.casefold()
    found = [each.id for each in known if name in (each.name.casefold(), str(each.id))]
    if len(found) != 1:
        names = ", ".join(sorted(each.name for each in known)) or "none"
        problem = "There is no account" if not found else "There is more than one account"
        raise click.ClickException(f"{problem} called {wanted!r}. Accounts: {names}.")
    return found[0]


def _words(error: AppError | OSError) -> str:
    return error.message if isinstance(error, AppError) else error.strerror or str(error)
