"""Use cases of accounts."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import NotFoundError
from app.core.ids import uuid7
from app.domain.records import ACCOUNT_KINDS, AccountRecord, BalanceRecord, HoldingRecord
from app.features.accounts import repository
from app.models import BalanceAnchor, SourceAccount, TieOut

ACCOUNTS_MAX = 1_000
NAME_CHARACTERS_MAX = 200
END_OF_DAY = dt.time(23, 59, 59)
"""UTC; a balance as of this moment was stated for a day, and not at a moment of it."""


@dataclass(frozen=True, slots=True)
class SourceAccountKey:
    """A source account and the ledger account that it feeds."""

    source_account_id: UUID
    account_id: UUID


def store_accounts(
    session: Session,
    household_id: UUID,
    records: Sequence[AccountRecord],
    *,
    source: str,
    item_id: UUID | None,
    institution_name: str | None,
    journal_page_id: UUID,
    feeds: Mapping[str, UUID] | None = None,
) -> dict[str, SourceAccountKey]:
    """Bring the accounts of a source to the state it reports, and note the balances it stated.

    An account seen for the first time gets a ledger account of its own, or feeds the one that
    `feeds` names for it, by the source's account id.

    Returns:
        By the source's account id: all accounts that we know of this source, listed now or not.
    """
    known = {
        row.account_source_id: row
        for row in repository.source_accounts(session, household_id, source, item_id)
    }
    keys = _keys(known.values())
    for record in records:
        row = known.get(record.source_id)
        if row is None:
            keys[record.source_id] = _create(
                session,
                household_id,
                record,
                source,
                item_id,
                record.institution or institution_name,
                (feeds or {}).get(record.source_id),
            )
        else:
            _update(session, household_id, row, record)
        source_account_id = keys[record.source_id].source_account_id
        note_balance(session, household_id, source_account_id, record.balance, journal_page_id)
    if item_id is not None and records:
        listed = [record.source_id for record in records]
        repository.mark_missing(session, household_id, item_id, listed)
    return keys


def keys_of_item(
    session: Session, household_id: UUID, source: str, item_id: UUID
) -> dict[str, SourceAccountKey]:
    """Return, by the source's account id, all accounts that we know of an Item."""
    return _keys(repository.source_accounts(session, household_id, source, item_id))


def _keys(rows: Iterable[SourceAccount]) -> dict[str, SourceAccountKey]:
    return {row.account_source_id: SourceAccountKey(row.id, row.account_id) for row in rows}


def store_holdings(
    session: Session,
    household_id: UUID,
    keys: Mapping[str, SourceAccountKey],
    records: Sequence[HoldingRecord],
    *,
    journal_page_id: UUID,
) -> None:
    """Replace what investment accounts hold by what a complete listing says."""
    values: list[dict[str, object]] = [
        {
            "household_id": household_id,
            "source_account_id": keys[record.account_source_id].source_account_id,
            "security_source_id": record.security_source_id,
            "name": record.name,
            "ticker": record.ticker,
            "isin": record.isin,
            "security_type": record.type,
            "quantity": record.quantity,
            "price": record.price,
            "value": record.value,
            "cost_basis": record.cost_basis,
            "currency": record.currency,
            "as_of": record.as_of,
            "journal_page_id": journal_page_id,
        }
        for record in records
        if record.account_source_id in keys
    ]
    listed = [key.source_account_id for key in keys.values()]
    repository.replace_holdings(session, household_id, listed, values)


def _create(
    session: Session,
    household_id: UUID,
    record: AccountRecord,
    source: str,
    item_id: UUID | None,
    institution_name: str | None,
    account_id: UUID | None,
) -> SourceAccountKey:
    if account_id is None:
        account_id = create_account(session, household_id, record, institution_name)
    key = SourceAccountKey(source_account_id=uuid7(), account_id=account_id)
    common = _described(record) | {"household_id": household_id}
    repository.insert_source_account(
        session,
        common
        | _stated(record.balance)
        | {
            "id": key.source_account_id,
            "account_id": key.account_id,
            "item_id": item_id,
            "source": source,
            "account_source_id": record.source_id,
        },
    )
    return key


