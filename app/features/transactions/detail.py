"""What the drawer shows of one transaction: who said what, what changed, what the bank wrote."""

from collections.abc import Iterator, Mapping
from typing import Protocol
from uuid import UUID

from app.core.errors import AppError
from app.domain.money import Money
from app.features.transactions.service import Change, Detail
from app.features.transactions.views import UNCATEGORISED, Names
from app.models import Transaction
from app.ui.views.transactions import (
    FieldChangeRow,
    FieldSource,
    TransactionDetail,
    TransactionRow,
)

SAID_MAX = 200
"""Keys shown of what a source said."""
VALUE_CHARACTERS_MAX = 500
_LABELS = {
    "source_id": "Their id",
    "date": "Date",
    "authorized_date": "Made on",
    "amount": "Amount",
    "currency": "Currency",
    "pending": "State",
    "description": "Description",
    "category_code": "Their category",
    "counterparty": "Name",
    "category": "Category",
    "note": "Note",
    "reviewed_at": "Reviewed",
    "removed_at": "Withdrawn",
}
_OWNERS = {"_source": "Bank", "_enriched": "Model", "_user": "You"}
_SPEAKERS = {"sync": "Bank", "import": "File"}
_SOURCES = {"plaid": "Plaid", "file": "A file"}


class Typed(Protocol):
    """What the user typed into the form; shown again when it cannot be saved."""

    counterparty: str
    category: str
    note: str


def detail_view(
    detail: Detail,
    names: Names,
    *,
    reader_id: UUID,
    saved: bool = False,
    typed: Typed | None = None,
    error: AppError | None = None,
) -> TransactionDetail:
    """Return the drawer of one transaction for the person `reader_id`."""
    row = detail.transaction
    account = names.accounts.get(row.account_id)
    from_source = row.category_enriched or row.category_source
    errors = {(error.field or "note").removesuffix("_id"): error.message} if error else {}
    return TransactionDetail(
        row=_row(row, names, typed),
        account_url=f"/transactions?account={row.account_id}",
        institution_name=(account.institution_name if account else "") or "",
        counterparty=typed.counterparty if typed else row.counterparty_user or "",
        counterparty_source=row.counterparty_enriched or row.counterparty_source or "",
        category=typed.category if typed else _text(row.category_user),
        category_source=names.category(from_source),
        categories=names.category_options,
        bank_text=row.description,
        authorized_date=row.authorized_date,
        sources=tuple(_sources(row, names)),
        bank_said=_flat(detail.said_by_source),
        journal_reference=f"{detail.journal_sequence + 1} · {detail.journal_sha256.hex()[:10]}",
        journal_received_at=detail.received_at,
        source_name=_SOURCES.get(detail.journal_kind.partition(".")[0], detail.journal_kind),
        source_id=row.source_id,
        changes=tuple(_change(each, names, row.currency, reader_id) for each in detail.history),
        errors=errors,
        saved=saved,
        is_removed=row.removed_at is not None,
    )


def _row(row: Transaction, names: Names, typed: Typed | None) -> TransactionRow:
    name = row.counterparty or row.description
    says_more = row.description.casefold() != name.casefold()
    return TransactionRow(
        transaction_id=str(row.id),
        date=row.date,
        name=name or "No description",
        description=row.description if says_more else "",
        category=names.category(row.category_id),
        account_name=names.account(row.account_id),
        amount=Money(row.amount, row.currency),
        pending=row.pending,
        note=typed.note if typed else row.note or "",
    )


def _sources(row: Transaction, names: Names) -> Iterator[FieldSource]:
    """Yield what each said of the fields that more than the bank may speak of."""
    counterparty = (row.counterparty_user, row.counterparty_enriched, row.counterparty_source)
    category = (row.category_user, row.category_enriched, row.category_source)
    said_by = ("You", "Model", "Bank")
    for label, values in (("Name", counterparty), ("Category", category)):
        effective = next((value for value in values if value is not None), None)
        is_told = False
        for value, speaker in zip(values, said_by, strict=True):
            if value is None:
                continue
            words = names.category(value) or "Deleted" if isinstance(value, UUID) else value
            yield FieldSource(label, words, speaker, not is_told and value == effective)
            is_told = True
    if row.note:
        yield FieldSource("Note", row.note, "You", is_effective=True)


def _change(change: Change, names: Names, currency: str, reader_id: UUID) -> FieldChangeRow:
    suffix = next((each for each in _OWNERS if change.field.endswith(each)), "")
    name = change.field.removesuffix(suffix) if suffix else change.field
    said_by = _SPEAKERS.get(change.kind, "")
    if change.kind == "edit":
        said_by = "You" if change.actor_user_id == reader_id else "Somebody of your household"
    return FieldChangeRow(
        at=change.at,
        label=_LABELS.get(name, name.replace("_", " ").capitalize()),
        before=_words(name, change.before, names, currency),
        after=_words(name, change.after, names, currency),
        said_by=said_by or change.kind.capitalize(),
    )


def _words(name: str, value: str | None, names: Names, currency: str) -> str:
    """Return a stored value as people read it; "" for none."""
    if value is None:
        return UNCATEGORISED if name == "category" else ""
    match name:
        case "category":
            return names.category(UUID(value)) or "Deleted"
        case "pending":
            return "Pending" if value == "true" else "Posted"
        case "amount":
            whole, _, fraction = value.partition(".")
            return f"{whole}.{fraction.rstrip('0').ljust(2, '0')} {currency}"
        case "reviewed_at" | "removed_at":
            return "Yes"
        case _:
            return value[:VALUE_CHARACTERS_MAX]


def _flat(said: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return nested values as pairs: `location.city`, `counterparties.0.name`."""
    found: list[tuple[str, str]] = []
    _collect("", said, found)
    return tuple(found[:SAID_MAX])


def _collect(path: str, value: object, found: list[tuple[str, str]]) -> None:
    if len(found) >= SAID_MAX:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _collect(f"{path}.{key}" if path else str(key), inner, found)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _collect(f"{path}.{position}", inner, found)
    elif value is not None:
        words = str(value).lower() if isinstance(value, bool) else str(value)
        found.append((path, words[:VALUE_CHARACTERS_MAX]))


def _text(value: UUID | None) -> str:
    return str(value) if value is not None else ""
