"""What the drawer shows of one transaction: who said what, what changed, what the bank wrote."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Protocol
from uuid import UUID

from app.core import language_model
from app.core.config import settings
from app.core.errors import AppError
from app.domain.money import Money
from app.features.transactions import repository
from app.features.transactions.asking import Suggestion
from app.features.transactions.service import Change, Detail
from app.features.transactions.views import UNCATEGORISED, Names, row_view
from app.ui.sources import page_source_name, source_name
from app.ui.views.transactions import (
    Asking,
    ChangeGroup,
    FieldChangeRow,
    FieldSource,
    Suggested,
    Telling,
    TransactionDetail,
)

SOMEBODY = "Somebody of your household"
SAID_MAX = 200
"""Keys shown of what a source said."""
VALUE_CHARACTERS_MAX = 500
HIDDEN_FIELDS = ("journal_page_id", "pending_source_id")
"""Of the history: book-keeping that says nothing to people."""
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
    "removed_at": "Removed",
    "duplicate_of_id": "Duplicate",
}
_OWNERS = {"_source": "Bank", "_enriched": "Model", "_user": "You"}
_SPEAKERS = {
    "sync": "Bank", "import": "File", "match": "Matching", "replay": "Journal, read again",
    "undo": "Undone", "redo": "Redone",
}  # fmt: skip
_ONLY_SOURCE = ("date", "amount", "description", "pending")


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
    said: Mapping[str, object] | None = None,
    saved: bool = False,
    undo_id: UUID | None = None,
    typed: Typed | None = None,
    error: AppError | None = None,
    asking: Asking | None = None,
) -> TransactionDetail:
    """Return the drawer of one transaction for the person `reader_id`.

    What `asking` suggests stands in the form, for whoever has no script to fill it in.
    """
    row = detail.transaction
    account = names.accounts.get(row.account_id)
    from_source = row.category_enriched or row.category_source
    filled = asking.suggested if asking else None
    own_name = (filled.name if filled else "") or row.counterparty_user or ""
    own_category = (filled.category if filled else "") or _text(row.category_user)
    errors = {(error.field or "note").removesuffix("_id"): error.message} if error else {}
    return TransactionDetail(
        row=row_view(row, names),
        account_url=f"/transactions?account={row.account_id}",
        institution_name=(account.institution_name if account else "") or "",
        counterparty=typed.counterparty if typed else own_name,
        counterparty_source=row.counterparty_enriched or row.counterparty_source or "",
        category=typed.category if typed else own_category,
        category_source=names.category(from_source),
        categories=names.category_options,
        bank_text=row.description,
        authorized_date=row.authorized_date,
        note=typed.note if typed else row.note or "",
        seen={
            "counterparty": row.counterparty_user or "",
            "category": _text(row.category_user),
            "note": row.note or "",
        },
        sources=tuple(_sources(detail, names, reader_id)),
        bank_said=None if said is None else pairs(said),
        journal_reference=f"{detail.journal_sequence + 1} · {detail.journal_sha256.hex()[:10]}",
        journal_received_at=detail.received_at,
        source_name=page_source_name(detail.journal_kind),
        source_id=row.source_id,
        changes=tuple(_groups(detail.history, names, row.currency, reader_id)),
        errors=errors,
        saved=saved,
        asking=asking or asking_view(row.id, names),
        undo_url=f"/history/{undo_id}" if undo_id else "",
        removed_words=_removed_words(detail),
        tellings=tuple(map(_telling, detail.tellings)),
        take_apart_url=_take_apart_url(row.id) if row.duplicate_of_id else "",
        stands_in=row.duplicate_of_id is not None and row.is_live,
    )


def asking_view(
    transaction_id: UUID,
    names: Names,
    *,
    suggestion: Suggestion | None = None,
    error: AppError | None = None,
) -> Asking | None:
    """Return the question to the language model with what came of it; None if there is none."""
    if not language_model.is_on():
        return None
    return Asking(
        id=f"asking-{transaction_id}",
        url=f"/transactions/{transaction_id}/ask",
        host=settings.language_model_host,
        model=settings.OPENAI_MODEL,
        suggested=_suggested(suggestion, names) if suggestion else None,
        error=error.message if error else "",
    )


def _suggested(suggestion: Suggestion, names: Names) -> Suggested:
    cost = f"{suggestion.tokens:,} tokens"
    if suggestion.dollars:
        cost += f", ${suggestion.dollars.normalize():f}"
    return Suggested(
        name=suggestion.name,
        category=_text(suggestion.category_id),
        category_name=names.category(suggestion.category_id),
        reason=suggestion.reason,
        cost=cost,
    )


def _telling(each: repository.Telling) -> Telling:
    source = source_name(each.source)
    state = "counts" if each.is_live else "withdrawn" if each.is_removed else "kept, not counted"
    return Telling(
        url=f"/transactions/{each.id}",
        told_by=f"{source} · {each.institution}" if each.institution else source,
        date=each.date,
        amount=Money(each.amount, each.currency),
        take_apart_url=_take_apart_url(each.id) if each.is_duplicate else "",
        state=state,
    )


def _take_apart_url(transaction_id: UUID) -> str:
    return f"/transactions/{transaction_id}/take-apart"


def _removed_words(detail: Detail) -> str:
    if detail.transaction.removed_at is None:
        return ""
    last = next((each for each in detail.history if each.field == "removed_at"), None)
    if last is not None and last.kind in ("undo", "redo"):
        return "What brought this transaction was undone. It is kept here, and counts nowhere."
    return "The bank withdrew this transaction. It is kept here, and counts nowhere."


def _sources(detail: Detail, names: Names, reader_id: UUID) -> Iterator[FieldSource]:
    """Yield what each said of each field, who was heard, and since when it is so."""
    row = detail.transaction
    source = "File" if detail.journal_kind.startswith("file.") else "Bank"
    for name in _ONLY_SOURCE:
        value = words(name, _plain(getattr(row, name)), names, row.currency)
        yield FieldSource(_LABELS[name], value, source, is_effective=True, at=detail.received_at)
    for name in ("counterparty", "category"):
        columns = [f"{name}_user", f"{name}_enriched", f"{name}_source"]
        told = [column for column in columns if getattr(row, column) is not None]
        for column in told:
            value = words(name, _plain(getattr(row, column)), names, row.currency)
            yield _told(detail, column, value, source, reader_id, is_effective=column == told[0])
    for column in ("note", "reviewed_at"):
        if getattr(row, column):
            value = words(column, _plain(getattr(row, column)), names, row.currency)
            yield _told(detail, column, value, source, reader_id, is_effective=True)


def _told(  # private
    detail: Detail, column: str, value: str, source: str, reader_id: UUID, *, is_effective: bool
) -> FieldSource:
    """Return a value with what its last change in force says of it."""
    label = label_of(column)
    if column.endswith("_source"):
        return FieldSource(label, value, source, is_effective=is_effective, at=detail.received_at)
    last = next((c for c in detail.history if c.field == column and c.is_in_force), None)
    said_by = "Model" if column.endswith("_enriched") else "You"
    if last is None:
        return FieldSource(label, value, said_by, is_effective=is_effective)
    if said_by == "You" and last.actor_user_id != reader_id:
        said_by = SOMEBODY
    return FieldSource(
        label,
        value,
        said_by,
        is_effective=is_effective,
        at=last.at,
        reason=last.reason or "",
        confidence=last.confidence,
    )


def _groups(
    history: Sequence[Change], names: Names, currency: str, reader_id: UUID
) -> Iterator[ChangeGroup]:
    """Yield the history by change set, newest first."""
    shown = [
        each for each in history if each.field not in HIDDEN_FIELDS and each.before != each.after
    ]
    for change_set_id, members in groupby(shown, key=lambda each: each.change_set_id):
        changes = list(members)
        first = changes[0]
        said_by = _SPEAKERS.get(first.kind, first.kind.capitalize())
        if first.actor_user_id is not None and first.kind in ("edit", "undo", "redo"):
            who = "You" if first.actor_user_id == reader_id else SOMEBODY
            said_by = who if first.kind == "edit" else f"{who}, by {first.kind}"
        yield ChangeGroup(
            url=f"/history/{change_set_id}",
            at=first.at,
            said_by=said_by,
            is_undone=first.is_undone,
            can_undo=first.is_in_force and first.kind not in ("undo", "redo"),
            changes=tuple(change_row(each, names, currency) for each in changes),
        )


def change_row(change: Change, names: Names, currency: str) -> FieldChangeRow:
    """Return one field's change as people read it."""
    name = _name_of(change.field)
    return FieldChangeRow(
        label=label_of(change.field),
        before=words(name, change.before, names, currency),
        after=words(name, change.after, names, currency),
        reason=change.reason or "",
        confidence=change.confidence,
    )


def label_of(field: str) -> str:
    """Return what people call a column."""
    name = _name_of(field)
    return _LABELS.get(name, name.replace("_", " ").capitalize())


def _name_of(field: str) -> str:
    suffix = next((each for each in _OWNERS if field.endswith(each)), "")
    return field.removesuffix(suffix) if suffix else field


def _plain(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def words(name: str, value: str | None, names: Names, currency: str) -> str:
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
        case "reviewed_at" | "removed_at" | "duplicate_of_id":
            return "Yes"
        case _:
            return value[:VALUE_CHARACTERS_MAX]


def pairs(said: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return the nested values of a source as pairs: `location.city`, `counterparties.0.name`."""
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