def _update(
    session: Session, household_id: UUID, row: SourceAccount, record: AccountRecord
) -> None:
    values = _described(record)
    balance = record.balance
    is_stated = balance.current is not None or balance.available is not None
    # A file of last year must not set the account back to last year's balance.
    is_older = row.balance_as_of is not None and _instant(balance.as_of) < row.balance_as_of
    if is_stated and not is_older:
        values |= _stated(balance)
    repository.update_source_account(session, household_id, row.id, values)


def _described(record: AccountRecord) -> dict[str, object]:
    return {
        "name": record.name[:NAME_CHARACTERS_MAX],
        "official_name": record.official_name,
        "kind": record.kind,
        "subtype": record.subtype,
        "mask": record.mask,
        "persistent_id": record.persistent_id,
    }


def _stated(balance: BalanceRecord) -> dict[str, object]:
    is_stated = balance.current is not None or balance.available is not None
    return {
        "currency": balance.currency,
        "current": balance.current,
        "available": balance.available,
        "credit_limit": balance.limit,
        "balance_as_of": _instant(balance.as_of) if is_stated else None,
    }


def _instant(as_of: dt.datetime | dt.date | None) -> dt.datetime:
    """Return when a balance was true: a bare day counts at its end."""
    if as_of is None:
        return clock.now()
    if isinstance(as_of, dt.datetime):
        return as_of if as_of.tzinfo else as_of.replace(tzinfo=dt.UTC)
    return dt.datetime.combine(as_of, END_OF_DAY, tzinfo=dt.UTC)


def note_balance(
    session: Session,
    household_id: UUID,
    source_account_id: UUID,
    balance: BalanceRecord,
    journal_page_id: UUID,
) -> None:
    """Store the balance that a source stated, unless the last one of that day says the same."""
    if balance.current is None:
        return
    as_of = _instant(balance.as_of)
    last = repository.last_anchor_of_day(session, household_id, source_account_id, as_of)
    if last is not None and _says(last, balance):
        return
    repository.insert_anchor(
        session,
        {
            "household_id": household_id,
            "id": uuid7(),
            "source_account_id": source_account_id,
            "as_of": as_of,
            "current": balance.current,
            "available": balance.available,
            "currency": balance.currency,
            "journal_page_id": journal_page_id,
        },
    )


def _says(known: BalanceAnchor, balance: BalanceRecord) -> bool:
    """Tell whether a stored balance says all that a stated one does."""
    same = (known.current, known.currency) == (balance.current, balance.currency)
    return same and balance.available in (None, known.available)


