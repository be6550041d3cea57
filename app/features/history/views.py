"""Change sets in words, and what the pages of the history show of them."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from app.domain.money import Money
from app.features.changes.service import ACCEPTED
from app.features.history.repository.held import WORD_FIELDS
from app.features.history.repository.plan import OTHER_FIELDS
from app.features.history.repository.sets import RowChange, SetRow
from app.features.history.service.listing import ROWS_SHOWN, HistoryPage, SetDetail, Wanted
from app.features.history.service.undo import DependentError, Preview
from app.features.transactions.detail import HIDDEN_FIELDS, SOMEBODY, label_of, words
from app.features.transactions.views import Names
from app.ui.filters import count_of, money
from app.ui.views.history import (
    ChangedRow,
    HistoryDay,
    HistoryView,
    PreviewView,
    SetLine,
    SetView,
)
from app.ui.views.transactions import FieldChangeRow

PATH = "/history"
KIND_OPTIONS = (
    ("", "Everything"),
    ("sync", "Syncs"),
    ("import", "Imports"),
    ("edit", "Edits"),
    ("match", "Matching"),
    ("replay", "Readings of the journal"),
    ("undo", "Undone"),
    ("redo", "Redone"),
)
_ICONS = {
    "sync": "refresh-cw", "import": "upload", "edit": "pencil", "match": "link",
    "replay": "rotate-ccw", "undo": "undo-2", "redo": "rotate-ccw",
}  # fmt: skip
_ACTORS = {"sync": "Bank", "import": "File", "match": "Matching", "replay": "Journal"}
_FIELDS = {
    "category_user": "category", "counterparty_user": "name", "note": "note",
    "reviewed_at": "review",
}  # fmt: skip


def url_of(change_set_id: UUID) -> str:
    """Return the address of a change set."""
    return f"{PATH}/{change_set_id}"


def words_of(row: SetRow, others: Mapping[UUID, SetRow], reader_id: UUID) -> str:
    """Return what a change set did, as a sentence without its full stop."""
    counts = row.counts
    match row.kind:
        case "sync":
            return f"Sync of {row.institution_name or 'a bank'} {_did(counts)}"
        case "import":
            return f"Import of {row.file_name or 'a file'} {_did(counts)}"
        case "edit" if ACCEPTED in counts:
            return f"{_actor(row, reader_id)} accepted a difference of {_accepted(counts)}"
        case "edit":
            return f"{_actor(row, reader_id)} {_decided(counts)}"
        case "undo" | "redo":
            target = others.get(row.target_id) if row.target_id else None
            what = f"“{words_of(target, {}, reader_id)}”" if target else "a change"
            return f"{_actor(row, reader_id)} {'undid' if row.kind == 'undo' else 'redid'} {what}"
        case "replay":
            return f"The journal was read again and {_did(counts)}"
        case "match":
            return row.reason or "Matching paired transactions"
        case _:
            return row.reason or row.kind.capitalize()


def _did(counts: Mapping[str, Any]) -> str:
    """Return "brought 12 transactions, changed 3 and withdrew 1"."""
    parts: list[str] = []
    for name, verb in (("added", "brought"), ("modified", "changed"), ("removed", "withdrew")):
        count = counts.get(name) or 0
        if count:
            what = f"{count:,}" if parts else count_of(count, "transaction")
            parts.append(f"{verb} {what}")
    if not parts:
        return "found nothing new"
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def _decided(counts: Mapping[str, Any]) -> str:
    fields = [_FIELDS[name] for name in counts.get("fields", ()) if name in _FIELDS]
    what = f"the {' and the '.join(fields)} of " if fields else ""
    count = counts.get("modified")
    return f"set {what}{count_of(count, 'transaction')}" if count else "changed a transaction"


def _accepted(counts: Mapping[str, Any]) -> str:
    said = counts[ACCEPTED]
    return money(Money(Decimal(said["gap"]), said["currency"]))


def _actor(row: SetRow, reader_id: UUID) -> str:
    if row.actor_user_id is None:
        return _ACTORS.get(row.kind, "The application")
    return "You" if row.actor_user_id == reader_id else SOMEBODY


def line_of(row: SetRow, others: Mapping[UUID, SetRow], reader_id: UUID) -> SetLine:
    """Return a change set as one line."""
    undo = others.get(row.undone_by) if row.undone_by else None
    by = "you" if undo and undo.actor_user_id == reader_id else SOMEBODY.lower()
    can_turn = row.kind not in ("undo", "redo")
    return SetLine(
        url=url_of(row.id),
        kind=row.kind,
        icon=_ICONS.get(row.kind, "circle"),
        words=words_of(row, others, reader_id),
        said_by=_actor(row, reader_id),
        at=row.created_at,
        undone_by=by if undo else "",
        undone_at=undo.created_at if undo else None,
        undone_url=url_of(undo.id) if undo else "",
        verb=("redo" if row.undone_by else "undo") if can_turn else "",
        target_url=url_of(row.target_id) if row.target_id else "",
    )


def history_view(page: HistoryPage, wanted: Wanted, names: Names, reader_id: UUID) -> HistoryView:
    """Return the list."""
    lines = [line_of(row, page.others, reader_id) for row in page.sets]
    pairs = [
        ("kind", wanted.kind or ""),
        ("account", str(wanted.account_id or "")),
        ("quiet", "true" if wanted.with_quiet else ""),
    ]
    used = [(name, value) for name, value in pairs if value]
    following = [*used, ("before", str(page.next_before))]
    return HistoryView(
        days=tuple(
            HistoryDay(day, tuple(members))
            for day, members in groupby(lines, key=lambda line: line.at.date())
        ),
        kinds=KIND_OPTIONS,
        accounts=names.account_options,
        kind=wanted.kind or "",
        account=str(wanted.account_id or ""),
        quiet=wanted.with_quiet,
        next_url=f"{PATH}?{urlencode(following)}" if page.next_before else "",
        is_filtered=bool(used),
    )


def set_view(detail: SetDetail, names: Names, reader_id: UUID) -> SetView:
    """Return one change set with what it changed."""
    row = detail.change_set
    source_url, source_words = "", ""
    if row.import_id:
        source_url, source_words = f"/imports/{row.import_id}", row.file_name or "The file"
    elif row.item_id:
        source_url = f"/connections/{row.item_id}"
        source_words = row.institution_name or "The connection"
    elif ACCEPTED in row.counts:
        source_url = f"/accounts/{row.counts[ACCEPTED]['account_id']}"
        source_words = "The account that differs"
    changed = tuple(_changed(detail.changed, names))
    return SetView(
        line=line_of(row, detail.others, reader_id),
        reason=row.reason or "",
        source_url=source_url,
        source_words=source_words,
        brought=tuple(_row(each) for each in detail.brought),
        brought_more=len(detail.brought) == ROWS_SHOWN,
        changed=changed,
        changed_more=len(changed) == ROWS_SHOWN,
    )


def preview_view(
    preview: Preview,
    others: Mapping[UUID, SetRow],
    names: Names,
    reader_id: UUID,
    *,
    refusal: DependentError | None = None,
) -> PreviewView:
    """Return what undoing or redoing a change set would do."""
    refusal = refusal or preview.refusal
    obstacle = others.get(refusal.change_set_id) if refusal and refusal.change_set_id else None
    row = others[preview.change_set.id]
    return PreviewView(
        line=line_of(row, others, reader_id),
        verb=preview.verb,
        removed=preview.removed,
        restored=preview.restored,
        changed=preview.changed,
        effects=tuple(Money(each.amount, each.currency) for each in preview.effects),
        rows=tuple(_previewed(before, after, names) for before, after in preview.rows),
        row_count=preview.row_count,
        balances=preview.balances,
        is_merge=preview.source_accounts > 0,
        is_sync=row.kind == "sync",
        is_acceptance=ACCEPTED in row.counts,
        refusal=refusal.message if refusal else "",
        refusal_url=url_of(obstacle.id) if obstacle else "",
        refusal_words=words_of(obstacle, {}, reader_id) if obstacle else "",
        refusal_at=obstacle.created_at if obstacle else None,
    )


def _changed(changes: Sequence[RowChange], names: Names) -> Iterator[ChangedRow]:
    for _, members in groupby(changes, key=lambda each: each.transaction_id):
        fields = list(members)
        first = fields[0]
        yield _row(
            first,
            tuple(
                _field(each.field or "", each.before, each.after, names, first.currency, each)
                for each in fields
            ),
        )


def _row(row: RowChange, changes: tuple[FieldChangeRow, ...] = ()) -> ChangedRow:
    return ChangedRow(
        url=f"/transactions/{row.transaction_id}",
        date=row.date,
        name=row.name or "No description",
        amount=Money(row.amount, row.currency),
        is_live=row.is_live,
        changes=changes,
    )


def _field(  # private
    field: str,
    before: str | None,
    after: str | None,
    names: Names,
    currency: str,
    said: RowChange | None = None,
) -> FieldChangeRow:
    name = field.removesuffix("_user").removesuffix("_enriched").removesuffix("_source")
    return FieldChangeRow(
        label=label_of(field),
        before=words(name, before, names, currency),
        after=words(name, after, names, currency),
        reason=(said.reason if said else None) or "",
        confidence=said.confidence if said else None,
    )


def _previewed(before: dict[str, Any], after: dict[str, Any], names: Names) -> ChangedRow:
    goes = before["removed_at"] is None and after["removed_at"] is not None
    comes = before["removed_at"] is not None and after["removed_at"] is None
    currency = str(after["currency"])
    shown = [name for name in (*WORD_FIELDS, *OTHER_FIELDS) if name not in HIDDEN_FIELDS]
    differing = [n for n in shown if n != "removed_at" and _text(before[n]) != _text(after[n])]
    return ChangedRow(
        url=f"/transactions/{before['id']}",
        date=dt.date.fromisoformat(after["date"]),
        name=_name(after),
        amount=Money(Decimal(str(after["amount"])), currency),
        is_live=not goes,
        changes=tuple(
            _field(name, _text(before[name]), _text(after[name]), names, currency)
            for name in differing
        ),
        state="leaves" if goes else "comes back" if comes else "",
    )


def _name(row: Mapping[str, Any]) -> str:
    said = (row[f"counterparty_{who}"] for who in ("user", "enriched", "source"))
    return next((each for each in said if each), row["description"]) or "No description"


def _text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)
