"""What booking a file would do: which account each row goes to, and which rows are new."""

import datetime as dt
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.orm import Session

from app.core.errors import ConflictError, InvalidInputError
from app.domain.money import Money
from app.domain.records import TransactionRecord
from app.features.accounts import service as accounts
from app.features.accounts.service import AccountView
from app.features.imports import repository
from app.features.imports.service.decision import in_currency
from app.features.matching.service.rows import told_before
from app.features.transactions import ledger_rows
from app.features.transactions.apply import DESCRIPTION_CHARACTERS_MAX
from app.features.transactions.ledger_rows import LedgerRow
from app.importers import identity
from app.importers.base import UNKNOWN_CURRENCY, Statement
from app.importers.csv_layout import CsvLayout
from app.importers.reading import Reading
from app.models import Import

NEW = "new"
ACCOUNTS_MAX = 100
"""Accounts in one file; more means that the wrong column was taken for the account."""
REMEMBERED_IMPORTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows of one account of the file go."""

    account_id: UUID | None
    """The ledger account; None opens a new one."""
    source_account_id: UUID | None
    """The source account that is there already and will feed it."""
    account_source_id: str | None
    """The file's account as the ledger knows it; None until the new account has an id."""
    is_fixed: bool = False
    """Rows of it are in the ledger already, so it cannot go elsewhere."""
    reopens: UUID | None = None
    """The account that an import opened and its undoing hid: it is the new one again."""


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """One row of the file."""

    record: TransactionRecord
    file_id: str
    """The row's id in the file, equal ones numbered; the record has the ledger's."""
    line: int
    state: str
    """`new`, `known`, `changed` (known, but says something else now), or `matched`: another
    source of the same account seems to have reported it."""


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """One account of the file."""

    key: str
    """As the file identifies it."""
    label: str
    statements: tuple[Statement, ...]
    target: Target
    currency: str
    """Of rows of which the file does not say it."""
    rows: tuple[PlannedRow, ...]
    revived: tuple[str, ...] = ()
    """Rows that come back: an import that was undone had brought them."""
    pending_gone: tuple[str, ...] = ()
    """Rows that an earlier file had as pending and this one, for the same days, has no more."""

    @property
    def statement(self) -> Statement:
        """Return the statement that speaks of the account last."""
        return max(self.statements, key=lambda each: each.end or dt.date.min)


@dataclass(frozen=True, slots=True)
class Plan:
    """What booking a file would do."""

    accounts: tuple[PlannedAccount, ...]
    ledger: tuple[AccountView, ...]
    """The accounts that the file's accounts may go to."""
    needs_currency: bool
    """The file does not say the currency of some rows."""

    def count(self, *states: str) -> int:
        """Return how many rows have one of these states."""
        return sum(row.state in states for account in self.accounts for row in account.rows)


def make_plan(session: Session, household_id: UUID, row: Import, reading: Reading) -> Plan:
    """Return what booking an import would do now.

    Raises:
        InvalidInputError: The file names more accounts than a person has.
    """
    ledger = accounts.list_accounts(session, household_id)
    groups: dict[str, list[Statement]] = {}
    for statement in reading.file.statements if reading.file else ():
        groups.setdefault(statement.account.source_id, []).append(statement)
    if len(groups) > ACCOUNTS_MAX:
        raise InvalidInputError(
            f"The file names {len(groups):,} accounts. Choose another column for the account."
        )
    chooser = _Chooser(session, household_id, row, reading.layout, ledger)
    planned = tuple(chooser.plan(key, tuple(group)) for key, group in groups.items())
    needs = any(statement.currency == UNKNOWN_CURRENCY for g in groups.values() for statement in g)
    return Plan(planned, tuple(ledger), needs)