@dataclass(frozen=True, slots=True)
class TieOutSummary:
    """How far an account's rows explain the balances that its institution stated."""

    state: str
    """`tied`, `gap` or `unproven`."""
    tied_through: dt.date | None
    """The last day whose stated balance is what the rows come to."""
    tied_amount: Decimal | None
    gap: Decimal | None
    """Stated less computed: zero where it ties, None where it cannot be told."""
    gap_since: dt.datetime | None
    """When it stopped tying out."""
    accepted_by: UUID | None
    """The change set by which somebody accepted the gap."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as people see it; balances have the owner's sign, what is owed is negative."""

    id: UUID
    name: str
    institution_name: str | None
    kind: str
    subtype: str | None
    mask: str | None
    currency: str
    current: Decimal | None
    available: Decimal | None
    credit_limit: Decimal | None
    balance_as_of: dt.datetime | None
    institution_seen_at: dt.datetime | None
    """When the institution was last reached; None for accounts fed by files."""
    source: str
    item_id: UUID | None
    missing_since: dt.datetime | None
    tie_out: TieOutSummary | None
    """None before anything was stated of it."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a household owns and owes in one currency; debts are negative."""

    currency: str
    assets: Decimal
    debts: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts of one kind, with their sum per currency."""

    kind: str
    accounts: Sequence[AccountView]
    totals: Sequence[Worth]


def list_accounts(session: Session, household_id: UUID) -> list[AccountView]:
    """Return all accounts that are not hidden, by kind and name."""
    rows = repository.list_accounts(session, household_id, limit=ACCOUNTS_MAX)
    return [_view(row) for row in rows if row[0].hidden_at is None]


def get_account(session: Session, household_id: UUID, account_id: UUID) -> AccountView:
    """Return one account, hidden or not.

    Raises:
        NotFoundError: The household has no such account, or no source ever spoke of it.
    """
    rows = repository.list_accounts(session, household_id, limit=1, account_id=account_id)
    if not rows:
        raise NotFoundError("There is no such account.")
    return _view(rows[0])


def _view(row: repository.AccountRow) -> AccountView:
    account, source, institution_name, seen_at, tie_out = row
    return AccountView(
        id=account.id,
        name=account.name_user or account.name,
        institution_name=institution_name or account.institution_name,
        kind=account.kind,
        subtype=account.subtype,
        mask=account.mask,
        currency=source.currency,
        current=source.current,
        available=source.available,
        credit_limit=source.credit_limit,
        balance_as_of=source.balance_as_of,
        institution_seen_at=seen_at,
        source=source.source,
        item_id=source.item_id,
        missing_since=source.missing_since,
        tie_out=_summary(tie_out) if tie_out else None,
    )


def _summary(row: TieOut) -> TieOutSummary:
    return TieOutSummary(
        state=row.state,
        tied_through=row.tied_through,
        tied_amount=row.tied_amount,
        gap=row.gap,
        gap_since=row.gap_since,
        accepted_by=row.accepted_by,
    )


@dataclass(frozen=True, slots=True)
class AccountName:
    """What an account is called."""

    id: UUID
    name: str
    mask: str | None
    institution_name: str | None


def list_names(session: Session, household_id: UUID) -> list[AccountName]:
    """Return the names of all accounts, hidden ones too, for lists that speak of them."""
    rows = repository.list_names(session, household_id, limit=ACCOUNTS_MAX)
    return [AccountName(*row) for row in rows]


def worth(accounts: Sequence[AccountView]) -> list[Worth]:
    """Return assets, debts and their difference per currency, the most used currency first."""
    sums: dict[str, list[Decimal]] = {}
    for account in accounts:
        if account.current is not None:
            assets_and_debts = sums.setdefault(account.currency, [Decimal(), Decimal()])
            assets_and_debts[account.current < 0] += account.current
    counts = {c: sum(account.currency == c for account in accounts) for c in sums}
    return [
        Worth(currency, assets, debts, assets + debts)
        for currency, (assets, debts) in sorted(
            sums.items(), key=lambda each: (-counts[each[0]], each[0])
        )
    ]


def group(accounts: Sequence[AccountView]) -> list[Group]:
    """Return the accounts by kind, in the order in which people look at them."""
    groups = []
    for kind in ACCOUNT_KINDS:
        members = [account for account in accounts if account.kind == kind]
        if members:
            groups.append(Group(kind, members, worth(members)))
    return groups


@dataclass(frozen=True, slots=True)
class SourceAccountView:
    """An account at a source, and the ledger account that it feeds."""

    id: UUID
    account_id: UUID
    source: str
    account_source_id: str


def list_file_accounts(
    session: Session, household_id: UUID, source: str
) -> list[SourceAccountView]:
    """Return the accounts of all files of one format."""
    rows = repository.source_accounts(session, household_id, source, None)
    return [
        SourceAccountView(row.id, row.account_id, source, row.account_source_id) for row in rows
    ]


def show(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> None:
    """Show accounts that were hidden."""
    repository.set_hidden(session, household_id, account_ids, None)


def hide(session: Session, household_id: UUID, account_ids: Sequence[UUID]) -> None:
    """Hide accounts from lists; their transactions stay as they are."""
    repository.set_hidden(session, household_id, account_ids, clock.now())


def create_account(
    session: Session, household_id: UUID, record: AccountRecord, institution_name: str | None
) -> UUID:
    """Open a ledger account that no source feeds yet."""
    account_id = uuid7()
    described = _described(record)
    repository.insert_account(
        session,
        {name: described[name] for name in ("name", "kind", "subtype", "mask")}
        | {
            "household_id": household_id,
            "id": account_id,
            "currency": record.balance.currency,
            "institution_name": institution_name,
        },
    )
    return account_id


def feed_other_account(
    session: Session, household_id: UUID, source_account_id: UUID, account_id: UUID
) -> None:
    """Let a source account feed another ledger account; its transactions go along."""
    repository.update_source_account(
        session, household_id, source_account_id, {"account_id": account_id}
    )
