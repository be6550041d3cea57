"""Look at a file before it is booked, and say how it is to be read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.database import household_transaction
from app.core.errors import ConflictError, InvalidInputError, NotFoundError
from app.domain.money import Money, is_currency
from app.domain.records import RejectedRecord
from app.features.accounts import service as accounts
from app.features.accounts.service import AccountView
from app.features.imports import repository
from app.features.imports.service import decision, files
from app.features.imports.service.decision import Decision
from app.features.imports.service.plan import (
    NEW,
    Plan,
    PlannedAccount,
    check_choice,
    make_plan,
)
from app.features.journal import service as journal
from app.importers.base import StatementError, StatementFile
from app.importers.csv_layout import CsvLayout
from app.importers.reading import Reading
from app.models import Import

ROWS_SHOWN = 50
REJECTED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class LookedAccount:
    """One account of the file, and where its rows go."""

    key: str
    label: str
    rows: int
    target: str
    """The id of a ledger account, or `new`."""
    is_fixed: bool
    """Rows of it are in the ledger already; it cannot go elsewhere before they are undone."""


@dataclass(frozen=True, slots=True)
class LookedRow:
    """One row as it was read."""

    line: int
    date: dt.date
    description: str
    amount: Money
    state: str
    """`new`, `known`, `changed` or `matched`; see `plan.PlannedRow`."""


@dataclass(frozen=True, slots=True)
class PreviewData:
    """All that a person needs to see before a file is booked."""

    id: UUID
    file_name: str
    format: str
    accounts: tuple[LookedAccount, ...]
    ledger: tuple[AccountView, ...]
    rows: tuple[LookedRow, ...]
    """The first ones."""
    row_count: int
    new: int
    known: int
    changed: int
    matched: int
    rejected: tuple[RejectedRecord, ...]
    """The first ones."""
    rejected_count: int
    first_date: dt.date | None
    last_date: dt.date | None
    layout: CsvLayout | None
    samples: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    add_matches: bool
    needs_currency: bool
    """The file does not say it; `currency` will be used."""
    currency: str


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person decides of a file; None leaves a thing as it is."""

    layout: Mapping[str, object] | None = None
    """Fields of CsvLayout, of which those that are left out stay."""
    targets: Mapping[str, str] | None = None
    """For accounts of the file the id of a ledger account, or `new`."""
    currency: str | None = None
    add_matches: bool | None = None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An import, its file, and what came of reading it."""

    row: Import
    data: bytes
    reading: Reading


def open_file(household_id: UUID, import_id: UUID) -> OpenFile:
    """Read the file of an import as it was decided.

    Raises:
        NotFoundError: The household has no such import.
        UnreadableFileError: It cannot be read.
    """
    with household_transaction(household_id) as session:
        row = repository.find_import(session, household_id, import_id)
        if row is None or row.state == "discarded":
            raise NotFoundError("There is no such import.")
        data = journal.read(session, household_id, row.journal_page_id).payload
    if row.state == "failed":
        raise files.UnreadableFileError(row.error or "The file cannot be read.")
    layout = CsvLayout.from_dict(row.layout) if row.layout else None
    return OpenFile(row, data, files.read(row.journal_page_id, row.file_name, data, layout))


@dataclass(frozen=True, slots=True)
class BookedFile:
    """A file that was booked, read again."""

    journal_page_id: UUID
    file: StatementFile
    decision: Decision


def open_booked(session: Session, household_id: UUID, import_id: UUID) -> BookedFile:
    """Read a file again as it was booked, from the journal alone.

    Raises:
        NotFoundError: The household has no such import.
        UnreadableFileError: The file cannot be read any more.
    """
    row, booked = open_decision(session, household_id, import_id)
    data = journal.read(session, household_id, row.journal_page_id).payload
    layout = CsvLayout.from_dict(booked.layout) if booked.layout else None
    reading = files.read(row.journal_page_id, row.file_name, data, layout)
    assert reading.file is not None  # only what can be read is booked
    return BookedFile(row.journal_page_id, reading.file, booked)


def open_decision(session: Session, household_id: UUID, import_id: UUID) -> tuple[Import, Decision]:
    """Return an import that was booked, and how, without reading its file.

    Raises:
        NotFoundError: The household has no such import.
    """
    row = repository.find_import(session, household_id, import_id)
    if row is None:
        raise NotFoundError("There is no such import.")
    return row, decision.read(session, household_id, import_id)


def look(household_id: UUID, import_id: UUID) -> PreviewData:
    """Return what is in a file and what booking it would do now.

    Raises:
        NotFoundError: The household has no such import.
        UnreadableFileError: The file cannot be read.
        ConflictError: It was booked or undone already.
    """
    opened = open_file(household_id, import_id)
    if opened.row.state != "previewed":
        raise ConflictError("This import was booked already.")
    with household_transaction(household_id) as session:
        plan = make_plan(session, household_id, opened.row, opened.reading)
    return _preview(opened, plan)


def set_layout(household_id: UUID, import_id: UUID, choices: Choices) -> PreviewData:
    """Store how a file is to be read and where its rows go, and look again.

    Raises:
        InvalidInputError: A choice is none of those offered, or the file cannot be read so.
        NotFoundError: The household has no such import.
        ConflictError: It was booked or undone already.
    """
    with household_transaction(household_id) as session:
        row = _previewed(session, household_id, import_id)
        ledger = {str(each.id) for each in accounts.list_accounts(session, household_id)}
        values = _decided(row, choices, ledger)
        data = journal.read(session, household_id, row.journal_page_id).payload
    layout = values.get("layout", row.layout)
    how = _layout(layout) if layout else None
    reading = files.read(row.journal_page_id, row.file_name, data, how)
    with household_transaction(household_id) as session:
        row = _previewed(session, household_id, import_id, lock=True)
        repository.update_import(session, household_id, import_id, values)
        session.refresh(row)
        plan = make_plan(session, household_id, row, reading)
        # What cannot be meant is raised, and so nothing of it is stored.
        for account in plan.accounts:
            check_choice(row, account)
        return _preview(OpenFile(row, data, reading), plan)


def _previewed(
    session: Session, household_id: UUID, import_id: UUID, *, lock: bool = False
) -> Import:
    row = repository.find_import(session, household_id, import_id, lock=lock)
    if row is None or row.state == "discarded":
        raise NotFoundError("There is no such import.")
    if row.state == "failed":
        raise files.UnreadableFileError(row.error or "The file cannot be read.")
    if row.state != "previewed":
        raise ConflictError("This import was booked already.")
    return row


def _decided(row: Import, choices: Choices, ledger: set[str]) -> dict[str, object]:
    """Return the columns that the choices change, all of them, so that there is always one."""
    values: dict[str, object] = {"targets": row.targets}
    if choices.layout is not None:
        if row.layout is None:
            raise InvalidInputError("This kind of file has no columns to choose.", field="layout")
        values["layout"] = _layout({**row.layout, **choices.layout}).to_dict()
    if choices.targets is not None:
        for target in choices.targets.values():
            if target != NEW and target not in ledger:
                raise InvalidInputError("There is no such account.", field="account")
        values["targets"] = {**row.targets, **choices.targets}
    if choices.currency is not None:
        if not is_currency(choices.currency):
            raise InvalidInputError("A currency has three letters, such as EUR.", field="currency")
        values["currency"] = choices.currency
    if choices.add_matches is not None:
        values["add_matches"] = choices.add_matches
    return values


def _layout(raw: object) -> CsvLayout:
    assert isinstance(raw, Mapping)  # ours, or built from ours
    try:
        return CsvLayout.from_dict(raw)
    except StatementError as error:
        raise InvalidInputError(files.sentence(error), field=error.field or "layout") from error


def _preview(opened: OpenFile, plan: Plan) -> PreviewData:
    rows = [each for account in plan.accounts for each in account.rows]
    days = [each.record.date for each in rows]
    rejected = opened.reading.file.rejected if opened.reading.file else ()
    shown = sorted(rows, key=lambda each: each.line)[:ROWS_SHOWN]
    return PreviewData(
        id=opened.row.id,
        file_name=opened.row.file_name,
        format=opened.row.format,
        accounts=tuple(map(_account, plan.accounts)),
        ledger=plan.ledger,
        rows=tuple(
            LookedRow(
                line=each.line,
                date=each.record.date,
                description=each.record.description,
                amount=each.record.money,
                state=each.state,
            )
            for each in shown
        ),
        row_count=len(rows),
        new=plan.count("new"),
        known=plan.count("known"),
        changed=plan.count("changed"),
        matched=plan.count("matched"),
        rejected=rejected[:REJECTED_SHOWN],
        rejected_count=len(rejected),
        first_date=min(days, default=None),
        last_date=max(days, default=None),
        layout=opened.reading.layout,
        samples=opened.reading.samples,
        notes=_sentences(opened.reading.problems),
        add_matches=opened.row.add_matches,
        needs_currency=plan.needs_currency,
        currency=opened.row.currency or (plan.accounts[0].currency if plan.accounts else ""),
    )


def _account(account: PlannedAccount) -> LookedAccount:
    target = account.target
    return LookedAccount(
        key=account.key,
        label=account.label,
        rows=len(account.rows),
        target=str(target.account_id) if target.account_id else NEW,
        is_fixed=target.is_fixed,
    )


def _sentences(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{text[:1].upper()}{text[1:]}" for text in texts)


def with_target(choices: Choices, keys: Sequence[str], account_id: UUID | None) -> Choices:
    """Return the choices with one ledger account for all accounts of a file."""
    if account_id is None:
        return choices
    return replace(choices, targets=dict.fromkeys(keys, str(account_id)))