class _Chooser:
    """Finds for each account of a file where it goes, and compares its rows with the ledger."""

    def __init__(
        self,
        session: Session,
        household_id: UUID,
        row: Import,
        layout: CsvLayout | None,
        ledger: Sequence[AccountView],
    ) -> None:
        self.session = session
        self.household_id = household_id
        self.row = row
        self.ledger = {account.id: account for account in ledger}
        # Such a file does not say whose rows it has: the account that was chosen identifies it.
        self.is_anonymous = (
            layout is not None and layout.column("account") is None and not layout.account
        )
        known = accounts.list_file_accounts(session, household_id, row.format)
        self.known = {each.account_source_id: each for each in known}

    def plan(self, key: str, statements: tuple[Statement, ...]) -> PlannedAccount:
        """Return the plan for one account of the file."""
        target = self.target(key, statements[0])
        chosen = self.ledger.get(target.account_id) if target.account_id else None
        currency = (
            self.row.currency
            or (chosen.currency if chosen else "")
            or repository.base_currency(self.session, self.household_id)
        )
        records = [
            (in_currency(record, currency), line)
            for statement in statements
            for record, line in zip(statement.transactions, statement.lines, strict=True)
        ]
        stored = self.stored(records, target)
        rows = self.compare(records, stored, target)
        incoming = {each.record.source_id for each in rows}
        return PlannedAccount(
            key=key,
            label=statements[0].account.name,
            statements=statements,
            target=target,
            currency=currency,
            rows=rows,
            revived=tuple(r.source_id for r in stored if r.is_removed and r.source_id in incoming),
            pending_gone=tuple(
                row.source_id
                for row in stored
                if row.pending
                and not row.is_removed
                and row.source_id not in incoming
                and _covers(statements, row.date)
            ),
        )

    def target(self, key: str, statement: Statement) -> Target:
        """Return where an account goes: as before, as chosen, or as it looks."""
        chosen = self.row.targets.get(key)
        account_id = UUID(chosen) if chosen not in (None, NEW) else None
        if chosen is None:
            account_id = self.remembered(key) or self.similar(statement)
        if self.is_anonymous:
            return self.anonymous(key, account_id)
        known = self.known.get(key)
        if known is None:
            return Target(self.usable(account_id), None, key)
        if ledger_rows.has_rows(self.session, self.household_id, known.id):
            return Target(known.account_id, known.id, key, is_fixed=True)
        if chosen is None:
            account_id = known.account_id
        account_id = self.usable(account_id)
        reopens = self.reopened(known.account_id) if account_id is None else None
        return Target(account_id, known.id, key, reopens=reopens)

    def anonymous(self, key: str, account_id: UUID | None) -> Target:
        """Return the target of rows that no account number stands by."""
        account_id = self.usable(account_id)
        reopens = None
        if account_id is None:
            reopens = self.reopened(self.remembered(key))
            if reopens is None:
                return Target(None, None, None)
        source_id = source_id_of(account_id or reopens)
        known = self.known.get(source_id)
        return Target(account_id, known.id if known else None, source_id, reopens=reopens)

    def usable(self, account_id: UUID | None) -> UUID | None:
        """Return the account unless it is hidden or gone: then a new one is offered."""
        return account_id if account_id in self.ledger else None

    def reopened(self, account_id: UUID | None) -> UUID | None:
        """Return an account that is hidden and empty: the undoing of an import left it so."""
        if account_id is None or account_id in self.ledger:
            return None
        is_used = ledger_rows.has_rows_of_account(self.session, self.household_id, account_id)
        return None if is_used else account_id

    def remembered(self, key: str) -> UUID | None:
        """Return where the last file with this account went."""
        past = repository.list_imports(
            self.session, self.household_id, ("booked", "undone"), limit=REMEMBERED_IMPORTS_MAX
        )
        for row in past:
            before = row.targets.get(key)
            if row.format == self.row.format and before not in (None, NEW):
                return UUID(before)
        return None

    def similar(self, statement: Statement) -> UUID | None:
        """Return the one account of the ledger that has the same number or name."""
        wanted = statement.account
        candidates = [
            account.id
            for account in self.ledger.values()
            if statement.currency in (account.currency, UNKNOWN_CURRENCY)
            and (
                (bool(wanted.mask) and wanted.mask == account.mask)
                or wanted.name.casefold() == account.name.casefold()
            )
        ]
        return candidates[0] if len(candidates) == 1 else None

    def stored(
        self, records: Sequence[tuple[TransactionRecord, int]], target: Target
    ) -> list[LedgerRow]:
        """Return what earlier files said of the days of this one."""
        if target.source_account_id is None or not records:
            return []
        days = [record.date for record, _ in records]
        return ledger_rows.rows_of_source(
            self.session, self.household_id, target.source_account_id, min(days), max(days)
        )

    def compare(
        self,
        records: Sequence[tuple[TransactionRecord, int]],
        stored: Sequence[LedgerRow],
        target: Target,
    ) -> tuple[PlannedRow, ...]:
        """Say of each row whether the ledger has it."""
        numbered = identity.number_equal(record for record, _ in records)
        known_ids = _stored_ids(numbered, stored)
        live = {row.source_id: row for row in stored if not row.is_removed}
        pairs = self.pairs(known_ids, live, target)
        return tuple(
            PlannedRow(known, theirs.source_id, line, _state(known, live, pairs))
            for known, theirs, (_, line) in zip(known_ids, numbered, records, strict=True)
        )

    def pairs(
        self,
        records: Sequence[TransactionRecord],
        live: Mapping[str, LedgerRow],
        target: Target,
    ) -> set[str]:
        """Return the new rows that another source of the account seems to have reported."""
        if target.account_id is None or not records:
            return set()
        return told_before(
            self.session,
            self.household_id,
            target.account_id,
            target.source_account_id,
            [record for record in records if record.source_id not in live],
        )


def check_choice(row: Import, account: PlannedAccount) -> None:
    """Refuse to split the history of an account that the file names.

    Raises:
        ConflictError: Another account was chosen than the one that has its earlier rows.
    """
    chosen, target = row.targets.get(account.key), account.target
    if target.is_fixed and chosen is not None and chosen != str(target.account_id):
        raise ConflictError(
            f"Earlier rows of {account.label} are in another account. Undo those imports first, "
            "or let these rows go there too.",
            code="account_is_fixed",
        )


def source_id_of(account_id: UUID | None) -> str:
    """Return how rows of files are known that name no account, but go to this one."""
    return f"account:{account_id}"


def _state(record: TransactionRecord, live: Mapping[str, LedgerRow], pairs: Set[str]) -> str:
    row = live.get(record.source_id)
    if row is None:
        return "matched" if record.source_id in pairs else "new"
    said = (record.date, record.money.amount, record.money.currency, record.pending)
    text = record.description[:DESCRIPTION_CHARACTERS_MAX]
    says_the_same = (row.date, row.amount, row.currency, row.pending, row.description) == (
        *said,
        text,
    )
    return "known" if says_the_same else "changed"


def _stored_ids(
    records: list[TransactionRecord], stored: Sequence[LedgerRow]
) -> list[TransactionRecord]:
    """Give rows that the bank has renumbered since the last file the ids they had."""
    before = [
        TransactionRecord("", row.source_id, row.date, Money(row.amount, row.currency),
                          row.description)
        for row in stored
    ]  # fmt: skip
    same = identity.match_renumbered(before, records)
    if not same:
        return records
    return [replace(each, source_id=same.get(each.source_id, each.source_id)) for each in records]


def _covers(statements: Sequence[Statement], day: dt.date) -> bool:
    return any(
        each.start is not None and each.end is not None and each.start <= day <= each.end
        for each in statements
    )
